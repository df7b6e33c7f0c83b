"""A folder of X-rays through the worker, one after the other; a file that cannot be used never stops the rest."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from XrayToCTLib.errors import UnsuitableInput
from XrayToCTLib.options import ResultFiles
from XrayToCTLib.progress import Progress
from XrayToCTLib.run_settings import RunSettings
from XrayToCTLib.worker_requests import Failure, Listener, WorkerRequests
from XrayToCTLib.xray_folder import CaseNames, files_in


@dataclass(frozen=True)
class BatchReport:
    """What became of a batch: the folders that were written, the files that failed and why."""

    written: tuple[Path, ...]
    failed: tuple[tuple[Path, Failure], ...]
    was_cancelled: bool

    def sentences(self) -> str:
        """What a person reads, a line for each failure."""
        how = "The batch was cancelled" if self.was_cancelled else "The batch is done"
        head = f"{how}: {len(self.written)} written, {len(self.failed)} could not be used."
        return "\n".join([head, *(failure.sentences() for _, failure in self.failed)])


class Batch:
    """One run over a folder; `start` returns at once and `finished` is called at the end, also after a cancel.

    Args:
        folder: its files are worked on, subfolders are not.
        files: what is written of each, into a folder of its own (see `xray_folder.CaseNames`).
        progress: called with the file's number from 1, how many there are, and the progress of the whole batch.

    Raises:
        UnsuitableInput: the folder cannot be read or is empty, or is the output folder itself.
    """

    def __init__(
        self,
        requests: WorkerRequests,
        folder: Path,
        files: ResultFiles,
        settings: RunSettings,
        progress: Callable[[int, int, Progress], None],
        finished: Callable[[BatchReport], None],
    ) -> None:
        if folder.resolve() == files.folder.resolve():
            raise UnsuitableInput(f"{files.folder} is the folder of the X-rays; choose another one for the results.")
        self._requests = requests
        self._xrays = files_in(folder)
        self._names = CaseNames(self._xrays, files.anonymise)
        self._files, self._settings = files, settings
        self._progress, self._finished = progress, finished
        self._written: list[Path] = []
        self._failed: list[tuple[Path, Failure]] = []
        self._next = 0

    def start(self) -> None:
        """Sends the first file to the worker."""
        self._submit_next()

    def _submit_next(self) -> None:
        if self._next == len(self._xrays):
            self._report(was_cancelled=False)
            return
        number, total = self._next + 1, len(self._xrays)
        source = self._xrays[self._next]
        case = self._names.of(source)
        folder = self._files.folder / case.folder
        files = replace(self._files, folder=folder, pseudonym=case.pseudonym, study_uid=case.study_uid)
        self._next = number

        def progress(progress: Progress) -> None:
            whole = (number - 1 + progress.fraction) / total
            self._progress(number, total, Progress(progress.stage, whole, self._seconds_left(progress, total - number)))

        def finished(result: dict[str, Any]) -> None:
            self._written.append(files.folder)
            self._submit_next()

        def failed(failure: Failure) -> None:
            if failure.was_cancelled:
                self._report(was_cancelled=True)
                return
            self._failed.append((source, failure))
            self._submit_next()

        request = self._settings.generate_request(source, files)
        self._requests.submit(request, Listener(finished, failed, progress))

    @staticmethod
    def _seconds_left(progress: Progress, files_left: int) -> float | None:
        """The rest of this file, and as long as this one takes for each of the others."""
        if progress.seconds_left is None or progress.fraction >= 1:
            return None
        return progress.seconds_left * (1 + files_left / (1 - progress.fraction))

    def _report(self, was_cancelled: bool) -> None:
        self._finished(BatchReport(tuple(self._written), tuple(self._failed), was_cancelled))
