"""The result that the panel speaks of: by its CT, which is what the user chooses."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import slicer

from XrayToCTLib.scene import RESULT_ATTRIBUTE, SceneNodes
from XrayToCTLib.scene_results import results_of


@dataclass(frozen=True)
class CheckRow:
    """A check of anatomy; value: None where it could not be measured; place_mm: LPS from the CT's centre, or None."""

    name: str
    passed: bool
    value: float | None
    message: str
    place_mm: tuple[float, float, float] | None


@dataclass(frozen=True)
class ResultSummary:
    """What the panel shows of a result. Probabilities are in [0, 1]; ``made`` says in a few words how it was made."""

    made: str = ""
    classes: Mapping[str, float] = field(default_factory=dict)
    findings: Mapping[str, float] = field(default_factory=dict)
    checks: tuple[CheckRow, ...] = ()
    warnings: tuple[str, ...] = ()


def result_of(ct: Any) -> SceneNodes | None:
    """The result that a CT belongs to; None for None and for a volume of no result."""
    name = ct.GetAttribute(RESULT_ATTRIBUTE) if ct is not None else None
    if not name:
        return None
    return next((nodes for nodes in results_of(slicer.mrmlScene) if nodes.result == name), None)


def summary_of(nodes: SceneNodes | None) -> ResultSummary:
    """What a result's provenance says. It comes from a scene's file, where anybody may have edited it: what is not as
    it should be is left out."""
    if nodes is None or nodes.provenance is None:
        return ResultSummary()
    try:
        told = json.loads(nodes.provenance.GetText() or "{}")
    except (ValueError, RecursionError):
        return ResultSummary()
    if not isinstance(told, dict):
        return ResultSummary()
    checks, warnings = told.get("checks"), told.get("warnings")
    return ResultSummary(
        made=_made(told),
        classes=_probabilities(told.get("classes")),
        findings=_probabilities(told.get("findings")),
        checks=tuple(_check(one) for one in checks if isinstance(one, dict)) if isinstance(checks, list) else (),
        warnings=tuple(str(one) for one in warnings) if isinstance(warnings, list) else (),
    )


def _made(told: dict[str, Any]) -> str:
    """What two results of one X-ray may differ in, as far as it is told."""
    model, steps = _within(told, "model", "name"), _within(told, "refinement", "after", "steps")
    samples = _within(told, "uncertainty", "samples")
    words = (
        f"model {model}" if isinstance(model, str) else "",
        f"{steps} steps of refinement" if _is_number(steps) and steps else "",
        f"uncertainty of {samples} volumes" if _is_number(samples) else "",
    )
    return ", ".join(word for word in words if word)


def _within(told: Any, *keys: str) -> Any:
    """What objects in objects hold under these keys; None where one is missing."""
    for key in keys:
        told = told.get(key) if isinstance(told, dict) else None
    return told


def _probabilities(told: Any) -> dict[str, float]:
    if not isinstance(told, dict):
        return {}
    return {name: value for name, value in told.items() if _is_number(value) and 0 <= value <= 1}


def _check(told: dict[str, Any]) -> CheckRow:
    value = told.get("value")
    return CheckRow(
        name=str(told.get("name", "")),
        passed=told.get("passed") is True,
        value=value if _is_number(value) else None,
        message=str(told.get("message", "")),
        place_mm=_place(told.get("place_mm")),
    )


def _place(told: Any) -> tuple[float, float, float] | None:
    if isinstance(told, list) and len(told) == 3 and all(_is_number(one) for one in told):
        return told[0], told[1], told[2]
    return None


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
