"""Slicer's widgets that show nodes of the scene, as far as they are used."""

from __future__ import annotations

from functools import partial
from typing import Any

import slicer
import vtk
from PySide6 import QtWidgets
from PySide6.QtCore import Property, Signal, Slot

from slicer_host.ctk_widgets import ctkSliderWidget, with_setters
from slicer_host.recorded import recorded


class qMRMLWidget(QtWidgets.QWidget):
    """A widget that tells its children which scene they show."""

    mrmlSceneChanged = Signal(object)
    vtk_signals = {"mrmlSceneChanged(vtkMRMLScene*)": "mrmlSceneChanged(PyObject)"}  # noqa: RUF012
    vtk_slots = frozenset({"setMRMLScene(vtkMRMLScene*)"})

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._scene: Any = None

    def mrmlScene(self) -> Any:
        return self._scene

    def setMRMLScene(self, scene: Any) -> None:
        if scene is not self._scene:
            self._scene = scene
            self.mrmlSceneChanged.emit(scene)


def _remove_observers(tags: list[tuple[Any, int]], *_: object) -> None:
    for observed, tag in tags:
        observed.RemoveObserver(tag)
    tags.clear()


class qMRMLSliderWidget(ctkSliderWidget):
    """A slider that knows units; the host shows no units."""

    vtk_slots = frozenset({"setMRMLScene(vtkMRMLScene*)"})

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._quantity = ""
        self._scene: Any = None

    def mrmlScene(self) -> Any:
        return self._scene

    def setMRMLScene(self, scene: Any) -> None:
        self._scene = scene

    quantity = Property(str, lambda self: self._quantity, lambda self, v: setattr(self, "_quantity", v))


def _flag(name: str) -> Property:
    return Property(bool, lambda self: self._flags[name], lambda self, value: self._set_flag(name, value))


