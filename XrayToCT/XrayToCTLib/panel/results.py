"""The result that the panel speaks of: by its CT, which is what the user chooses."""

import json
from typing import Any

import slicer

from XrayToCTLib.scene import RESULT_ATTRIBUTE, SceneNodes
from XrayToCTLib.scene_results import results_of


def result_of(ct: Any) -> SceneNodes | None:
    """The result that a CT belongs to; None for None and for a volume of no result."""
    name = ct.GetAttribute(RESULT_ATTRIBUTE) if ct is not None else None
    if not name:
        return None
    return next((nodes for nodes in results_of(slicer.mrmlScene) if nodes.result == name), None)


def summary_of(nodes: SceneNodes | None) -> dict[str, Any]:
    """What is known of a result, an object as of ``generate --json``; {} where that was deleted or edited away."""
    if nodes is None or nodes.provenance is None:
        return {}
    try:
        summary = json.loads(nodes.provenance.GetText() or "{}")
    except (ValueError, RecursionError):
        return {}
    return summary if isinstance(summary, dict) else {}
