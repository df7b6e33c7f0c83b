"""The training loop that all networks share: Lightning with manual optimisation, resumable to the bit.

Everything random in a step is drawn from (seed, epoch, position, process), never from what ran before. A checkpoint
therefore needs no generator states: parameters, optimisers, the recipe's own state and the position in the plan say it
all, and a killed run ends with the weights of an uninterrupted one (one process, CPU).
"""

from __future__ import annotations

import json
import logging
import math
import time
import warnings
from abc import abstractmethod
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import numpy as np
import torch
from lightning.pytorch.loggers import TensorBoardLogger
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, default_collate
from tqdm import tqdm

from XrayToCTLib.atomic_write import write_bytes_atomically
from XrayToCTLib.errors import DeviceError, UnsuitableInput
from XrayToCTTraining.checkpoints import BEST, CHECKPOINT, LOG, SETTINGS, load_checkpoint, save_checkpoint

Key = Hashable


@dataclass(frozen=True)
class Engine:
    """On what, and how, a training runs; nothing here changes what is learned beside rounding.

    Attributes:
        accelerator: auto, cpu, gpu or mps. devices: processes on each node. nodes: machines.
        strategy: Lightning's name of one; auto is ddp where there are several processes.
        precision: 32-true, bf16-mixed or 16-mixed.
        loader_workers: processes that load data, beside each training process.
        checkpoint_every: steps between checkpoints; there is one at the end of every epoch too.
        log_every: steps over which logged losses are averaged.
        stop_after: stop, as if killed, after so many steps of this start (0: never); the same command goes on.
    """

    accelerator: str = "auto"
    devices: int = 1
    nodes: int = 1
    strategy: str = "auto"
    precision: str = "32-true"
    loader_workers: int = 0
    checkpoint_every: int = 200
    log_every: int = 1
    stop_after: int = 0


class Recipe(pl.LightningModule):
    """A network, its losses and its data. Subclasses fill in the methods below.

    Attributes:
        epochs: passes over the plan. seed: of everything random.
        monitor: name of the validation figure whose best epoch is kept as ``best.pt`` (higher is better), or None.
        start: (epoch, position) of the first step of this start.
        milestones: numbers of epochs after which the checkpoint is kept as ``epoch-<number>.pt`` too.
    """

    epochs: int
    seed: int
    monitor: str | None = None
    start: tuple[int, int] = (0, 0)
    milestones: tuple[int, ...] = ()

    def __init__(self) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.restored: dict[str, Any] | None = None
        self.left_out = 0

    @abstractmethod
    def plan(self, epoch: int) -> Sequence[Sequence[Key]]:
        """The epoch's batches in order, over all processes: what each item is."""

    @abstractmethod
    def load(self, key: Any, rng: np.random.Generator) -> dict[str, Tensor]:
        """One item without its batch axis; all of its randomness comes from ``rng``."""

    @abstractmethod
    def step(self, batch: dict[str, Tensor], epoch: int) -> dict[str, Tensor]:
        """Forward, ``manual_backward`` and the optimisers' steps; returns the losses to log."""

    def validate_epoch(self, epoch: int) -> dict[str, float]:
        """Figures after an epoch; runs in the first process only, without gradients, in evaluation mode."""
        return {}

    def picture(self, epoch: int) -> Tensor | None:
        """What TensorBoard shows after an epoch, (3, H, W) in [0, 1]."""
        return None

    def extra_state(self) -> dict[str, Any]:
        """Whatever a checkpoint must hold beside parameters and optimisers: tensors and plain values."""
        return {}

    def load_extra_state(self, state: dict[str, Any]) -> None:
        """Takes back what :meth:`extra_state` gave."""

    def descend(self, index: int, clip: float = 0.0) -> None:
        """One step of the optimiser of this index; then its gradients are cleared.

        A gradient that is not finite is left out: with numbers of 16 bits that happens once in a while.

        Args:
            clip: largest norm of the gradient; 0: no limit.

        Raises:
            UnsuitableInput: it has happened ten times in a row.
        """
        optimisers = self.optimizers()
        optimiser = optimisers[index] if isinstance(optimisers, list) else optimisers
        scaler = getattr(self.trainer.precision_plugin, "scaler", None)
        if scaler is not None:  # it leaves such steps out by itself
            scaler.unscale_(optimiser.optimizer)
        parameters = [parameter for group in optimiser.param_groups for parameter in group["params"]]
        norm = torch.nn.utils.clip_grad_norm_(parameters, clip or math.inf)
        if scaler is not None or bool(torch.isfinite(norm)):
            optimiser.step()
            self.left_out = 0
        else:
            self.left_out += 1
            if self.left_out == 10:
                raise UnsuitableInput(
                    "Ten steps in a row had no finite gradient; train again with a lower --learning_rate, "
                    "or with --engine.precision 32-true."
                )
        optimiser.zero_grad(set_to_none=True)

    def on_fit_start(self) -> None:
        if self.restored is not None:
            for optimiser, state in zip(self.trainer.optimizers, self.restored["optimisers"], strict=True):
                optimiser.load_state_dict(state)
            if self.restored["precision"]:
                self.trainer.precision_plugin.load_state_dict(self.restored["precision"])

    def training_step(self, batch: dict[str, Any], batch_idx: int) -> None:
        epoch, position = batch.pop("epoch"), batch.pop("position")
        torch.manual_seed(_seed_of(self.seed, epoch, position, self.global_rank))
        self.losses = {name: value.detach() for name, value in self.step(batch, epoch).items()}


