"""What lies over the CT in the slice views, and the windows through which it is read."""

from __future__ import annotations

from typing import Any

from XrayToCTLib.hounsfield import WINDOWS
from XrayToCTLib.layouts import READING_VIEWS
from XrayToCTLib.scene import SceneNodes
from XrayToCTLib.volume_nodes import set_window

#: The maps that can lie over a CT: the fields of `SceneNodes`.
OVERLAYS = ("uncertainty", "saliency")


def show_overlay(nodes: SceneNodes, name: str | None, opacity: float = 1.0) -> bool:
    """Lay a map over the CT in the slice views of the reading layout.

    Args:
        name: one of `OVERLAYS`; None takes the map away.
        opacity: in [0, 1], of the map; where it is below `scene.OVERLAY_FROM`, the CT is always seen as it is.

    Returns:
        Whether it is shown: False where the result has no such map (any more).

    Raises:
        ValueError: another name, or an opacity outside [0, 1].
    """
    if name is not None and name not in OVERLAYS:
        raise ValueError(f"an overlay must be one of {', '.join(OVERLAYS)}, not {name!r}")
    if not 0 <= opacity <= 1:
        raise ValueError(f"an opacity must lie in [0, 1], got {opacity!r}")
    volume = None if name is None else getattr(nodes, name)
    if volume is not None and not nodes.scene.IsNodePresent(volume):
        volume = None
    for view in READING_VIEWS:
        composite = _composite_node(nodes.scene, view)
        if composite is not None:
            composite.SetForegroundVolumeID(None if volume is None else volume.GetID())
            composite.SetForegroundOpacity(opacity)
    return volume is not None


def apply_window(nodes: SceneNodes, preset: str) -> None:
    """Show the CT in a window of `hounsfield.WINDOWS`: lung, mediastinum or bone. Raises ValueError for another."""
    if preset not in WINDOWS:
        raise ValueError(f"a window must be one of {', '.join(WINDOWS)}, not {preset!r}")
    level, width = WINDOWS[preset]
    if nodes.ct is not None:
        set_window(nodes.ct, width, level)


def show_rendering(nodes: SceneNodes, is_visible: bool) -> None:
    """Turn the volume rendering of the CT in 3D views on or off: without a GPU it takes seconds."""
    if nodes.ct is None:
        return
    for number in range(nodes.ct.GetNumberOfDisplayNodes()):
        display = nodes.ct.GetNthDisplayNode(number)
        if display is not None and display.IsA("vtkMRMLVolumeRenderingDisplayNode"):
            display.SetVisibility(is_visible)


def _composite_node(scene: Any, view: str) -> Any | None:
    return scene.GetSingletonNode(view, "vtkMRMLSliceCompositeNode")
