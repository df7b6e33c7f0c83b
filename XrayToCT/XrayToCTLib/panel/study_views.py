"""The views of a reader study: one case at a time in three slices, its marks, and clicks that set a mark.

Nothing that is made here bears more than a case's place in the reader's order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import slicer
import vtk

from XrayToCTLib.ct_reading import read_ct
from XrayToCTLib.hounsfield import WINDOWS
from XrayToCTLib.layouts import STUDY_LAYOUT, STUDY_VIEWS, register_layouts
from XrayToCTLib.marking import STUDY_NOTICE
from XrayToCTLib.notice import keep_notice
from XrayToCTLib.reader_study.answers import Mark
from XrayToCTLib.volume_nodes import add_volume, set_window

_ROLE = "study case"
_MARKS = {"XrayToCT.Synthetic": "BLINDED", "XrayToCT.Notice": STUDY_NOTICE}
_BEFORE_SLICER = 10.0  # priority of our observer of clicks: Slicer's own would change the window
_MARK_COLOUR, _GLYPH_MM, _TEXT_SCALE = (1.0, 0.84, 0.4), 8.0, 4.0

ClickHandler = Callable[[str, tuple[float, float, float]], None]


class StudyViews:
    """Shows cases in a layout of its own, and the layout before when it is closed.

    Args:
        on_click: called with the plane and the point in LPS, in mm, of a click on a case, while `is_marking`.
    """

    def __init__(self, on_click: ClickHandler) -> None:
        self._on_click = on_click
        self.is_marking = False
        self._manager = slicer.app.layoutManager()
        self._layout_before = self._manager.layout
        self._volume: Any = None
        self._points: Any = None
        register_layouts(self._manager.layoutLogic().GetLayoutNode())
        self._manager.setLayout(STUDY_LAYOUT)
        self._observed: list[tuple[Any, int]] = []
        for name, orientation in STUDY_VIEWS.items():
            view = self._view(name)
            keep_notice(view.renderWindow(), notice=STUDY_NOTICE)
            self._observe_clicks(view.interactor(), name, orientation.lower())

    def show(self, path: Path, place: int, total: int) -> None:
        """Show a case in the lung window instead of the one before.

        Raises:
            UnsuitableInput: its file cannot be read.
        """
        image = read_ct(path)
        self.clear()
        name = f"Case {place} of {total}"
        self._volume = add_volume(slicer.mrmlScene, image, name, _ROLE, _MARKS)
        self._points = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", f"Marks of case {place}")
        for node in (self._volume, self._volume.GetStorageNode(), self._points):
            node.SetSaveWithScene(False)
            node.SetHideFromEditors(True)  # elsewhere in Slicer it would be taken for a result
        self._points.SetLocked(True)
        self._points.CreateDefaultDisplayNodes()
        display = self._points.GetDisplayNode()
        display.SetSelectedColor(*_MARK_COLOUR)
        display.SetUseGlyphScale(False)  # in mm, so that a mark does not hide more of a small view
        display.SetGlyphSize(_GLYPH_MM)
        display.SetTextScale(_TEXT_SCALE)
        for view in STUDY_VIEWS:
            logic = self._manager.sliceWidget(view).sliceLogic()
            composite = logic.GetSliceCompositeNode()
            composite.SetBackgroundVolumeID(self._volume.GetID())
            composite.SetForegroundVolumeID(None)
            composite.SetLabelVolumeID(None)
            logic.FitSliceToAll()
        self.use_window("lung")

    def use_window(self, preset: str) -> None:
        """Show the case in a window of `hounsfield.WINDOWS`."""
        level, width = WINDOWS[preset]
        if self._is_shown():
            set_window(self._volume, width, level)

    def show_marks(self, marks: Sequence[Mark]) -> None:
        """Show these marks, numbered from 1, and no others."""
        if self._points is None or not slicer.mrmlScene.IsNodePresent(self._points):
            return
        self._points.RemoveAllControlPoints()
        for number, mark in enumerate(marks, start=1):
            self._points.AddControlPoint(vtk.vtkVector3d(*_other_handed(mark.point_mm)), str(number))

    def go_to(self, mark: Mark) -> None:
        """Show the slices through a mark."""
        for view in STUDY_VIEWS:
            self._manager.sliceWidget(view).mrmlSliceNode().JumpSliceByCentering(*_other_handed(mark.point_mm))

    def clear(self) -> None:
        """Remove the case and its marks."""
        storage = self._volume.GetStorageNode() if self._volume is not None else None
        for node in (self._points, self._volume, storage):
            if node is not None and slicer.mrmlScene.IsNodePresent(node):
                slicer.mrmlScene.RemoveNode(node)
        self._volume = self._points = None

    def close(self) -> None:
        """Remove the case and its marks, and show the layout that was there before."""
        for interactor, tag in self._observed:
            interactor.RemoveObserver(tag)
        self._observed.clear()
        self.clear()
        if self._manager.layout == STUDY_LAYOUT:
            self._manager.setLayout(self._layout_before)

    def _view(self, name: str) -> Any:
        return self._manager.sliceWidget(name).sliceView()

    def _observe_clicks(self, interactor: Any, name: str, plane: str) -> None:
        def clicked(caller: Any, event: str) -> None:
            if self.is_marking:
                interactor.GetCommand(tag).SetAbortFlag(1)
                self._click(name, plane, interactor.GetEventPosition())

        tag = interactor.AddObserver("LeftButtonPressEvent", clicked, _BEFORE_SLICER)
        self._observed.append((interactor, tag))

    def _click(self, name: str, plane: str, position: tuple[int, int]) -> None:
        node = self._manager.sliceWidget(name).mrmlSliceNode()
        ras = node.GetXYToRAS().MultiplyPoint((position[0], position[1], 0.0, 1.0))[:3]
        if self._is_shown() and self._is_inside(ras):
            self._on_click(plane, _other_handed(ras))

    def _is_inside(self, ras: Sequence[float]) -> bool:
        """Whether a point lies in the case, not in the black around it."""
        bounds = [0.0] * 6
        self._volume.GetRASBounds(bounds)
        return all(bounds[2 * axis] <= ras[axis] <= bounds[2 * axis + 1] for axis in range(3))

    def _is_shown(self) -> bool:
        return self._volume is not None and bool(slicer.mrmlScene.IsNodePresent(self._volume))


def _other_handed(point: Sequence[float]) -> tuple[float, float, float]:
    """LPS to RAS, and RAS to LPS."""
    return -point[0], -point[1], point[2]
