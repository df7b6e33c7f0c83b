"""Requests to the worker process, and who waits for what becomes of them. Neither Qt nor torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from XrayToCTLib.errors import CANCELLED, CANCELLED_MESSAGE
from XrayToCTLib.progress import Progress


@dataclass(frozen=True)
class Failure:
    """Why a request failed: an exit code of the command line, one sentence, and the cause where there is one."""

    code: int
    message: str
    cause: str | None = None

    @property
    def was_cancelled(self) -> bool:
        return self.code == CANCELLED

    def sentences(self) -> str:
        """What a person reads."""
        return self.message if not self.cause or self.cause in self.message else f"{self.message} ({self.cause})"


def _ignore(_: Any) -> None:
    pass


@dataclass(frozen=True)
class Listener:
    """Who is told of a request, or of a run; of ``finished`` and ``failed`` exactly one is called, once."""

    finished: Callable[[Any], None] = _ignore
    failed: Callable[[Failure], None] = _ignore
    progress: Callable[[Progress], None] = _ignore


class Client(Protocol):
    """What is used of `worker_client.WorkerClient`."""

    @property
    def is_busy(self) -> bool: ...
    def submit(self, request: dict[str, Any]) -> int: ...
    def poll(self) -> list[dict[str, Any]]: ...
    def cancel(self) -> None: ...
    def close(self) -> None: ...


class WorkerRequests:
    """Hands the worker's events to the listeners of the requests they belong to.

    The worker is started by the first request; nothing happens between two calls of `poll`, which never blocks.
    """

    def __init__(self, make_client: Callable[[], Client]) -> None:
        self._make_client = make_client
        self._client: Client | None = None
        self._listeners: dict[int, Listener] = {}

    @property
    def is_busy(self) -> bool:
        """Whether a listener still waits."""
        return bool(self._listeners)

    def submit(self, request: dict[str, Any], listener: Listener) -> int:
        """Sends a request (see docs/worker.md) and returns its number."""
        if self._client is None:
            self._client = self._make_client()
        number = self._client.submit(request)
        self._listeners[number] = listener
        return number

    def poll(self) -> None:
        """Tells the listeners what has happened since the last call. What a listener raises comes out here."""
        if self._client is None:
            return
        for event in self._client.poll():
            self._tell(event)

    def cancel(self) -> None:
        """Ends the worker with its children; every open request fails as cancelled."""
        waiting = list(self._listeners.values())
        self._listeners.clear()
        if self._client is not None and waiting:
            self._client.cancel()
        for listener in waiting:
            listener.failed(Failure(CANCELLED, CANCELLED_MESSAGE))

    def close(self) -> None:
        """Ends the worker without telling anyone."""
        self._listeners.clear()
        if self._client is not None:
            self._client.close()
            self._client = None

    def _tell(self, event: dict[str, Any]) -> None:
        number = event.get("id", -1)
        listener = self._listeners.get(number)
        if listener is None:
            return  # cancelled meanwhile, or the worker's greeting
        kind = event.get("event")
        if kind == "progress":
            listener.progress(Progress(event["stage"], event["fraction"], event.get("seconds_left")))
        elif kind == "result":
            del self._listeners[number]
            listener.finished(event["result"])
        elif kind == "error":
            del self._listeners[number]
            listener.failed(Failure(event["code"], event["message"], event.get("cause")))
