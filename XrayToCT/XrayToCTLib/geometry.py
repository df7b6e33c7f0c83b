"""How a frontal radiograph is taken: source, patient and detector. Without torch, so that a viewer can use it, too."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from numbers import Real
from typing import Any

_MAX_PIXELS = 4096


@dataclass(frozen=True)
class Geometry:
    """A frontal projection: a point source (or parallel beam), a volume centred on the isocentre, a flat detector.

    The central ray runs through the centre of the volume and meets the centre of the detector at a right angle.

    Attributes:
        source_to_axis_mm: distance from the source to the isocentre (SAD); infinite for a parallel beam.
        source_to_detector_mm: distance from the source to the detector (SID), more than the SAD; a parallel beam does
            not use it.
        detector_mm: (height, width) of the detector.
        detector_pixels: (rows, columns) of the detector.
        volume_mm: (depth, height, width) of the volume, from voxel edge to voxel edge.
        view: "PA" (source behind the patient) or "AP" (source in front of the patient).

    Raises:
        ValueError: a value is not usable (the message names the field).
    """

    source_to_axis_mm: float = 541.0
    source_to_detector_mm: float = 949.0
    detector_mm: tuple[float, float] = (500.0, 500.0)
    detector_pixels: tuple[int, int] = (128, 128)
    volume_mm: tuple[float, float, float] = (320.0, 320.0, 320.0)
    view: str = "PA"

    def __post_init__(self) -> None:
        for name, length in (("detector_mm", 2), ("detector_pixels", 2), ("volume_mm", 3)):
            object.__setattr__(self, name, _positive_tuple(name, getattr(self, name), length))
        if any(pixels != int(pixels) or pixels > _MAX_PIXELS for pixels in self.detector_pixels):
            raise ValueError(f"detector_pixels must be whole numbers up to {_MAX_PIXELS}, got {self.detector_pixels}")
        object.__setattr__(self, "detector_pixels", tuple(int(pixels) for pixels in self.detector_pixels))
        for name in ("source_to_axis_mm", "source_to_detector_mm"):
            object.__setattr__(self, name, _positive_number(name, getattr(self, name)))
        if self.view not in ("PA", "AP"):
            raise ValueError(f"view must be 'PA' or 'AP', got {self.view!r}")
        if self.is_parallel:
            return
        if self.source_to_axis_mm <= self.volume_mm[0] / 2:
            raise ValueError(
                f"source_to_axis_mm {self.source_to_axis_mm:g} puts the source inside the volume, which is "
                f"{self.volume_mm[0]:g} mm deep"
            )
        if not self.source_to_axis_mm < self.source_to_detector_mm < math.inf:
            raise ValueError(
                f"source_to_detector_mm {self.source_to_detector_mm:g} must be finite and more than source_to_axis_mm "
                f"{self.source_to_axis_mm:g}"
            )

    @property
    def is_parallel(self) -> bool:
        """Whether the beam is parallel (the source is infinitely far away)."""
        return math.isinf(self.source_to_axis_mm)

    @property
    def magnification(self) -> float:
        """How much larger than life the isocentre's plane is on the detector: SID / SAD, 1 for a parallel beam."""
        return 1.0 if self.is_parallel else self.source_to_detector_mm / self.source_to_axis_mm

    @property
    def field_at_isocentre_mm(self) -> tuple[float, float]:
        """(height, width) in the isocentre's plane that the detector sees."""
        height, width = self.detector_mm
        return height / self.magnification, width / self.magnification

    @property
    def pixel_at_isocentre_mm(self) -> float:
        """Width of a detector pixel, projected back to the isocentre."""
        return self.field_at_isocentre_mm[1] / self.detector_pixels[1]

    def to_dict(self) -> dict[str, Any]:
        """The fields as JSON values; an infinite distance is None, since JSON has no infinity."""
        values = {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}
        return {n: None if isinstance(v, float) and math.isinf(v) else v for n, v in values.items()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Geometry":
        """The geometry that `to_dict` described, from a file that nobody vouches for.

        Raises:
            ValueError: a field is missing, unknown or unusable.
        """
        if not isinstance(values, Mapping):
            raise ValueError(f"a geometry must be an object with named fields, got {type(values).__name__}")
        names = {field.name for field in fields(cls)}
        if set(values) != names:
            raise ValueError(f"a geometry must have exactly the fields {', '.join(sorted(names))}")
        distances = {"source_to_axis_mm", "source_to_detector_mm"}
        arguments: dict[str, Any] = {n: math.inf if n in distances and v is None else v for n, v in values.items()}
        return cls(**arguments)


def _positive_number(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, Real):
        raise ValueError(f"{name} must be a positive number, got {value!r}")
    try:
        number = float(value)
    except OverflowError:
        raise ValueError(f"{name} is too large") from None
    if not number > 0:
        raise ValueError(f"{name} must be a positive number, got {value!r}")
    return number


def _positive_tuple(name: str, value: Any, length: int) -> tuple[float, ...]:
    if not isinstance(value, (tuple, list)) or len(value) != length:
        raise ValueError(f"{name} must hold {length} numbers, got {value!r}")
    numbers = tuple(_positive_number(name, number) for number in value)
    if any(math.isinf(number) for number in numbers):
        raise ValueError(f"{name} must be finite, got {value!r}")
    return numbers
