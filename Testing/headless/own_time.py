"""A clock that a busy machine does not fail (no tests here)."""

import contextlib
import time
from pathlib import Path


class OwnTime:
    """Time passed less the time for which this process could have run, but another program did (Linux).

    Of all threads: one that waits for its turn may hold what the event loop's thread waits for.
    """

    def __init__(self) -> None:
        self._queued: dict[str, int] = {}  # by thread, in ns; of those that have ended, too

    def seconds(self) -> float:
        for file in Path("/proc/self/task").glob("*/schedstat"):
            with contextlib.suppress(OSError):  # a thread may just have ended
                # on the processor, in the queue for it, both in ns, and how often: the kernel's sched-stats.rst
                self._queued[file.parent.name] = int(file.read_text().split()[1])
        return time.monotonic() - sum(self._queued.values()) / 1e9 if self._queued else time.thread_time()
