"""PySide6's classes in the manner of PythonQt, which is how Slicer's Python sees Qt.

Each rule that SLICER.md lists is kept: properties are attributes, there are no keyword arguments, no new attributes on
widgets made by Qt, classes are unrelated to each other, enumerations are ints. What PythonQt does not know raises
AttributeError, also where PySide6 has something of its own.
"""

from __future__ import annotations

import enum
from typing import Any

from PySide6 import QtCore
from shiboken6 import Shiboken

from slicer_host.conversion import EnumValue, call, from_native, to_native, to_property
from slicer_host.signals import BoundSignal, connect, disconnect

# PySide6's own additions, which C++ and PythonQt lack.
_PYSIDE_ONLY = frozenset({"emit", "exec", "staticMetaObject", "toPyDate", "toPyDateTime", "toPython", "toTuple"})
_classes: dict[type, PythonQtClass] = {}


class PythonQtClass(type):
    """The class of `qt.QPushButton`: its enumerations and static functions are looked up when asked for."""

    native: type

    def __new__(mcs, name: str, bases: tuple, namespace: dict) -> PythonQtClass:
        made = super().__new__(mcs, name, bases, namespace)
        if "native" not in namespace and hasattr(made, "native"):
            made.native_overriding = _overriding(made)
        return made

    def __getattr__(cls, name: str) -> Any:
        if name in ("native", "native_overriding") or name.startswith("__") or "native" not in _names(cls):
            raise AttributeError(name)
        return _class_member(cls, name)

    def __dir__(cls) -> list[str]:
        return [name for name in dir(cls.native) if not name.startswith("_")]


def _names(cls: type) -> set[str]:
    return {name for base in cls.__mro__ for name in vars(base)}


class Instance(metaclass=PythonQtClass):
    """A Qt object or value. Its Python class derives from it alone: `isinstance` is true for the exact class only."""

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        cls = type(self)
        maker = vars(cls).get("native_overriding") or cls.native
        made = call(lambda *native: _Unwrapped(maker(*native)), arguments, keywords, cls.native.__name__)
        _bind(self, made.value)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name == "_backing":
            raise AttributeError(name)
        return _member(self, backing_of(self), name)

    def __setattr__(self, name: str, value: Any) -> None:
        backing = backing_of(self)
        if _set_property(backing, name, value):
            return
        if "native" in vars(type(self)):
            raise AttributeError(
                f"Attribute '{name}' does not exist and creation of new attributes on C++ objects is not allowed"
            )
        object.__setattr__(self, name, value)

    def __dir__(self) -> list[str]:
        backing = backing_of(self)
        return sorted({*_property_names(backing), *(n for n in dir(type(backing)) if not n.startswith("_"))})

    def __bool__(self) -> bool:
        return Shiboken.isValid(object.__getattribute__(self, "_backing"))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Instance):
            return NotImplemented
        mine, theirs = (object.__getattribute__(one, "_backing") for one in (self, other))
        return mine is theirs or (not isinstance(mine, QtCore.QObject) and mine == theirs)

    def __hash__(self) -> int:
        return id(object.__getattribute__(self, "_backing"))

    def __repr__(self) -> str:
        native = type(self).native.__name__
        backing = object.__getattribute__(self, "_backing")
        if isinstance(backing, QtCore.QObject) and Shiboken.isValid(backing):
            return f"{native} (Qt object at: {id(backing):#x}, {backing.objectName()!r})"
        return f"{native} (C++ object at: {id(backing):#x})"

    def __or__(self, other: Any) -> Any:
        return from_native(backing_of(self) | to_native(other))


class _Unwrapped:
    """Keeps what `call` returns from being wrapped."""

    def __init__(self, value: Any) -> None:
        self.value = value


def class_of(native: type) -> PythonQtClass:
    """The class that stands for one of PySide6's."""
    if native not in _classes:
        _classes[native] = PythonQtClass(native.__name__, (Instance,), {"native": native})
    return _classes[native]


