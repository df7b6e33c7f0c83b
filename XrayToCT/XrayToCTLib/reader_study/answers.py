"""Answers of readers: what they mark and rate, appended row by row to a CSV file that a crash cannot spoil."""

from __future__ import annotations

import csv
import io
import json
import math
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from XrayToCTLib.errors import UnsuitableInput
from XrayToCTLib.reader_study.study import ARTEFACTS, CONDITIONS, LARGEST_FILE, PLANES, Study, damaged, text_of

COLUMNS = ("study", "time", "reader", "case", "realism", "confidence", "class", "artefacts", "comment", "seconds")
LONGEST_TEXT = 1000
MOST_MARKS = 100
_FAR_MM = 10_000.0


@dataclass(frozen=True)
class Mark:
    """An artefact on a slice.

    Attributes:
        kind: one of `study.ARTEFACTS`; "other" needs a note.
        plane: of the slice: axial, coronal or sagittal.
        point_mm: LPS in mm, in the space of the case's file.
        note: free text.

    Raises:
        UnsuitableInput: on creation, where something of this does not hold.
    """

    kind: str
    plane: str
    point_mm: tuple[float, float, float]
    note: str = ""

    def __post_init__(self) -> None:
        if self.kind not in ARTEFACTS or self.plane not in PLANES:
            raise UnsuitableInput(f"{self.kind!r} on a {self.plane!r} slice is no artefact; choose one of the list.")
        if len(self.point_mm) != 3 or not all(_is_number(value) and abs(value) < _FAR_MM for value in self.point_mm):
            raise UnsuitableInput("A mark needs a place on a slice; click on one.")
        if self.kind == "other" and not self.note.strip():
            raise UnsuitableInput("A mark of the kind 'other' needs a note; say what is wrong.")
        _check_length(self.note)


@dataclass(frozen=True)
class Answer:
    """What a reader said of a case.

    Attributes:
        case: its code.
        realism: 1 (clearly artificial) to 5 (like a real CT).
        confidence: in the class, 1 (a guess) to 5 (certain).
        condition: healthy, sick (not TB) or tb: the reader's diagnosis, not a network's.
        marks: artefacts; empty says that the reader saw none.
        comment: free text.
        seconds: how long the case was on the screen.
        time: when it was given, ISO 8601 in UTC.

    Raises:
        UnsuitableInput: on creation, where a value is missing or out of range.
    """

    case: str
    realism: int
    confidence: int
    condition: str
    marks: tuple[Mark, ...]
    comment: str
    seconds: float
    time: str

    def __post_init__(self) -> None:
        for name, value in (("realism", self.realism), ("confidence", self.confidence)):
            if type(value) is not int or not 1 <= value <= 5:
                raise UnsuitableInput(f"The {name} is not rated; choose 1 to 5.")
        if self.condition not in CONDITIONS:
            raise UnsuitableInput(f"The class is not given; choose one of {', '.join(CONDITIONS)}.")
        if not _is_number(self.seconds) or self.seconds < 0:
            raise UnsuitableInput(f"{self.seconds!r} is no reading time; give seconds from 0.")
        if len(self.marks) > MOST_MARKS:
            raise UnsuitableInput(f"A case can have {MOST_MARKS} marks; remove some.")
        _check_length(self.comment)


def answers_path(folder: Path, reader: str) -> Path:
    """The file of a reader's answers in the folder of a study."""
    return folder / "answers" / f"{reader}.csv"


def append_answer(folder: Path, study: Study, reader: str, answer: Answer) -> None:
    """Add an answer to the reader's file and have it on the disk before returning.

    A row is written at once, after the remains of a row that a crash cut short have been removed. A later answer to the
    same case replaces the earlier, which stays in the file.

    Raises:
        UnsuitableInput: the reader or the case is not the study's, or the disk is full or read-only.
    """
    if answer.case not in study.reader(reader).order:
        raise UnsuitableInput(f"{answer.case!r} is no case of this study; open the study again.")
    path = answers_path(folder, reader)
    row = [study.sha256, answer.time, reader, answer.case, answer.realism, answer.confidence, answer.condition]
    marks = json.dumps([asdict(mark) for mark in answer.marks])
    row += [marks, one_line(answer.comment), f"{answer.seconds:.1f}"]
    try:
        path.parent.mkdir(exist_ok=True)
        with path.open("ab") as file:
            whole = _whole_length(path)
            file.truncate(whole)
            file.write((b"" if whole else _row(COLUMNS)) + _row(row))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise UnsuitableInput(
            f"{path.name!r} could not be written ({error.strerror}); see that the study's folder can be written to "
            "and has space, then save again."
        ) from error


def read_answers(folder: Path, study: Study, reader: str) -> dict[str, Answer]:
    """The last answer to each case, by code, in the order in which the cases were first answered.

    A last row without an end, which a crash cut short, counts as not written.

    Raises:
        UnsuitableInput: the file is not what `append_answer` wrote for this study and reader.
    """
    path = answers_path(folder, reader)
    if not path.exists():
        return {}
    rows = _rows(path)
    if not rows:
        return {}
    if tuple(rows[0]) != COLUMNS:
        raise UnsuitableInput(f"{path.name!r} has not the columns of a reader's answers; restore it from a copy.")
    answers: dict[str, Answer] = {}
    for number, row in enumerate(rows[1:], start=2):
        named = dict(zip(COLUMNS, row, strict=False))
        if len(row) != len(COLUMNS) or named["reader"] != reader or named["case"] not in study.reader(reader).order:
            raise _spoilt(path, number)
        if named["study"] != study.sha256:
            raise UnsuitableInput(f"{path.name!r} holds answers to another study; put it into that study's folder.")
        try:
            answers[named["case"]] = _answer(named)
        except (UnsuitableInput, ValueError, TypeError, KeyError, OverflowError, RecursionError) as error:
            raise _spoilt(path, number) from error
    return answers


def _rows(path: Path) -> list[list[str]]:
    if path.stat().st_size > LARGEST_FILE:
        raise damaged(path)
    whole = path.read_bytes()[: _whole_length(path)]
    try:
        return list(csv.reader(io.StringIO(whole.decode("utf-8"), newline=""), strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise damaged(path) from error


def _answer(row: dict[str, str]) -> Answer:
    marks = tuple(
        Mark(text_of(mark["kind"]), text_of(mark["plane"]), tuple(mark["point_mm"]), text_of(mark["note"]))
        for mark in json.loads(row["artefacts"])
    )
    return Answer(
        case=row["case"],
        realism=int(row["realism"]),
        confidence=int(row["confidence"]),
        condition=row["class"],
        marks=marks,
        comment=row["comment"],
        seconds=float(row["seconds"]),
        time=row["time"],
    )


def _whole_length(path: Path) -> int:
    """Bytes up to the end of the last row that was written to its end."""
    content = path.read_bytes()
    return content.rfind(b"\n") + 1


def _row(values: object) -> bytes:
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(values)  # type: ignore[arg-type]
    return line.getvalue().encode()


def one_line(text: str) -> str:
    """Text on one line that no spreadsheet takes for a formula."""
    line = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
    return f"'{line}" if line[:1] in ("=", "+", "-", "@") else line


def _check_length(text: str) -> None:
    if len(text) > LONGEST_TEXT:
        raise UnsuitableInput(f"A text of {len(text)} letters is too long; {LONGEST_TEXT} are enough.")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _spoilt(path: Path, line: int) -> UnsuitableInput:
    return UnsuitableInput(f"Line {line} of {path.name!r} is not a reader's answer; restore the file from a copy.")
