"""A prediction put together again from a result's files, so that a result can be written in further formats.

Nothing is predicted, projected or measured anew: what is written of it says what the result says.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
import torch
from pydicom.dataset import Dataset

from XrayToCTLib.comparison import Comparison
from XrayToCTLib.errors import ModelError, UnsuitableInput
from XrayToCTLib.evidence import Evidence, WithoutSurroundings, Zone
from XrayToCTLib.hounsfield import HU_OFFSET, HU_RANGE
from XrayToCTLib.input_check import InputCheck
from XrayToCTLib.models import ModelInfo, find
from XrayToCTLib.options import Reading
from XrayToCTLib.orientation import lps_to_network
from XrayToCTLib.pipeline import Prediction
from XrayToCTLib.plausibility import Check
from XrayToCTLib.prepared_input import header_of_facts
from XrayToCTLib.radiograph import Radiograph
from XrayToCTLib.refinement import Refinement, Standing
from XrayToCTLib.results_folder import StoredResult
from XrayToCTLib.uncertainty import Uncertainty


def prediction_of(stored: StoredResult, header: Dataset | None = None) -> Prediction:
    """The prediction that a result was written of, as far as a result keeps it.

    The volume is that of its CT, rounded to whole HU, and the network's output is the same: what lay beyond the range
    of HU is not kept. A map that is not there any more takes along what was said of it.

    Args:
        header: the X-ray's; None takes what the result keeps of it, which is nothing of the patient.

    Raises:
        UnsuitableInput: the result does not hold what a prediction needs, or its parts do not fit.
    """
    try:
        return _prediction(stored, header)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UnsuitableInput(
            "The result was changed, or an older version wrote it: it does not hold all that its files tell; generate "
            "the CT again."
        ) from error


def _prediction(stored: StoredResult, header: Dataset | None) -> Prediction:
    result, facts = stored.result, stored.facts
    source, warnings = Path(result["input"]), tuple(str(sentence) for sentence in result["warnings"])
    picture = stored.pictures["radiograph"]
    volume = _volume(stored.ct)
    spacing = facts.get("spacing_mm")
    return Prediction(
        source=source,
        radiograph=Radiograph(
            pixels=picture,
            spacing_mm=None if spacing is None else (float(spacing[0]), float(spacing[1])),
            magnification=facts.get("magnification"),
            view=stored.geometry.view,
            source=source,
            warnings=warnings,
            header=header if header is not None else header_of_facts(facts),
        ),
        network_input=picture,
        model=_model(result["model"]),
        device=str(result["device"]),
        geometry=stored.geometry,
        size_is_nominal=bool(result["size_is_nominal"]),
        output=volume,
        volume=volume,
        projection=_own_grey_scale(stored.pictures["projection"]),
        comparison=_comparison(stored),
        classes=_numbers(result["classes"]) or None,
        checks=tuple(_check(check) for check in result["checks"]),
        refinement=_refinement(result["refinement"], volume),
        uncertainty=_uncertainty(result["uncertainty"], stored.maps.get("uncertainty")),
        warnings=warnings,
        seconds=_numbers(result["seconds"]),
        input_check=InputCheck(**result["input_check"]) if result["input_check"] else None,
        reading=_reading(result["reading"]),
        evidence=_evidence(result, stored.maps.get("saliency")),
        other_classes=_other_classes(result["evidence"]),
        software_version=str(result["software_version"]),
    )


def _volume(ct: sitk.Image) -> np.ndarray:
    """(D, H, W) float32 in [0, 1]; `volume.ct_from_network` of it is the CT again."""
    hu = lps_to_network(sitk.GetArrayFromImage(ct)).astype(np.float32)
    return np.ascontiguousarray(((hu + HU_OFFSET) / HU_RANGE).clip(0, 1))


def _own_grey_scale(matched: np.ndarray) -> np.ndarray:
    """The projection before its grey scale was matched to the X-ray's, which was a gain and an offset: from 0 to 1, as
    `grayscale.normalise_projection` left it; 0 everywhere where the gain was 0."""
    low, high = float(matched.min()), float(matched.max())
    return (matched - low) / (high - low) if high > low else np.zeros_like(matched)


def _comparison(stored: StoredResult) -> Comparison:
    matched, scores = stored.pictures["projection"], _numbers(stored.result["comparison"])
    difference = stored.pictures.get("difference", matched - stored.pictures["radiograph"])
    return Comparison(scores["ssim"], scores["ncc"], scores["rmse"], matched, difference)


def _model(told: Mapping[str, Any]) -> ModelInfo:
    """The model, with what its file says of itself where that very file is still installed."""
    name, sha256 = str(told["name"]), str(told["sha256"])
    try:
        installed = find(name, "generator")
    except ModelError:
        installed = None
    if installed is not None and installed.sha256 == sha256:
        return installed
    return ModelInfo(name, Path(f"{name}.safetensors"), sha256, "generator", dict(told["config"]), None, {}, None)


def _check(told: Mapping[str, Any]) -> Check:
    low, high = told["limits"]
    place = None if told["place_mm"] is None else tuple(told["place_mm"])
    return Check(told["name"], told["passed"], told["value"], told["message"], (low, high), place)


def _refinement(told: Mapping[str, Any] | None, volume: np.ndarray) -> Refinement | None:
    if told is None:
        return None
    return Refinement(torch.from_numpy(volume)[None, None], Standing(**told["before"]), Standing(**told["after"]))


def _uncertainty(told: Mapping[str, Any] | None, image: sitk.Image | None) -> Uncertainty | None:
    if told is None or image is None:
        return None
    in_lungs = math.nan if told["lungs_hu"] is None else float(told["lungs_hu"])
    return Uncertainty(_map(image), bool(told["calibrated"]), int(told["samples"]), in_lungs, float(told["body_hu"]))


def _evidence(result: Mapping[str, Any], image: sitk.Image | None) -> Evidence | None:
    told = result["evidence"]
    if told is None or image is None:
        return None
    test = None
    if told["without_surroundings"]["holds"] is not None:
        test = WithoutSurroundings(
            saliency_inside_lungs=float(told["saliency_inside_lungs"]),
            lungs_share_of_volume=float(told["lungs_share_of_volume"]),
            classes=_numbers(told["without_surroundings"]["classes"]),
            predicted=str(told["without_surroundings"]["predicted"]),
            holds=bool(told["without_surroundings"]["holds"]),
        )
    return Evidence(
        classes=_numbers(result["classes"]),
        predicted=str(told["predicted"]),
        temperature=None if told["temperature"] is None else float(told["temperature"]),
        logits=_numbers(told["logits"]),
        findings=_numbers(told["findings"]),
        saliency=_map(image),
        without_surroundings=test,
        zones={name: Zone(float(zone["saliency"]), _numbers(zone["findings"])) for name, zone in told["zones"].items()},
    )


def _other_classes(told: Mapping[str, Any] | None) -> dict[str, dict[str, float] | None]:
    others = {} if told is None else told["classifiers"]
    return {name: classes and _numbers(classes) for name, classes in others.items() if name != "ct"}


def _reading(told: Mapping[str, Any]) -> Reading:
    crop = told["crop"]
    return Reading(told["view"], told["invert"], told["flip"], None if crop is None else tuple(crop))


def _map(image: sitk.Image) -> np.ndarray:
    """(D, H, W) float32."""
    return np.ascontiguousarray(lps_to_network(sitk.GetArrayFromImage(image)), dtype=np.float32)


def _numbers(told: Mapping[str, Any]) -> dict[str, float]:
    return {str(name): float(value) for name, value in told.items()}
