"""Values on their way between Python as PythonQt presents it and PySide6 below."""

from __future__ import annotations

import enum
import os
import re
from collections.abc import Callable
from typing import Any

import PySide6.QtCore
import PySide6.QtGui
import PySide6.QtWidgets
from shiboken6 import Shiboken


class EnumValue(int):
    """A value of one of Qt's enumerations: an int, which remembers what PySide6 wants to be given for it."""

    member: enum.Enum

    def __new__(cls, member: enum.Enum) -> EnumValue:
        value = super().__new__(cls, member.value)
        value.member = member
        return value

    def __or__(self, other: int) -> int:
        if isinstance(other, EnumValue) and type(other.member) is type(self.member):
            return EnumValue(self.member | other.member)
        return int(self) | int(other)

    def __reduce__(self) -> tuple:
        return int, (int(self),)


def to_native(value: Any) -> Any:
    """What PySide6 is given.

    Raises:
        ValueError: PythonQt could not convert it (paths are no strings for it), or the Qt object was destroyed.
    """
    from slicer_host.pythonqt import Instance, PythonQtClass, backing_of

    if isinstance(value, Instance):
        return backing_of(value)
    if isinstance(value, PythonQtClass):
        return value.native
    if isinstance(value, EnumValue):
        return value.member
    if isinstance(value, os.PathLike):
        raise ValueError(f"PythonQt does not convert {type(value).__name__}: pass str(path)")
    if isinstance(value, (list, tuple)):
        return [to_native(item) for item in value]
    if isinstance(value, dict):
        return {key: to_native(item) for key, item in value.items()}
    if callable(value) and not isinstance(value, type):
        from slicer_host.signals import relay

        return relay(value)
    return value


def to_property(value: Any) -> Any:
    """What a Qt property is set to: enumerations as ints, which Qt converts for properties."""
    return int(value) if isinstance(value, EnumValue) else to_native(value)


def from_native(value: Any) -> Any:
    """What PythonQt would return: wrapped objects, ints for enumerations, tuples for lists."""
    from slicer_host.pythonqt import wrap

    if isinstance(value, enum.Enum):
        return EnumValue(value) if isinstance(value.value, int) else value
    if isinstance(value, Shiboken.Object):
        return wrap(value)
    if isinstance(value, (list, tuple)):
        return tuple(from_native(item) for item in value)
    if isinstance(value, dict):
        return {key: from_native(item) for key, item in value.items()}
    return value


def call(function: Callable, arguments: tuple, keywords: dict, name: str) -> Any:
    """Call a function of PySide6 by PythonQt's rules.

    Raises:
        TypeError: there are keyword arguments.
        ValueError: no overload takes these arguments.
    """
    if keywords:
        raise TypeError(f"{name}() takes no keyword arguments in PythonQt: {', '.join(keywords)}")
    native = [to_native(argument) for argument in arguments]
    try:
        return from_native(function(*native))
    except TypeError as error:
        trace = error.__traceback__
        if trace is not None and trace.tb_next is not None:  # not of the call itself: of Python code that was called
            raise
        for candidate in _with_enumerations(native, str(error)):
            try:
                return from_native(function(*candidate))
            except TypeError:
                continue
        raise ValueError(f"Could not find matching overload for given arguments: {name}{arguments!r}") from error


def _with_enumerations(arguments: list, message: str) -> list[list]:
    """The arguments with ints made enumerations where a signature that PySide6's error message lists has one."""
    if not any(type(argument) is int for argument in arguments):
        return []
    candidates = []
    for line in message.partition("Supported signatures:")[2].splitlines():
        inside = re.search(r"\((.*)\)", line)
        if not inside:
            continue
        parameters = [part for part in re.split(r",\s*", inside[1]) if part.strip() not in ("", "/")]
        if len(parameters) < len(arguments):
            continue
        pairs = zip(arguments, parameters[: len(arguments)], strict=True)
        candidates.append([_as_enumeration(argument, parameter) for argument, parameter in pairs])
    return candidates


def _as_enumeration(argument: Any, parameter: str) -> Any:
    if type(argument) is not int:
        return argument
    for name in re.findall(r"PySide6[\w.]+", parameter):
        found: Any = PySide6
        for part in name.split(".")[1:]:
            found = getattr(found, part, None)
        if isinstance(found, type) and issubclass(found, enum.Enum):
            return found(argument)
    return argument
