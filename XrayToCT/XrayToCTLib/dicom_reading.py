"""The slices of one CT series in a DICOM folder, in order, and their geometry, from the headers alone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pydicom
from pydicom.uid import UID, CTImageStorage, EnhancedCTImageStorage

from XrayToCTLib.errors import UnsuitableInput
from XrayToCTLib.recorded_image import unsuitable

_ANOTHER = "give the folder of a chest CT series"
_TAGS = [
    "SOPClassUID",
    "SeriesInstanceUID",
    "SeriesDescription",
    "Modality",
    "ImageType",
    "Rows",
    "Columns",
    "SamplesPerPixel",
    "BitsAllocated",
    "PixelSpacing",
    "ImagePositionPatient",
    "ImageOrientationPatient",
]
# Slice positions are written with a few decimals: gaps may differ by this part of a gap.
_GAP_TOLERANCE = 0.1


@dataclass(frozen=True)
class CtSeries:
    """Files of one series sorted along the slice normal, with the geometry of the stack: LPS, mm, ITK's axis order."""

    files: tuple[Path, ...]
    size: tuple[int, int, int]
    spacing_mm: tuple[float, float, float]
    origin: tuple[float, float, float]
    direction: tuple[float, ...]


@dataclass(frozen=True)
class _Slice:
    file: Path
    header: pydicom.Dataset
    position: np.ndarray  # (3,) mm, LPS
    cosines: np.ndarray  # (2, 3): along a row, along a column

    @property
    def shape(self) -> tuple[int, int]:
        """Columns and rows."""
        return int(self.header.get("Columns") or 0), int(self.header.get("Rows") or 0)


def is_dicom(path: Path) -> bool:
    """Whether a file has DICOM's preamble and magic word."""
    with path.open("rb") as file:
        return file.read(132)[128:] == b"DICM"


def find_series(path: Path) -> tuple[CtSeries, str | None]:
    """The largest CT series of a folder, or the series that a file belongs to, and a note if others were left out.

    Raises:
        UnsuitableInput: no CT series, enhanced multi-frame CT, damaged or cut-off files, missing or doubled slices,
            slices of differing size or orientation, a tilted gantry.
    """
    headers = _headers(path)
    if path.is_file():
        chosen = str(next(header for file, header in headers if file == path).get("SeriesInstanceUID", ""))
        headers = [(file, header) for file, header in headers if header.get("SeriesInstanceUID") == chosen]
    if any(header.get("SOPClassUID") == EnhancedCTImageStorage for _, header in headers):
        raise unsuitable(path, "is an enhanced multi-frame CT", "convert it to single slices or NRRD")
    groups = defaultdict(list)
    for file, header in headers:
        if header.get("SOPClassUID") == CTImageStorage and "LOCALIZER" not in (header.get("ImageType") or []):
            groups[str(header.get("SeriesInstanceUID", ""))].append((file, header))
    if not groups:
        found = ", ".join(sorted({str(header.get("Modality", "unknown")) for _, header in headers}))
        raise unsuitable(path, f"holds no CT slices (found: {found or 'no DICOM'})", _ANOTHER)
    largest = max(groups.values(), key=len)
    note = None
    if len(groups) > 1:
        name = largest[0][1].get("SeriesDescription", "without a description")
        note = f"{path.name!r} holds {len(groups)} CT series; the largest was read: {name}, {len(largest)} slices."
    return _stack(path, largest), note


def _headers(path: Path) -> list[tuple[Path, pydicom.Dataset]]:
    folder = path if path.is_dir() else path.parent
    result: list[tuple[Path, pydicom.Dataset]] = []
    for file in sorted(folder.iterdir()):
        if not file.is_file() or not is_dicom(file):
            continue
        try:
            header = pydicom.dcmread(file, stop_before_pixels=True, specific_tags=_TAGS)
            for tag in _TAGS:
                header.get(tag)  # pydicom decodes a value when it is first asked for
            _check_is_whole(file, header)
        except UnsuitableInput:
            raise
        except Exception as error:  # pydicom's errors for broken bytes have no common base
            raise unsuitable(file, "is a damaged DICOM file", "copy or export the series again") from error
        result.append((file, header))
    return result


def _check_is_whole(file: Path, header: pydicom.Dataset) -> None:
    """A file that was cut off is shorter than its uncompressed pixels: GDCM would fill them up with zeros."""
    if UID(header.file_meta.get("TransferSyntaxUID", "")).is_compressed:
        return
    pixels = header.get("Rows", 0) * header.get("Columns", 0) * header.get("SamplesPerPixel", 1)
    if pixels * header.get("BitsAllocated", 16) // 8 > file.stat().st_size:
        raise unsuitable(file, "is truncated", "copy or export the series again")


def _stack(path: Path, headers: Iterable[tuple[Path, pydicom.Dataset]]) -> CtSeries:
    slices = [_slice(file, header) for file, header in headers]
    first = slices[0]
    for other in slices:
        if other.shape != first.shape or not np.allclose(other.cosines, first.cosines, atol=1e-3):
            raise unsuitable(path, "mixes slices of differing size or orientation", "export one series alone")
    if len(slices) < 2:
        raise unsuitable(path, "is a series of one slice", "give the folder of the whole series")
    normal = np.cross(*first.cosines)
    slices.sort(key=lambda item: float(normal @ item.position))
    gap = _slice_gap(path, np.array([item.position for item in slices]), normal)
    row_spacing, column_spacing = (float(value) for value in first.header.PixelSpacing)
    origin = slices[0].position
    return CtSeries(
        files=tuple(item.file for item in slices),
        size=(*first.shape, len(slices)),
        spacing_mm=(column_spacing, row_spacing, gap),
        origin=(float(origin[0]), float(origin[1]), float(origin[2])),
        direction=tuple(np.column_stack([*first.cosines, normal]).ravel().tolist()),
    )


def _slice(file: Path, header: pydicom.Dataset) -> _Slice:
    try:
        position = np.array([float(value) for value in header.ImagePositionPatient])
        cosines = np.array([float(value) for value in header.ImageOrientationPatient]).reshape(2, 3)
        spacing = np.array([float(value) for value in header.PixelSpacing]).reshape(2)
        numbers = np.concatenate([position, cosines.ravel(), spacing])
    except (AttributeError, TypeError, ValueError) as error:
        raise unsuitable(file, "does not say where its slice lies", "export the series again") from error
    orthonormal = np.allclose(cosines @ cosines.T, np.eye(2), atol=1e-3)
    if position.shape != (3,) or not np.isfinite(numbers).all() or not orthonormal:
        raise unsuitable(file, "does not say where its slice lies", "export the series again")
    return _Slice(file, header, position, cosines)


def _slice_gap(path: Path, positions: np.ndarray, normal: np.ndarray) -> float:
    """Distance of the slices in mm, from their sorted positions (n, 3)."""
    gaps = np.diff(positions @ normal)
    gap = float(np.median(gaps))
    if gaps.min() < 1e-3:
        raise unsuitable(path, "has several slices at one place", "export a series of a single phase")
    if np.abs(gaps - gap).max() > _GAP_TOLERANCE * gap + 1e-2:
        raise unsuitable(path, "lacks slices or has uneven gaps", "export the whole series")
    sideways = np.diff(positions, axis=0) - gaps[:, None] * normal
    if np.abs(sideways).max() > _GAP_TOLERANCE * gap + 1e-2:
        raise unsuitable(path, "was scanned with a tilted gantry", "resample it to straight slices first")
    return float((positions[-1] - positions[0]) @ normal) / (len(positions) - 1)
