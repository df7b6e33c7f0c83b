"""The decorator `parameterNodeWrapper`."""

from __future__ import annotations

import itertools
import typing
import weakref
from dataclasses import dataclass
from typing import Any

import slicer
import vtk

from slicer_host.parameter_nodes.gui_connectors import connector_for
from slicer_host.parameter_nodes.serializers import Serializer, serializer_for
from slicer_host.parameter_nodes.validators import Default, Validator

SlicerParameterNamePropertyName = "SlicerParameterName"


@dataclass(frozen=True)
class Parameter:
    """One annotated attribute of the wrapped class."""

    name: str
    kind: Any
    annotations: tuple
    serializer: Serializer
    default: Any

    def write(self, node: Any, value: Any) -> None:
        """Raises ValueError or TypeError, before anything is written, for a value that does not fit."""
        for one in self.annotations:
            if isinstance(one, Validator):
                one.validate(value)
        self.serializer.write(node, self.name, value)

    def read(self, node: Any) -> Any:
        return self.serializer.read(node, self.name) if self.serializer.is_in(node, self.name) else self.default


def parameterNodeWrapper(cls: type) -> type:
    """Make a class with annotated attributes a view of a vtkMRMLScriptedModuleNode.

    Raises:
        ValueError: an attribute's type cannot be kept in a node.
    """
    parameters = {
        name: _parameter(cls, name, hint)
        for name, hint in typing.get_type_hints(cls, include_extras=True).items()
        if not name.startswith("_")
    }
    namespace = {name: value for name, value in vars(cls).items() if name not in ("__dict__", "__weakref__")}
    namespace["allParameters"] = parameters
    namespace.update({name: _property_of(parameter) for name, parameter in parameters.items()})
    return type(cls.__name__, (_Wrapper, *cls.__bases__[:-1], *_not_object(cls)), namespace)


def _not_object(cls: type) -> tuple[type, ...]:
    return cls.__bases__[-1:] if cls.__bases__[-1] is not object else ()


def _parameter(cls: type, name: str, hint: Any) -> Parameter:
    annotated = typing.get_origin(hint) is typing.Annotated
    kind, *annotations = typing.get_args(hint) if annotated else (hint,)
    serializer = serializer_for(kind)
    given = next((one.value for one in annotations if isinstance(one, Default)), None)
    default = getattr(cls, name, given if given is not None else _fitting(serializer.default(), annotations))
    return Parameter(name, kind, tuple(annotations), serializer, default)


def _fitting(value: Any, annotations: list) -> Any:
    """The type's default, or the nearest value that the validators take."""
    for one in annotations:
        if hasattr(one, "choices"):
            return one.choices[0]
        if value is not None and hasattr(one, "minimum") and isinstance(one, Validator) and value < one.minimum:
            return type(value)(one.minimum)
        if value is not None and hasattr(one, "maximum") and isinstance(one, Validator) and value > one.maximum:
            return type(value)(one.maximum)
    return value


def _property_of(parameter: Parameter) -> property:
    return property(
        lambda self: parameter.read(self.parameterNode), lambda self, value: parameter.write(self.parameterNode, value)
    )


