"""`slicer.app`: the application object, with the properties and methods of qSlicerApplication that are used."""

from __future__ import annotations

import atexit
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import slicer
from PySide6 import QtCore, QtGui, QtWidgets
from PySide6.QtCore import Property, Signal

from slicer_host.layout_manager import qSlicerLayoutManager
from slicer_host.modules import qSlicerModuleManager
from slicer_host.mrml_widgets import qSlicerMainWindow
from slicer_host.node_files import qSlicerCoreIOManager

VERSION = (5, 13, 0)


class CommandOptions(QtCore.QObject):
    """The command line that Slicer was started with: nothing."""

    noMainWindow = Property(bool, lambda self: False)
    testingEnabled = Property(bool, lambda self: False)
    runPythonAndExit = Property(bool, lambda self: False, lambda self, value: None)


class qSlicerApplication(QtWidgets.QApplication):
    """One application with one scene, which `start` makes."""

    startupCompleted = Signal()
    mrmlSceneChanged = Signal(object)
    vtk_signals = {"mrmlSceneChanged(vtkMRMLScene*)": "mrmlSceneChanged(PyObject)"}  # noqa: RUF012

    def __init__(self) -> None:
        super().__init__(["Slicer"])
        self._folder = Path(tempfile.mkdtemp(prefix="slicer-host-"))
        atexit.register(shutil.rmtree, self._folder, ignore_errors=True)
        for name in ("home/bin", "home/share/ColorFiles", "temporary", "cache", "settings"):
            (self._folder / name).mkdir(parents=True)
        QtCore.QSettings.setDefaultFormat(QtCore.QSettings.Format.IniFormat)
        for scope in (QtCore.QSettings.Scope.UserScope, QtCore.QSettings.Scope.SystemScope):
            QtCore.QSettings.setPath(QtCore.QSettings.Format.IniFormat, scope, str(self._folder / "settings"))
        self.setApplicationName("Slicer")
        self.setOrganizationName("slicer.org")
        self.setApplicationVersion(".".join(map(str, VERSION)))
        self._settings = QtCore.QSettings(self)
        self._options = CommandOptions(self)
        self._scene, self._logic = slicer.vtkMRMLScene(), slicer.vtkSlicerApplicationLogic()
        self._paused = 0
        self.module_manager = qSlicerModuleManager(self)
        self._files = qSlicerCoreIOManager(self)
        self._window: qSlicerMainWindow | None = None
        self._layouts: qSlicerLayoutManager | None = None

    def open_main_window(self) -> None:
        """The scene's default nodes, the logics of Slicer's own modules, and the main window with its views."""
        self._logic.SetHomeDirectory(self.slicerHome)
        self._logic.SetShareDirectory("share")
        _prepare_scene(self._scene, self._logic, self._folder / "cache")
        self.module_manager.load_logics(self._scene, self._logic)
        self._window = qSlicerMainWindow()
        self._window.resize(1400, 900)
        self._layouts = qSlicerLayoutManager(self._scene, self._logic, self._window)
        self._window.setCentralWidget(self._layouts.viewport())

    # Properties

    temporaryPath = Property(str, lambda self: str(self._folder / "temporary"))
    slicerHome = Property(str, lambda self: str(self._folder / "home"))
    cachePath = Property(str, lambda self: str(self._folder / "cache"))
    slicerUserSettingsFilePath = Property(str, lambda self: self._settings.fileName())
    launcherExecutableFilePath = Property(str, lambda self: "")
    majorVersion = Property(int, lambda self: VERSION[0])
    minorVersion = Property(int, lambda self: VERSION[1])
    revision = Property(str, lambda self: "slicer_host")
    mainApplicationName = Property(str, lambda self: "Slicer")
    isInstalled = Property(bool, lambda self: True)
    renderPaused = Property(bool, lambda self: self._paused > 0)

    # Methods

    def mrmlScene(self) -> Any:
        return self._scene

    def applicationLogic(self) -> Any:
        return self._logic

    def layoutManager(self) -> qSlicerLayoutManager | None:
        return self._layouts

    def moduleManager(self) -> qSlicerModuleManager:
        return self.module_manager

    def coreIOManager(self) -> qSlicerCoreIOManager:
        return self._files

    def ioManager(self) -> qSlicerCoreIOManager:
        return self._files

    def mainWindow(self) -> qSlicerMainWindow | None:
        return self._window

    def settings(self) -> QtCore.QSettings:
        return self._settings

    def userSettings(self) -> QtCore.QSettings:
        return self._settings

    def commandOptions(self) -> CommandOptions:
        return self._options

    def startupEnvironment(self) -> QtCore.QProcessEnvironment:
        """The environment as it was before Slicer's launcher changed it."""
        return QtCore.QProcessEnvironment.systemEnvironment()

    def testingEnabled(self) -> bool:
        """No: in testing mode message boxes would be passed over, and the host could not tell what a user would see."""
        return False

    def pauseRender(self) -> bool:
        self._paused += 1
        return True

    def resumeRender(self) -> bool:
        self._paused = max(0, self._paused - 1)
        return self._paused == 0