def wrap(backing: Any) -> Instance:
    """The one Python object for a Qt object."""
    known = getattr(backing, "_pythonqt", None)
    if known is not None:
        return known
    cls = class_of(type(backing))
    wrapper = cls.__new__(cls)
    _bind(wrapper, backing)
    return wrapper


def backing_of(wrapper: Instance) -> Any:
    """The PySide6 object.

    Raises:
        ValueError: Qt has destroyed it, or a Python subclass did not call `__init__` of its Qt class.
    """
    backing = wrapper.__dict__.get("_backing")
    if backing is None:
        raise ValueError(f"{type(wrapper).__name__}: __init__ of the Qt class was not called")
    if not Shiboken.isValid(backing):
        raise ValueError(f"Trying to use a destroyed {type(wrapper).native.__name__} object")
    return backing


def _bind(wrapper: Instance, backing: Any) -> None:
    object.__setattr__(wrapper, "_backing", backing)
    backing._pythonqt = wrapper


def _overriding(cls: PythonQtClass) -> type:
    """PySide6's class with those methods that a Python subclass of the wrapper overrides, so that Qt calls them."""
    native = cls.native
    overridden = {
        name
        for base in cls.__mro__
        if isinstance(base, PythonQtClass) and "native" not in vars(base) and base is not Instance
        for name, value in vars(base).items()
        if callable(value) and not name.startswith("_") and callable(getattr(native, name, None))
    }

    def override(name: str) -> Any:
        def method(self: Any, *arguments: Any) -> Any:
            try:
                function = getattr(self._pythonqt, name)
            except AttributeError:  # Python is throwing the object away while Qt sends it its last events
                return getattr(native, name)(self, *arguments)
            return to_native(function(*map(from_native, arguments)))

        return method

    return type(native)(cls.__name__, (native,), {name: override(name) for name in overridden})


def _property_names(backing: Any) -> list[str]:
    if not isinstance(backing, QtCore.QObject):
        return []
    meta = backing.metaObject()
    return [meta.property(index).name() for index in range(meta.propertyCount())]


def _property_index(backing: Any, name: str) -> tuple[str, int]:
    """Name and index of a Qt property; "name" is PythonQt's other word for objectName."""
    if not isinstance(backing, QtCore.QObject):
        return name, -1
    meta = backing.metaObject()
    index = meta.indexOfProperty(name)
    return ("objectName", meta.indexOfProperty("objectName")) if index < 0 and name == "name" else (name, index)


def _get_property(backing: QtCore.QObject, name: str) -> Any:
    try:
        return from_native(backing.property(name))
    except RuntimeError:  # PySide6 has no converter for properties of some flag types
        return from_native(getattr(backing, name)())


def _set_property(backing: Any, name: str, value: Any) -> bool:
    """Set a declared or dynamic property; False if there is none of this name."""
    name, index = _property_index(backing, name)
    if index < 0:
        if not isinstance(backing, QtCore.QObject) or name.encode() not in map(bytes, backing.dynamicPropertyNames()):
            return False
        backing.setProperty(name, to_property(value))
        return True
    declared = backing.metaObject().property(index)
    if not declared.isWritable():
        raise AttributeError(f"Property '{name}' of '{type(backing).__name__}' object is not writable")
    if not backing.setProperty(name, to_property(value)):
        raise ValueError(
            f"Property '{name}' of type '{declared.typeName()}' does not accept a value of type {type(value).__name__}"
        )
    return True


def _class_member(cls: PythonQtClass, name: str) -> Any:
    """Enumerations, their values, static functions and unbound methods."""
    missing = AttributeError(f"type object '{cls.__name__}' has no attribute '{name}'")
    if name in _PYSIDE_ONLY or name.startswith("_"):
        raise missing
    plain = name[:-1] if name == "exec_" else name
    found = getattr(cls.native, plain, None)
    if found is None or isinstance(found, (QtCore.Signal, QtCore.Property)):
        raise missing
    if isinstance(found, enum.Enum):
        return EnumValue(found)
    if isinstance(found, type):
        return type(name, (int,), {}) if issubclass(found, enum.Enum) else class_of(found)
    if not callable(found):
        return from_native(found)
    return _function(found, f"{cls.__name__}.{name}")


