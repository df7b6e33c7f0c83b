"""A generation's folder, as the worker writes it, without any network (no tests here)."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from made_prediction import SIDE, made_prediction
from XrayToCTLib.classification import Saliency
from XrayToCTLib.outputs import write_outputs
from XrayToCTLib.pipeline import Prediction


def made_with_saliency(source: Path = Path("chest.png")) -> Prediction:
    """`made_prediction` with a saliency of 1 in the patient's left half and 0 in the right one."""
    values = np.zeros((SIDE,) * 3, np.float32)
    values[..., SIDE // 2 :] = 1
    return replace(made_prediction(source=source), saliency=Saliency("sick", values))


def write_results(folder: Path, prediction: Prediction | None = None) -> Path:
    """Writes what a scene needs, and returns the folder."""
    write_outputs(prediction or made_with_saliency(), folder, ["nrrd"])
    return folder
