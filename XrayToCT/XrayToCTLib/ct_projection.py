"""The projection of any CT in the geometry of a result's X-ray, for a viewer that compares them."""

from __future__ import annotations

from pathlib import Path

import torch

from XrayToCTLib.ct_reading import read_ct
from XrayToCTLib.errors import UnsuitableInput
from XrayToCTLib.geometry import Geometry
from XrayToCTLib.grayscale import normalise_projection
from XrayToCTLib.marking import COMPUTED_MARKS
from XrayToCTLib.pipeline import project
from XrayToCTLib.projection import mean_projections
from XrayToCTLib.volume import network_from_ct, write_nrrd
from XrayToCTLib.xray_plane import XrayPlane


def write_projection(ct: Path, geometry: Geometry, kind: str, folder: Path) -> Path:
    """Writes ``projection.nrrd``, (1, H, W) in [0, 1], on the plane of the X-ray, and returns its path.

    Args:
        ct: a CT file or a DICOM folder; its centre is laid on the isocentre.
        kind: of `worker_protocol.PROJECTIONS`: "cone" for the cone beam of ``geometry``, "mean" for the mean along
            parallel rays, which spreads over the whole picture as in the paper.

    Raises:
        UnsuitableInput: the CT cannot be read, or the folder cannot be written.
    """
    volume = network_from_ct(read_ct(ct), max(geometry.detector_pixels), max(geometry.volume_mm))
    if kind == "cone":
        picture = project(volume, geometry)
    else:
        picture = normalise_projection(mean_projections(torch.from_numpy(volume)[None, None])[1][0, 0].numpy())
    path = folder / "projection.nrrd"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_nrrd(XrayPlane(geometry).image(picture), path, COMPUTED_MARKS)
    except OSError as error:
        raise UnsuitableInput(f"{folder} cannot be written ({error.strerror}); choose another folder.") from error
    return path
