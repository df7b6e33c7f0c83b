"""What the Slicer module does, without any widget: usable from scripts, from tests and by the panel.

Work runs in the worker process. `poll` has to be called now and then (the panel's timer does) until `is_busy` is false;
with ``wait=True`` that is done here. Results are read in a thread and enter the scene in steps, so that no call of
`poll` takes long.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from XrayToCTLib.batch import Batch, BatchReport
from XrayToCTLib.errors import CANCELLED_MESSAGE, Cancelled, DeviceError, ModelError, UnsuitableInput, XrayToCTError
from XrayToCTLib.options import ResultFiles
from XrayToCTLib.progress import Progress
from XrayToCTLib.run_settings import RunSettings, export_request
from XrayToCTLib.worker_requests import Client, Failure, Listener, WorkerRequests

_POLL_SECONDS = 0.02
_ERRORS: dict[int, type[XrayToCTError]] = {
    error.exit_code: error for error in (UnsuitableInput, ModelError, DeviceError, Cancelled)
}

#: Makes the nodes of a result folder in steps; its return value is a `scene.SceneNodes`.
Loading = Generator[None, None, Any]
Finished = Callable[[Any], None]
Failed = Callable[[Failure], None]


def error_of(failure: Failure) -> XrayToCTError:
    """The exception that a script gets for a failure."""
    return _ERRORS.get(failure.code, XrayToCTError)(failure.sentences())


def _ignore(*_: Any) -> None:
    pass


def _after_removing(folder: Path, tell: Callable[[Any], None]) -> Callable[[Any], None]:
    """Tells of the end of a run once its temporary folder is gone."""

    def end(told: Any) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        tell(told)

    return end


class _Outcome:
    """How a run ended: told to the caller's functions, and kept for one who waits."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._result: Any = None
        self._failure: Failure | None = None

    def finish(self, result: Any) -> None:
        self._result = result
        self._listener.finished(result)

    def fail(self, failure: Failure) -> None:
        self._failure = failure
        self._listener.failed(failure)

    def result(self) -> Any:
        """The result. Raises the error that belongs to the failure."""
        if self._failure is not None:
            raise error_of(self._failure)
        return self._result


@dataclass
class _Loading:
    steps: Loading
    folder: Path
    outcome: _Outcome


