"""Slicer's views: the layout that is shown, where they look, and the notice in each of them."""

from collections.abc import Sequence
from typing import Any

import slicer

from XrayToCTLib.notice import keep_notice
from XrayToCTLib.scene import all_nodes


def show_layout(number: int) -> None:
    """Shows a layout; nothing happens without a main window."""
    manager = slicer.app.layoutManager()
    if manager is not None:
        manager.setLayout(number)
        keep_notices()


def keep_notices() -> None:
    """Puts the notice into every view, once there is something synthetic in the scene."""
    manager = slicer.app.layoutManager()
    if manager is None or not has_synthetic_nodes(slicer.mrmlScene):
        return
    for name in manager.sliceViewNames():
        keep_notice(manager.sliceWidget(name).sliceView().renderWindow())
    for number in range(manager.threeDViewCount):
        keep_notice(manager.threeDWidget(number).threeDView().renderWindow())


def has_synthetic_nodes(scene: Any) -> bool:
    """Whether anything that a machine made is in the scene."""
    return any(node.GetAttribute("XrayToCT.Synthetic") == "YES" for node in all_nodes(scene))


def look_at(point: Sequence[float]) -> None:
    """Moves the slices of all views to a point of the world (RAS, mm)."""
    mode = slicer.vtkMRMLSliceNode.CenteredJumpSlice
    slicer.vtkMRMLSliceNode.JumpAllSlices(slicer.mrmlScene, *point, mode)


def fit_three_d() -> None:
    """Lets the 3D view take in all that is shown."""
    manager = slicer.app.layoutManager()
    if manager is not None and manager.threeDViewCount:
        manager.resetThreeDViews()
