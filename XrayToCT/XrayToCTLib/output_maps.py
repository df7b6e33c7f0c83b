"""The maps that lie beside a CT in all its formats: the expected error, and where a class's evidence lies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from XrayToCTLib.atomic_write import write_bytes_atomically
from XrayToCTLib.dicom_marks import DicomStudy
from XrayToCTLib.dicom_series import write_derived_series
from XrayToCTLib.hounsfield import UNCERTAINTY_LIMIT_HU
from XrayToCTLib.marking import SALIENCY_NOTICE, UNCERTAINTY_NOTICE, Provenance, class_words
from XrayToCTLib.pictures import Overlay, png_bytes, slice_grid
from XrayToCTLib.pipeline import Prediction
from XrayToCTLib.volume import image_from_network, write_nifti, write_nrrd


@dataclass(frozen=True)
class OutputMap:
    """A map of a prediction and how it is written.

    Attributes:
        kind: names its files and, in DICOM, its kind. values: (D, H, W). notice: what its files bear.
        about: what its NRRD and NIfTI files say besides.
        limit, unit: of the full colour in its picture. caption: of the picture in the report.
    """

    kind: str
    values: np.ndarray
    notice: str
    limit: float
    unit: str
    caption: str
    about: Mapping[str, str] = field(default_factory=dict)


def maps_of(prediction: Prediction) -> list[OutputMap]:
    """The maps that a prediction has, in the order of the report."""
    maps = []
    if prediction.uncertainty is not None:
        caption = "Expected error of the generated CT"
        expected = prediction.uncertainty.deviation_hu
        maps.append(OutputMap("uncertainty", expected, UNCERTAINTY_NOTICE, UNCERTAINTY_LIMIT_HU, "HU", caption))
    if prediction.evidence is not None:
        about = {"XrayToCT.SaliencyClass": prediction.evidence.predicted}
        predicted = class_words(prediction.evidence.predicted)
        caption = f"Where the classifier's evidence for its class ({predicted}) lies (Grad-CAM; yellow is the most)"
        maps.append(OutputMap("saliency", prediction.evidence.saliency, SALIENCY_NOTICE, 1.0, "", caption, about))
    return maps


def write_map(
    chosen: OutputMap, prediction: Prediction, provenance: Provenance, folder: Path, formats: Sequence[str]
) -> dict[str, str]:
    """The map beside the CT, in the same formats (DICOM: :func:`write_dicom_map`); file's name by output."""
    image = map_image(chosen, prediction)
    marks = {**provenance.marks(chosen.notice), **chosen.about}
    names = {}
    if "nrrd" in formats:
        names[chosen.kind] = f"{chosen.kind}.nrrd"
        write_nrrd(image, folder / names[chosen.kind], marks)
    if "nifti" in formats:
        names[f"{chosen.kind}_nifti"] = f"{chosen.kind}.nii.gz"
        write_nifti(image, folder / names[f"{chosen.kind}_nifti"], marks)
    return names


def write_dicom_map(
    chosen: OutputMap, prediction: Prediction, folder: Path, study: DicomStudy, ct_files: Sequence[Path]
) -> dict[str, str]:
    """The map as a DICOM series of its own in the CT's study; folder's name by output."""
    write_derived_series(map_image(chosen, prediction), chosen.kind, folder / chosen.kind, study, ct_files)
    return {f"dicom_{chosen.kind}": chosen.kind}


def draw_map(
    chosen: OutputMap, prediction: Prediction, provenance: Provenance, folder: Path, formats: Sequence[str]
) -> tuple[dict[str, str], tuple[str, str, bytes]]:
    """The map over slices of the CT: file's name by output where pictures are wanted, and the report's figure."""
    overlay = Overlay(chosen.values, chosen.limit, chosen.unit)
    picture = slice_grid(prediction.volume, prediction.geometry.volume_mm, overlay=overlay)
    content = png_bytes(picture, marks=provenance.marks(chosen.notice))  # once: it takes most of a second
    names = {}
    if "png" in formats:
        names[f"{chosen.kind}_picture"] = f"{chosen.kind}.png"
        write_bytes_atomically(folder / f"{chosen.kind}.png", content)
    return names, (chosen.caption, "slices under colours", content)


def map_image(chosen: OutputMap, prediction: Prediction) -> sitk.Image:
    """The map on the CT's voxels."""
    return image_from_network(chosen.values, prediction.geometry.volume_mm)
