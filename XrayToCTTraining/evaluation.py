"""Trained generators against the truth, beside baselines that know little or nothing of the radiograph."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from XrayToCTLib.comparison import band_passed_ncc, compare, details_mm
from XrayToCTLib.ct_reading import read_ct
from XrayToCTLib.errors import UnsuitableInput
from XrayToCTLib.grayscale import normalise
from XrayToCTLib.projection import Geometry, hu_from_network, network_from_hu, radiograph_from_ct
from XrayToCTTraining.data.cohort import Case, Cohort
from XrayToCTTraining.data.ct_preparation import prepared_ct
from XrayToCTTraining.data.rendering import rendered
from XrayToCTTraining.data.samples import radiograph_of, volume_of
from XrayToCTTraining.fidelity import LesionScore, bone_in_lungs, plausibility_figures, score_lesions, sharpness
from XrayToCTTraining.metrics import score_volume
from XrayToCTTraining.simulation.stored_lesions import has_lesions, read_lesions
from XrayToCTTraining.statistics import bootstrap_interval
from XrayToCTTraining.tissue_masks import tissue_masks

Predict = Callable[[Tensor], Tensor]
METRICS = "metrics.json"
"""For `export`: means of the figures; of classifiers, those of the first, under the kind of volumes that it saw."""
GENERATOR, MEAN, NEAREST = "generator", "mean training volume", "nearest training volume"
OTHERS = "mean of the other CTs"


@dataclass(frozen=True)
class Row:
    """One case seen by one method: figures by name."""

    case: str
    source: str
    method: str
    figures: dict[str, float]


@dataclass(frozen=True)
class Summary:
    """A figure of a method over cases: mean, standard deviation, 95 % bootstrap interval of the mean, cases."""

    method: str
    figure: str
    mean: float
    deviation: float
    low: float
    high: float
    cases: int


def evaluate_reconstruction(predict: Predict, cohort: Cohort, split: str, geometry: Geometry, size: int) -> list[Row]:
    """Every metric of every case of a split that has a CT, of the generator and of two baselines.

    The mean training volume is the same for every radiograph; the nearest training volume is the CT whose radiograph
    differs least (root mean squared difference) from the one at hand. Under ``reprojection_ncc`` and
    ``reprojection_details_ncc`` stands how well the volume's own radiograph correlates with the one that went in, the
    latter on details of 2 to 16 mm.

    Args:
        predict: radiographs (1, 1, size, size) in [0, 1] to volumes (1, 1, size, size, size) in [0, 1].

    Raises:
        UnsuitableInput: the split, or the training split, has no case with a CT.
    """
    cases = _with_ct(cohort, split)
    training = _with_ct(cohort, "training")
    mean = mean_training_volume(cohort, training, size)
    known = np.stack([radiograph_of(cohort, case, size).numpy().ravel() for case in training])
    rows = []
    for case in tqdm(cases, unit="case", mininterval=2):
        radiograph = radiograph_of(cohort, case, size)
        truth = volume_of(cohort, case, size)[0].numpy()
        masks = cohort.structures(case) if cohort.hu(case).shape[0] == size else {}
        # a training case must not find itself
        distances = ((known - radiograph.numpy().ravel()) ** 2).mean(1)
        distances[[i for i, other in enumerate(training) if other.name == case.name]] = np.inf
        nearest = volume_of(cohort, training[int(distances.argmin())], size)[0].numpy()
        with torch.no_grad():
            predicted = predict(radiograph[None])[0, 0].float().cpu().numpy()
        for method, volume in ((GENERATOR, predicted), (MEAN, mean), (NEAREST, nearest)):
            true_masks = {name: masks[name] for name in ("body", "lungs", "bone")} if masks else None
            figures = volume_figures(volume, truth, radiograph[0].numpy(), geometry, true_masks)
            rows.append(Row(case.name, case.source, method, figures))
    return rows


def evaluate_reprojection(
    predict: Predict, xrays: Cohort, split: str, geometry: Geometry, size: int, mean: np.ndarray | None = None
) -> list[Row]:
    """How well the generated volumes project to the radiographs that they were made from; needs no CT.

    A good correlation proves little: any extruded radiograph has it. ``mean`` (size, size, size) is the baseline.
    """
    rows = []
    for case in tqdm(xrays.of_split(split), unit="case", mininterval=2):
        radiograph = radiograph_of(xrays, case, size)
        with torch.no_grad():
            predicted = predict(radiograph[None])[0, 0].float().cpu().numpy()
        for method, volume in ((GENERATOR, predicted), (MEAN, mean)):
            if volume is not None:
                figures = reprojection(volume, radiograph[0].numpy(), geometry) | anatomy(volume, geometry)
                rows.append(Row(case.name, case.source, method, figures))
    return rows


def evaluate_lesions(predict: Predict, cohort: Cohort, split: str, size: int) -> list[LesionScore]:
    """What is left in the generated volumes of each lesion that was planted in a split's patients.

    Args:
        predict: as in :func:`evaluate_reconstruction`.

    Raises:
        UnsuitableInput: no case of the split has known lesions at this size.
    """
    scores: list[LesionScore] = []
    cases = [case for case in _with_ct(cohort, split) if has_lesions(cohort.folder, case.name)]
    for case in tqdm(cases, unit="case", mininterval=2):
        numbers, lesions = read_lesions(cohort.folder, case.name)
        if not lesions or numbers.shape[0] != size:
            continue
        with torch.no_grad():
            predicted = predict(radiograph_of(cohort, case, size)[None])[0, 0].float().cpu().numpy()
        truth, lungs = volume_of(cohort, case, size)[0].numpy(), cohort.structures(case)["lungs"]
        scores += score_lesions(predicted, truth, lungs, numbers, lesions)
    if not scores:
        raise UnsuitableInput(
            f"{cohort.folder} has no {split} case with known lesions at {size} voxels; simulate patients of that size."
        )
    return scores


def evaluate_cts(predict: Predict, paths: Sequence[Path], geometry: Geometry, mean: np.ndarray) -> list[Row]:
    """Real CTs from files, prepared as X2CT does and rendered with the model's own geometry.

    Beside the generator stand the mean training volume ``mean`` and, of several CTs, the mean of the others.

    Raises:
        UnsuitableInput: a file is no CT.
    """
    size, side_mm = mean.shape[0], round(geometry.volume_mm[0])
    truths = []
    for path in paths:
        hu = torch.from_numpy(prepared_ct(read_ct(path), size, side_mm))
        truths.append(network_from_hu(hu).numpy())
    rows = []
    for number, (path, truth) in enumerate(zip(paths, truths, strict=True)):
        radiograph = normalise(rendered(hu_from_network(torch.from_numpy(truth)).numpy(), geometry))
        with torch.no_grad():
            predicted = predict(torch.from_numpy(radiograph)[None, None])[0, 0].numpy()
        methods = {GENERATOR: predicted, MEAN: mean}
        others = truths[:number] + truths[number + 1 :]
        if others:
            methods[OTHERS] = np.mean(others, axis=0)
        for method, volume in methods.items():
            rows.append(Row(path.stem, "real", method, volume_figures(volume, truth, radiograph, geometry)))
    return rows


def telling_cases(rows: Sequence[Row], figure: str) -> dict[str, str]:
    """Names of the generator's best, middle and worst cases by an error, such as ``rmse_hu``, by these words."""
    own = sorted((row for row in rows if row.method == GENERATOR), key=lambda row: row.figures[figure])
    return {"best": own[0].case, "middle": own[len(own) // 2].case, "worst": own[-1].case}


def volume_figures(
    volume: np.ndarray,
    truth: np.ndarray,
    radiograph: np.ndarray,
    geometry: Geometry,
    masks: Mapping[str, np.ndarray] | None = None,
) -> dict[str, float]:
    """Everything that can be said of a volume beside the true one, by name; arrays (D, H, W) and (rows, columns)."""
    figures = score_volume(volume, truth, ssim_step=1, masks=masks)
    figures["sharpness"] = sharpness(volume, truth, (masks or tissue_masks(truth))["body"])
    return figures | reprojection(volume, radiograph, geometry) | anatomy(volume, geometry)


def anatomy(volume: np.ndarray, geometry: Geometry) -> dict[str, float]:
    """What can be said of a volume without the truth: bone in the lungs, in percent, and which checks it passes.

    The nearest training volume, a true CT, shows what is usual.
    """
    return {"bone_in_lungs": bone_in_lungs(volume), **plausibility_figures(volume, geometry.volume_mm[0])}


def reprojection(volume: np.ndarray, radiograph: np.ndarray, geometry: Geometry) -> dict[str, float]:
    """A volume's radiograph against the one that went in.

    ``ncc``, ``ssim`` and ``rmse`` are taken after an affine match of the grey scale by least squares; ``rmse_minmax``
    with each picture brought to [0, 1] by its minimum and maximum, as in the loss of shape induction.
    """
    projection = radiograph_from_ct(torch.from_numpy(volume)[None, None], geometry)[0, 0].numpy()
    comparison = compare(radiograph, projection)
    pixel_mm = geometry.pixel_at_isocentre_mm
    return {
        "reprojection_ncc": comparison.ncc,
        "reprojection_ssim": comparison.ssim,
        "reprojection_rmse": comparison.rmse,
        "reprojection_rmse_minmax": float(np.sqrt(np.mean((_unit(projection) - _unit(radiograph)) ** 2))),
        "reprojection_details_ncc": band_passed_ncc(radiograph, projection, pixel_mm, *details_mm(pixel_mm)),
    }


def _unit(picture: np.ndarray) -> np.ndarray:
    return (picture - picture.min()) / max(float(np.ptp(picture)), 1e-6)


def mean_training_volume(cohort: Cohort, cases: Sequence[Case], size: int, limit: int = 200) -> np.ndarray:
    """Mean of the first ``limit`` volumes of ``cases``, (size, size, size) in network values."""
    chosen = cases[:limit]
    total = np.zeros((size,) * 3, np.float64)
    for case in chosen:
        total += volume_of(cohort, case, size)[0].numpy()
    return (total / len(chosen)).astype(np.float32)


def summarise(rows: Sequence[Row]) -> list[Summary]:
    """Each figure of each method over all cases and, where there are several, over the cases of each source."""
    groups: dict[str, list[Row]] = {}
    sources = {row.source for row in rows}
    for row in rows:
        groups.setdefault(row.method, []).append(row)
        if len(sources) > 1 and row.method == GENERATOR:
            groups.setdefault(f"{row.method}, {row.source}", []).append(row)
    summaries = []
    for method, members in groups.items():
        for figure in members[0].figures:
            values = np.array([row.figures[figure] for row in members])
            known = values[np.isfinite(values)]
            mean, deviation = (known.mean(), known.std()) if known.size else (np.nan, np.nan)
            summaries.append(
                Summary(method, figure, float(mean), float(deviation), *bootstrap_interval(values), known.size)
            )
    return summaries


def _with_ct(cohort: Cohort, split: str) -> tuple[Case, ...]:
    cases = tuple(case for case in cohort.of_split(split) if case.has_ct)
    if not cases:
        raise UnsuitableInput(f"{cohort.folder} has no {split} case with a CT; prepare CTs or simulate patients.")
    return cases