def _function(function: Any, name: str) -> Any:
    def method(*arguments: Any, **keywords: Any) -> Any:
        return call(function, arguments, keywords, name)

    method.__name__ = method.__qualname__ = name
    return _BuiltinMethod(method, function)


class _BuiltinMethod:
    """A method of Qt: callable, equal to itself when looked up again (for disconnect), and no Python function."""

    def __init__(self, method: Any, function: Any) -> None:
        self._method = method
        self._function = function

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        return self._method(*arguments, **keywords)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _BuiltinMethod) and other._function == self._function

    def __hash__(self) -> int:
        return hash(self._function)


def _member(wrapper: Instance, backing: Any, name: str) -> Any:
    """An attribute of an object, in PythonQt's order: property, method or signal, enumeration, dynamic property."""
    property_name, index = _property_index(backing, name)
    if index >= 0:
        return _get_property(backing, property_name)
    if isinstance(backing, QtCore.QObject) and name in _OBJECT_METHODS:
        return _OBJECT_METHODS[name](backing)
    if name not in _PYSIDE_ONLY and not name.startswith("_") and not _of_the_host(type(backing), name):
        plain = "exec" if name == "exec_" else name
        on_class = getattr(type(backing), plain, None)
        if isinstance(on_class, QtCore.Signal):
            return BoundSignal(backing, name)
        if on_class is not None:
            found = getattr(backing, plain)
            if callable(found) and not isinstance(found, type):
                return _function(found, f"{type(backing).__name__}.{name}")
            if isinstance(found, enum.Enum):
                return EnumValue(found)
            return _class_member(class_of(type(backing)), name)
    if isinstance(backing, QtCore.QObject) and name.encode() in map(bytes, backing.dynamicPropertyNames()):
        return _get_property(backing, name)
    raise AttributeError(f"'{type(wrapper).__name__}' object has no attribute named '{name}'")


def _of_the_host(native: type, name: str) -> bool:
    """Whether a name is for the host's own use: those are in snake case, which Qt, CTK and Slicer never are in C++."""
    own = [base for base in native.__mro__ if base.__module__.startswith("slicer_host")]
    return "_" in name and any(name in vars(base) for base in own)


def _connecting(backing: QtCore.QObject) -> Any:
    def connect_to(signature: str, target: Any, slot: str | None = None) -> bool:
        return connect(backing, signature, target if slot is None else getattr(target, slot.partition("(")[0]))

    return connect_to


def _disconnecting(backing: QtCore.QObject) -> Any:
    def disconnect_from(signature: str, target: Any = None, slot: str | None = None) -> bool:
        return disconnect(backing, signature, target if slot is None else getattr(target, slot.partition("(")[0]))

    return disconnect_from


def _finding(backing: QtCore.QObject) -> Any:
    def find_children(kind: Any, name: str = "") -> tuple:
        wanted = kind if isinstance(kind, str) else kind.native.__name__
        found = backing.findChildren(QtCore.QObject)
        return tuple(wrap(one) for one in found if one.inherits(wanted) and name in ("", one.objectName()))

    return find_children


def _finding_one(backing: QtCore.QObject) -> Any:
    def find_child(kind: Any, name: str = "") -> Instance | None:
        found = _finding(backing)(kind, name)
        return found[0] if found else None

    return find_child


# What PythonQt adds to every QObject, or has otherwise than PySide6.
_OBJECT_METHODS = {
    "connect": _connecting,
    "disconnect": _disconnecting,
    "className": lambda backing: lambda: backing.metaObject().className(),
    "delete": lambda backing: lambda: Shiboken.delete(backing),
    "findChildren": _finding,
    "findChild": _finding_one,
    "property": lambda backing: lambda name: _get_property(backing, name),
    "setProperty": lambda backing: lambda name, value: backing.setProperty(name, to_property(value)),
}
