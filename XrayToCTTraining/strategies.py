"""From trained runs to predictions: a generator alone, or behind a style transfer."""

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from XrayToCTLib.models import find, load_generator
from XrayToCTLib.projection import Geometry
from XrayToCTTraining.checkpoints import CHECKPOINT
from XrayToCTTraining.data.cohort import Cohort
from XrayToCTTraining.data.volumes import identity_of, write_volumes
from XrayToCTTraining.trained import trained_generator, trained_style

Predict = Callable[[Tensor], Tensor]


def predictor(generator_run: Path, style_run: Path | None = None) -> tuple[Predict, Geometry, int]:
    """Radiographs (N, 1, S, S) in [0, 1] to volumes (N, 1, S, S, S) in [0, 1]; their geometry; S.

    Raises:
        UnsuitableInput: a run holds no such checkpoint.
    """
    generator, geometry, _ = trained_generator(generator_run)
    style = trained_style(style_run)[0] if style_run else None

    @torch.no_grad()
    def predict(radiograph: Tensor) -> Tensor:
        return generator(radiograph if style is None else style(radiograph)).clamp(0, 1)

    return predict, geometry, generator.config.size


def model_predictor(name_or_file: str) -> tuple[Predict, Geometry, int]:
    """As :func:`predictor`, of weights that the runtime finds by name, or of a file of weights.

    Raises:
        ModelError: there is no such generator.
    """
    info = find(name_or_file, "generator")
    generator = load_generator(info)
    size = generator.config.size

    @torch.no_grad()
    def predict(radiograph: Tensor) -> Tensor:
        return generator(radiograph).clamp(0, 1)

    return predict, info.geometry or Geometry(detector_pixels=(size, size)), size


def volumes_of(cohort: Cohort, generator_run: Path, style_run: Path | None, folder: Path) -> Path:
    """Writes the volume of every radiograph to ``folder``, where it is not there yet; returns ``folder``."""
    predict, _, size = predictor(generator_run, style_run)
    files = [run / CHECKPOINT if run.is_dir() else run for run in (generator_run, style_run) if run is not None]
    write_volumes(cohort, predict, size, folder, identity_of(*files))
    return folder
