"""The module `qt`: Qt's classes by PythonQt's rules, looked up when first asked for."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

from PySide6 import QtCore, QtGui, QtWidgets

from slicer_host.dialogs import DIALOGS
from slicer_host.pythonqt import class_of
from slicer_host.ui_loader import QUiLoader

_SOURCES = (QtCore, QtGui, QtWidgets)
_OWN = {**DIALOGS, "QUiLoader": QUiLoader}


def quiet_messages() -> None:
    """Print Qt's messages, but not that the offscreen platform does not do what windows of a real screen do."""

    def show(kind: QtCore.QtMsgType, _: object, message: str) -> None:
        if "plugin does not support" not in message:
            print(f"{kind.name}: {message}", file=sys.stderr)

    QtCore.qInstallMessageHandler(show)


class QtModule(ModuleType):
    """`qt.Signal`, `qt.Slot`, `qt.Property` and other things of PySide6 alone do not exist here."""

    def __getattr__(self, name: str) -> Any:
        native = _OWN.get(name)
        if native is None and name.startswith("Q"):
            native = next((getattr(source, name) for source in _SOURCES if hasattr(source, name)), None)
        if not isinstance(native, type):
            raise AttributeError(f"module 'qt' has no attribute '{name}'")
        cls = class_of(native)
        setattr(self, name, cls)
        return cls
