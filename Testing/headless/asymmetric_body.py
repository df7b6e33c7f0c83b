"""A body with no symmetry, drawn in patient coordinates (LPS, mm) and known to nothing else (no tests here).

Heart left, liver right and below, spine behind, neck above, and six cubes of distinct HU whose places a station must
keep. Nothing here uses the project's orientation code.
"""

from collections.abc import Callable, Sequence

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

#: LPS in mm from the body's centre, and HU; all denser than bone, and no two alike.
LANDMARKS = {
    "left": ((105.0, 5.0, 20.0), 1400),
    "right": ((-110.0, -10.0, -30.0), 1250),
    "front": ((10.0, -80.0, 35.0), 1100),
    "back": ((-15.0, 85.0, -20.0), 950),
    "head": ((20.0, 10.0, 130.0), 800),
    "foot": ((-30.0, -20.0, -125.0), 650),
}
_DENSER_THAN_BONE = 450
_CUBE_MM = 15.0


def asymmetric_body(
    size: Sequence[int] = (64, 64, 64),
    spacing: Sequence[float] = (5.0, 5.0, 5.0),
    centre: Sequence[float] = (0.0, 0.0, 0.0),
) -> sitk.Image:
    """int16 HU, identity direction in LPS; ``size`` and ``spacing`` are (x, y, z), ``centre`` is the body's and the
    image's."""
    axes = [(np.arange(count) - (count - 1) / 2) * step for count, step in zip(size, spacing, strict=True)]
    z, y, x = np.meshgrid(axes[2], axes[1], axes[0], indexing="ij")

    def ellipsoid(middle: tuple[float, float, float], half: tuple[float, float, float]) -> np.ndarray:
        parts = zip((x, y, z), middle, half, strict=True)
        return sum(((axis - place) / length) ** 2 for axis, place, length in parts) < 1

    hu = np.full(x.shape, -1000, np.int16)
    hu[ellipsoid((0, 0, -60), (135, 100, 1e9)) & (z < 105)] = 0
    hu[ellipsoid((0, 10, 0), (55, 50, 1e9)) & (z >= 105)] = 0  # neck
    for side in (-60, 60):
        hu[ellipsoid((side, 0, 10), (42, 68, 90))] = -820
    hu[ellipsoid((35, -25, -25), (45, 45, 50))] = 45  # heart
    hu[ellipsoid((-50, -10, -110), (70, 70, 55))] = 65  # liver
    hu[(x**2 + (y - 55) ** 2) < 18**2] = 300  # spine
    for place, value in LANDMARKS.values():
        offsets = zip((x, y, z), place, strict=True)
        hu[np.max([np.abs(axis - middle) for axis, middle in offsets], axis=0) <= _CUBE_MM / 2] = value
    image = sitk.GetImageFromArray(hu)
    image.SetSpacing([float(step) for step in spacing])
    image.SetOrigin([axis[0] + middle for axis, middle in zip(axes, centre, strict=True)])
    return image


def find_landmarks(
    hu: np.ndarray, world: Callable[[tuple[float, float, float]], Sequence[float]]
) -> dict[str, np.ndarray]:
    """World positions of the cubes in an array whose axes are those of the indices that ``world`` takes.

    They are told apart by their densities alone, so a mirrored array gives mirrored positions.
    """
    labels, count = ndimage.label(hu > _DENSER_THAN_BONE)
    assert count == len(LANDMARKS), f"{count} dense parts instead of {len(LANDMARKS)}"
    parts = range(1, count + 1)
    brightest_first = np.argsort(-np.asarray(ndimage.maximum(hu, labels, parts)))
    centres = ndimage.center_of_mass(hu.astype(float), labels, parts)
    return {name: np.asarray(world(centres[part])) for name, part in zip(LANDMARKS, brightest_first, strict=True)}


def assert_landmarks_in_place(
    found: dict[str, np.ndarray],
    tolerance_mm: float,
    centre: Sequence[float] = (0.0, 0.0, 0.0),
    to_lps: Sequence[float] = (1, 1, 1),
) -> None:
    """``found`` in world coordinates; ``to_lps`` (-1, -1, 1) where these are RAS."""
    for name, (place, _) in LANDMARKS.items():
        distance = np.linalg.norm(found[name] * np.asarray(to_lps) - np.asarray(place) - np.asarray(centre))
        assert distance < tolerance_mm, f"{name} is {distance:.1f} mm away from its place"
