"""Trained networks, read from the folder of their run; without what only a training needs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from XrayToCTLib.errors import UnsuitableInput
from XrayToCTLib.generators import GENERATORS, AnyConfig, ReadyGenerator, build_generator, with_finishing
from XrayToCTLib.input_network import InputCheckConfig, InputNetwork
from XrayToCTLib.projection import Geometry
from XrayToCTLib.style_transfer import STYLE_TRANSFERS, StyleTransfer
from XrayToCTTraining.checkpoints import BEST, CHECKPOINT, load_checkpoint, weights_under


def trained_generator(checkpoint: Path) -> tuple[ReadyGenerator, Geometry, dict[str, Any]]:
    """The generator of a run's checkpoint (a file, or the run's folder) as it is used, its geometry, and its settings.

    Raises:
        UnsuitableInput: there is no such checkpoint, or it is of another network.
    """
    path = checkpoint / CHECKPOINT if checkpoint.is_dir() else checkpoint
    state = load_checkpoint(path)
    if state is None or state["record"].get("network") != "generator":
        raise UnsuitableInput(f"{path} is not a checkpoint of `fit reconstruction`; train one first.")
    record = state["record"]
    generator = build_generator(generator_config(record["generator"]))
    generator.load_state_dict(state["extra"]["averaged"] or weights_under("generator.", state))
    geometry = Geometry.from_dict(record["geometry"])
    record |= {name: record.get(name, 0) for name in ("clear_air", "consistency")}  # older runs have neither
    ready = with_finishing(generator, geometry, bool(record["clear_air"]), record["consistency"])
    return ready.eval(), geometry, {**record, "steps": state["step"]}


def generator_config(name: str) -> AnyConfig:
    """A generator's configuration by its name; raises UnsuitableInput where there is none."""
    if name not in GENERATORS:
        raise UnsuitableInput(f"There is no generator {name!r}; choose one of {', '.join(GENERATORS)}.")
    return GENERATORS[name]


def trained_style(run: Path) -> tuple[StyleTransfer, dict[str, Any]]:
    """The network from real radiographs to the style of projections, and the settings of its run.

    Raises:
        UnsuitableInput: there is no such checkpoint in ``run``.
    """
    state = load_checkpoint(run / CHECKPOINT)
    if state is None or state["record"].get("network") != "cyclegan":
        raise UnsuitableInput(f"{run} holds no CycleGAN; train one with `fit cyclegan`.")
    network = StyleTransfer(STYLE_TRANSFERS[state["record"]["style"]])
    network.load_state_dict(weights_under("to_drr.", state))
    return network.eval(), state["record"]


def trained_input_check(run: Path) -> tuple[InputNetwork, dict[str, Any]]:
    """The network of a run's best epoch, and its settings. Raises UnsuitableInput where ``run`` holds none."""
    state = load_checkpoint(run / BEST)
    if state is None or state["record"].get("network") != "input_check":
        raise UnsuitableInput(f"{run} holds no trained input check; train one with `fit input-check`.")
    network = InputNetwork(InputCheckConfig())
    network.load_state_dict(weights_under("network.", state))
    return network.eval(), {**state["record"], "best_epoch": state["epoch"]}