class SlicerLogic:
    """Runs of the worker, and their results on the way into the scene.

    Args:
        make_client: makes the worker's client; None takes `worker_client.WorkerClient`.
        load: makes the nodes of a result folder in steps; None takes `scene_results.results_in_steps`.
        store: writes the nodes of a result to a folder; None takes `scene_results.store_results`.
        temporary_folder: where results wait for the scene; None takes the system's.
        began: called whenever `poll` has become needed.
    """

    def __init__(
        self,
        make_client: Callable[[], Client] | None = None,
        load: Callable[[Path], Loading] | None = None,
        store: Callable[[Any, Path], None] | None = None,
        temporary_folder: Path | None = None,
        began: Callable[[], None] = lambda: None,
    ) -> None:
        self._requests = WorkerRequests(make_client or _worker_client)
        self._load = load or _results_in_steps
        self._store = store or _store_results
        self._temporary_folder = temporary_folder
        self._began = began
        self._loading: _Loading | None = None

    @property
    def is_busy(self) -> bool:
        """Whether a request is open, or a result on its way into the scene."""
        return self._requests.is_busy or self._loading is not None

    def process(
        self,
        xray: Path | str,
        settings: RunSettings | None = None,
        listener: Listener | None = None,
        *,
        wait: bool = True,
        is_cancelled: Callable[[], bool] = lambda: False,
    ) -> Any:
        """Makes a synthetic CT of an X-ray file and adds the result to the scene: all of its nodes, or none.

        Args:
            xray: the file. settings: None takes the defaults.
            listener: told on the way and, of the nodes or of the failure, at the end; with ``wait`` too.
            wait: whether to return only when it is done.
            is_cancelled: with ``wait``, asked often; the work ends when it says so.

        Returns:
            With ``wait`` the result's nodes (`scene.SceneNodes`), else None.

        Raises:
            UnsuitableInput, ModelError, DeviceError, Cancelled: with ``wait`` only; without, the listener is told.
        """
        listener = listener or Listener()
        folder = self._new_folder()
        outcome = _Outcome(listener)

        def written(_: dict[str, Any]) -> None:
            listener.progress(Progress("scene", 1.0, None))
            self._loading = _Loading(self._load(folder), folder, outcome)

        request = (settings or RunSettings()).generate_request(Path(xray), ResultFiles(folder))
        self._submit(request, Listener(written, _after_removing(folder, outcome.fail), listener.progress))
        return self._waited_for(outcome, is_cancelled) if wait else None

    def export(
        self,
        nodes: Any,
        files: ResultFiles,
        xray: Path | str | None = None,
        listener: Listener | None = None,
        *,
        wait: bool = True,
        is_cancelled: Callable[[], bool] = lambda: False,
    ) -> Any:
        """Writes files of a result as it is in the scene; nothing is made anew, and the scene stays as it is.

        Args:
            nodes: the result (`scene.SceneNodes`).
            files: what is written.
            xray: the file that the result was made of. Where that was DICOM, it is needed for DICOM files, which have
                its patient and study, and to anonymise: a scene does not keep whose X-ray it was.

        Returns and raises as `process`; the result is the object of ``generate --json``. A result that lacks a node is
        told at once, by UnsuitableInput.
        """
        listener = listener or Listener()
        folder = self._new_folder()
        outcome = _Outcome(listener)
        try:
            self._store(nodes, folder)
        except XrayToCTError:
            shutil.rmtree(folder, ignore_errors=True)
            raise

        request = export_request(folder, files, None if xray is None else Path(xray))
        finished, failed = (_after_removing(folder, tell) for tell in (outcome.finish, outcome.fail))
        self._submit(request, Listener(finished, failed, listener.progress))
        return self._waited_for(outcome, is_cancelled) if wait else None

    def preview(
        self, xray: Path | str, settings: RunSettings, folder: Path, finished: Finished, failed: Failed
    ) -> None:
        """Asks for the picture that the network would see, written to ``folder``; returns at once."""
        self._submit(settings.preview_request(Path(xray), folder), Listener(finished, failed))

    def list_models(self, finished: Callable[[list[dict[str, Any]]], None], failed: Failed) -> None:
        """Asks for the models that are found; returns at once."""
        self._submit({"job": "models"}, Listener(lambda result: finished(result["models"]), failed))

    def import_model(self, file: Path | str, finished: Finished, failed: Failed) -> None:
        """Asks the worker to add a model from a file; returns at once."""
        self._submit({"job": "import", "file": str(file)}, Listener(finished, failed))

    def project(
        self, ct: Path, geometry: dict[str, Any], kind: str, folder: Path, finished: Finished, failed: Failed
    ) -> None:
        """Asks for the projection of a CT file in the geometry of a result, written to ``folder``; returns at once."""
        request = {"job": "project", "ct": str(ct), "geometry": geometry, "kind": kind, "output": str(folder)}
        self._submit(request, Listener(finished, failed))

    def batch(
        self,
        folder: Path | str,
        files: ResultFiles,
        settings: RunSettings | None = None,
        *,
        wait: bool = True,
        progress: Callable[[int, int, Progress], None] = _ignore,
        finished: Callable[[BatchReport], None] = _ignore,
        is_cancelled: Callable[[], bool] = lambda: False,
    ) -> BatchReport | None:
        """Works through a folder of X-rays, each into a folder of its own within that of ``files``.

        Nothing enters the scene.

        Returns:
            With ``wait`` the report, which also says what failed; else None, and ``finished`` gets it.

        Raises:
            UnsuitableInput: the folder cannot be read or is empty, or is the output folder itself.
        """
        reports: list[BatchReport] = []

        def done(report: BatchReport) -> None:
            reports.append(report)
            finished(report)

        Batch(self._requests, Path(folder), files, settings or RunSettings(), progress, done).start()
        self._began()
        if not wait:
            return None
        self._wait(is_cancelled)
        return reports[0]

    def poll(self) -> None:
        """Hands on what the worker has said, and takes one step of a result on its way into the scene."""
        self._requests.poll()
        loading = self._loading
        if loading is None:
            return
        try:
            next(loading.steps)
        except StopIteration as stop:
            self._end_loading()
            loading.outcome.finish(stop.value)
        except XrayToCTError as error:
            self._end_loading()
            loading.outcome.fail(Failure(error.exit_code, str(error)))

    def cancel(self) -> None:
        """Ends the work within a second, with the worker and its children; no half-made node is left."""
        loading = self._loading
        self._end_loading()
        self._requests.cancel()
        if loading is not None:
            loading.outcome.fail(Failure(Cancelled.exit_code, CANCELLED_MESSAGE))

    def close(self) -> None:
        """Ends the worker, without telling anyone."""
        self._end_loading()
        self._requests.close()

    def _end_loading(self) -> None:
        if self._loading is None:
            return
        self._loading.steps.close()  # takes half-made nodes back
        shutil.rmtree(self._loading.folder, ignore_errors=True)
        self._loading = None

    def _new_folder(self) -> Path:
        return Path(tempfile.mkdtemp(prefix="XrayToCT-", dir=self._temporary_folder))

    def _submit(self, request: dict[str, Any], listener: Listener) -> None:
        self._requests.submit(request, listener)
        self._began()

    def _waited_for(self, outcome: _Outcome, is_cancelled: Callable[[], bool]) -> Any:
        self._wait(is_cancelled)
        return outcome.result()

    def _wait(self, is_cancelled: Callable[[], bool]) -> None:
        while self.is_busy:
            if is_cancelled():
                self.cancel()
            self.poll()
            time.sleep(_POLL_SECONDS)


def _worker_client() -> Client:
    from XrayToCTLib.worker_client import WorkerClient

    return WorkerClient()


def _results_in_steps(folder: Path) -> Loading:
    from XrayToCTLib.scene_results import results_in_steps

    # Where the work is cancelled while the files are read, some systems let go of them only afterwards.
    return results_in_steps(folder, when_dropped=lambda: shutil.rmtree(folder, ignore_errors=True))


def _store_results(nodes: Any, folder: Path) -> None:
    from XrayToCTLib.scene_results import store_results

    store_results(nodes, folder)
