"""How large the predicted volume is in the patient."""

from dataclasses import dataclass

from XrayToCTLib.projection import Geometry
from XrayToCTLib.radiograph import Radiograph, padded_side_mm

# Where a header gives the detector's pixel spacing but no distances: standard chest acquisitions, with the middle of
# the chest 150 mm before the detector. (SID / SAD of the usual 1.8 m for PA, and of a bedside film at 1 m for AP.)
TYPICAL_MAGNIFICATION = {"PA": 1800 / 1650, "AP": 1000 / 850}

SMALLEST_FIELD_MM, LARGEST_FIELD_MM = 100.0, 600.0  # between a newborn's chest and the largest detectors


@dataclass(frozen=True)
class VolumeSize:
    """Side of the volume's cube in mm; ``is_nominal`` where the radiograph does not tell its size at all."""

    side_mm: float
    is_nominal: bool
    warnings: tuple[str, ...]


def volume_side_mm(radiograph: Radiograph | None, geometry: Geometry) -> VolumeSize:
    """The volume's side for a radiograph (None: only the network's input is known) and the generator's geometry.

    The field that the radiograph shows at the middle of the patient is its pixel spacing divided by the magnification;
    the volume is larger than that field in the proportion of the training geometry.
    """
    field = None if radiograph is None else padded_side_mm(radiograph)
    if radiograph is None or field is None:
        side = max(geometry.volume_mm)
        return VolumeSize(side, True, (f"The X-ray does not tell its size: a volume of {side:.0f} mm is assumed.",))
    warnings: tuple[str, ...] = ()
    if radiograph.magnification is None:
        magnification = TYPICAL_MAGNIFICATION[radiograph.view]
        field /= magnification
        warnings = (
            f"The X-ray does not tell its magnification: {magnification:.2f} is assumed, as is usual for its view.",
        )
    if not SMALLEST_FIELD_MM <= field <= LARGEST_FIELD_MM:
        warnings += (f"The recorded pixel spacing makes the X-ray {field:.0f} mm wide, which does not fit a chest.",)
    return VolumeSize(field * max(geometry.volume_mm) / max(geometry.field_at_isocentre_mm), False, warnings)
