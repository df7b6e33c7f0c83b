"""Values of Python as the strings and references that a MRML parameter node holds."""

from __future__ import annotations

import enum
import pathlib
import types
import typing
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import slicer


@dataclass(frozen=True)
class FloatRange:
    """Two numbers, the lower one first."""

    minimum: float
    maximum: float


class Serializer(ABC):
    """Reads and writes one parameter of one type."""

    @abstractmethod
    def default(self) -> Any:
        """What a parameter holds that was never written."""

    def is_in(self, node: Any, name: str) -> bool:
        return bool(node.GetParameter(name)) or name in (node.GetParameterNames() or ())

    @abstractmethod
    def read(self, node: Any, name: str) -> Any:
        """The parameter's value."""

    @abstractmethod
    def write(self, node: Any, name: str, value: Any) -> None:
        """Raises TypeError for a value of another type."""

    def remove(self, node: Any, name: str) -> None:
        node.UnsetParameter(name)


class Plain(Serializer):
    """bool, int, float, str, a path or an enumeration, by its name: one string."""

    def __init__(self, kind: type, accepted: tuple[type, ...], default: Any, to_text: Callable, from_text: Callable):
        self._kind, self._accepted, self._default = kind, accepted, default
        self._to_text, self._from_text = to_text, from_text

    def default(self) -> Any:
        return self._default

    def read(self, node: Any, name: str) -> Any:
        return self._from_text(node.GetParameter(name))

    def write(self, node: Any, name: str, value: Any) -> None:
        if not isinstance(value, self._accepted) or (isinstance(value, bool) and self._kind in (int, float)):
            raise TypeError(f"parameter {name} is of type {self._kind.__name__}, not {type(value).__name__}")
        node.SetParameter(name, self._to_text(value))


class NodeReference(Serializer):
    """A node of the scene, by reference; None where there is none or it was deleted."""

    def __init__(self, kind: type) -> None:
        self._kind = kind

    def default(self) -> Any:
        return None

    def is_in(self, node: Any, name: str) -> bool:
        return node.GetNodeReferenceID(name) is not None

    def read(self, node: Any, name: str) -> Any:
        return node.GetNodeReference(name)

    def write(self, node: Any, name: str, value: Any) -> None:
        if isinstance(value, str):
            value = slicer.mrmlScene.GetNodeByID(value)
        if value is not None and not isinstance(value, self._kind):
            raise TypeError(f"parameter {name} is of type {self._kind.__name__}, not {type(value).__name__}")
        node.SetNodeReferenceID(name, value.GetID() if value is not None else None)

    def remove(self, node: Any, name: str) -> None:
        node.SetNodeReferenceID(name, None)


class Optional(Serializer):
    """A value or None; whether there is one is kept beside it."""

    def __init__(self, inner: Serializer) -> None:
        self._inner = inner

    def default(self) -> Any:
        return None

    def is_in(self, node: Any, name: str) -> bool:
        return node.GetParameter(f"{name}.isNone") == "True" or self._inner.is_in(node, name)

    def read(self, node: Any, name: str) -> Any:
        return None if node.GetParameter(f"{name}.isNone") == "True" else self._inner.read(node, name)

    def write(self, node: Any, name: str, value: Any) -> None:
        if value is None:
            self._inner.remove(node, name)
        else:
            self._inner.write(node, name, value)
        node.SetParameter(f"{name}.isNone", str(value is None))


class ListOf(Serializer):
    """A list; a change of the list that is read is a change of the parameter."""

    def __init__(self, inner: Serializer, made: Callable = list) -> None:
        self._inner, self._made = inner, made

    def default(self) -> Any:
        return self._made()

    def is_in(self, node: Any, name: str) -> bool:
        return bool(node.GetParameter(f"{name}.len"))

    def read(self, node: Any, name: str) -> Any:
        values = [self._inner.read(node, f"{name}.{number}") for number in range(int(node.GetParameter(f"{name}.len")))]
        return (
            ObservedList(values, lambda now: self.write(node, name, now)) if self._made is list else self._made(values)
        )

    def write(self, node: Any, name: str, value: Any) -> None:
        if not isinstance(value, (list, tuple)):
            raise TypeError(f"parameter {name} is a list, not {type(value).__name__}")
        before = node.StartModify()
        for number in range(len(value), int(node.GetParameter(f"{name}.len") or 0)):
            self._inner.remove(node, f"{name}.{number}")
        for number, item in enumerate(value):
            self._inner.write(node, f"{name}.{number}", item)
        node.SetParameter(f"{name}.len", str(len(value)))
        node.EndModify(before)


class ObservedList(list):
    """A list that tells when it is changed."""

    def __init__(self, values: list, changed: Callable[[list], None]) -> None:
        super().__init__(values)
        self._changed = changed


def _telling(name: str) -> Callable:
    def method(self: ObservedList, *arguments: Any, **keywords: Any) -> Any:
        result = getattr(list, name)(self, *arguments, **keywords)
        self._changed(list(self))
        return result

    return method


_MUTATORS = (
    "append",
    "extend",
    "insert",
    "remove",
    "pop",
    "clear",
    "sort",
    "reverse",
    "__setitem__",
    "__delitem__",
    "__iadd__",
)
for _name in _MUTATORS:
    setattr(ObservedList, _name, _telling(_name))


def serializer_for(kind: Any) -> Serializer:
    """The serializer of a type as annotated.

    Raises:
        ValueError: the type is none of those that are kept.
    """
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Annotated:
        return serializer_for(arguments[0])
    if origin in (typing.Union, types.UnionType) and type(None) in arguments and len(arguments) == 2:
        inner = serializer_for(next(one for one in arguments if one is not type(None)))
        return inner if isinstance(inner, NodeReference) else Optional(inner)
    if origin is list:
        return ListOf(serializer_for(arguments[0]))
    if isinstance(kind, type):
        if kind is bool:
            return Plain(bool, (bool,), False, str, lambda text: text == "True")
        if kind is int:
            return Plain(int, (int,), 0, str, int)
        if kind is float:
            return Plain(float, (int, float), 0.0, lambda value: repr(float(value)), float)
        if kind is str:
            return Plain(str, (str,), "", str, str)
        if issubclass(kind, enum.Enum):
            return Plain(kind, (kind,), next(iter(kind)), lambda value: value.name, lambda text: kind[text])
        if issubclass(kind, pathlib.PurePath):
            return Plain(kind, (pathlib.PurePath, str), kind(), str, kind)
        if kind is FloatRange:
            return Plain(
                kind, (FloatRange,), FloatRange(0.0, 1.0), lambda v: f"{v.minimum!r} {v.maximum!r}", _range_from_text
            )
        if issubclass(kind, slicer.vtkMRMLNode):
            return NodeReference(kind)
    raise ValueError(f"a parameter cannot be of type {kind}")


def _range_from_text(text: str) -> FloatRange:
    minimum, maximum = map(float, text.split())
    return FloatRange(minimum, maximum)
