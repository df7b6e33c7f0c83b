"""The command line of training as the tests call it (no tests here)."""

import os
import subprocess
import sys

ONE_THREAD = {**os.environ, "OMP_NUM_THREADS": "1"}  # threads of several processes would wait for each other


def training_command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "XrayToCTTraining", *map(str, arguments)]


def training(*arguments: object, check: bool = True, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs it in a process of its own; with ``check`` a failure fails the test, with what the process said."""
    done = subprocess.run(
        training_command(*arguments), capture_output=True, text=True, env={**ONE_THREAD, **environment}
    )
    assert not check or done.returncode == 0, done.stderr
    return done
