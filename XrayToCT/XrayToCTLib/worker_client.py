"""Talks to a worker process (:mod:`XrayToCTLib.worker`) from a program that must never wait. Neither Qt nor torch."""

from __future__ import annotations

import contextlib
import os
import queue
import shutil
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from XrayToCTLib.errors import CANCELLED, CANCELLED_MESSAGE, DeviceError
from XrayToCTLib.process_tree import end_tree, start_tree
from XrayToCTLib.worker_protocol import PATHS, event_of, line_of

STAGING = ".xraytoct-*"  # what a writer that was killed leaves behind in its folder
_KEPT_LINES = 20  # of standard error
_LONGEST_LINE = 16_000_000  # of what a worker says, in bytes
_CHUNK = 65536
_KILLED = -9
_LAST_WORDS_SECONDS = 0.5  # that a dead process's pipes are given to run dry


class WorkerClient:
    """Sends requests to a worker and collects its events. The worker starts with the first request.

    Not thread-safe: all calls come from one thread, such as a viewer's own.

    Args:
        command: of the worker; None takes this Python, or Slicer's.
        environment: variables that the worker gets on top of this process's.
    """

    def __init__(self, command: Sequence[str] | None = None, environment: Mapping[str, str] | None = None) -> None:
        self._command = command
        self._environment = dict(environment or {})
        self._process: _Process | None = None
        self._open: dict[int, dict[str, Any]] = {}
        self._events: list[dict[str, Any]] = []
        self._endings: list[threading.Thread] = []
        self._last = 0

    @property
    def is_busy(self) -> bool:
        """Whether a request has got neither its result nor its error yet."""
        return bool(self._open)

    def submit(self, request: Mapping[str, Any]) -> int:
        """Sends a request (see docs/worker.md), relative paths made absolute, and returns its number.

        Raises:
            DeviceError: no worker can be started.
            ValueError: the request is none that JSON can hold, or a cancel or shutdown, for which there are methods.
        """
        if request.get("job") in ("cancel", "shutdown"):
            raise ValueError(f"a worker is not sent {request['job']!r}: use cancel() and close()")
        number = self._last + 1
        sent = {**request, "id": number}
        for key in PATHS:
            if isinstance(sent.get(key), (str, os.PathLike)):
                sent[key] = _absolute(key, os.fspath(sent[key]))
        line = line_of(sent)
        if self._process is None or self._process.has_ended:
            self._collect()
            self._process = _Process(self._command or worker_command(), self._environment)
        self._last = number
        output = sent.get("output")
        existed = isinstance(output, str) and os.path.isdir(output)
        self._open[number] = {**sent, "output_existed": existed}
        self._process.write(line)
        return number

    def poll(self) -> list[dict[str, Any]]:
        """The events since the last call; never waits. Open requests of a worker that died get an error each."""
        self._collect()
        events, self._events = self._events, []
        return events

    def cancel(self) -> None:
        """Ends the worker and its children within a second, in the background; open requests end with the code 130.

        Of what was being written nothing is left. The next request starts a fresh worker.
        """
        self._collect()
        for number in self._open:
            self._fail(number, CANCELLED, CANCELLED_MESSAGE, None)
        self._end_process()

    def close(self) -> None:
        """Ends the worker, waits until it has ended, and forgets all events. A later request starts a fresh one."""
        self._end_process()
        for thread in self._endings:
            thread.join()
        self._endings.clear()
        self._events.clear()

    def _end_process(self) -> None:
        process, requests = self._process, list(self._open.values())
        self._process = None
        self._open.clear()
        self._endings = [thread for thread in self._endings if thread.is_alive()]
        if process is not None:
            thread = threading.Thread(target=_end, args=(process, requests))
            thread.start()
            self._endings.append(thread)

    def _collect(self) -> None:
        """Takes over what has come in, and looks whether the worker is still there."""
        if self._process is None:
            return
        has_ended = self._process.has_ended  # asked first: what it said before it ended must be read below
        for event in self._process.events():
            self._events.append(event)
            if event["event"] in ("result", "error"):
                self._open.pop(event.get("id"), None)  # type: ignore[arg-type]
        if has_ended:
            code = self._process.code
            for number in self._open:
                killed = code == _KILLED
                reason = "was killed, most likely for want of memory" if killed else f"ended with the code {code}"
                message = f"The worker {reason}; the next request starts it again."
                self._fail(number, DeviceError.exit_code if killed else 1, message, self._process.last_words)
            self._end_process()

    def _fail(self, number: int, code: int, message: str, cause: str | None) -> None:
        self._events.append({"id": number, "event": "error", "code": code, "message": message, "cause": cause})


