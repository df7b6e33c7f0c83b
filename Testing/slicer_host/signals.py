"""Signals and slots as PythonQt has them."""

from __future__ import annotations

import inspect
import sys
import traceback
from collections.abc import Callable
from typing import Any

from PySide6 import QtCore

from slicer_host.conversion import from_native, to_native
from slicer_host.recorded import recorded


def relay(function: Callable) -> Callable:
    """A slot for PySide6 that calls a Python function as PythonQt does.

    A function or method with a fixed number of parameters gets only so many arguments; any other callable gets all. An
    exception is printed and noted; Qt goes on.
    """
    limit = _accepted(function)

    def slot(*arguments: Any) -> Any:
        try:
            return to_native(function(*map(from_native, arguments[:limit])))
        except Exception as error:
            traceback.print_exc(file=sys.stderr)
            recorded.slot_errors.append(error)
            return None

    return slot


def _accepted(function: Callable) -> int | None:
    """The number of arguments that are passed on at most; None: all."""
    bound = inspect.ismethod(function)
    if not (bound or inspect.isfunction(function)):
        return None
    code = getattr(function.__func__ if bound else function, "__code__", None)
    if code is None or code.co_flags & inspect.CO_VARARGS:
        return None
    return code.co_argcount - bound


class BoundSignal:
    """A signal of an object: `connect`, `disconnect`, and emitted by a call."""

    def __init__(self, backing: QtCore.QObject, name: str) -> None:
        self._backing = backing
        self._name = name

    def connect(self, function: Callable) -> bool:
        return connect(self._backing, _full_signature(self._backing, self._name), function)

    def disconnect(self, function: Callable | None = None) -> bool:
        return disconnect(self._backing, _full_signature(self._backing, self._name), function)

    def __call__(self, *arguments: Any) -> None:
        getattr(self._backing, self._name).emit(*map(to_native, arguments))


def connect(backing: QtCore.QObject, signature: str, function: Callable) -> bool:
    """`object.connect('clicked()', function)`: the slot gets what the signature names.

    Raises:
        ValueError: no such signal, or nothing to call. PythonQt only prints the first, which a test would not notice.
    """
    if not callable(function):
        raise ValueError(f"connect('{signature}', ...) needs a callable, not {type(function).__name__}")
    signal, slot = checked_signal(backing, signature), relay(function)
    QtCore.QObject.connect(backing, QtCore.SIGNAL(signal), slot)
    _connections(backing).append((signal, function, slot))
    return True


def disconnect(backing: QtCore.QObject, signature: str, function: Callable | None = None) -> bool:
    """Undo `connect`; without a function, all connections of the signal to Python. False if there was none."""
    signal = checked_signal(backing, signature)
    connections = _connections(backing)
    found = [one for one in connections if one[0] == signal and (function is None or one[1] == function)]
    for one in found:
        QtCore.QObject.disconnect(backing, QtCore.SIGNAL(signal), one[2])
        connections.remove(one)
    return bool(found)


def checked_signal(backing: QtCore.QObject, signature: str) -> str:
    """A signal that the object really has, as PySide6 spells it.

    Raises:
        ValueError: there is none.
    """
    normal = QtCore.QMetaObject.normalizedSignature(signature).data().decode()
    native = getattr(type(backing), "vtk_signals", {}).get(normal, normal)
    meta = backing.metaObject()
    if meta.indexOfSignal(native) < 0 or (native == normal and "PyObject" in native):
        raise ValueError(f"signal '{signature}' does not exist on {meta.className()}")
    return native


def _full_signature(backing: QtCore.QObject, name: str) -> str:
    """The signature with most arguments of a signal, as it is declared in C++."""
    meta = backing.metaObject()
    methods = [meta.method(index) for index in range(meta.methodCount())]
    own = [one.methodSignature().data().decode() for one in methods if one.name().data().decode() == name]
    spelt = {native: normal for normal, native in getattr(type(backing), "vtk_signals", {}).items()}
    return spelt.get(own[0], own[0])


def _connections(backing: QtCore.QObject) -> list[tuple[str, Callable, Callable]]:
    if not hasattr(backing, "_python_connections"):
        backing._python_connections = []
    return backing._python_connections
