"""A process that works for a viewer: ``python -m XrayToCTLib.worker``. The protocol is described in docs/worker.md.

Requests come in on standard input, events go out on standard output. What libraries print goes to standard error.
"""

from __future__ import annotations

import os
import queue
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

from XrayToCTLib.errors import CANCELLED, CANCELLED_MESSAGE, WrongUsage, XrayToCTError, cause_of
from XrayToCTLib.worker_protocol import LONGEST_REQUEST, event_line, request_of

Report = Callable[[str, float, float | None], None]
Jobs = Callable[[dict[str, Any], Report], dict[str, Any]]

_CHUNK = 65536


class Cancelled(BaseException):
    """The job that runs is not wanted any more. No handler of errors may take it for one."""


class Worker:
    """Runs the requests of one pipe in their order; cancels those that a later line, or the end of input, cancels.

    Args:
        jobs: carries out a request and returns its result; reports progress, which raises :class:`Cancelled`.
        source, target: file descriptors of the requests and of the events.
    """

    def __init__(self, jobs: Jobs, source: int, target: int) -> None:
        self._jobs, self._source, self._target = jobs, source, target
        self._requests: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self._lock = threading.Lock()  # of what follows, and of the events' order
        self._open: set[int] = set()
        self._unwanted: set[int] = set()
        self._ended = False

    def run(self) -> None:
        """Returns at the end of input or after ``shutdown``."""
        self._send({"event": "ready"})
        # The reader goes by the bare descriptor: at the end Python could not close a file that a thread reads from.
        threading.Thread(target=self._read, daemon=True).start()
        while (request := self._requests.get()) is not None:
            self._send(self._done(request))

    def _read(self) -> None:
        try:
            for line in lines(self._source):
                if not self._take(line):
                    return
        except OSError:
            pass  # a pipe that fails has ended
        with self._lock:
            self._ended = True  # nobody reads the results: what runs is cancelled as well
        self._requests.put(None)

    def _take(self, line: bytes | None) -> bool:
        """Queues a request or cancels one; False after ``shutdown``."""
        number = None
        try:
            if line is None:
                raise WrongUsage(f"A request must not be longer than {LONGEST_REQUEST} bytes.")
            if not line.strip():
                return True
            request = request_of(line)
            if request["job"] == "shutdown":
                self._requests.put(None)
                return False
            number = int(request["id"])
            with self._lock:
                if request["job"] == "cancel":
                    self._unwanted |= {number} & self._open
                    return True
                if number in self._open:
                    raise WrongUsage(f"The request {number} is not done yet; give every request an id of its own.")
                self._open.add(number)
            self._requests.put(request)
        except WrongUsage as error:
            self._refuse(number, error)
        return True

    def _refuse(self, number: int | None, error: XrayToCTError) -> None:
        self._send({"id": number, **_failure(error)})

    def _done(self, request: dict[str, Any]) -> dict[str, Any]:
        """The last event of a request."""
        number = request["id"]

        def check() -> None:
            with self._lock:
                if self._ended or number in self._unwanted:
                    raise Cancelled

        def report(stage: str, fraction: float, seconds_left: float | None) -> None:
            check()
            left = None if seconds_left is None else round(seconds_left, 1)
            fraction = round(fraction, 4)
            self._send({"id": number, "event": "progress", "stage": stage, "fraction": fraction, "seconds_left": left})

        try:
            check()
            end: dict[str, Any] = {"event": "result", "result": self._jobs(request, report)}
        except Cancelled:
            end = {"event": "error", "code": CANCELLED, "message": CANCELLED_MESSAGE, "cause": None}
        except Exception as error:
            end = _failure(error)
        with self._lock:
            self._open.discard(number)
            self._unwanted.discard(number)
        return {"id": number, **end}

    def _send(self, event: dict[str, Any]) -> None:
        line = event_line(event)
        with self._lock:
            while line:
                line = line[os.write(self._target, line) :]


def lines(descriptor: int) -> Iterator[bytes | None]:
    """The lines that come in, without their ends; None once for each that is longer than a request may be."""
    rest, skipping = b"", False
    while chunk := os.read(descriptor, _CHUNK):
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            yield None if skipping or len(line) > LONGEST_REQUEST else line
            skipping = False
        if len(rest) > LONGEST_REQUEST:
            rest, skipping = b"", True
    if rest and not skipping:
        yield rest


def _failure(error: Exception) -> dict[str, Any]:
    if isinstance(error, XrayToCTError):
        return {"event": "error", "code": error.exit_code, "message": str(error), "cause": cause_of(error)}
    traceback.print_exception(error)
    known = f"{type(error).__name__}: {error}"[:500]
    message = "An internal error: see the cause, and report it with the worker's standard error."
    return {"event": "error", "code": 1, "message": message, "cause": known}


def _end(number: int, frame: object) -> NoReturn:
    raise KeyboardInterrupt


def main() -> int:
    """Works until the end of input; 130 where a signal ended it."""
    target = os.dup(1)
    os.dup2(2, 1)  # whatever is printed from here on, in C as well, cannot fall into an event
    signal.signal(signal.SIGTERM, _end)
    try:
        from XrayToCTLib.worker_jobs import WorkerJobs

        Worker(WorkerJobs(), 0, target).run()
    except KeyboardInterrupt:
        return CANCELLED
    except BrokenPipeError:
        return 0  # nobody reads the events any more
    return 0


if __name__ == "__main__":
    sys.exit(main())
