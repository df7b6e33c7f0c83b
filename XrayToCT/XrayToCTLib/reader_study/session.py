"""One reader's way through a study: which case is next, its marks, and going back. Knows no screen."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path

from XrayToCTLib.errors import UnsuitableInput
from XrayToCTLib.reader_study.answers import Answer, Mark, append_answer, read_answers
from XrayToCTLib.reader_study.study import read_study, verified_case


class ReadingSession:
    """Goes on where the reader's file of answers ends.

    Args:
        folder: of the study.
        reader: pseudonym.
        clock: seconds, for the reading times.

    Raises:
        UnsuitableInput: no study, no such reader, or a spoilt file of answers.
    """

    def __init__(self, folder: Path, reader: str, clock: Callable[[], float] = time.monotonic) -> None:
        self.folder = folder
        self.study = read_study(folder)
        self.reader = self.study.reader(reader)
        self._clock = clock
        self._answers = read_answers(folder, self.study, reader)
        self._position = self._first_open()
        self._begin()

    @property
    def total(self) -> int:
        """How many cases there are."""
        return len(self.reader.order)

    @property
    def answered(self) -> int:
        """How many cases have an answer."""
        return len(self._answers)

    @property
    def position(self) -> int:
        """Of the case on the screen, from 1; total + 1 when all are read."""
        return self._position + 1

    @property
    def is_finished(self) -> bool:
        """True when no case is on the screen any more."""
        return self._position >= self.total

    @property
    def code(self) -> str:
        """Of the case on the screen. Raises UnsuitableInput when all are read."""
        if self.is_finished:
            raise UnsuitableInput("All cases of the study are read; go back to change an answer.")
        return self.reader.order[self._position]

    @property
    def earlier_answer(self) -> Answer | None:
        """The answer that was given to the case on the screen before, if any."""
        return None if self.is_finished else self._answers.get(self.code)

    def case_file(self) -> Path:
        """The file of the case on the screen, checked. Raises UnsuitableInput: it is missing or was changed."""
        return verified_case(self.folder, self.study, self.code)

    def submit(self, realism: int, confidence: int, condition: str, marks: tuple[Mark, ...], comment: str) -> None:
        """Save the answer to the case on the screen, on the disk, and go to the next.

        Raises:
            UnsuitableInput: the answer is not complete, or could not be written; the case stays on the screen.
        """
        now = datetime.now(timezone.utc).isoformat(timespec="seconds")
        seconds = self._clock() - self._began
        answer = Answer(self.code, realism, confidence, condition, marks, comment, seconds, now)
        append_answer(self.folder, self.study, self.reader.name, answer)
        self._answers[self.code] = answer
        self._position = self._position + 1 if self.answered < self.total else self.total
        self._begin()

    def back(self) -> None:
        """To the case before. Raises UnsuitableInput at the first."""
        if self._position == 0:
            raise UnsuitableInput("This is the first case; there is none before it.")
        self._position -= 1
        self._begin()

    def _first_open(self) -> int:
        """Place of the first case without an answer; behind the last where all have one."""
        open_places = (at for at, code in enumerate(self.reader.order) if code not in self._answers)
        return next(open_places, self.total)

    def _begin(self) -> None:
        self._began = self._clock()
