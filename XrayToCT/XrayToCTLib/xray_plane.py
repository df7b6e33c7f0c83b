"""The X-ray as a plane in the patient's space, and the rays that link its pixels with the points of the CT.

"Behind the patient" is posterior to the volume, for both views: whoever looks at the patient from the front sees the
volume before the plane, and the plane hides nothing. For a PA X-ray, whose detector is in front of the patient, this is
between the patient and the source; for an AP X-ray it is between the patient and the detector. The picture is as large
there as the part of the beam that reached the detector (the rays run straight, so every coronal plane cuts them in
the same picture at another size). A straight line from the source through a voxel therefore meets the pixel that this
voxel made; the picture is smaller than in the middle of the patient for PA, and larger for AP.

Points are LPS in mm from the volume's centre; pixels are (row, column), counted from 0 at the first pixel's centre.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import SimpleITK as sitk

from XrayToCTLib.geometry import Geometry
from XrayToCTLib.volume import radiograph_image

Point = tuple[float, float, float]

_GAP = 1 / 32  # of the volume's depth, 10 mm of 320: the plane does not touch the volume


@dataclass(frozen=True)
class XrayPlane:
    """The coronal plane behind the patient on which the X-ray of a geometry lies."""

    geometry: Geometry

    @property
    def posterior_mm(self) -> float:
        """LPS y of the plane: beyond the volume's back, and before the source where that is behind the patient."""
        half, gap = self.geometry.volume_mm[0] / 2, _GAP * self.geometry.volume_mm[0]
        if self.geometry.view == "PA" and not self.geometry.is_parallel:
            gap = min(gap, (self.geometry.source_to_axis_mm - half) / 2)
        return half + gap

    @property
    def source(self) -> Point | None:
        """The X-ray tube's focus; None for a parallel beam."""
        distance = self.geometry.source_to_axis_mm
        return None if self.geometry.is_parallel else (0.0, distance if self.geometry.view == "PA" else -distance, 0.0)

    @property
    def size_mm(self) -> tuple[float, float]:
        """(height, width) of the picture on the plane."""
        height, width = self.geometry.detector_mm
        scale = self._detector_scale(self.posterior_mm)
        return height * scale, width * scale

    def image(self, picture: np.ndarray) -> sitk.Image:
        """A picture (H, W) of the whole detector, as displayed, in its place in space: (1, H, W) float32."""
        (height, width), (rows, columns) = self.size_mm, picture.shape
        return radiograph_image(picture, (height / rows, width / columns), self.posterior_mm)

    def shadow(self, point: Sequence[float]) -> Point | None:
        """Where the ray through a point meets the plane; None at and beyond the source, where there is no ray.

        It may lie outside the picture: the beam does not reach all of the volume.
        """
        x, y, z = point
        scale = self._detector_scale(y)
        if not (scale > 0 and math.isfinite(x) and math.isfinite(z)):
            return None
        onto_plane = self._detector_scale(self.posterior_mm) / scale
        return x * onto_plane, self.posterior_mm, z * onto_plane

    def ray(self, shadow: Sequence[float]) -> tuple[Point, Point] | None:
        """The part of a ray inside the volume, from the end nearer to the source; None where it misses the volume.

        Args:
            shadow: a point of the plane (its y does not count), as `shadow` gives it.
        """
        x, _, z = shadow
        depth, height, width = self.geometry.volume_mm
        ends = (depth / 2, -depth / 2) if self.geometry.view == "PA" else (-depth / 2, depth / 2)
        near, far = (self._detector_scale(end) for end in ends)
        on_plane = self._detector_scale(self.posterior_mm)
        # The ray drifts from the axis in proportion to its way, so it can leave through the volume's sides but once.
        reach = min(
            (half * on_plane / abs(at) for half, at in ((width / 2, x), (height / 2, z)) if at), default=math.inf
        )
        if reach < near or not (math.isfinite(x) and math.isfinite(z)):
            return None
        share = 1.0 if self.geometry.is_parallel else min(1.0, (reach - near) / (far - near))
        last = ends[0] + share * (ends[1] - ends[0])
        first_scale, last_scale = near / on_plane, self._detector_scale(last) / on_plane
        return (x * first_scale, ends[0], z * first_scale), (x * last_scale, last, z * last_scale)

    def pixel(self, shadow: Sequence[float], shape: tuple[int, int]) -> tuple[float, float]:
        """The pixel (row, column) at a point of the plane, of a picture of this shape; outside of it, too."""
        x, _, z = shadow
        (height, width), (rows, columns) = self.size_mm, shape
        return -z * rows / height + (rows - 1) / 2, x * columns / width + (columns - 1) / 2

    def point(self, pixel: Sequence[float], shape: tuple[int, int]) -> Point:
        """The point of the plane at a pixel (row, column): the reverse of `pixel`."""
        (row, column), (height, width), (rows, columns) = pixel, self.size_mm, shape
        x, z = (column - (columns - 1) / 2) * width / columns, -(row - (rows - 1) / 2) * height / rows
        return x, self.posterior_mm, z

    def _detector_scale(self, posterior_mm: float) -> float:
        """Length on a coronal plane of one mm of the detector, along the rays."""
        if self.geometry.is_parallel:
            return 1.0
        towards_detector = -posterior_mm if self.geometry.view == "PA" else posterior_mm
        return (self.geometry.source_to_axis_mm + towards_detector) / self.geometry.source_to_detector_mm


def plane_of(values: Any) -> XrayPlane:
    """The plane for a geometry as `Geometry.to_dict` describes it.

    Raises:
        ValueError: it does not describe a geometry.
    """
    return XrayPlane(Geometry.from_dict(values))
