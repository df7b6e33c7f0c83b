"""Widgets that can stand for a parameter: by the widget's exact class and the parameter's type, as in Slicer."""

from __future__ import annotations

import enum
import pathlib
from collections.abc import Callable
from typing import Any

import ctk
import qt
import slicer

from slicer_host.parameter_nodes.serializers import FloatRange, NodeReference, serializer_for
from slicer_host.parameter_nodes.validators import (
    Choice,
    Decimals,
    Maximum,
    Minimum,
    RangeBounds,
    SingleStep,
    WithinRange,
)


class Connector:
    """A widget with one property that is the parameter's value."""

    def __init__(self, widget: Any, signals: tuple[str, ...], read: Callable, write: Callable) -> None:
        self._widget, self._signals, self._read, self._write = widget, signals, read, write
        self._slot: Callable | None = None

    def is_alive(self) -> bool:
        return bool(self._widget)

    def read(self) -> Any:
        return self._read(self._widget)

    def write(self, value: Any) -> None:
        self._write(self._widget, value)

    def on_changed(self, function: Callable[[], None]) -> None:
        self._slot = lambda: function()
        for signal in self._signals:
            self._widget.connect(signal, self._slot)

    def off(self) -> None:
        for signal in self._signals if self.is_alive() else ():
            self._widget.disconnect(signal, self._slot)


def _of_property(name: str, *signals: str, read_as: Callable = lambda value: value, write_as: Callable | None = None):
    convert = write_as or (lambda value: value)

    def write(widget: Any, value: Any) -> None:
        setattr(widget, name, convert(value))

    return lambda widget: Connector(widget, signals, lambda w: read_as(getattr(w, name)), write)


_CHOSEN = (str, int, float)
_PATH = {"read_as": pathlib.Path, "write_as": str}


def connector_for(widget: Any, kind: Any, annotations: tuple) -> Connector:
    """The connector of a widget for a parameter; limits and choices are set from the annotations.

    Raises:
        RuntimeError: none fits, a slider's parameter has no bounds, or a combo box's no choices.
    """
    made = _maker(type(widget), kind)
    name = f"{type(widget).__name__} {widget.name!r}"
    if made is None:
        raise RuntimeError(f"no connector from {name} to a parameter of type {kind}")
    if type(widget) in (qt.QSlider, ctk.ctkSliderWidget) and _bounds(annotations).count(None):
        raise RuntimeError(f"{name} needs a parameter with bounds")
    if type(widget) is qt.QComboBox and kind in _CHOSEN and not any(isinstance(one, Choice) for one in annotations):
        raise RuntimeError(f"{name} needs a parameter with the annotation Choice")
    _prepare(widget, kind, annotations)
    return made(widget)


def _maker(widget: type, kind: Any) -> Callable[[Any], Connector] | None:
    if kind is bool and widget in (qt.QCheckBox, qt.QPushButton):
        return _of_property("checked", "toggled(bool)")
    if kind is int and widget in (qt.QSpinBox, qt.QSlider):
        return _of_property("value", "valueChanged(int)")
    if kind is float and widget in (qt.QDoubleSpinBox, ctk.ctkSliderWidget):
        return _of_property("value", "valueChanged(double)")
    if kind is str and widget is qt.QLineEdit:
        return _of_property("text", "textChanged(QString)")
    if kind is str and widget is qt.QTextEdit:
        return _of_property("plainText", "textChanged()")
    if kind is pathlib.Path and widget is ctk.ctkPathLineEdit:
        return _of_property("currentPath", "currentPathChanged(QString)", **_PATH)
    if kind is pathlib.Path and widget is ctk.ctkDirectoryButton:
        return _of_property("directory", "directoryChanged(QString)", **_PATH)
    if kind is FloatRange and widget is ctk.ctkRangeWidget:
        return lambda found: Connector(
            found,
            ("valuesChanged(double,double)",),
            lambda w: FloatRange(w.minimumValue, w.maximumValue),
            lambda w, value: w.setValues(value.minimum, value.maximum),
        )
    if widget is qt.QComboBox:
        return _combo_maker(kind)
    if widget is slicer.qMRMLNodeComboBox and isinstance(serializer_for(kind), NodeReference):
        return lambda found: Connector(
            found,
            ("currentNodeChanged(vtkMRMLNode*)",),
            lambda w: w.currentNode(),
            lambda w, value: w.setCurrentNode(value),
        )
    return None


def _combo_maker(kind: Any) -> Callable[[Any], Connector] | None:
    signals = ("currentIndexChanged(int)",)
    if kind in _CHOSEN:
        return lambda found: Connector(
            found, signals, lambda w: kind(w.currentText), lambda w, value: w.setCurrentText(str(value))
        )
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        members = list(kind)
        return lambda found: Connector(
            found, signals, lambda w: members[w.currentIndex], lambda w, value: w.setCurrentIndex(members.index(value))
        )
    return None


def _bounds(annotations: tuple) -> list[Any]:
    """The least and the greatest value, None where it is not given."""
    low = next((one.minimum for one in annotations if isinstance(one, (Minimum, WithinRange, RangeBounds))), None)
    high = next((one.maximum for one in annotations if isinstance(one, (Maximum, WithinRange, RangeBounds))), None)
    return [low, high]


def _prepare(widget: Any, kind: Any, annotations: tuple) -> None:
    """Give the widget the parameter's limits, choices and steps; as in Slicer, those of a .ui file do not count."""
    low, high = _bounds(annotations)
    if type(widget) is qt.QSpinBox:
        low, high = -(2**31) if low is None else low, 2**31 - 1 if high is None else high
    if low is not None:
        widget.minimum = low
    if high is not None:
        widget.maximum = high
    for one in annotations:
        if isinstance(one, Decimals):
            widget.decimals = one.value
        if isinstance(one, SingleStep):
            widget.singleStep = one.value
        if isinstance(one, Choice):
            widget.clear()
            widget.addItems([str(choice) for choice in one.choices])
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        widget.clear()
        widget.addItems([member.name for member in kind])
