"""The files of a result, from the X-ray or from the result itself: what the command line and the worker share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pydicom.dataset import Dataset

from XrayToCTLib.anonymise import anonymise
from XrayToCTLib.errors import UnsuitableInput
from XrayToCTLib.options import ExportOptions, GenerateOptions, ResultFiles
from XrayToCTLib.outputs import summary, write_outputs
from XrayToCTLib.pipeline import Models, Prediction, generate
from XrayToCTLib.prepared_input import LONGEST_FACT
from XrayToCTLib.radiograph_dicom import header_text, read_header
from XrayToCTLib.results_folder import StoredResult, read_stored
from XrayToCTLib.stored_prediction import prediction_of
from XrayToCTLib.xray_folder import pseudonym

Report = Callable[[str, float], None]


def generate_files(
    options: GenerateOptions,
    models: Models,
    progress: Report = lambda stage, part: None,
) -> dict[str, Any]:
    """Predicts and writes a result, whole or not at all.

    Args:
        options: what to make. models: the networks.
        progress: called with a stage and the fraction of it that is done; may raise to cancel.

    Returns:
        The object of ``generate --json``.

    Raises:
        UnsuitableInput, ModelError, DeviceError: see the classes.
    """
    _check_folder(options.files)
    prediction = generate(
        options.source,
        models,
        is_network_input=options.is_network_input,
        reading=options.reading,
        refine_steps=options.refine_steps,
        uncertainty_samples=options.uncertainty_samples,
        progress=progress,
    )
    return _write(prediction, options.files, progress)


def export_files(options: ExportOptions, progress: Report = lambda stage, part: None) -> dict[str, Any]:
    """Writes the files of a result that is there already. No network runs: volume, maps and figures are those of the
    result, and the projection gets its own grey scale back from the matched one.

    Returns:
        The object of ``generate --json``.

    Raises:
        UnsuitableInput: the result cannot be read, its folder cannot be written, or the X-ray is needed and is not the
            one that the result was made of.
    """
    _check_folder(options.files)
    stored = read_stored(options.result)
    return _write(prediction_of(stored, _header_of(stored, options)), options.files, progress)


def _header_of(stored: StoredResult, options: ExportOptions) -> Dataset | None:
    """The X-ray's header, where patient and study go into DICOM files, or its pixels must be known to name nobody: a
    result keeps none of it. None where it is not needed, or the X-ray was not DICOM."""
    uid = stored.facts.get("sop_instance_uid")
    if uid is None or not (options.files.anonymise or "dicom" in options.files.formats):
        return None
    header = None if options.xray is None else read_header(options.xray)
    if header is None or header_text(header, "SOPInstanceUID")[:LONGEST_FACT] != uid:
        raise UnsuitableInput(
            "The X-ray that this result was made of is needed once more, for patient and study or to see that its "
            "pixels name nobody; choose its file in the section X-ray."
        )
    return header


def _check_folder(files: ResultFiles) -> None:
    if files.anonymise and files.folder.is_dir() and any(files.folder.iterdir()):
        raise UnsuitableInput(
            f"{files.folder} holds files that may name the patient; choose an empty folder to anonymise into."
        )


def _write(prediction: Prediction, files: ResultFiles, progress: Report) -> dict[str, Any]:
    if files.anonymise:
        prediction = anonymise(prediction, files.pseudonym or pseudonym(), files.study_uid)
    progress("write", 0.0)
    outputs, seconds = write_outputs(prediction, files.folder, files.formats)
    return summary(prediction, outputs, seconds)