class _Wrapper:
    """What the decorator adds to the class."""

    allParameters: dict[str, Parameter]
    parameterNode: Any

    def __init__(self, parameterNode: Any, prefix: str | None = None) -> None:
        if prefix:
            raise ValueError("the host keeps no parameters with a prefix")
        object.__setattr__(self, "parameterNode", parameterNode)
        object.__setattr__(self, "_connections", {})
        object.__setattr__(self, "_tags", itertools.count(1))
        before = parameterNode.StartModify()
        for parameter in self.allParameters.values():
            if not parameter.serializer.is_in(parameterNode, parameter.name):
                parameter.write(parameterNode, parameter.default)
        parameterNode.EndModify(before)

    def __setattr__(self, name: str, value: Any) -> None:
        if not hasattr(type(self), name):
            raise AttributeError(f'Cannot add attribute "{name}" to {type(self).__name__}: it is no parameter')
        object.__setattr__(self, name, value)

    def default(self, name: str) -> Any:
        return self._named(name).default

    def dataType(self, name: str) -> Any:
        return self._named(name).kind

    def getValue(self, name: str) -> Any:
        return self._named(name).read(self.parameterNode)

    def setValue(self, name: str, value: Any) -> None:
        self._named(name).write(self.parameterNode, value)

    def _named(self, name: str) -> Parameter:
        if name not in self.allParameters:
            raise ValueError(f"Cannot find a parameter named '{name}'")
        return self.allParameters[name]

    # The node's own methods that a module needs

    def StartModify(self) -> int:
        return self.parameterNode.StartModify()

    def EndModify(self, before: int) -> int:
        return self.parameterNode.EndModify(before)

    def Modified(self) -> None:
        self.parameterNode.Modified()

    def AddObserver(self, *arguments: Any) -> int:
        return self.parameterNode.AddObserver(*arguments)

    def RemoveObserver(self, tag: int) -> None:
        self.parameterNode.RemoveObserver(tag)

    # Widgets

    def connectGui(self, gui: Any) -> None:
        """Connect every widget whose dynamic property SlicerParameterName names a parameter; no tag is given.

        Args:
            gui: a widget, with its children, or what slicer.util.childWidgetVariables returns.

        Raises:
            ValueError: a name is no parameter.
            RuntimeError: no connector fits widget and type.
        """
        widgets = slicer.util.findChildren(gui) if hasattr(gui, "children") else vars(gui).values()
        named = {}
        for widget in widgets:
            name = widget.property(SlicerParameterNamePropertyName) if hasattr(widget, "property") else None
            if name:
                named.setdefault(name, []).append(widget)
        self._connect([(name, widget) for name, found in named.items() for widget in found])

    def connectParametersToGui(self, mapping: dict[str, Any]) -> int:
        """Connect parameters, by name, to widgets."""
        return self._connect(list(mapping.items()))

    def _connect(self, pairs: list[tuple[str, Any]]) -> int:
        connectors = []
        for name, widget in pairs:
            parameter = self._named(name)
            connectors.append((parameter, connector_for(widget, parameter.kind, parameter.annotations)))
        connection = _Connection(self, connectors)
        tag = next(self._tags)
        self._connections[tag] = connection
        return tag

    def disconnectGui(self, tag: int) -> None:
        self._connections.pop(tag).close()


class _Connection:
    """Widgets and a parameter node that follow each other."""

    def __init__(self, wrapper: _Wrapper, connectors: list) -> None:
        self._wrapper, self._connectors, self._writing = wrapper, connectors, False
        for parameter, connector in connectors:
            connector.write(parameter.read(wrapper.parameterNode))
            connector.on_changed(lambda parameter=parameter, connector=connector: self._from_gui(parameter, connector))
        # The node may outlive all this, and an observer that the collector has taken apart is called all the same: the
        # observer holds nothing of the connection, and goes with it.
        follow = weakref.WeakMethod(self._from_node)
        node = wrapper.parameterNode
        tag = node.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda *_: (method := follow()) and method())
        self._forget_node = weakref.finalize(self, node.RemoveObserver, tag)

    def _from_gui(self, parameter: Parameter, connector: Any) -> None:
        if not self._writing:
            parameter.write(self._wrapper.parameterNode, connector.read())

    def _from_node(self) -> None:
        if self._writing:
            return
        self._writing = True
        try:
            for parameter, connector in self._connectors:
                if connector.is_alive():
                    connector.write(parameter.read(self._wrapper.parameterNode))
        finally:
            self._writing = False

    def close(self) -> None:
        self._forget_node()
        for _, connector in self._connectors:
            connector.off()
