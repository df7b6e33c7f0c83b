"""Write a file whole or not at all."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def write_bytes_atomically(path: str | os.PathLike[str], content: bytes) -> Path:
    """Write under a temporary name beside ``path``, then rename: an old file stays whole if anything fails.

    Returns the path. Raises OSError where the folder is missing or cannot be written to.
    """
    path = Path(path)
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name[:100]}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        os.chmod(temporary, 0o644)  # mkstemp gives a file that only its owner can read
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
    return path