class qMRMLNodeComboBox(QtWidgets.QWidget):
    """Chooses a node of some classes. Follows the scene: nodes that come, go or change their names."""

    currentNodeChanged = Signal(object)
    _currentNodeValid = Signal(bool)
    currentNodeIDChanged = Signal(str)
    nodeAddedByUser = Signal(object)
    nodeActivated = Signal(object)
    vtk_signals = {  # noqa: RUF012
        "currentNodeChanged(vtkMRMLNode*)": "currentNodeChanged(PyObject)",
        "currentNodeChanged(bool)": "_currentNodeValid(bool)",
        "nodeAddedByUser(vtkMRMLNode*)": "nodeAddedByUser(PyObject)",
        "nodeActivated(vtkMRMLNode*)": "nodeActivated(PyObject)",
    }
    vtk_slots = frozenset({"setMRMLScene(vtkMRMLScene*)", "setCurrentNode(vtkMRMLNode*)"})

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        self._combo = QtWidgets.QComboBox(self)
        self._combo.setMinimumContentsLength(10)
        layout.addWidget(self._combo)
        self.setFocusProxy(self._combo)
        self._scene: Any = None
        self._tags: list[tuple[Any, int]] = []
        self._nodes: list[Any] = []
        self._shown: Any = None
        self._types: list[str] = []
        self._attributes: list[tuple[str, str, str | None]] = []
        self._flags = {
            "noneEnabled": False,
            "addEnabled": True,
            "removeEnabled": True,
            "renameEnabled": False,
            "editEnabled": False,
            "showHidden": False,
            "showChildNodeTypes": True,
            "selectNodeUponCreation": True,
        }
        self._base_name = ""
        self._none_display = "None"
        self._combo.currentIndexChanged.connect(self._chosen)
        self._combo.activated.connect(lambda _: self.nodeActivated.emit(self.currentNode()))
        # The widget's own methods are no longer called when this signal comes.
        self.destroyed.connect(partial(_remove_observers, self._tags))

    # The scene

    def mrmlScene(self) -> Any:
        return self._scene

    def setMRMLScene(self, scene: Any) -> None:
        self._forget_scene()
        self._scene = scene
        if scene is not None:
            events = (scene.NodeAddedEvent, scene.NodeRemovedEvent, scene.EndBatchProcessEvent, scene.EndCloseEvent)
            self._tags.extend((scene, scene.AddObserver(event, self._scene_changed)) for event in events)
            self._tags.append((scene, scene.AddObserver(scene.NodeAboutToBeRemovedEvent, self._node_goes)))
        self._refresh()

    def _forget_scene(self) -> None:
        _remove_observers(self._tags)

    def _scene_changed(self, _: Any, event: str) -> None:
        if not self._scene.IsBatchProcessing() or event == "EndCloseEvent":
            self._refresh()

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def _node_goes(self, scene: Any, _: str, node: Any) -> None:
        """As in Slicer, a neighbour or nothing is chosen while the node is still in the scene."""
        if scene.IsClosing() or node not in self._nodes:
            return
        place = self._nodes.index(node)
        is_chosen = node is self._shown
        del self._nodes[place]
        self._combo.blockSignals(True)
        self._combo.removeItem(place)
        if is_chosen:
            self._combo.setCurrentIndex(min(place, len(self._nodes) - 1) if place else -1)
        self._combo.blockSignals(False)
        self._chosen()

    def _of_the_types(self) -> list[Any]:
        """Nodes in the scene's order. Most are views and the like: the scene leaves them out faster than Python."""
        if self._scene is None:
            return []
        found = [node for kind in self._types for node in slicer.util.getNodesByClass(kind, self._scene)]
        return sorted(dict.fromkeys(found), key=self._scene.GetNodes().IndexOfFirstOccurrence)

    def _fits(self, node: Any) -> bool:
        if node.GetHideFromEditors() and not self._flags["showHidden"]:
            return False
        children = self._flags["showChildNodeTypes"]
        kinds = [kind for kind in self._types if (node.IsA(kind) if children else node.GetClassName() == kind)]
        conditions = [(name, value) for kind, name, value in self._attributes if kind in kinds]
        return bool(kinds) and all(
            node.GetAttribute(name) is not None and value in (None, node.GetAttribute(name))
            for name, value in conditions
        )

    def _refresh(self) -> None:
        """Show the scene's nodes again, and keep the chosen one if it is still there."""
        before = self._shown
        nodes: list[Any] = [None] if self._flags["noneEnabled"] else []
        nodes += [node for node in self._of_the_types() if self._fits(node)]
        names = [self._none_display if node is None else node.GetName() for node in nodes]
        if nodes == self._nodes and names == [self._combo.itemText(place) for place in range(self._combo.count())]:
            return
        self._nodes = nodes
        self._combo.blockSignals(True)
        self._combo.clear()
        self._combo.addItems(names)
        if before in nodes:
            self._combo.setCurrentIndex(nodes.index(before))
        self._combo.blockSignals(False)
        self._chosen()

    def _chosen(self, _: int = 0) -> None:
        node = self.currentNode()
        if node is self._shown:
            return
        self._shown = node
        self.currentNodeChanged.emit(node)
        self._currentNodeValid.emit(node is not None)
        self.currentNodeIDChanged.emit(node.GetID() if node is not None else "")

    # The choice

    def currentNode(self) -> Any:
        index = self._combo.currentIndex()
        return self._nodes[index] if 0 <= index < len(self._nodes) else None

    def setCurrentNode(self, node: Any) -> None:
        """A node that is not among those shown, or None, chooses nothing."""
        node = self._scene.GetNodeByID(node) if isinstance(node, str) and self._scene is not None else node
        self._combo.setCurrentIndex(self._nodes.index(node) if node in self._nodes else -1 + (None in self._nodes))

    @Slot(str)
    def setCurrentNodeID(self, identifier: str) -> None:
        self.setCurrentNode(self._scene.GetNodeByID(identifier) if self._scene is not None and identifier else None)

    def nodeCount(self) -> int:
        return len([node for node in self._nodes if node is not None])

    def nodeFromIndex(self, index: int) -> Any:
        nodes = [node for node in self._nodes if node is not None]
        return nodes[index] if 0 <= index < len(nodes) else None

    def addNode(self, class_name: str = "") -> Any:
        """What the entry "Create new ..." does."""
        kind = class_name or self._types[0]
        node = self._scene.CreateNodeByClass(kind)
        node.UnRegister(None)
        for node_type, name, value in self._attributes:  # what is filtered by is given to new nodes, as in Slicer
            if node_type == kind and value is not None:
                node.SetAttribute(name, value)
        node.SetName(self._scene.GenerateUniqueName(self._base_name or node.GetNodeTagName()))
        node = self._scene.AddNode(node)
        if self._flags["selectNodeUponCreation"]:
            self.setCurrentNode(node)
        self.nodeAddedByUser.emit(node)
        return node

    @Slot()
    def removeCurrentNode(self) -> None:
        self._scene.RemoveNode(self.currentNode())

    def addAttribute(self, node_type: str, name: str, value: Any = None) -> None:
        self._attributes.append((node_type, name, None if value is None else str(value)))
        self._refresh()

    def removeAttribute(self, node_type: str, name: str) -> None:
        self._attributes = [one for one in self._attributes if one[:2] != (node_type, name)]
        self._refresh()

    # Properties

    def _set_types(self, types: list[str]) -> None:
        self._types = list(types)
        self._refresh()

    def _set_flag(self, name: str, value: bool) -> None:
        self._flags[name] = value
        self._refresh()

    def _set_base_name(self, name: str) -> None:
        self._base_name = name

    def _set_none_display(self, text: str) -> None:
        self._none_display = text
        self._refresh()

    nodeTypes = Property("QStringList", lambda self: self._types, _set_types)
    currentNodeID = Property(
        str, lambda self: self.currentNode().GetID() if self.currentNode() is not None else "", setCurrentNodeID
    )
    noneEnabled = _flag("noneEnabled")
    addEnabled = _flag("addEnabled")
    removeEnabled = _flag("removeEnabled")
    renameEnabled = _flag("renameEnabled")
    editEnabled = _flag("editEnabled")
    showHidden = _flag("showHidden")
    showChildNodeTypes = _flag("showChildNodeTypes")
    selectNodeUponCreation = _flag("selectNodeUponCreation")
    baseName = Property(str, lambda self: self._base_name, _set_base_name)
    noneDisplay = Property(str, lambda self: self._none_display, _set_none_display)


