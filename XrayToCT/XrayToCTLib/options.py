"""What can be asked for: how an X-ray is read, and what is made of it. Nothing heavy is imported here."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

FORMATS = ("nrrd", "nifti", "dicom", "mrb", "png", "pdf", "npy")
VIEWS = ("PA", "AP")
INVERSIONS = ("auto", "yes", "no")
DEVICES = ("auto", "cpu", "cuda", "mps")
MOST_STEPS = 100_000


@dataclass(frozen=True)
class Reading:
    """How an X-ray is read.

    Attributes:
        view: "PA" or "AP"; None takes the header's, else "PA".
        invert: "auto" inverts where no header tells the grey scale and the picture looks more like a chest when
            inverted; "yes" inverts what a viewer would display; "no" never does.
        flip: exchange left and right of what a viewer would display.
        crop: the part to keep, (top, bottom, left, right), as fractions of the height and the width of what a viewer
            would display (after ``flip``), from the upper left corner; None keeps all, as (0, 1, 0, 1) does.

    Raises:
        ValueError: another view or inversion, or edges that enclose nothing.
    """

    view: str | None = None
    invert: str = "auto"
    flip: bool = False
    crop: tuple[float, float, float, float] | None = None

    def __post_init__(self) -> None:
        if self.view is not None and self.view not in VIEWS:
            raise ValueError(f"the view is PA or AP, not {self.view!r}")
        if self.invert not in INVERSIONS:
            raise ValueError(f"the inversion is auto, yes or no, not {self.invert!r}")
        if self.crop is not None:
            top, bottom, left, right = self.crop
            if not (0 <= top < bottom <= 1 and 0 <= left < right <= 1):
                raise ValueError("the crop is top, bottom, left and right edge, rising fractions from 0 to 1")


AS_RECORDED = Reading()


@dataclass(frozen=True)
class ResultFiles:
    """Which files of a result to write, and where; of a batch, for all of its results.

    Attributes:
        folder: made where it is missing.
        formats: some of FORMATS, at least one.
        anonymise: keep nothing of the X-ray's header, dates and file name but geometry.
        pseudonym: what the patient is called then, in letters, digits and hyphens; empty takes a new name at random.
        study_uid: of the DICOM files then; empty takes a new one.

    Raises:
        ValueError: another format, pseudonym or UID, or a pseudonym or UID without ``anonymise``.
    """

    folder: Path
    formats: tuple[str, ...] = ("nrrd",)
    anonymise: bool = False
    pseudonym: str = ""
    study_uid: str = ""

    def __post_init__(self) -> None:
        if not self.formats or set(self.formats) - set(FORMATS):
            raise ValueError(f"formats are {', '.join(FORMATS)}, not {', '.join(self.formats) or 'none'}")
        if self.pseudonym and not (self.anonymise and re.fullmatch(r"[A-Za-z0-9-]{1,64}", self.pseudonym)):
            raise ValueError("a pseudonym is for anonymised files, of at most 64 letters, digits and hyphens")
        if self.study_uid and not (self.anonymise and re.fullmatch(r"2\.25\.[1-9][0-9]{0,38}", self.study_uid)):
            raise ValueError("a study_uid is for anonymised files, 2.25 and a number")


@dataclass(frozen=True)
class ExportOptions:
    """Which files to write of a result that is there already.

    Attributes:
        result: a folder, see `results_folder.read_stored`.
        files: what is written of it; "npy" cannot be, since a result does not keep what its network gave.
        xray: the X-ray that the result was made of; None where it is not at hand.

    Raises:
        ValueError: the format "npy".
    """

    result: Path
    files: ResultFiles
    xray: Path | None = None

    def __post_init__(self) -> None:
        if "npy" in self.files.formats:
            raise ValueError("a result does not keep what its network gave, so there is no npy file of it")


@dataclass(frozen=True)
class GenerateOptions:
    """What to make of one X-ray.

    Attributes:
        source: the X-ray, or with ``is_network_input`` an .npy file that goes to the network as it is.
        files: what is written of it.
        refine_steps: of shape induction on this X-ray; 0 is none.
        uncertainty_samples: volumes from which the expected error is estimated, 2 or more; 0 is none.

    Raises:
        ValueError: a number out of these limits.
    """

    source: Path
    files: ResultFiles
    is_network_input: bool = False
    reading: Reading = AS_RECORDED
    refine_steps: int = 0
    uncertainty_samples: int = 0

    def __post_init__(self) -> None:
        for name, count in (("refinement steps", self.refine_steps), ("samples", self.uncertainty_samples)):
            if not 0 <= count <= MOST_STEPS:
                raise ValueError(f"the number of {name} is from 0 to {MOST_STEPS}, not {count}")
        if self.uncertainty_samples == 1:
            raise ValueError("one volume has no spread; give 2 or more, or 0 for none")
