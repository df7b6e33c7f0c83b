"""What a reader finds in a folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal


@dataclass(frozen=True)
class Item:
    """Something to prepare.

    Attributes:
        kind: how it is read: ``ct`` (a file or DICOM files), ``x2ct`` (X2CT's HDF5) or ``radiograph``.
        path: the file, or the folder of a DICOM series. series: its SeriesInstanceUID, where the folder holds several.
        patient: whose it is. source: name of the data set. label, findings: as in a manifest.
        split: from official lists, else empty.
    """

    kind: Literal["ct", "x2ct", "radiograph"]
    path: Path
    patient: str
    source: str
    label: str = ""
    findings: str = "unknown"
    split: str = ""
    series: str = ""


@dataclass(frozen=True)
class LeftOut:
    """Something that is not prepared, and why, in one clause."""

    path: Path
    reason: str
