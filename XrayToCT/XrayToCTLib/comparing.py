"""Ways to look at two pictures at once: blended, as a checkerboard, swiped, and as a signed difference.

Pure functions over pictures (H, W) of one grey scale, and `show_comparison`, which puts one of them into a scene.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import SimpleITK as sitk

from XrayToCTLib.colour_tables import difference_colours
from XrayToCTLib.comparison import Comparison, compare, match_grey_scale
from XrayToCTLib.errors import UnsuitableInput
from XrayToCTLib.marking import PROJECTION_NOTICE
from XrayToCTLib.scene import DIFFERENCE_LIMIT, GEOMETRY_ATTRIBUTE, RESULT_ATTRIBUTE, all_or_none
from XrayToCTLib.volume_nodes import ROLE_ATTRIBUTE, add_volume, image_of, set_image, set_window

COMPARISON_ROLE = "comparison"


def blend(first: np.ndarray, second: np.ndarray, share: float) -> np.ndarray:
    """``share`` in [0, 1] of the second picture over the first: 0 gives the first, 1 the second."""
    _check(first, second, share)
    return ((1 - share) * first + share * second).astype(np.float32)


def checkerboard(first: np.ndarray, second: np.ndarray, share: float) -> np.ndarray:
    """Squares from the two pictures in turn, the first one's at row 0, column 0.

    ``share`` in [0, 1] is the side of a square as a share of the shorter side; at least a pixel.
    """
    _check(first, second, share)
    side = max(1, round(share * min(first.shape)))
    row, column = np.indices(first.shape) // side
    return np.where((row + column) % 2 == 0, first, second).astype(np.float32)


def swipe(first: np.ndarray, second: np.ndarray, share: float) -> np.ndarray:
    """The first picture from the left edge on, the second beyond ``share`` in [0, 1] of the width."""
    _check(first, second, share)
    return np.where(np.arange(first.shape[1]) < round(share * first.shape[1]), first, second).astype(np.float32)


def signed_difference(first: np.ndarray, second: np.ndarray, share: float = 1.0) -> np.ndarray:
    """``share`` in [0, 1] of the second picture minus the first: above 0 where the second is denser."""
    _check(first, second, share)
    return (share * (second - first)).astype(np.float32)


#: By the name in the panel.
WAYS: dict[str, Callable[[np.ndarray, np.ndarray, float], np.ndarray]] = {
    "blend": blend,
    "checkerboard": checkerboard,
    "swipe": swipe,
    "difference": signed_difference,
}


def compare_nodes(radiograph: Any, projection: Any) -> Comparison:
    """SSIM, NCC and RMSE of two volume nodes that hold one picture each, see `comparison.compare`.

    Raises:
        UnsuitableInput: a node holds no single picture, or they differ in size.
    """
    first, second = _pictures(radiograph, projection)
    try:
        return compare(first, second)
    except ValueError as error:
        raise _incomparable(radiograph, projection) from error


def show_comparison(radiograph: Any, projection: Any, way: str, share: float) -> Any:
    """A volume node with the two pictures in one, in the place of the X-ray; one node a result, made anew in place.

    Args:
        radiograph, projection: volume nodes of one scene with one picture each, such as those of `SceneNodes`. The
            projection's grey scale is matched to the X-ray's, as for the figures.
        way: a name of `WAYS`.
        share: in [0, 1], see the functions.

    Raises:
        UnsuitableInput: a node holds no single picture, or they differ in size.
        ValueError: another way, or a share outside [0, 1].
    """
    if way not in WAYS:
        raise ValueError(f"a comparison must be one of {', '.join(WAYS)}, not {way!r}")
    first, second = _pictures(radiograph, projection)
    try:
        picture = WAYS[way](first, match_grey_scale(first, second), share)
    except ValueError as error:
        raise _incomparable(radiograph, projection) from error
    image = sitk.GetImageFromArray(picture[None])
    image.CopyInformation(image_of(radiograph))
    scene = radiograph.GetScene()
    with all_or_none(scene):
        node = _own_node(scene, radiograph, projection, image)
        set_image(node, image)
        is_signed = way == "difference"
        set_window(node, 2 * DIFFERENCE_LIMIT if is_signed else 1.0, 0.0 if is_signed else 0.5)
        colours = difference_colours(scene).GetID() if is_signed else radiograph.GetDisplayNode().GetColorNodeID()
        node.GetDisplayNode().SetAndObserveColorNodeID(colours)
    return node


def _own_node(scene: Any, radiograph: Any, projection: Any, image: sitk.Image) -> Any:
    result = projection.GetAttribute(RESULT_ATTRIBUTE) or ""
    for number in range(scene.GetNumberOfNodesByClass("vtkMRMLScalarVolumeNode")):
        node = scene.GetNthNodeByClass(number, "vtkMRMLScalarVolumeNode")
        if (
            node.GetAttribute(ROLE_ATTRIBUTE) == COMPARISON_ROLE
            and (node.GetAttribute(RESULT_ATTRIBUTE) or "") == result
        ):
            return node
    names = [name for name in projection.GetAttributeNames() if name.startswith("XrayToCT.")]
    marks = {name: projection.GetAttribute(name) for name in names if name not in (ROLE_ATTRIBUTE, GEOMETRY_ATTRIBUTE)}
    marks["XrayToCT.Notice"] = PROJECTION_NOTICE
    return add_volume(scene, image, f"{radiograph.GetName()} and {PROJECTION_NOTICE}", COMPARISON_ROLE, marks)


def _pictures(first: Any, second: Any) -> tuple[np.ndarray, np.ndarray]:
    try:
        images = [sitk.GetArrayFromImage(image_of(node)) for node in (first, second)]
    except ValueError as error:
        raise _incomparable(first, second) from error
    if images[0].shape != images[1].shape or images[0].shape[0] != 1:
        raise _incomparable(first, second)
    return images[0][0].astype(np.float32), images[1][0].astype(np.float32)


def _incomparable(first: Any, second: Any) -> UnsuitableInput:
    return UnsuitableInput(
        f"{first.GetName()!r} and {second.GetName()!r} are not two pictures of one size; choose an X-ray and a "
        "projection of the same result."
    )


def _check(first: np.ndarray, second: np.ndarray, share: float) -> None:
    if first.ndim != 2 or first.shape != second.shape:
        raise ValueError(f"pictures must be (H, W) and of one shape, got {first.shape} and {second.shape}")
    if not 0 <= share <= 1:
        raise ValueError(f"share must lie in [0, 1], got {share!r}")
