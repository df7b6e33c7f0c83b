"""A trained generator against the truth, beside the baselines that know nothing of the radiograph."""

from pathlib import Path

import numpy as np
import torch
from torch import nn

from XrayToCTLib.ct_reading import read_ct
from XrayToCTLib.grayscale import normalise
from XrayToCTLib.projection import Geometry, hu_from_network, network_from_hu
from XrayToCTLib.volume import network_from_ct
from XrayToCTTraining.data.cohort import Cohort
from XrayToCTTraining.metrics import mean_scores, score_volume
from XrayToCTTraining.reconstruction import predict, score_cases
from XrayToCTTraining.simulation.acquisition import CLEAN, acquire

Scores = dict[str, float]


def evaluate_with_baseline(generator: nn.Module, cohort: Cohort, split: str, geometry: Geometry) -> dict[str, Scores]:
    """Mean reconstruction metrics of a split, of the generator and of predicting the mean training volume every time.

    The radiographs are clean projections. Also by source of the anatomy: warps of one real CT are not new patients.
    """
    cases = cohort.of_split(split)
    rows = score_cases(generator, cohort, cases, geometry)
    mean = mean_training_volume(cohort)
    result = {"generator": mean_scores(rows)}
    for source in sorted({case.source for case in cases}):
        result[f"generator, {source}"] = mean_scores(
            [row for row, case in zip(rows, cases, strict=True) if case.source == source]
        )
    result["mean training volume"] = mean_scores([score_volume(mean, _truth(cohort.hu(case))) for case in cases])
    return result


def evaluate_on_ct(generator: nn.Module, cohort: Cohort, path: Path, geometry: Geometry) -> dict[str, Scores]:
    """The same for one real CT, rendered with the model's own geometry."""
    mean = mean_training_volume(cohort)
    truth = network_from_ct(read_ct(path), mean.shape[0], geometry.volume_mm[0])
    hu = hu_from_network(torch.from_numpy(truth)[None, None])
    radiograph = normalise(acquire(hu, geometry, CLEAN, np.random.default_rng(0))[0, 0].numpy())
    predicted = predict(generator, torch.from_numpy(radiograph)[None, None])
    return {"generator": score_volume(predicted, truth), "mean training volume": score_volume(mean, truth)}


def mean_training_volume(cohort: Cohort, limit: int = 200) -> np.ndarray:
    """Mean of the first ``limit`` training volumes, (D, H, W) in network values."""
    cases = cohort.of_split("training")[:limit]
    total = np.zeros(cohort.hu(cases[0]).shape, np.float64)
    for case in cases:
        total += _truth(cohort.hu(case))
    return (total / len(cases)).astype(np.float32)


def _truth(hu: np.ndarray) -> np.ndarray:
    return network_from_hu(torch.from_numpy(hu).float()).numpy()
