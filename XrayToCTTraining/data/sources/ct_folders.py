"""Chest CTs: LIDC-IDRI as The Cancer Imaging Archive delivers it, and any folder of CT files."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import pydicom

from XrayToCTTraining.data.sources.found import Item, LeftOut

VOLUME_SUFFIXES = (".nrrd", ".nhdr", ".nii", ".nii.gz", ".mha", ".mhd")
_TAGS = ["Modality", "SeriesInstanceUID", "StudyInstanceUID", "PatientID", "ImageType"]


def find_lidc(folder: Path) -> tuple[list[Item], list[LeftOut]]:
    """One CT series of each study, the one with the most slices; other series are reported.

    A patient is named by the header. Damaged files, and whatever is wrong with a series (missing slices, a tilted
    gantry), come to light when it is read.
    """
    return _dicom_studies(folder, "lidc", one_per_study=True)


def find_ct_folder(folder: Path) -> tuple[list[Item], list[LeftOut]]:
    """Every NRRD, NIfTI and MetaImage file, and every CT series of DICOM files, below a folder.

    A file's patient is its own path, since nothing else is known.
    """
    items, left_out = _dicom_studies(folder, "folder", one_per_study=False)
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name.lower().endswith(VOLUME_SUFFIXES):
            items.append(Item("ct", path, str(path.relative_to(folder)), "folder"))
        elif path.is_file() and not _is_dicom(path):
            left_out.append(LeftOut(path, "not a CT in a known format"))
    return items, left_out


def _dicom_studies(folder: Path, source: str, one_per_study: bool) -> tuple[list[Item], list[LeftOut]]:
    series: dict[tuple[str, str, Path, str], int] = defaultdict(int)  # patient, study, folder, series: slices
    left_out = []
    for path in sorted(folder.rglob("*")):
        if not path.is_file() or not _is_dicom(path):
            continue
        try:
            header = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=_TAGS)
            values = {tag: header.get(tag) for tag in _TAGS}
        except Exception as error:  # pydicom's errors for broken bytes have no common base
            left_out.append(LeftOut(path, f"damaged DICOM file ({type(error).__name__})"))
            continue
        if values["Modality"] != "CT" or "LOCALIZER" in (values["ImageType"] or []):
            left_out.append(LeftOut(path, f"not a CT slice but {values['Modality'] or 'of no modality'}"))
            continue
        patient = str(values["PatientID"] or path.parent.relative_to(folder))
        series[patient, str(values["StudyInstanceUID"]), path.parent, str(values["SeriesInstanceUID"])] += 1
    studies = defaultdict(list)
    for (patient, study, where, uid), slices in series.items():
        studies[patient, study].append((slices, where, uid))
    items = []
    for (patient, _), found in sorted(studies.items()):
        found.sort(key=lambda entry: (-entry[0], str(entry[1]), entry[2]))
        kept = found[:1] if one_per_study else found
        items += [Item("ct", where, patient, source, series=uid) for _, where, uid in kept]
        for slices, where, uid in found[len(kept) :]:
            reason = f"series {uid} of {slices} slices, beside a series of its study with {found[0][0]}"
            left_out.append(LeftOut(where, reason))
    return items, left_out


def _is_dicom(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(132)[128:] == b"DICM"
