"""The file of the X-ray that is chosen in the panel: picked, in the DICOM database, or written from a volume node."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import slicer

from XrayToCTLib.errors import UnsuitableInput
from XrayToCTLib.panel.parameters import XrayToCTParameterNode
from XrayToCTLib.results_folder import XRAY_UID_ATTRIBUTE
from XrayToCTLib.scene import SceneNodes

# Computed, digital and analogue radiography, and radiofluoroscopy, as which some chest units send.
_XRAY_MODALITIES = ("CR", "DX", "RG", "RF")
_MODALITY, _SERIES_DATE = "0008,0060", "0008,0021"


def xray_file(parameters: XrayToCTParameterNode, folder: Path) -> Path:
    """The file that the worker is to read.

    Args:
        folder: where a volume of the scene is written, if that is what is chosen and no file stands behind it.

    Raises:
        UnsuitableInput: nothing is chosen, or it is not there any more.
    """
    if parameters.source == "dicom":
        return _series_file(parameters.dicom_series)
    if parameters.source == "volume":
        return _volume_file(parameters.xray_volume, folder)
    if not parameters.xray_path:
        raise UnsuitableInput("No X-ray is chosen; choose a file in the section X-ray, or take the sample X-ray.")
    path = _chosen_path(parameters)
    if path.is_dir():
        raise UnsuitableInput(f"{path} holds no files; choose an X-ray or a folder of them.")
    return path


def xray_of_result(nodes: SceneNodes, made_of: Path | None, parameters: XrayToCTParameterNode) -> Path | None:
    """The DICOM file that a result was made of, as far as it is known; None where it was none, or is not.

    Args:
        made_of: the file, where the result was made in this session.
    """
    uid = nodes.ct.GetAttribute(XRAY_UID_ATTRIBUTE) if nodes.ct is not None else None
    if not uid:
        return None
    database = dicom_database()
    in_database = database.fileForInstance(uid) if database is not None else ""
    known = [path for path in (made_of, Path(in_database) if in_database else None) if path is not None]
    found = next((path for path in known if path.is_file()), None)
    if found is None and parameters.source == "file" and is_chosen(parameters):
        return _chosen_path(parameters)  # whether it is the one, the worker sees by its identifier
    return found


def is_chosen(parameters: XrayToCTParameterNode) -> bool:
    """Whether an X-ray is chosen; nothing is read."""
    if parameters.source == "dicom":
        return bool(parameters.dicom_series)
    if parameters.source == "volume":
        return parameters.xray_volume is not None
    return bool(parameters.xray_path) and (not Path(parameters.xray_path).is_dir() or bool(parameters.folder_file))


def xray_series(database: Any) -> list[tuple[str, str]]:
    """The X-ray series of a ctkDICOMDatabase: (UID, words that a user knows it by)."""
    found = []
    for patient in database.patients():
        for study in database.studiesForPatient(patient):
            for series in database.seriesForStudy(study):
                files = database.filesForSeries(series)
                if files and database.fileValue(files[0], _MODALITY) in _XRAY_MODALITIES:
                    words = (
                        database.nameForPatient(patient),
                        database.fileValue(files[0], _SERIES_DATE),
                        database.descriptionForSeries(series),
                    )
                    found.append((series, ", ".join(word for word in words if word) or series))
    return found


def dicom_database() -> Any:
    """Slicer's DICOM database; None where there is none or it is not open."""
    database = getattr(slicer, "dicomDatabase", None)
    return database if database is not None and database.isOpen else None


def _chosen_path(parameters: XrayToCTParameterNode) -> Path:
    """The file that is typed, or that is chosen in a folder; the folder itself where it holds none."""
    path = Path(parameters.xray_path)
    return path / parameters.folder_file if path.is_dir() else path


def _series_file(series: str) -> Path:
    database = dicom_database()
    files: Sequence[str] = database.filesForSeries(series) if database is not None and series else ()
    if not files:
        raise UnsuitableInput("The X-ray is not in the DICOM database any more; choose another series.")
    return Path(files[0])


def _volume_file(node: Any, folder: Path) -> Path:
    if node is None:
        raise UnsuitableInput("No X-ray is chosen; choose a volume in the section X-ray, or a file.")
    return _original_file(node) or _written_volume(node, folder)


def _original_file(node: Any) -> Path | None:
    """The DICOM file that a volume was loaded from: its header knows the view, the spacing and the patient."""
    instances = (node.GetAttribute("DICOM.instanceUIDs") or "").split()
    database = dicom_database()
    if len(instances) != 1 or database is None:
        return None
    path = database.fileForInstance(instances[0])
    return Path(path) if path and Path(path).is_file() else None


def _written_volume(node: Any, folder: Path) -> Path:
    path = folder / "xray.nrrd"
    storage = slicer.vtkMRMLNRRDStorageNode()
    storage.SetFileName(str(path))
    if not storage.WriteData(node):
        raise UnsuitableInput(
            f"The volume {node.GetName()} could not be written for the worker; choose its file instead."
        )
    return path