def train(recipe: Recipe, run: Path, engine: Engine, record: dict[str, Any], start: Path | None = None) -> None:
    """Trains ``recipe`` to its end, going on from ``run`` where a checkpoint lies there, else from ``start`` if given.

    Where ``start`` has nothing left to learn it becomes the run's checkpoint, under the run's own ``record``.
    Writes to ``run``: ``checkpoint.pt``, ``best.pt`` where the recipe has a ``monitor``, ``fit.json`` (``record``),
    ``log.jsonl`` (a row of losses every ``log_every`` steps, a row of figures an epoch) and ``tensorboard/``.

    Raises:
        UnsuitableInput: the run was begun with another ``record``, or a batch cannot be shared out evenly.
        DeviceError: out of memory.
    """
    record = json.loads(json.dumps(record))
    progress = _restore(recipe, run, record, start)
    if recipe.start[0] >= recipe.epochs:
        if start is not None and not (run / CHECKPOINT).exists():
            _take_over(start, run, record)
        return
    world = engine.devices * engine.nodes
    sizes = {len(batch) for batch in recipe.plan(recipe.start[0])}
    if any(size % world for size in sizes):
        raise UnsuitableInput(f"Batches of {sizes} cannot be shared out to {world} processes; choose another --batch.")
    _quieten()
    strategy = engine.strategy
    if strategy == "auto" and world > 1:
        # either network of a GAN is without gradients while the other one is trained
        strategy = "ddp_find_unused_parameters_true"
    trainer = pl.Trainer(
        accelerator=engine.accelerator,
        devices=engine.devices,
        num_nodes=engine.nodes,
        strategy=strategy,
        precision=engine.precision,  # type: ignore[arg-type]
        max_epochs=1,  # ours are in the plan: Lightning cannot resume inside one of its own
        max_steps=-1,
        callbacks=[_Keeper(run, engine, record, progress)],
        logger=TensorBoardLogger(run, name=None, version="tensorboard", purge_step=progress["step"]),
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
    )
    plan = _Plan(recipe, trainer.global_rank, trainer.world_size)
    loader = DataLoader(
        _Items(recipe),
        batch_sampler=plan,
        collate_fn=_collate,
        num_workers=engine.loader_workers,
        persistent_workers=engine.loader_workers > 0,
    )
    try:
        trainer.fit(recipe, loader)
    except torch.OutOfMemoryError as error:
        raise DeviceError("Out of memory; choose a smaller --batch or a larger --accumulate.") from error
    except SystemExit:
        if trainer.interrupted:
            raise KeyboardInterrupt from None
        raise


