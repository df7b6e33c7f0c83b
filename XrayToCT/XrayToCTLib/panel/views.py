"""Slicer's views: the layout that is shown, where they look, and the notice in each of them."""

from collections.abc import Callable, Sequence

import qt
import slicer

from XrayToCTLib.notice import keep_notice
from XrayToCTLib.scene import all_nodes


def in_turns(steps: Sequence[Callable[[], None]]) -> None:
    """Does the first step now and each further one in its own turn of the event loop, so that nothing stands still.

    After a change of layout a turn also gives the views their sizes, without which nothing can be fitted into them.
    """
    if steps:
        steps[0]()
        qt.QTimer.singleShot(0, lambda: in_turns(steps[1:]))


def show_layout(number: int) -> None:
    """Shows a layout; nothing happens without a main window."""
    manager = slicer.app.layoutManager()
    if manager is not None:
        manager.setLayout(number)


def keep_notices() -> None:
    """Sees to the notice in every view, now and later, as long as something synthetic is in the scene."""
    manager = slicer.app.layoutManager()
    if manager is not None:
        manager.disconnect("layoutChanged(int)", _keep_in_views)  # from an earlier call: once is enough
        manager.connect("layoutChanged(int)", _keep_in_views)
        _keep_in_views()


def has_synthetic_nodes() -> bool:
    """Whether anything that a machine made is in the scene."""
    return any(node.GetAttribute("XrayToCT.Synthetic") == "YES" for node in all_nodes(slicer.mrmlScene))


def _keep_in_views(layout: int = 0) -> None:
    manager = slicer.app.layoutManager()
    views = [manager.sliceWidget(name).sliceView() for name in manager.sliceViewNames()]
    views += [manager.threeDWidget(number).threeDView() for number in range(manager.threeDViewCount)]
    for view in views:
        keep_notice(view.renderWindow(), has_synthetic_nodes)


def look_at(point: Sequence[float]) -> None:
    """Moves the slices of all views to a point of the world (RAS, mm)."""
    mode = slicer.vtkMRMLSliceNode.CenteredJumpSlice
    slicer.vtkMRMLSliceNode.JumpAllSlices(slicer.mrmlScene, *point, mode)


def fit_three_d() -> None:
    """Lets the 3D view take in all that is shown."""
    manager = slicer.app.layoutManager()
    if manager is not None and manager.threeDViewCount:
        manager.resetThreeDViews()
