"""Modules: those of Slicer's own whose logic slicer-core has, and scripted ones loaded from a file."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import slicer
from PySide6 import QtCore, QtGui, QtWidgets
from PySide6.QtCore import Property, Signal

from slicer_host.mrml_widgets import qSlicerScriptedLoadableModuleWidget
from slicer_host.pythonqt import wrap

# Module and the class of its logic.
_OWN_LOGICS = {
    "Colors": "vtkSlicerColorLogic",
    "Cameras": "vtkSlicerCamerasModuleLogic",
    "CropVolume": "vtkSlicerCropVolumeLogic",
    "Markups": "vtkSlicerMarkupsLogic",
    "Models": "vtkSlicerModelsLogic",
    "Plots": "vtkSlicerPlotsLogic",
    "Tables": "vtkSlicerTablesLogic",
    "Texts": "vtkSlicerTextsLogic",
    "Transforms": "vtkSlicerTransformLogic",
    "Units": "vtkSlicerUnitsLogic",
    "ViewControllers": "vtkSlicerViewControllersLogic",
    "VolumeRendering": "vtkSlicerVolumeRenderingLogic",
    "Volumes": "vtkSlicerVolumesLogic",
}


def _kept(kind: Any, name: str, default: Any) -> Property:
    """A property that only keeps what it is given."""

    def read(self: Any) -> Any:
        return self.kept_values.get(name, default)

    def write(self: Any, value: Any) -> None:
        self.kept_values[name] = value

    return Property(kind, read, write)


class qSlicerCoreModule(QtCore.QObject):
    """A module of Slicer's own: its name and logic."""

    def __init__(self, name: str, logic: Any, parent: QtCore.QObject) -> None:
        super().__init__(parent)
        self._name, self._logic = name, logic

    name = Property(str, lambda self: self._name)
    title = Property(str, lambda self: self._name)

    def logic(self) -> Any:
        return self._logic


class qSlicerScriptedLoadableModule(QtCore.QObject):
    """What Slicer makes around a scripted module, with the metadata that its Python class fills in."""

    def __init__(self, path: Path, parent: QtCore.QObject) -> None:
        super().__init__(parent)
        self.kept_values: dict[str, Any] = {}
        self._path = path
        self._widget: qSlicerScriptedLoadableModuleWidget | None = None

    name = Property(str, lambda self: self._path.stem)
    path = Property(str, lambda self: str(self._path))
    title = _kept(str, "title", "")
    helpText = _kept(str, "helpText", "")
    acknowledgementText = _kept(str, "acknowledgementText", "")
    categories = _kept("QStringList", "categories", [])
    contributors = _kept("QStringList", "contributors", [])
    dependencies = _kept("QStringList", "dependencies", [])
    associatedNodeTypes = _kept("QStringList", "associatedNodeTypes", [])
    hidden = _kept(bool, "hidden", False)
    index = _kept(int, "index", -1)
    widgetRepresentationCreationEnabled = _kept(bool, "widgetRepresentationCreationEnabled", True)
    icon = _kept(QtGui.QIcon, "icon", QtGui.QIcon())

    def widgetRepresentation(self) -> qSlicerScriptedLoadableModuleWidget:
        if self._widget is None:
            self._widget = self.createNewWidgetRepresentation()
        return self._widget

    def createNewWidgetRepresentation(self) -> qSlicerScriptedLoadableModuleWidget:
        """A new panel: the module's Python class `<Name>Widget`, set up."""
        container = qSlicerScriptedLoadableModuleWidget()
        container.setObjectName(f"{self._path.stem}ModuleWidget")
        container.setMRMLScene(slicer.mrmlScene)
        container.set_maker(self._make_python)
        container.reload()
        return container

    def _make_python(self, container: qSlicerScriptedLoadableModuleWidget) -> Any:
        name = f"{self._path.stem}Widget"
        python = getattr(sys.modules[self._path.stem], name)(wrap(container))
        setattr(slicer.modules, name, python)
        return python


