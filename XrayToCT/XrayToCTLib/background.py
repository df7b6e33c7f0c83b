"""Work in a thread beside a viewer's event loop, for steps that pause (see `slicer_logic`)."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from concurrent.futures import Future, wait
from typing import TypeVar

T = TypeVar("T")

_TURN_SECONDS = 0.005


def in_background(work: Callable[[], T], when_dropped: Callable[[], None] = lambda: None) -> Generator[None, None, T]:
    """Does ``work`` in a thread of its own and pauses until it has ended; returns or raises what the work does.

    For files and arrays only: MRML and Qt belong to the viewer's own thread. A viewer holds Python's lock while it
    waits for events, so every turn waits for the thread a few milliseconds, in which it goes on.

    Closing the generator returns at once: the work goes on to its end, and its outcome is dropped.

    Args:
        when_dropped: called then, once the work has ended (in its thread, if it had not): the files are free.
    """
    outcome: Future[T] = Future()

    def run() -> None:
        try:
            outcome.set_result(work())
        except BaseException as error:
            outcome.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    try:
        while not outcome.done():
            yield
            wait((outcome,), _TURN_SECONDS)
    except GeneratorExit:
        outcome.add_done_callback(lambda _: when_dropped())
        raise
    return outcome.result()