class qSlicerModuleSelectorToolBar(QtWidgets.QToolBar):
    """Switches between the modules that are loaded."""

    moduleSelected = Signal(str)

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._selected = ""

    @Slot(str)
    def selectModule(self, name: str) -> None:
        self._selected = name
        self.moduleSelected.emit(name)

    selectedModule = Property(str, lambda self: self._selected)


class qSlicerMainWindow(QtWidgets.QMainWindow):
    """The main window: a status bar, a module selector, the views in the middle."""

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("qSlicerMainWindow")
        self._selector = qSlicerModuleSelectorToolBar(self)
        self.addToolBar(self._selector)
        self.statusBar().messageChanged.connect(self._note_status)

    @staticmethod
    def _note_status(message: str) -> None:
        if message:
            recorded.status_messages.append(message)

    def moduleSelector(self) -> qSlicerModuleSelectorToolBar:
        return self._selector


class qSlicerScriptedLoadableModuleWidget(qMRMLWidget):
    """What Slicer makes around a scripted module's widget."""

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self.setLayout(QtWidgets.QVBoxLayout())
        self._python: Any = None
        self._make: Any = None

    def self(self) -> Any:
        """The Python object of the widget."""
        return self._python

    def set_maker(self, make: Any) -> None:
        """The function that makes the Python object for this container."""
        self._make = make

    def reload(self) -> None:
        """Make the Python object anew and set it up."""
        self._python = self._make(self)
        self._python.setup()


MRML_WIDGETS = {cls.__name__: with_setters(cls) for cls in (qMRMLNodeComboBox, qMRMLSliderWidget, qMRMLWidget)}
SLICER_WIDGETS = {
    **MRML_WIDGETS,
    **{cls.__name__: cls for cls in (qSlicerMainWindow, qSlicerScriptedLoadableModuleWidget)},
}
