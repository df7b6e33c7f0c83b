"""Debian's dciodvfy, which reads DICOM objects with the standard in hand (no tests here)."""

import shutil
import subprocess
from pathlib import Path

import pytest

KINDS = {"CTImage", "SCImage", "EnhancedSR"}
# It is older than the attribute Synthetic Data, which DICOM has since 2022.
_NEWER = {
    "Error - Attribute with an even group number is not a recognized standard attribute - (0x0008,0x001c)  ? ",
}


def errors_of(path: Path) -> list[str]:
    """What dciodvfy calls errors in an object of a kind that we write; skips the test where it is not installed."""
    validator = shutil.which("dciodvfy")
    if validator is None:
        pytest.skip("dciodvfy (Debian's dicom3tools) is not installed")
    done = subprocess.run([validator, path], capture_output=True, text=True, timeout=60)
    lines = (done.stdout + done.stderr).splitlines()
    assert KINDS & set(lines), lines  # it knew what it read
    return [line for line in lines if line.startswith("Error") and line not in _NEWER]
