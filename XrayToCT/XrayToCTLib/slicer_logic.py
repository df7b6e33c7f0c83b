"""What the Slicer module does, without any widget: usable from scripts, from tests and by the panel.

Work runs in the worker process. `poll` has to be called now and then (the panel's timer does) until `is_busy` is false;
with ``wait=True`` that is done here. Results are read in a thread and enter the scene in steps, so that no call of
`poll` takes long.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from XrayToCTLib.batch import Batch, BatchReport
from XrayToCTLib.errors import CANCELLED_MESSAGE, Cancelled, DeviceError, ModelError, UnsuitableInput, XrayToCTError
from XrayToCTLib.progress import Progress
from XrayToCTLib.run_settings import RunSettings
from XrayToCTLib.worker_requests import Client, Failure, Listener, WorkerRequests

_POLL_SECONDS = 0.02
_ERRORS: dict[int, type[XrayToCTError]] = {
    error.exit_code: error for error in (UnsuitableInput, ModelError, DeviceError, Cancelled)
}

#: Makes the nodes of a result folder in steps; its return value is a `scene.SceneNodes`.
Loading = Generator[None, None, Any]
#: Told of a run's end: the nodes in the scene (a dictionary, where nothing enters the scene), or why there are none.
Finished = Callable[[Any], None]
Failed = Callable[[Failure], None]


def error_of(failure: Failure) -> XrayToCTError:
    """The exception that a script gets for a failure."""
    return _ERRORS.get(failure.code, XrayToCTError)(failure.sentences())


def _ignore(*_: Any) -> None:
    pass


class _Outcome:
    """How a run ended: told to the caller's functions, and kept for one who waits."""

    def __init__(self, finished: Finished, failed: Failed) -> None:
        self._finished, self._failed = finished, failed
        self._result: Any = None
        self._failure: Failure | None = None

    def finish(self, result: Any) -> None:
        self._result = result
        self._finished(result)

    def fail(self, failure: Failure) -> None:
        self._failure = failure
        self._failed(failure)

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
        temporary_folder: where results wait for the scene; None takes the system's.
        began: called whenever `poll` has become needed.
    """

    def __init__(
        self,
        make_client: Callable[[], Client] | None = None,
        load: Callable[[Path], Loading] | None = None,
        temporary_folder: Path | None = None,
        began: Callable[[], None] = lambda: None,
    ) -> None:
        self._requests = WorkerRequests(make_client or _worker_client)
        self._load = load or _results_in_steps
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
        *,
        wait: bool = True,
        progress: Callable[[Progress], None] = _ignore,
        finished: Finished = _ignore,
        failed: Failed = _ignore,
        is_cancelled: Callable[[], bool] = lambda: False,
    ) -> Any:
        """Makes a synthetic CT of an X-ray file and adds the result to the scene: all of its nodes, or none.

        Args:
            xray: the file. settings: None takes the defaults.
            wait: whether to return only when it is done.
            progress, finished, failed: called on the way and at the end, in both modes.
            is_cancelled: with ``wait``, asked often; the work ends when it says so.

        Returns:
            With ``wait`` the result's nodes (`scene.SceneNodes`), else None.

        Raises:
            UnsuitableInput, ModelError, DeviceError, Cancelled: with ``wait`` only; without, ``failed`` is told.
        """
        folder = Path(tempfile.mkdtemp(prefix="XrayToCT-", dir=self._temporary_folder))
        outcome = _Outcome(finished, failed)

        def written(_: dict[str, Any]) -> None:
            progress(Progress("scene", 1.0, None))
            self._loading = _Loading(self._load(folder), folder, outcome)

        def forget(failure: Failure) -> None:
            shutil.rmtree(folder, ignore_errors=True)
            outcome.fail(failure)

        request = (settings or RunSettings()).generate_request(Path(xray), folder, ("nrrd",))
        self._submit(request, Listener(written, forget, progress))
        return self._waited_for(outcome, is_cancelled) if wait else None

    def export(
        self,
        xray: Path | str,
        output: Path | str,
        settings: RunSettings | None = None,
        *,
        formats: Sequence[str] = ("dicom",),
        anonymise: bool = False,
        wait: bool = True,
        progress: Callable[[Progress], None] = _ignore,
        finished: Finished = _ignore,
        failed: Failed = _ignore,
        is_cancelled: Callable[[], bool] = lambda: False,
    ) -> Any:
        """Makes the result of an X-ray and writes it in ``formats``; nothing enters the scene.

        Returns and raises as `process`; the result is the object of ``generate --json``.
        """
        request = (settings or RunSettings()).generate_request(Path(xray), Path(output), formats, anonymise)
        outcome = _Outcome(finished, failed)
        self._submit(request, Listener(outcome.finish, outcome.fail, progress))
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
        output: Path | str,
        settings: RunSettings | None = None,
        *,
        formats: Sequence[str] = ("nrrd",),
        anonymise: bool = False,
        wait: bool = True,
        progress: Callable[[int, int, Progress], None] = _ignore,
        finished: Callable[[BatchReport], None] = _ignore,
        is_cancelled: Callable[[], bool] = lambda: False,
    ) -> BatchReport | None:
        """Works through a folder of X-rays, each into a folder of its own; nothing enters the scene.

        Returns:
            With ``wait`` the report, which also says what failed; else None, and ``finished`` gets it.

        Raises:
            UnsuitableInput: the folder cannot be read or is empty, or is the output folder itself.
        """
        reports: list[BatchReport] = []

        def done(report: BatchReport) -> None:
            reports.append(report)
            finished(report)

        options = (settings or RunSettings(), formats, anonymise, progress, done)
        Batch(self._requests, Path(folder), Path(output), *options).start()
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

    return results_in_steps(folder)
