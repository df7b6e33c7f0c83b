"""The crosshair's link: a point in the CT marks its place on the X-ray, and a point on the X-ray its ray in the CT."""

from collections.abc import Callable
from typing import Any

import slicer

from XrayToCTLib.crosshair import follow, follow_from_xray, show_ray
from XrayToCTLib.layouts import COMPARING_VIEWS
from XrayToCTLib.scene import SceneNodes


class CrosshairLink:
    """Follows Slicer's crosshair while it is active.

    Args:
        nodes: gives the result that is linked; None for none.
    """

    def __init__(self, nodes: Callable[[], SceneNodes | None]) -> None:
        self._nodes = nodes
        self._crosshair: Any = None
        self._tag = 0

    def set_active(self, is_active: bool) -> None:
        """Begins or ends following; when it ends, the ray is taken away."""
        if is_active == (self._crosshair is not None):
            return
        if is_active:
            self._crosshair = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLCrosshairNode")
            if self._crosshair is not None:
                event = slicer.vtkMRMLCrosshairNode.CursorPositionModifiedEvent
                self._tag = self._crosshair.AddObserver(event, self._moved)
            return
        self._crosshair.RemoveObserver(self._tag)
        self._crosshair = None
        nodes = self._nodes()
        if nodes is not None:
            show_ray(nodes, None)

    def _moved(self, caller: Any = None, event: Any = None) -> None:
        nodes = self._nodes()
        if nodes is None:
            return
        point = [0.0, 0.0, 0.0]
        if not self._crosshair.GetCursorPositionRAS(point):  # the mouse has left the views
            show_ray(nodes, None)
            return
        view = self._crosshair.GetCursorPositionXYZ([0.0, 0.0, 0.0])
        is_on_xray = view is not None and view.GetLayoutName() in COMPARING_VIEWS
        show_ray(nodes, (follow_from_xray if is_on_xray else follow)(nodes, point))
