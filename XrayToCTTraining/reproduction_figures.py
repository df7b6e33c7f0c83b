"""The paper's figures 1, 2 and 4 from an experiment: projections and slices of each strategy's volumes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from XrayToCTLib.errors import UnsuitableInput
from XrayToCTLib.orientation import display_slice
from XrayToCTLib.pictures import write_png
from XrayToCTLib.pipeline import project
from XrayToCTLib.projection import Geometry
from XrayToCTTraining.data.cohort import Case, Cohort
from XrayToCTTraining.data.samples import radiograph_of, volume_of
from XrayToCTTraining.picture_grid import LabelledRows, labelled_grid
from XrayToCTTraining.reproduce import CYCLEGAN, X2CT, Experiment, induction
from XrayToCTTraining.strategies import predictor

CASES = 4


def figure_1(experiment: Experiment, out: Path) -> Path:
    """Real radiographs beside the projections of each strategy's volume, a row a patient."""
    volumes, geometry = _volumes(experiment, experiment.xrays, _test_cases(experiment.xrays))
    names = list(next(iter(volumes.values()))[1])
    rows = []
    for case, (radiograph, of) in volumes.items():
        tiles = [radiograph, *(project(of[name], geometry) for name in names)]
        rows.append((case, tiles))
    return write_png(out / "figure1.png", labelled_grid(["X-ray", *names], rows))


def figure_2(experiment: Experiment, out: Path) -> Path:
    """Slices of the true CT and of each strategy's volume of the same patient's radiograph, a row a strategy."""
    cases = [case for case in _test_cases(experiment.pairs) if case.has_ct][:1]
    return _slices(experiment, experiment.pairs, cases, out / "figure2.png")


def figure_4(experiment: Experiment, out: Path) -> Path:
    """Slices of each strategy's volumes of real radiographs, a row a strategy and patient."""
    return _slices(experiment, experiment.xrays, _test_cases(experiment.xrays)[:2], out / "figure4.png")


def _slices(experiment: Experiment, cohort: Cohort, cases: Sequence[Case], path: Path) -> Path:
    volumes, _ = _volumes(experiment, cohort, cases)
    rows: LabelledRows = []
    for case in cases:
        radiograph, of = volumes[case.name]
        size = radiograph.shape[0]
        if case.has_ct and case.domain == "drr":
            of = {"true CT": volume_of(cohort, case, size)[0].numpy(), **of}
        for name, volume in of.items():
            planes = [display_slice(volume, plane, size // 2) for plane in ("axial", "coronal", "sagittal")]
            rows.append((f"{name}, {case.name}", [radiograph, *planes]))
    return write_png(path, labelled_grid(["X-ray", "axial", "coronal", "sagittal"], rows))


def _volumes(
    experiment: Experiment, cohort: Cohort, cases: Sequence[Case]
) -> tuple[dict[str, tuple[np.ndarray, dict[str, np.ndarray]]], Geometry]:
    """Radiograph and volume of each strategy (seed 0), by case."""
    chosen = induction(experiment.best_lambda())
    result: dict[str, tuple[np.ndarray, dict[str, np.ndarray]]] = {}
    for strategy in (X2CT, CYCLEGAN, chosen):
        predict, geometry, size = predictor(*experiment.generator(strategy, 0))
        for case in cases:
            radiograph = radiograph_of(cohort, case, size)
            _, of = result.setdefault(case.name, (radiograph[0].numpy(), {}))
            of[strategy] = predict(radiograph[None])[0, 0].numpy()
    return result, geometry


def _test_cases(cohort: Cohort) -> list[Case]:
    cases = list(cohort.of_split("test"))[:CASES]
    if not cases:
        raise UnsuitableInput(f"{cohort.folder} has no test case; prepare it with a larger --test.")
    return cases
