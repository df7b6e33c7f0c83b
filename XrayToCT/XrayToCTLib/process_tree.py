"""Starting a process so that it can be ended together with all its children, on POSIX and on Windows."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence

GRACE_SECONDS = 0.4  # in which a process may remove what it has half written
_TASKKILL_SECONDS = 5.0


def start_tree(command: Sequence[str], environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """A process with three pipes, in a session (on Windows: a process group) of its own.

    Raises:
        OSError: it cannot be started.
    """
    options: dict[str, object] = {"start_new_session": True}
    if sys.platform == "win32":
        options = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW}
    return subprocess.Popen(  # type: ignore[call-overload, no-any-return]
        list(command),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=dict(environment),
        bufsize=0,
        **options,
    )


def end_tree(process: subprocess.Popen[bytes], grace: float = GRACE_SECONDS) -> None:
    """Ends a process of :func:`start_tree` and its children, and returns when they have ended.

    On POSIX they are asked first. The process must not be waited for elsewhere meanwhile: while nobody has, its number
    is that of its group and of nothing else.
    """
    if sys.platform == "win32":
        # PythonSlicer is a launcher whose child does the work: the whole tree has to go.
        command = ["taskkill", "/PID", str(process.pid), "/T", "/F"]
        subprocess.run(command, capture_output=True, timeout=_TASKKILL_SECONDS, check=False)
    else:
        _signal_group(process.pid, signal.SIGTERM)
        if grace:
            time.sleep(grace)
        _signal_group(process.pid, signal.SIGKILL)
    process.wait()


def _signal_group(group: int, number: int) -> None:
    # macOS gives the second where only a dead process is left.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)
