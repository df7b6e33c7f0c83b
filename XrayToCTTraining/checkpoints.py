"""Training checkpoints: complete, written atomically, read without pickle's code execution."""

from pathlib import Path
from typing import Any

import torch

from XrayToCTLib.atomic_write import replacing


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Writes ``state`` so that ``path`` always holds a whole checkpoint, the old or the new."""
    with replacing(path) as temporary:
        torch.save(state, temporary)


def load_checkpoint(path: Path) -> dict[str, Any] | None:
    """The state saved last, or None where there is none yet."""
    return torch.load(path, map_location="cpu", weights_only=True) if path.is_file() else None
