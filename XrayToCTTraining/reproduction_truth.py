"""What the paper could not measure, for want of paired data: each strategy's volumes against the truth.

The radiographs of a simulated cohort have CTs. Lesions are those that were planted.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch

from XrayToCTLib.atomic_write import write_bytes_atomically
from XrayToCTLib.errors import UnsuitableInput
from XrayToCTLib.projection import Geometry
from XrayToCTTraining.data.cohort import Case, Cohort
from XrayToCTTraining.data.samples import radiograph_of, volume_of
from XrayToCTTraining.evaluation import mean_training_volume, volume_figures
from XrayToCTTraining.fidelity import LesionScore, lesion_table, score_lesions
from XrayToCTTraining.reproduce import (
    ANNEALED,
    CYCLEGAN,
    INTERLEAVED,
    LAMBDAS,
    OURS,
    RESTARTED,
    RESTARTED_ANNEALED,
    X2CT,
    Experiment,
    induction,
)
from XrayToCTTraining.simulation.stored_lesions import has_lesions, read_lesions
from XrayToCTTraining.statistics import spread
from XrayToCTTraining.strategies import Predict, predictor
from XrayToCTTraining.tables import markdown_table, write_csv

MEAN = "mean training volume"
STRATEGIES = (X2CT, CYCLEGAN, *(induction(value) for value in LAMBDAS if value), OURS)
CONTROLS = (RESTARTED, RESTARTED_ANNEALED, ANNEALED, INTERLEAVED)
_FIGURES = {
    "MAE (HU)": "mae_hu",
    "PSNR, honest (dB)": "psnr_honest",
    "SSIM": "ssim",
    "Dice of lungs": "dice_lungs",
    "Dice of bone": "dice_bone",
    "reprojection: correlation": "reprojection_ncc",
    "reprojection: details": "reprojection_details_ncc",
    "lesions: contrast kept": "lesion_kept",
    "lesions: found": "lesion_found",
    "right handed": "handed",
    "two lungs": "check, two lungs",
    "wall closed": "check, chest wall closed",
}
NOTE = (
    "Mean ± standard deviation over {seeds} seed(s) of the mean over {cases} test radiographs ({domain}), whose "
    "patients have CTs. A lesion is found where at least half of its contrast is there, at its place. Right handed: by "
    "heart, liver and aorta together, a check of the volume.\n"
)


def truth_table(experiment: Experiment, out: Path, strategies: Sequence[str] = STRATEGIES) -> str:
    """A row for each strategy. Writes ``truth.md``, ``truth.csv`` and ``lesions.csv`` to ``out``; returns the former.

    Raises:
        UnsuitableInput: the radiographs' test cases have no CTs.
    """
    cases = [case for case in experiment.xrays.of_split("test") if case.has_ct]
    if not cases:
        raise UnsuitableInput(f"{experiment.xrays.folder} has no test case with a CT; simulate the radiographs.")
    rows, flat, lesions = [], [], []
    for strategy in (MEAN, *strategies):
        runs = [_measured(experiment, strategy, seed, cases) for seed in range(experiment.scale.seeds)]
        means = [{name: _mean([row[name] for row in run["figures"]]) for name in run["figures"][0]} for run in runs]
        scores = [[LesionScore(**score) for score in run["lesions"]] for run in runs]
        for mean, own in zip(means, scores, strict=True):
            mean["lesion_kept"] = _mean([score.kept for score in own])
            mean["lesion_found"] = _mean([float(score.found) for score in own])
        lesions += [{"strategy": strategy, **row} for row in lesion_table([score for own in scores for score in own])]
        spreads = {shown: spread([mean[name] for mean in means]) for shown, name in _FIGURES.items()}
        rows.append({"": strategy, **{shown: f"{m:.3g} ± {_one_digit(d)}" for shown, (m, d) in spreads.items()}})
        flat += [{"strategy": strategy, "seed": seed, **mean} for seed, mean in enumerate(means)]
    write_csv(out / "truth.csv", flat)
    if lesions:
        write_csv(out / "lesions.csv", lesions)
    note = NOTE.format(seeds=experiment.scale.seeds, cases=len(cases), domain=cases[0].domain)
    text = f"# Against the truth\n\n{markdown_table(rows)}\n{note}"
    write_bytes_atomically(out / "truth.md", text.encode())
    return text


def _measured(experiment: Experiment, strategy: str, seed: int, cases: Sequence[Case]) -> dict[str, list]:
    """Figures of each case and scores of each lesion; kept in the seed's folder and not measured twice."""
    result = experiment.out / f"seed-{seed}" / f"truth-{strategy.replace(' ', '-')}.json"
    if not result.is_file():
        predict, geometry, size = predictor(*experiment.generator(X2CT if strategy == MEAN else strategy, seed))
        if strategy == MEAN:
            predict = _constant(experiment.pairs, size)
        experiment.say(f"seed {seed}: {strategy} against the truth")
        measured: dict[str, list] = {"figures": [], "lesions": []}
        for case in cases:
            figures, scores = _case(predict, experiment.xrays, case, geometry, size)
            measured["figures"].append(figures)
            measured["lesions"] += [asdict(score) for score in scores]
        write_bytes_atomically(result, json.dumps(measured).encode())
    return json.loads(result.read_text())


def _case(
    predict: Predict, cohort: Cohort, case: Case, geometry: Geometry, size: int
) -> tuple[dict[str, float], list[LesionScore]]:
    radiograph = radiograph_of(cohort, case, size)
    predicted = predict(radiograph[None])[0, 0].float().cpu().numpy()
    truth = volume_of(cohort, case, size)[0].numpy()
    figures = volume_figures(predicted, truth, radiograph[0].numpy(), geometry)
    figures["handed"] = figures["check, handedness"]
    scores: list[LesionScore] = []
    if has_lesions(cohort.folder, case.name):
        numbers, lesions = read_lesions(cohort.folder, case.name)
        if numbers.shape[0] == size:
            scores = score_lesions(predicted, truth, cohort.structures(case)["lungs"], numbers, lesions)
    return figures, scores


def _constant(pairs: Cohort, size: int) -> Callable[[torch.Tensor], torch.Tensor]:
    """The mean training volume, whatever the radiograph."""
    training = [case for case in pairs.of_split("training") if case.has_ct]
    mean = torch.from_numpy(mean_training_volume(pairs, training, size))[None, None]
    return lambda radiograph: mean


def _mean(values: Sequence[float]) -> float:
    known = [value for value in values if np.isfinite(value)]
    return float(np.mean(known)) if known else float("nan")


def _one_digit(deviation: float) -> str:
    """Without an exponent, and 0 where nothing but rounding is left."""
    return f"{float(f'{round(deviation, 9):.1g}'):g}"