class FactoryManager(QtCore.QObject):
    """Knows which modules are loaded."""

    def __init__(self, parent: qSlicerModuleManager) -> None:
        super().__init__(parent)
        self._manager = parent

    def loadedModuleNames(self) -> list[str]:
        return self._manager.modulesNames()

    def isLoaded(self, name: str) -> bool:
        return name in self._manager.modulesNames()


class qSlicerModuleManager(QtCore.QObject):
    """The modules by name; they are attributes of `slicer.modules` as well, in lower case."""

    moduleAboutToBeUnloaded = Signal(str)
    moduleLoaded = Signal(str)

    def __init__(self, parent: QtCore.QObject) -> None:
        super().__init__(parent)
        self._modules: dict[str, QtCore.QObject] = {}
        self._open = ""
        self._factory = FactoryManager(self)

    def load_logics(self, scene: Any, application_logic: Any) -> None:
        for name, logic_class in _OWN_LOGICS.items():
            logic = getattr(slicer, logic_class)()
            logic.SetMRMLApplicationLogic(application_logic)
            logic.SetMRMLScene(scene)
            application_logic.SetModuleLogic(name, logic)  # where displayable managers look for it
            self._add(name, qSlicerCoreModule(name, logic, self))

    def load_scripted(self, path: Path) -> qSlicerScriptedLoadableModule:
        """Import a module's file and make its Python module object.

        Raises:
            whatever the file raises when it is imported.
        """
        name = path.stem
        if str(path.parent) not in sys.path:
            sys.path.insert(0, str(path.parent))
        spec = importlib.util.spec_from_file_location(name, path)
        if spec is None or spec.loader is None:
            raise ImportError(f"{path} is no Python file")
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
        module = qSlicerScriptedLoadableModule(path, self)
        self._add(name, module)
        setattr(slicer.modules, f"{name}Instance", getattr(sys.modules[name], name)(wrap(module)))
        self.moduleLoaded.emit(name)
        return module

    def _add(self, name: str, module: QtCore.QObject) -> None:
        self._modules[name] = module
        setattr(slicer.modules, name.lower(), wrap(module))

    def unload(self, name: str) -> None:
        """Let the module clean up, then forget it."""
        if self._open == name:
            self.open_module("")
        self.moduleAboutToBeUnloaded.emit(name)
        self._modules.pop(name).deleteLater()
        for attribute in (name.lower(), f"{name}Instance", f"{name}Widget"):
            vars(slicer.modules).pop(attribute, None)

    def scripted_names(self) -> list[str]:
        return [name for name, module in self._modules.items() if isinstance(module, qSlicerScriptedLoadableModule)]

    def open_module(self, name: str) -> None:
        """Leave the module that is open and enter another, as when a user chooses it."""
        for one, call in ((self._open, "exit"), (name, "enter")):
            widget = getattr(slicer.modules, f"{one}Widget", None)
            if widget is not None:
                getattr(widget, call)()
        self._open = name

    def module(self, name: str) -> QtCore.QObject | None:
        return self._modules.get(name)

    def modulesNames(self) -> list[str]:
        return list(self._modules)

    def factoryManager(self) -> FactoryManager:
        return self._factory


def modules_namespace() -> SimpleNamespace:
    """`slicer.modules`: modules that are not loaded are no attributes of it."""
    return SimpleNamespace()


def dock(window: QtWidgets.QMainWindow, container: QtWidgets.QWidget) -> None:
    """Show a module's panel where Slicer has its module panel: left of the views, scrolled when it is long."""
    area = QtWidgets.QScrollArea()
    area.setWidgetResizable(True)
    area.setHorizontalScrollBarPolicy(QtCore.Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    area.setWidget(container)
    panel = QtWidgets.QDockWidget("Module Panel", window)
    panel.setObjectName("PanelDockWidget")
    panel.setMinimumWidth(480)
    panel.setWidget(area)
    window.addDockWidget(QtCore.Qt.DockWidgetArea.LeftDockWidgetArea, panel)
