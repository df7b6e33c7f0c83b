"""A stand-in for 3D Slicer's application layer, on PySide6 and slicer-core's real MRML classes.

    from slicer_host import start
    start()
    import qt, ctk, slicer

`start` puts the modules that Slicer has and slicer-core lacks where a scripted module looks for them: `qt`, `ctk`,
`slicer.app`, `slicer.modules`, `slicer.mrmlScene`, `slicer.ScriptedLoadableModule`, `slicer.parameterNodeWrapper`,
`slicer.i18n`, `slicer.packaging`, `SampleData`, `PyTorchUtils`. No screen is needed, nothing waits for a user and
nothing is installed: see `recorded`.
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
    "is_running",
    "load_module",
    "process_events",
    "recorded",
    "screenshot",
    "start",
    "stop",
    "unload_module",
    "use_theme",
    "wait_until",
]

_application: Any = None
_installation: Any = None
_running = False


def start() -> None:
    """Make Slicer's modules importable. The application is made once and lives as long as the process.

    Qt and VTK draw without a screen, unless QT_QPA_PLATFORM and VTK_DEFAULT_OPENGL_WINDOW say otherwise.
    """
    global _running
    if _running:
        return
    if _application is None:
        _make()
    else:
        _installation.restore()
    _running = True


def is_running() -> bool:
    return _running


def stop() -> None:
    """Take Slicer's modules away again, and empty the scene, so that other tests find none of them."""
    global _running
    if not _running:
        return
    import slicer

    for name in _application.module_manager.scripted_names():
        unload_module(name)
    slicer.mrmlScene.Clear(0)
    recorded.clear()
    _installation.remove()
    _running = False


def _make() -> None:
    global _application, _installation
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    os.environ.setdefault("VTK_DEFAULT_OPENGL_WINDOW", "vtkEGLRenderWindow")
    os.environ.setdefault("QT_LOGGING_RULES", "qt.qpa.fonts.warning=false")
    import slicer

    from slicer_host import stand_ins
    from slicer_host.application import python_slicer_path, qSlicerApplication
    from slicer_host.ctk_widgets import CTK_WIDGETS
    from slicer_host.installation import Installation
    from slicer_host.modules import modules_namespace, qSlicerScriptedLoadableModule
    from slicer_host.mrml_widgets import SLICER_WIDGETS
    from slicer_host.pythonqt import class_of, wrap
    from slicer_host.qt_module import QtModule, quiet_messages

    install = _installation = Installation()
    install.module("qt", QtModule("qt"))
    ctk = ModuleType("ctk")
    vars(ctk).update({name: class_of(native) for name, native in CTK_WIDGETS.items()})
    install.module("ctk", ctk)
    quiet_messages()
    _application = qSlicerApplication()
    _application.setStyle("Fusion")
    attributes = {
        **{name: class_of(native) for name, native in SLICER_WIDGETS.items()},
        "qSlicerScriptedLoadableModule": class_of(qSlicerScriptedLoadableModule),
        "app": wrap(_application),
        "mrmlScene": _application.mrmlScene(),
        "modules": modules_namespace(),
        "selfTests": {},
    }
    for name, value in attributes.items():
        install.attribute(slicer, name, value)
    install.variable("PATH", python_slicer_path(_application.slicerHome))
    install.module("slicer.packaging", stand_ins.packaging())
    install.module("slicer.i18n", stand_ins.i18n())
    from slicer_host import parameter_nodes, scripted_module

    install.module("slicer.ScriptedLoadableModule", scripted_module)
    install.module("slicer.parameterNodeWrapper", parameter_nodes)
    install.module("SampleData", stand_ins.sample_data())
    install.module("PyTorchUtils", stand_ins.pytorch_utils())
    _application.open_main_window()
    _application.mainWindow().moduleSelector().moduleSelected.connect(_application.module_manager.open_module)
    install.attribute(sys, "excepthook", _noting(sys.excepthook))
    use_theme("light")


def _noting(print_exception: Callable) -> Callable:
    """Exceptions in VTK observers and in overridden methods of Qt are only printed: note them like those of slots."""

    def note(kind: type[BaseException], error: BaseException, trace: Any) -> None:
        if isinstance(error, Exception):
            recorded.slot_errors.append(error)
        print_exception(kind, error, trace)

    return note


def load_module(path: Path) -> Any:
    """Load a scripted module's file as Slicer does at start-up, open its panel in the main window and enter it.

    Returns:
        the module's widget object, whose `parent` is the panel.
    """
    from slicer_host.modules import dock

    start()
    module = _application.module_manager.load_scripted(Path(path).resolve())
    _application.startupCompleted.emit()
    container = module.widgetRepresentation()
    window = _application.mainWindow()
    dock(window, container)
    window.show()
    window.moduleSelector().selectModule(Path(path).stem)
    process_events(0)
    return container.self()


def unload_module(name: str) -> None:
    """Unload a module as Slicer does when it ends: `exit` and `cleanup` are called."""
    from PySide6 import QtWidgets

    _application.module_manager.unload(name)
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
