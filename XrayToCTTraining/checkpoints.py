"""Training checkpoints: complete, written atomically, read without pickle's code execution."""

from pathlib import Path
from typing import Any

import torch

from XrayToCTLib.atomic_write import replacing
from XrayToCTLib.errors import UnsuitableInput

CHECKPOINT, BEST, SETTINGS, LOG = "checkpoint.pt", "best.pt", "fit.json", "log.jsonl"
"""Files in the folder of a run: the last checkpoint, that of the best epoch, what was asked for, figures by step."""


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Writes ``state`` so that ``path`` always holds a whole checkpoint, the old or the new."""
    with replacing(path) as temporary:
        torch.save(state, temporary)


def load_checkpoint(path: Path) -> dict[str, Any] | None:
    """The state saved last, or None where there is none yet.

    Raises:
        UnsuitableInput: the file is not a checkpoint of this program.
    """
    if not path.is_file():
        return None
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        state["record"]  # every checkpoint says what made it
        return state
    except Exception as error:  # the restricted unpickler fails on hostile files in any way it likes
        raise UnsuitableInput(
            f"{path} is damaged or not a checkpoint of this program; remove it and train again."
        ) from error


def weights_under(prefix: str, state: dict[str, Any]) -> dict[str, torch.Tensor]:
    """Of a checkpoint's weights those whose names begin with ``prefix``, without it."""
    return {key.removeprefix(prefix): value for key, value in state["model"].items() if key.startswith(prefix)}
