"""A stand-in for 3D Slicer's application layer, on PySide6 and slicer-core's real MRML classes.

    from slicer_host import start
    start()
    import qt, ctk, slicer

`start` puts the modules that Slicer has and slicer-core lacks where a scripted module looks for them: `qt`, `ctk`,
`slicer.app`, `slicer.modules`, `slicer.mrmlScene`, `slicer.ScriptedLoadableModule`, `slicer.parameterNodeWrapper`,
`slicer.i18n`, `slicer.packaging`, `SampleData`, `PyTorchUtils`. No screen is needed, nothing waits for a user and nothing
is installed: see `recorded`.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from slicer_host.recorded import recorded

__all__ = [
    "load_module",
    "process_events",
    "recorded",
    "screenshot",
    "start",
    "unload_module",
    "use_theme",
    "wait_until",
]

_application: Any = None


def start() -> None:
    """Make the application and its modules; a second call does nothing."""
    global _application
    if _application is not None:
        return
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    os.environ.setdefault("VTK_DEFAULT_OPENGL_WINDOW", "vtkEGLRenderWindow")
    os.environ.setdefault("QT_LOGGING_RULES", "qt.qpa.fonts.warning=false")
    import slicer

    from slicer_host import stand_ins
    from slicer_host.application import qSlicerApplication
    from slicer_host.ctk_widgets import CTK_WIDGETS
    from slicer_host.modules import modules_namespace, qSlicerScriptedLoadableModule
    from slicer_host.mrml_widgets import SLICER_WIDGETS
    from slicer_host.pythonqt import class_of, wrap
    from slicer_host.qt_module import QtModule

    ctk = ModuleType("ctk")
    vars(ctk).update({name: class_of(native) for name, native in CTK_WIDGETS.items()})
    sys.modules.update(qt=QtModule("qt"), ctk=ctk)
    _application = qSlicerApplication()
    _application.setStyle("Fusion")
    for name, native in SLICER_WIDGETS.items():
        setattr(slicer, name, class_of(native))
    slicer.qSlicerScriptedLoadableModule = class_of(qSlicerScriptedLoadableModule)
    slicer.app = wrap(_application)
    slicer.mrmlScene = _application.mrmlScene()
    slicer.modules = modules_namespace()
    slicer.selfTests = {}
    for name, module in (("packaging", stand_ins.packaging()), ("i18n", stand_ins.i18n())):
        _add_submodule(slicer, name, module)
    from slicer_host import parameter_nodes, scripted_module

    _add_submodule(slicer, "ScriptedLoadableModule", scripted_module)
    _add_submodule(slicer, "parameterNodeWrapper", parameter_nodes)
    sys.modules.update(SampleData=stand_ins.sample_data(), PyTorchUtils=stand_ins.pytorch_utils())
    _application.open_main_window()
    use_theme("light")


def _add_submodule(package: ModuleType, name: str, module: ModuleType) -> None:
    sys.modules[f"{package.__name__}.{name}"] = module
    setattr(package, name, module)


def load_module(path: Path) -> Any:
    """Load a scripted module's file as Slicer does at start-up, open its panel in the main window and enter it.

    Returns:
        the module's widget object, whose `parent` is the panel.
    """
    from slicer_host.modules import dock

    start()
    module = _application.modules.load_scripted(Path(path).resolve())
    _application.startupCompleted.emit()
    container = module.widgetRepresentation()
    window = _application.mainWindow()
    dock(window, container)
    window.show()
    window.moduleSelector().selectModule(Path(path).stem)
    container.self().enter()
    process_events(0)
    return container.self()


def unload_module(name: str) -> None:
    """Unload a module as Slicer does when it ends: `exit` and `cleanup` are called."""
    import slicer
    from PySide6 import QtWidgets

    widget = getattr(slicer.modules, f"{name}Widget", None)
    if widget is not None:
        widget.exit()
    _application.modules.unload(name)
    for panel in _application.mainWindow().findChildren(QtWidgets.QDockWidget):
        panel.deleteLater()
    process_events(0)


def process_events(ms: int = 0) -> None:
    """Let the event loop run for so many milliseconds; raises the first exception that a slot has left behind."""
    from PySide6 import QtCore

    end = time.monotonic() + ms / 1000
    while True:
        _application.processEvents()
        QtCore.QCoreApplication.sendPostedEvents(None, QtCore.QEvent.Type.DeferredDelete.value)
        if time.monotonic() >= end:
            break
        time.sleep(0.001)
    recorded.raise_slot_errors()


def wait_until(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    """Let the event loop run until a condition holds.

    Raises:
        TimeoutError: it did not in time.
    """
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"waited {seconds} s in vain")
        process_events(5)


def use_theme(theme: str) -> None:
    """Show all widgets in Slicer's "light" or "dark" colours."""
    from slicer_host.application import palette

    _application.setPalette(palette(theme))


def screenshot(widget: Any, path: Path, scale: float = 1.0) -> Path:
    """Write a widget as a PNG, with `scale` device pixels a pixel, as on a screen of that resolution."""
    from PySide6 import QtGui

    from slicer_host.pythonqt import backing_of

    native = backing_of(widget)
    process_events(0)
    picture = QtGui.QPixmap(native.size() * scale)
    picture.setDevicePixelRatio(scale)
    picture.fill(native.palette().window().color())
    native.render(picture)
    if not picture.save(str(path), "PNG"):
        raise OSError(f"cannot write {path}")
    return Path(path)
