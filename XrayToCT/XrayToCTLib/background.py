"""Work in a thread beside a viewer's event loop, for steps that pause (see `slicer_logic`)."""

from __future__ import annotations

from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor, wait
from typing import TypeVar

T = TypeVar("T")

_TURN_SECONDS = 0.005


def in_background(work: Callable[[], T]) -> Generator[None, None, T]:
    """Does ``work`` in a thread of its own and pauses until it has ended; returns or raises what the work does.

    For files and arrays only: MRML and Qt belong to the viewer's own thread. A viewer holds Python's lock while it
    waits for events, so every turn waits for the thread a few milliseconds, in which it goes on. Closing the generator
    waits for the work's end: the files that it reads can then be removed.
    """
    with ThreadPoolExecutor(max_workers=1) as threads:
        future = threads.submit(work)
        while not future.done():
            yield
            wait((future,), _TURN_SECONDS)
        return future.result()
