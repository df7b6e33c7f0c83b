"""`slicer.app.layoutManager()`: makes the views that the scene's layout node asks for, and arranges them."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

import slicer
import vtk
from PySide6 import QtCore, QtWidgets
from PySide6.QtCore import Property, Signal

from slicer_host.views import qMRMLSliceWidget, qMRMLThreeDWidget, register_displayable_managers


class qSlicerLayoutManager(QtCore.QObject):
    """Real layout logic and layout node of MRML; views live as long as the application, as in Slicer."""

    layoutChanged = Signal(int)

    def __init__(self, scene: Any, application_logic: Any, parent: QtCore.QObject) -> None:
        super().__init__(parent)
        register_displayable_managers(application_logic)
        self._scene = scene
        self._viewport = QtWidgets.QWidget()
        self._viewport.setLayout(QtWidgets.QVBoxLayout())
        self._viewport.layout().setContentsMargins(0, 0, 0, 0)
        self._slices: dict[str, qMRMLSliceWidget] = {}
        self._three_d: dict[str, qMRMLThreeDWidget] = {}
        self._other: dict[str, QtWidgets.QWidget] = {}
        self._slice_logics = vtk.vtkCollection()
        application_logic.SetSliceLogics(self._slice_logics)
        self._view_logics = vtk.vtkCollection()
        application_logic.SetViewLogics(self._view_logics)
        self._layout_logic = slicer.vtkMRMLLayoutLogic()
        self._layout_logic.SetMRMLScene(scene)
        self._shown: tuple[int, str] = (-1, "")
        node = self._layout_logic.GetLayoutNode()
        node.SetViewArrangement(node.SlicerLayoutFourUpView)
        node.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda *_: self._arrange())
        self._arrange()

    layout = Property(
        int, lambda self: self.layoutLogic().GetLayoutNode().GetViewArrangement(), lambda self, v: self.setLayout(v)
    )
    threeDViewCount = Property(int, lambda self: len(self._three_d))
    tableViewCount = Property(int, lambda self: 0)
    plotViewCount = Property(int, lambda self: 0)

    def setLayout(self, layout: int) -> None:
        self._layout_logic.GetLayoutNode().SetViewArrangement(int(layout))

    def layoutLogic(self) -> Any:
        return self._layout_logic

    def mrmlScene(self) -> Any:
        return self._scene

    def viewport(self) -> QtWidgets.QWidget:
        return self._viewport

    def sliceViewNames(self) -> list[str]:
        return list(self._slices)

    def sliceWidget(self, name: str) -> qMRMLSliceWidget | None:
        return self._slices.get(name)

    def threeDWidget(self, which: int | str) -> qMRMLThreeDWidget | None:
        """By number, or by the name of the view node's layout."""
        if isinstance(which, str):
            return self._three_d.get(which)
        widgets = list(self._three_d.values())
        return widgets[which] if 0 <= which < len(widgets) else None

    def mrmlSliceLogics(self) -> Any:
        return self._slice_logics

    def activeMRMLThreeDViewNode(self) -> Any:
        widget = self.threeDWidget(0)
        return widget.mrmlViewNode() if widget is not None else None

    def resetSliceViews(self) -> None:
        for widget in self._slices.values():
            widget.sliceLogic().FitSliceToAll()

    def resetThreeDViews(self) -> None:
        for widget in self._three_d.values():
            widget.threeDView().resetFocalPoint()

    def _arrange(self) -> None:
        """Show the current layout. Its view nodes are made by the layout logic."""
        node = self._layout_logic.GetLayoutNode()
        wanted = (node.GetViewArrangement(), node.GetCurrentLayoutDescription() or "")
        if wanted == self._shown:
            return
        self._shown = wanted
        for widget in (*self._slices.values(), *self._three_d.values(), *self._other.values()):
            widget.setParent(None)
        column = self._viewport.layout()
        while column.count():
            old = column.takeAt(0).widget()
            if old is not None:
                old.deleteLater()
        if wanted[1]:
            column.addWidget(self._built(ElementTree.fromstring(wanted[1])))
        self.layoutChanged.emit(wanted[0])

    def _built(self, element: ElementTree.Element) -> QtWidgets.QWidget:
        """The widget of a <layout> or <view> of a layout description."""
        if element.tag == "view":
            return self._view(element.get("class", ""), element.get("singletontag", ""), element.get("type", ""))
        items = [(item, self._built(child)) for item in element.findall("item") for child in item]
        if element.get("type") == "tab":
            tabs = QtWidgets.QTabWidget()
            for item, widget in items:
                tabs.addTab(widget, item.get("name", widget.objectName()))
            return tabs
        box = QtWidgets.QWidget()
        grid = QtWidgets.QGridLayout(box)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setSpacing(2)
        for number, (item, widget) in enumerate(items):
            place = (0, number) if element.get("type", "horizontal") == "horizontal" else (number, 0)
            if element.get("type") == "grid":
                place = (int(item.get("row", 0)), int(item.get("column", 0)))
            grid.addWidget(widget, *place, int(item.get("rowspan", 1)), int(item.get("colspan", 1)))
            widget.show()
        return box

    def _view(self, kind: str, tag: str, role: str) -> QtWidgets.QWidget:
        node = self._scene.GetSingletonNode(tag, kind)
        if kind == "vtkMRMLSliceNode" and node is not None:
            if tag not in self._slices:
                logic = slicer.vtkMRMLSliceLogic()
                logic.SetMRMLScene(self._scene)
                logic.SetSliceNode(node)
                self._slice_logics.AddItem(logic)
                self._slices[tag] = qMRMLSliceWidget(logic)
            return self._slices[tag]
        if kind == "vtkMRMLViewNode" and node is not None:
            if tag not in self._three_d:
                self._three_d[tag] = qMRMLThreeDWidget(node)
            return self._three_d[tag]
        name = f"{kind} {tag}"
        if name not in self._other:
            self._other[name] = QtWidgets.QLabel(f"({name.removeprefix('vtkMRML')})")
        return self._other[name]
