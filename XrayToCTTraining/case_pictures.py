"""The best, the middle and the worst case of an evaluation as a picture."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch

from XrayToCTLib.pipeline import project
from XrayToCTLib.projection import Geometry
from XrayToCTTraining.data.cohort import Cohort
from XrayToCTTraining.data.samples import radiograph_of, volume_of
from XrayToCTTraining.evaluation import Predict
from XrayToCTTraining.picture_grid import PLANES, LabelledRows, labelled_grid, middle_slices, windowed


def telling_picture(
    predict: Predict, cohort: Cohort, names: Mapping[str, str], geometry: Geometry, size: int
) -> np.ndarray:
    """Radiograph, projection and slices of the prediction, and slices of the truth where there is one.

    Args:
        names: of cases, by a word for each (see :func:`evaluation.telling_cases`).

    Returns:
        (rows, columns, 3) uint8.
    """
    by_name = {case.name: case for case in cohort.cases}
    rows: LabelledRows = []
    for word, name in names.items():
        radiograph = radiograph_of(cohort, by_name[name], size)
        with torch.no_grad():
            volume = predict(radiograph[None])[0, 0].float().cpu().numpy()
        tiles = [radiograph[0].numpy(), project(volume, geometry), *map(windowed, middle_slices(volume))]
        if by_name[name].has_ct:
            tiles += map(windowed, middle_slices(volume_of(cohort, by_name[name], size)[0].numpy()))
        rows.append((f"{word}: {name}", tiles))
    columns = ["X-ray", "projection", *PLANES, *(f"true {plane}" for plane in PLANES)]
    return labelled_grid(columns[: max(len(tiles) for _, tiles in rows)], rows)
