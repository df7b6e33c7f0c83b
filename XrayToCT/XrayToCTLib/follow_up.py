"""What changed between two results of one patient: the difference of their CTs in HU, as a volume over the earlier one.

The two volumes are laid over each other by their centres. Posture, breath and the distances of the two X-rays are not
matched, and a change may be none of the patient's but of the network's guess; every change says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import SimpleITK as sitk

from XrayToCTLib.colour_tables import difference_colours
from XrayToCTLib.errors import UnsuitableInput
from XrayToCTLib.marking import SYNTHETIC_NOTICE
from XrayToCTLib.scene import GEOMETRY_ATTRIBUTE, RESULT_ATTRIBUTE, SceneNodes, all_or_none
from XrayToCTLib.volume_nodes import ROLE_ATTRIBUTE, add_volume, image_of, set_window

CHANGE_ROLE = "change"
EARLIER_ATTRIBUTE, LATER_ATTRIBUTE = "XrayToCT.Earlier", "XrayToCT.Later"
CHANGE_LIMIT_HU = 400.0  # full colour
_AIR_HU, _BODY_HU = -1000.0, -400.0
_NOT_MATCHED = (
    "The volumes were laid over each other by their centres: posture, breath and position of the two X-rays are not "
    "matched, and each volume is a guess from one X-ray."
)


@dataclass(frozen=True)
class Change:
    """A change and its figures, over the voxels that are body in either CT.

    Attributes:
        node: the volume node, later minus earlier in HU: above 0 where the later CT is denser.
        mean_hu, mean_absolute_hu: 0 where neither CT shows a body.
        beyond_error: share of these voxels that changed by more than twice the expected error of the two CTs together;
            None where a result has no uncertainty.
        warnings: what to keep in mind, one sentence each.
    """

    node: Any
    mean_hu: float
    mean_absolute_hu: float
    beyond_error: float | None
    warnings: tuple[str, ...]


def add_change(earlier: SceneNodes, later: SceneNodes) -> Change:
    """Add the change from one result to another to their scene.

    Raises:
        UnsuitableInput: a result's CT is no longer there, or both are the same result.
    """
    if earlier.result == later.result:
        raise UnsuitableInput("A result has no change from itself; choose another earlier or later result.")
    cts = _ct(earlier), _ct(later)
    first = sitk.Cast(image_of(cts[0]), sitk.sitkFloat32)
    second = _on_grid(image_of(cts[1]), first, _AIR_HU)
    before, after = sitk.GetArrayFromImage(first), sitk.GetArrayFromImage(second)
    change = after - before
    inside = change[(before > _BODY_HU) | (after > _BODY_HU)]
    image = sitk.GetImageFromArray(change)
    image.CopyInformation(first)
    scene = earlier.scene
    with all_or_none(scene):
        node = add_volume(scene, image, f"Change, {SYNTHETIC_NOTICE}", CHANGE_ROLE, _marks(earlier, later, cts[1]))
        set_window(node, 2 * CHANGE_LIMIT_HU, 0.0)
        node.GetScalarVolumeDisplayNode().SetAndObserveColorNodeID(difference_colours(scene).GetID())
    return Change(
        node=node,
        mean_hu=float(inside.mean()) if inside.size else 0.0,
        mean_absolute_hu=float(np.abs(inside).mean()) if inside.size else 0.0,
        beyond_error=_beyond_error(earlier, later, first, change, (before > _BODY_HU) | (after > _BODY_HU)),
        warnings=_warnings(*cts),
    )


def _ct(nodes: SceneNodes) -> Any:
    if nodes.ct is None or not nodes.scene.IsNodePresent(nodes.ct) or nodes.ct.GetImageData() is None:
        raise UnsuitableInput("The CT of a result is no longer in the scene; generate it again.")
    return nodes.ct


def _on_grid(image: sitk.Image, grid: sitk.Image, outside: float) -> sitk.Image:
    identity = sitk.Transform(3, sitk.sitkIdentity)
    return sitk.Resample(sitk.Cast(image, sitk.sitkFloat32), grid, identity, sitk.sitkLinear, outside, sitk.sitkFloat32)


def _beyond_error(
    earlier: SceneNodes, later: SceneNodes, grid: sitk.Image, change: np.ndarray, inside: np.ndarray
) -> float | None:
    if earlier.uncertainty is None or later.uncertainty is None or not inside.any():
        return None
    errors = [sitk.GetArrayFromImage(_on_grid(image_of(nodes.uncertainty), grid, 0.0)) for nodes in (earlier, later)]
    return float(np.mean((np.abs(change) > 2 * np.hypot(*errors))[inside]))


def _marks(earlier: SceneNodes, later: SceneNodes, ct: Any) -> dict[str, str]:
    left_out = (ROLE_ATTRIBUTE, RESULT_ATTRIBUTE, GEOMETRY_ATTRIBUTE)
    names = [name for name in ct.GetAttributeNames() if name.startswith("XrayToCT.") and name not in left_out]
    marks = {name: ct.GetAttribute(name) for name in names}
    told = marks.get("XrayToCT.Derivation", "")
    return {
        **marks,
        "XrayToCT.Derivation": f"Later minus earlier synthetic CT. {_NOT_MATCHED} {told}".strip(),
        EARLIER_ATTRIBUTE: earlier.result,
        LATER_ATTRIBUTE: later.result,
    }


def _warnings(*cts: Any) -> tuple[str, ...]:
    if len({ct.GetAttribute("XrayToCT.ModelSHA256") for ct in cts}) == 1:
        return (_NOT_MATCHED,)
    return (_NOT_MATCHED, "The CTs come from two models; part of the change is the models' own.")