def python_slicer_path(home: str) -> str:
    """A PATH with PythonSlicer: as in Slicer, a launcher that has Python as its child."""
    launcher = Path(home) / "bin" / "PythonSlicer"
    launcher.write_text(f'#!/bin/sh\n"{sys.executable}" "$@"\nexit $?\n', encoding="utf-8")
    launcher.chmod(0o755)
    return f"{launcher.parent}{os.pathsep}{os.environ.get('PATH', '')}"


def _prepare_scene(scene: Any, logic: Any, cache: Path) -> None:
    """What Slicer's start gives a scene: places for files, node classes, singletons."""
    cache_manager, files = slicer.vtkCacheManager(), slicer.vtkDataIOManager()
    cache_manager.SetMRMLScene(scene)
    cache_manager.SetRemoteCacheDirectory(str(cache))
    scene.SetCacheManager(cache_manager)
    files.SetCacheManager(cache_manager)
    scene.SetDataIOManager(files)
    scene.SetRootDirectory(str(cache))
    logic.SetMRMLScene(scene)
    if scene.GetFirstNodeByClass("vtkMRMLCrosshairNode") is None:
        crosshair = slicer.vtkMRMLCrosshairNode()
        crosshair.SetCrosshairName("default")
        crosshair.SetName("Crosshair")
        crosshair.SetSingletonTag("default")
        scene.AddNode(crosshair)
    slicer.vtkMRMLSliceNode.AddDefaultSliceOrientationPresets(scene)


def palette(theme: str) -> QtGui.QPalette:
    """The palette of a theme, "light" or "dark", as of Slicer's own two styles."""
    made = QtGui.QPalette(QtGui.QColor("#efefef") if theme == "light" else QtGui.QColor("#353535"))
    role, group = QtGui.QPalette.ColorRole, QtGui.QPalette.ColorGroup
    if theme == "dark":
        colours = {
            role.Window: "#353535",
            role.WindowText: "#ffffff",
            role.Base: "#252525",
            role.AlternateBase: "#353535",
            role.ToolTipBase: "#353535",
            role.ToolTipText: "#ffffff",
            role.Text: "#ffffff",
            role.Button: "#353535",
            role.ButtonText: "#ffffff",
            role.Link: "#2a82da",
            role.Highlight: "#2a82da",
            role.HighlightedText: "#000000",
            role.PlaceholderText: "#9a9a9a",
        }
        for one, colour in colours.items():
            made.setColor(one, QtGui.QColor(colour))
        for one in (role.WindowText, role.Text, role.ButtonText):
            made.setColor(group.Disabled, one, QtGui.QColor("#808080"))
    else:
        made.setColor(role.Base, QtGui.QColor("#ffffff"))
        made.setColor(role.Highlight, QtGui.QColor("#308cc6"))
    return made
