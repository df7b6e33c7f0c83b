"""Write a file whole or not at all."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: Path, suffix: str = "") -> Iterator[Path]:
    """A temporary file beside ``path`` that takes its place when the block ends well, and vanishes otherwise.

    Args:
        path: missing folders above it are made.
        suffix: of the temporary file, for writers that go by it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".xraytoct-", dir=path.parent) as folder:
        temporary = Path(folder) / f"new{suffix}"
        yield temporary
        os.replace(temporary, path)


def write_bytes_atomically(path: str | os.PathLike[str], content: bytes) -> Path:
    """Writes ``content`` and returns the path. Raises OSError where the folder cannot be written to."""
    with replacing(Path(path)) as temporary:
        temporary.write_bytes(content)
    return Path(path)
