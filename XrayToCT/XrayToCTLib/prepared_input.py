"""An X-ray made ready for a generator: read, framed, measured and checked. Needs no generator's weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydicom.dataset import Dataset

from XrayToCTLib.errors import UnsuitableInput
from XrayToCTLib.input_check import InputCheck, check_input, child_warning
from XrayToCTLib.input_network import InputNetwork
from XrayToCTLib.options import Reading
from XrayToCTLib.physical_size import volume_side_mm
from XrayToCTLib.projection import Geometry
from XrayToCTLib.radiograph import Radiograph, network_input, read_radiograph
from XrayToCTLib.radiograph_dicom import header_text
from XrayToCTLib.recorded_image import unsuitable


@dataclass(frozen=True)
class PreparedInput:
    """What goes into a generator.

    Attributes:
        image: (S, S) float32 in [0, 1]. radiograph: None where the image was given as it is.
        geometry: of the radiograph, scaled to the patient. size_is_nominal: whether its millimetres are a convention.
        check: whether it looks like those in training; None where nothing checks it.
        warnings: one sentence each.
    """

    image: np.ndarray
    radiograph: Radiograph | None
    geometry: Geometry
    size_is_nominal: bool
    check: InputCheck | None
    warnings: tuple[str, ...]


def prepare_input(
    source: Path,
    trained: Geometry,
    size: int,
    input_check: InputNetwork | None,
    reading: Reading,
    is_network_input: bool = False,
) -> PreparedInput:
    """Reads ``source`` for a generator of (size, size) radiographs that was trained in the geometry ``trained``.

    Raises:
        UnsuitableInput: it cannot be read, is no such picture, or is marked as synthetic.
    """
    radiograph = None if is_network_input else read_radiograph(source, reading)
    if radiograph is not None and radiograph.synthetic:
        raise unsuitable(source, "is marked as synthetic, no X-ray of a patient", "give the original radiograph")
    image = read_network_input(source, size) if radiograph is None else network_input(radiograph, size)
    patient = volume_side_mm(radiograph, trained)
    checked = None if input_check is None else check_input(image, input_check)
    child = child_warning(radiograph.header if radiograph else None)
    geometry = scaled_geometry(trained, patient.side_mm, radiograph.view if radiograph else reading.view or "PA")
    warnings = list(radiograph.warnings if radiograph else ()) + list(patient.warnings)
    warnings += [checked.message] if checked is not None and not checked.passed else []
    warnings += [child] if child else []
    if geometry.view != trained.view:
        warnings.append(
            f"The model was trained on {trained.view} X-rays; this {geometry.view} X-ray magnifies differently."
        )
    return PreparedInput(image, radiograph, geometry, patient.is_nominal, checked, tuple(warnings))


LONGEST_FACT = 64
_FACTS = {
    "view": "ViewPosition",
    "polarity": "PhotometricInterpretation",
    "modality": "Modality",
    "body_part": "BodyPartExamined",
    "sop_instance_uid": "SOPInstanceUID",
}


def header_facts(radiograph: Radiograph | None) -> dict[str, Any]:
    """What the X-ray's file says of how it was taken, but not of whom: JSON values, None where it says nothing."""
    header = None if radiograph is None else radiograph.header

    def recorded(keyword: str) -> str | None:
        return None if header is None else header_text(header, keyword)[:LONGEST_FACT] or None

    return {
        **{name: recorded(keyword) for name, keyword in _FACTS.items()},
        "spacing_mm": None if radiograph is None or radiograph.spacing_mm is None else list(radiograph.spacing_mm),
        "magnification": None if radiograph is None else radiograph.magnification,
    }


def header_of_facts(facts: Mapping[str, Any]) -> Dataset | None:
    """A header that says what `header_facts` kept of one, and no more; None where it kept nothing."""
    header = Dataset()
    for name, keyword in _FACTS.items():
        if isinstance(facts.get(name), str):
            setattr(header, keyword, facts[name])
    return header if len(header) else None


def scaled_geometry(geometry: Geometry, side_mm: float, view: str) -> Geometry:
    """The model's geometry, all lengths in proportion, for a volume of ``side_mm``: the projection stays the same."""
    factor = side_mm / max(geometry.volume_mm)
    return Geometry(
        source_to_axis_mm=geometry.source_to_axis_mm * factor,
        source_to_detector_mm=geometry.source_to_detector_mm * factor,
        detector_mm=(geometry.detector_mm[0] * factor, geometry.detector_mm[1] * factor),
        detector_pixels=geometry.detector_pixels,
        volume_mm=tuple(side * factor for side in geometry.volume_mm),  # type: ignore[arg-type]
        view=view,
    )


def read_network_input(path: Path, size: int) -> np.ndarray:
    """A network input saved with NumPy: (size, size), also with axes of length one in front; float32.

    Raises:
        UnsuitableInput: the file is not such an array.
    """
    remedy = f"give a NumPy file (.npy) of {size} x {size} numbers"
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise UnsuitableInput(f"{path} cannot be read as a network input; {remedy}.") from error
    if not isinstance(array, np.ndarray) or array.shape[-2:] != (size, size) or array.size != size * size:
        raise UnsuitableInput(f"{path} is not one network input; {remedy}.")
    if array.dtype.kind not in "fiu" or not np.isfinite(array).all():
        raise UnsuitableInput(f"{path} holds values that are not finite numbers; {remedy}.")
    return np.array(array, np.float32).reshape(size, size)