def _restore(recipe: Recipe, run: Path, record: dict[str, Any], start: Path | None) -> dict[str, Any]:
    """Puts the recipe where ``run``, or else ``start``, stopped. Returns step, best figure and seconds so far."""
    state = load_checkpoint(run / CHECKPOINT)
    is_own = state is not None
    if state is None and start is not None:
        state = load_checkpoint(start)
        if state is None:
            raise UnsuitableInput(f"{start} does not exist; give a checkpoint to start from.")
    if state is None:
        return {"step": 0, "best": None, "seconds": 0.0}
    before = state["record"]
    if is_own and before != record:
        changed = sorted(name for name in {*before, *record} if before.get(name) != record.get(name))
        raise UnsuitableInput(
            f"{run} holds a training with other settings ({', '.join(changed)}); "
            "give another --run, or the same settings."
        )
    try:
        recipe.load_state_dict(state["model"])
    except RuntimeError as error:
        raise UnsuitableInput(f"{start} is of another network or configuration; give one of the same.") from error
    recipe.load_extra_state(state["extra"])
    recipe.restored = {name: state[name] for name in ("optimisers", "precision")}
    recipe.start = (state["epoch"], state["position"])
    return {"step": state["step"], "best": state["best"], "seconds": state["seconds"]}


def _take_over(start: Path, run: Path, record: dict[str, Any]) -> None:
    state = load_checkpoint(start)
    assert state is not None
    run.mkdir(parents=True, exist_ok=True)
    write_bytes_atomically(run / SETTINGS, json.dumps(record, indent=2).encode())
    save_checkpoint(run / CHECKPOINT, {**state, "record": record})


class _Items(Dataset):
    """Loads (epoch, position, place in the batch, key)."""

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe

    def __getitem__(self, item: tuple[int, int, int, Any]) -> dict[str, Any]:
        epoch, position, place, key = item
        rng = np.random.default_rng((self.recipe.seed, epoch, position, place))
        return {"epoch": epoch, "position": position, **self.recipe.load(key, rng)}


class _Plan:
    """The batch sampler: what is left of the plan, this process's share of every batch."""

    def __init__(self, recipe: Recipe, rank: int, world: int) -> None:
        self.recipe, self.rank, self.world = recipe, rank, world
        epoch, position = recipe.start
        self.steps = sum(len(recipe.plan(e)) for e in range(epoch, recipe.epochs)) - position

    def __len__(self) -> int:
        return self.steps

    def __iter__(self) -> Iterator[list[tuple[int, int, int, Any]]]:
        first, skipped = self.recipe.start
        for epoch in range(first, self.recipe.epochs):
            for position, keys in enumerate(self.recipe.plan(epoch)):
                if epoch > first or position >= skipped:
                    places = range(self.rank, len(keys), self.world)
                    yield [(epoch, position, place, keys[place]) for place in places]


def _collate(items: Sequence[dict[str, Any]]) -> dict[str, Any]:
    where = {name: items[0][name] for name in ("epoch", "position")}
    return where | default_collate([{k: v for k, v in item.items() if k not in where} for item in items])