class _Process:
    """A running worker: its pipes are read in threads, so that nobody has to wait for them."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        here = str(Path(__file__).resolve().parents[1])
        path = os.pathsep.join(part for part in (here, os.environ.get("PYTHONPATH", "")) if part)
        try:
            self.process = start_tree(command, {**os.environ, "PYTHONPATH": path, **environment})
        except OSError as error:
            raise DeviceError(
                f"The worker {command[0]} cannot be started ({error.strerror}); check the installation."
            ) from error
        self._received: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self._to_send: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._words: deque[str] = deque(maxlen=_KEPT_LINES)
        self._died: float | None = None
        self._reader = self._in_background(self._read_events, self.process.stdout)
        self._listener = self._in_background(self._read_words, self.process.stderr)
        self._in_background(self._send, self.process.stdin)

    @staticmethod
    def _in_background(work: Callable[[IO[bytes]], None], pipe: IO[bytes] | None) -> threading.Thread:
        thread = threading.Thread(target=work, args=(pipe,), daemon=True)
        thread.start()
        return thread

    def write(self, line: bytes) -> None:
        self._to_send.put(line)

    def events(self) -> list[dict[str, Any]]:
        found = []
        while not self._received.empty():
            found.append(self._received.get())
        return found

    @property
    def code(self) -> int | None:
        return self.process.returncode

    @property
    def has_ended(self) -> bool:
        """Whether the process has, and its pipes are read; a child that keeps them open is not waited for long."""
        if self.process.poll() is None:
            return False
        self._died = self._died or time.monotonic()
        dry = not (self._reader.is_alive() or self._listener.is_alive())
        return dry or time.monotonic() - self._died > _LAST_WORDS_SECONDS

    @property
    def last_words(self) -> str | None:
        """The last line on standard error."""
        return next((line for line in reversed(list(self._words)) if line.strip()), None)

    def _read_events(self, pipe: IO[bytes]) -> None:
        for line in _lines(pipe):
            event = event_of(line)
            if event is not None:
                self._received.put(event)

    def _read_words(self, pipe: IO[bytes]) -> None:
        for line in _lines(pipe):
            self._words.append(line.decode("utf-8", "replace").rstrip()[:500])

    def _send(self, pipe: IO[bytes]) -> None:
        # Where it died, poll() tells.
        with contextlib.suppress(OSError), pipe:
            while line := self._to_send.get():
                while line:
                    line = line[pipe.write(line) :]

    def stop_sending(self) -> None:
        """Lets go of its standard input."""
        self._to_send.put(b"")


def _lines(pipe: IO[bytes]) -> Iterator[bytes]:
    rest = b""
    with contextlib.suppress(OSError), pipe:
        while chunk := pipe.read(_CHUNK):
            *whole, rest = (rest + chunk).split(b"\n")
            yield from whole
            rest = rest[-_LONGEST_LINE:]
    if rest:
        yield rest


def _end(process: _Process, requests: list[dict[str, Any]]) -> None:
    """Ends a worker and removes what its writers left: staging folders, and folders that they made and never filled."""
    end_tree(process.process)
    process.stop_sending()
    for request in requests:
        output = request.get("output")
        if request.get("job") not in ("generate", "preview") or not isinstance(output, str):
            continue
        for left in Path(output).glob(STAGING):
            shutil.rmtree(left, ignore_errors=True)
        if not request["output_existed"]:
            with contextlib.suppress(OSError):  # it is not there, or holds a result
                os.rmdir(output)


def _absolute(key: str, text: str) -> str:
    """A path from the root on; a model may also be a name."""
    is_name = key == "model" and not text.endswith(".safetensors")
    return text if is_name else os.path.abspath(os.path.expanduser(text))


def worker_command() -> list[str]:
    """Runs the worker by this Python or, within Slicer's own program, by PythonSlicer.

    Raises:
        DeviceError: there is none.
    """
    python = sys.executable
    if not python or not os.path.basename(python).lower().startswith("python"):
        python = shutil.which("PythonSlicer") or ""
    if not python:
        raise DeviceError("Slicer's Python (PythonSlicer) was not found; start Slicer by its own launcher.")
    return [python, "-m", "XrayToCTLib.worker"]
