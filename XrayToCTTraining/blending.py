"""The weights of two stages mixed: how much of a fine-tuning to keep is chosen after training, in seconds.

Along the straight line between a network and what fine-tuning made of it, what was gained falls later than what was
lost comes back (Wortsman et al. 2022, "Robust fine-tuning of zero-shot models").
"""

from __future__ import annotations

from pathlib import Path

from XrayToCTLib.errors import UnsuitableInput
from XrayToCTLib.generators import network_of
from XrayToCTTraining.checkpoints import CHECKPOINT, save_checkpoint
from XrayToCTTraining.trained import trained_generator


def blend_generators(first: Path, second: Path, share: float, run: Path) -> Path:
    """Writes a run whose generator has ``share`` of the weights of ``second`` and the rest of ``first``.

    Args:
        first, second: runs (or checkpoints) of `fit reconstruction`; the second began with the first.
        share: 0 (all of the first) to 1. run: folder of the new run, which can be evaluated and exported, not resumed.

    Returns:
        The checkpoint.

    Raises:
        UnsuitableInput: one is no such run, their networks differ, or ``run`` holds a training.
    """
    (one, geometry, _), (other, _, settings) = trained_generator(first), trained_generator(second)
    if one.config != other.config:
        raise UnsuitableInput(f"{first} and {second} hold different networks; blend two stages of one.")
    if (run / CHECKPOINT).exists():
        raise UnsuitableInput(f"{run} holds a run already; choose another folder.")
    before, after = (network_of(generator).state_dict() for generator in (one, other))
    weights = {name: value.lerp(after[name], share) for name, value in before.items()}
    steps = settings.pop("steps")
    record = {**settings, "geometry": geometry.to_dict(), "blended": {"of": [first.name, second.name], "share": share}}
    run.mkdir(parents=True, exist_ok=True)
    state = {"record": record, "model": {}, "extra": {"averaged": weights, "anchor": {}}, "step": steps}
    save_checkpoint(run / CHECKPOINT, state)
    return run / CHECKPOINT