class _Keeper(pl.Callback):
    """Progress bar, log, TensorBoard, validation and checkpoints."""

    def __init__(self, run: Path, engine: Engine, record: dict[str, Any], progress: dict[str, Any]) -> None:
        self.run, self.engine, self.record = run, engine, record
        self.step, self.best, self.seconds = progress["step"], progress["best"], progress["seconds"]
        self.first_step = self.step
        self.began = time.monotonic()
        self.gathered: list[dict[str, Tensor]] = []
        self.lengths: dict[int, int] = {}

    def on_train_start(self, trainer: pl.Trainer, recipe: pl.LightningModule) -> None:
        if not trainer.is_global_zero:
            return
        self.run.mkdir(parents=True, exist_ok=True)
        write_bytes_atomically(self.run / SETTINGS, json.dumps(self.record, indent=2).encode())
        _truncate_log(self.run / LOG, self.step)
        total = self.step + len(trainer.train_dataloader.batch_sampler)  # type: ignore[union-attr]
        self.bar = tqdm(total=total, initial=self.step, unit="step", mininterval=1, smoothing=0.05)

    def on_train_batch_start(
        self, trainer: pl.Trainer, recipe: pl.LightningModule, batch: dict[str, Any], batch_idx: int
    ) -> None:
        self.epoch, self.position = batch["epoch"], batch["position"]

    def on_train_batch_end(
        self, trainer: pl.Trainer, recipe: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        assert isinstance(recipe, Recipe)
        self.step += 1
        self.gathered.append(recipe.losses)
        length = self.lengths.setdefault(self.epoch, len(recipe.plan(self.epoch)))
        is_last = self.position + 1 == length
        if is_last or self.step % self.engine.log_every == 0:
            self._log_losses(trainer)
        if is_last:
            self._finish_epoch(trainer, recipe)
        following = (self.epoch + 1, 0) if is_last else (self.epoch, self.position + 1)
        stops = self.step - self.first_step == self.engine.stop_after
        if is_last or stops or self.step % self.engine.checkpoint_every == 0:
            self._save(trainer, recipe, CHECKPOINT, following)
        if is_last and following[0] in recipe.milestones:
            self._save(trainer, recipe, f"epoch-{following[0]}.pt", following)
        if trainer.is_global_zero:
            self.bar.set_description(f"epoch {self.epoch + 1}/{recipe.epochs}", refresh=False)
            self.bar.update()
        trainer.should_stop = stops
        if stops:
            trainer.fit_loop.epoch_loop.max_steps = trainer.global_step

    def on_train_end(self, trainer: pl.Trainer, recipe: pl.LightningModule) -> None:
        if trainer.is_global_zero:
            self.bar.close()

    def _log_losses(self, trainer: pl.Trainer) -> None:
        gathered, self.gathered = self.gathered, []
        row: dict[str, float] = {"step": self.step, "epoch": self.epoch + 1}
        for name in sorted({name for losses in gathered for name in losses}):
            mean = torch.stack([losses[name].float() for losses in gathered if name in losses]).nanmean()
            value = float(trainer.strategy.reduce(mean, reduce_op="mean"))
            if math.isfinite(value):  # else every step of the row was left out
                row[name] = value
        self._write(trainer, row)

    def _finish_epoch(self, trainer: pl.Trainer, recipe: Recipe) -> None:
        if trainer.is_global_zero:
            recipe.eval()
            with torch.no_grad():
                figures = recipe.validate_epoch(self.epoch)
                picture = recipe.picture(self.epoch)
            recipe.train()
            if picture is not None and isinstance(trainer.logger, TensorBoardLogger):
                trainer.logger.experiment.add_image("validation", picture, self.step)
            self._write(trainer, {"step": self.step, "epoch": self.epoch + 1, **figures})
            if recipe.monitor is not None and (self.best is None or figures[recipe.monitor] > self.best):
                self.best = figures[recipe.monitor]
                self._save(trainer, recipe, BEST, (self.epoch + 1, 0))
        trainer.strategy.barrier()

    def _write(self, trainer: pl.Trainer, row: dict[str, float]) -> None:
        if not trainer.is_global_zero:
            return
        row = {**row, "seconds": round(self._elapsed(), 3)}
        with (self.run / LOG).open("a") as log:
            log.write(json.dumps(row) + "\n")
        if isinstance(trainer.logger, TensorBoardLogger):
            for name, value in row.items():
                if name not in ("step", "seconds"):
                    trainer.logger.experiment.add_scalar(name, value, self.step)

    def _save(self, trainer: pl.Trainer, recipe: Recipe, name: str, following: tuple[int, int]) -> None:
        if not trainer.is_global_zero:
            return
        state = {
            "record": self.record,
            "epoch": following[0],
            "position": following[1],
            "step": self.step,
            "best": self.best,
            "seconds": self._elapsed(),
            "model": recipe.state_dict(),
            "optimisers": [optimiser.state_dict() for optimiser in trainer.optimizers],
            "precision": trainer.precision_plugin.state_dict(),  # the scaler of 16-mixed
            "extra": recipe.extra_state(),
        }
        save_checkpoint(self.run / name, state)

    def _elapsed(self) -> float:
        return self.seconds + time.monotonic() - self.began


def batches(items: Sequence[Any], size: int) -> list[list[Any]]:
    """Cut into batches of ``size``; what is left over is dropped, unless it is all there is."""
    whole = [list(items[i : i + size]) for i in range(0, len(items) - size + 1, size)]
    return whole or [list(items)]


def _seed_of(*numbers: int) -> int:
    return int(np.random.default_rng(numbers).integers(2**31))


def _truncate_log(path: Path, step: int) -> None:
    """Drops the rows that a killed run wrote after its last checkpoint: they come again."""
    if path.is_file():
        rows = path.read_text().splitlines()
        kept = [row for row in rows if row.endswith("}") and json.loads(row)["step"] <= step]
        write_bytes_atomically(path, "".join(f"{row}\n" for row in kept).encode())


def _quieten() -> None:
    """Lightning's advertisements and hints are not for our users."""
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", module="lightning")
