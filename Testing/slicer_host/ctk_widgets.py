"""CTK's widgets as far as they are used, with CTK's names of properties, signals and slots."""

from __future__ import annotations

from typing import Any

from PySide6 import QtCore, QtGui, QtWidgets
from PySide6.QtCore import Property, Qt, Signal, Slot

from slicer_host.dialogs import QFileDialog, QMessageBox
from slicer_host.range_slider import RangeSlider


class ctkCollapsibleButton(QtWidgets.QAbstractButton):
    """A header that shows or hides what is laid out below it."""

    contentsCollapsed = Signal(bool)

    def __init__(self, *arguments: Any) -> None:
        text = arguments[0] if arguments and isinstance(arguments[0], str) else ""
        parent = arguments[-1] if arguments and not isinstance(arguments[-1], str) else None
        super().__init__(parent)
        self.setText(text)
        self.setCheckable(True)
        self.setChecked(True)
        self._collapsed = False
        self._flat = False
        self._wanted: dict[QtWidgets.QWidget, bool] = {}  # by child: whether it is shown while open
        self._forcing = False
        self.setSizePolicy(QtWidgets.QSizePolicy.Policy.Preferred, QtWidgets.QSizePolicy.Policy.Preferred)
        self.setContentsMargins(0, self._header_height(), 0, 0)
        self.toggled.connect(lambda checked: self.setCollapsed(not checked))
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)

    def _header_height(self) -> int:
        return self.fontMetrics().height() + 8

    def _get_collapsed(self) -> bool:
        return self._collapsed

    @Slot(bool)
    def setCollapsed(self, collapsed: bool) -> None:
        if collapsed == self._collapsed:
            return
        self._collapsed = collapsed
        self.setChecked(not collapsed)
        self.setMaximumHeight(self._header_height() if collapsed else 16777215)
        for child in self.children():
            if isinstance(child, QtWidgets.QWidget):
                self._look_after(child)
                self._force(child, self._wanted[child] and not collapsed)
        self.updateGeometry()
        self.contentsCollapsed.emit(collapsed)

    def childEvent(self, event: QtCore.QChildEvent) -> None:
        """A widget that is added while collapsed stays hidden until the section opens."""
        super().childEvent(event)
        # not when it is added: its own class's constructor has not run by then
        if event.type() == QtCore.QEvent.Type.ChildPolished and isinstance(event.child(), QtWidgets.QWidget):
            self._look_after(event.child())

    def eventFilter(self, child: QtCore.QObject, event: QtCore.QEvent) -> bool:
        """What a program shows or hides while collapsed is shown or hidden once the section opens, as in CTK."""
        kinds = (QtCore.QEvent.Type.ShowToParent, QtCore.QEvent.Type.HideToParent)
        if event.type() in kinds and not self._forcing and child in self._wanted:
            self._wanted[child] = event.type() == kinds[0]
            if self._collapsed and self._wanted[child]:
                self._force(child, False)
        return False

    def _look_after(self, child: QtWidgets.QWidget) -> None:
        if child in self._wanted:
            return
        is_explicit = child.testAttribute(Qt.WidgetAttribute.WA_WState_ExplicitShowHide)
        self._wanted[child] = not (is_explicit and child.isHidden())
        child.installEventFilter(self)
        if self._collapsed:
            self._force(child, False)

    def _force(self, child: QtWidgets.QWidget, visible: bool) -> None:
        self._forcing = True
        child.setVisible(visible)
        # as in CTK: else Qt would ignore that the program hides what is hidden already
        child.setAttribute(Qt.WidgetAttribute.WA_WState_ExplicitShowHide, False)
        self._forcing = False

    collapsed = Property(bool, _get_collapsed, setCollapsed)
    flat = Property(bool, lambda self: self._flat, lambda self, flat: setattr(self, "_flat", flat))

    def sizeHint(self) -> QtCore.QSize:
        header = QtCore.QSize(self.fontMetrics().horizontalAdvance(self.text()) + 40, self._header_height())
        layout = self.layout()
        if self._collapsed or layout is None:
            return header
        return layout.totalSizeHint().expandedTo(header)

    def minimumSizeHint(self) -> QtCore.QSize:
        layout = self.layout()
        header = QtCore.QSize(40, self._header_height())
        return header if self._collapsed or layout is None else layout.totalMinimumSize().expandedTo(header)

    def hitButton(self, position: QtCore.QPoint) -> bool:
        return position.y() < self._header_height()

    def paintEvent(self, _: QtGui.QPaintEvent) -> None:
        painter = QtWidgets.QStylePainter(self)
        option = QtWidgets.QStyleOptionButton()
        option.initFrom(self)
        option.rect = QtCore.QRect(0, 0, self.width(), self._header_height())
        option.state |= QtWidgets.QStyle.StateFlag.State_Raised
        painter.drawPrimitive(QtWidgets.QStyle.PrimitiveElement.PE_PanelButtonCommand, option)
        arrow = QtWidgets.QStyle.PrimitiveElement.PE_IndicatorArrowDown
        if self._collapsed:
            arrow = QtWidgets.QStyle.PrimitiveElement.PE_IndicatorArrowRight
        place = QtWidgets.QStyleOption()
        place.initFrom(self)
        place.rect = QtCore.QRect(6, (self._header_height() - 12) // 2, 12, 12)
        painter.drawPrimitive(arrow, place)
        text = option.rect.adjusted(24, 0, -4, 0)
        role = QtGui.QPalette.ColorRole.ButtonText
        left = Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft
        painter.drawItemText(text, left, self.palette(), self.isEnabled(), self.text(), role)
        if self.hasFocus():
            focus = QtWidgets.QStyleOptionFocusRect()
            focus.initFrom(self)
            focus.rect = option.rect.adjusted(2, 2, -2, -2)
            painter.drawPrimitive(QtWidgets.QStyle.PrimitiveElement.PE_FrameFocusRect, focus)


class ctkComboBox(QtWidgets.QComboBox):
    """A combo box with a text for "nothing chosen"."""

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._forced = False

    defaultText = Property(str, QtWidgets.QComboBox.placeholderText, lambda self, text: self.setPlaceholderText(text))
    forceDefault = Property(bool, lambda self: self._forced, lambda self, forced: setattr(self, "_forced", forced))


class ctkDoubleSpinBox(QtWidgets.QWidget):
    """A spin box for floats with a fixed number of decimals."""

    valueChanged = Signal(float)

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        self._box = QtWidgets.QDoubleSpinBox(self)
        layout.addWidget(self._box)
        self.setFocusProxy(self._box)
        self._box.valueChanged.connect(self.valueChanged)

    @Slot(float)
    def setValue(self, value: float) -> None:
        self._box.setValue(value)

    def setRange(self, minimum: float, maximum: float) -> None:
        self._box.setRange(minimum, maximum)

    value = Property(float, lambda self: self._box.value(), setValue, notify=valueChanged)
    minimum = Property(float, lambda self: self._box.minimum(), lambda self, v: self._box.setMinimum(v))
    maximum = Property(float, lambda self: self._box.maximum(), lambda self, v: self._box.setMaximum(v))
    singleStep = Property(float, lambda self: self._box.singleStep(), lambda self, v: self._box.setSingleStep(v))
    decimals = Property(int, lambda self: self._box.decimals(), lambda self, v: self._box.setDecimals(v))
    prefix = Property(str, lambda self: self._box.prefix(), lambda self, v: self._box.setPrefix(v))
    suffix = Property(str, lambda self: self._box.suffix(), lambda self, v: self._box.setSuffix(v))


class ctkSliderWidget(QtWidgets.QWidget):
    """A slider and a spin box with one value, a float."""

    valueChanged = Signal(float)
    valueIsChanging = Signal(float)
    _STEPS = 1000

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        self._slider = QtWidgets.QSlider(Qt.Orientation.Horizontal, self)
        self._slider.setRange(0, self._STEPS)
        self._box = QtWidgets.QDoubleSpinBox(self)
        self._box.setRange(0.0, 99.0)
        self._tracking = True
        self._page_step = 10.0
        layout.addWidget(self._slider, 1)
        layout.addWidget(self._box)
        self.setFocusProxy(self._slider)
        self._slider.valueChanged.connect(self._slid)
        self._slider.sliderReleased.connect(lambda: self.valueChanged.emit(self._box.value()))
        self._box.valueChanged.connect(self._typed)
        self._silent = False

    def _slid(self, step: int) -> None:
        if self._silent:
            return
        span = self._box.maximum() - self._box.minimum()
        self._box.setValue(self._box.minimum() + span * step / self._STEPS)

    def _typed(self, value: float) -> None:
        self._move_slider()
        if self._tracking or not self._slider.isSliderDown():
            self.valueChanged.emit(value)
        else:
            self.valueIsChanging.emit(value)

    def _move_slider(self) -> None:
        span = self._box.maximum() - self._box.minimum() or 1.0
        self._silent = True
        self._slider.setValue(round((self._box.value() - self._box.minimum()) / span * self._STEPS))
        self._silent = False

    @Slot(float)
    def setValue(self, value: float) -> None:
        self._box.setValue(value)

    def setRange(self, minimum: float, maximum: float) -> None:
        self._box.setRange(minimum, maximum)
        self._move_slider()

    def _set_minimum(self, value: float) -> None:
        self._box.setMinimum(value)
        self._move_slider()

    def _set_maximum(self, value: float) -> None:
        self._box.setMaximum(value)
        self._move_slider()

    value = Property(float, lambda self: self._box.value(), setValue, notify=valueChanged)
    minimum = Property(float, lambda self: self._box.minimum(), _set_minimum)
    maximum = Property(float, lambda self: self._box.maximum(), _set_maximum)
    singleStep = Property(float, lambda self: self._box.singleStep(), lambda self, v: self._box.setSingleStep(v))
    pageStep = Property(float, lambda self: self._page_step, lambda self, v: setattr(self, "_page_step", v))
    decimals = Property(int, lambda self: self._box.decimals(), lambda self, v: self._box.setDecimals(v))
    prefix = Property(str, lambda self: self._box.prefix(), lambda self, v: self._box.setPrefix(v))
    suffix = Property(str, lambda self: self._box.suffix(), lambda self, v: self._box.setSuffix(v))
    tracking = Property(bool, lambda self: self._tracking, lambda self, v: setattr(self, "_tracking", v))
    spinBoxVisible = Property(bool, lambda self: not self._box.isHidden(), lambda self, v: self._box.setVisible(v))


def _on_both(name: str, setter: str, kind: type) -> Property:
    """A property that both spin boxes have."""

    def write(self: Any, value: Any) -> None:
        getattr(self._lower, setter)(value)
        getattr(self._upper, setter)(value)

    return Property(kind, lambda self: getattr(self._lower, name)(), write)


class ctkRangeWidget(QtWidgets.QWidget):
    """Two values, the lower one never above the upper one."""

    valuesChanged = Signal(float, float)
    minimumValueChanged = Signal(float)
    maximumValueChanged = Signal(float)

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        self._lower, self._upper = QtWidgets.QDoubleSpinBox(self), QtWidgets.QDoubleSpinBox(self)
        self._slider = RangeSlider(self)
        layout.addWidget(self._lower)
        layout.addWidget(self._slider, 1)
        layout.addWidget(self._upper)
        self._range = (0.0, 99.0)
        self._upper.setValue(99.0)
        self._limit_boxes()
        self._lower.valueChanged.connect(lambda value: self._changed(value, self.minimumValueChanged))
        self._upper.valueChanged.connect(lambda value: self._changed(value, self.maximumValueChanged))
        self._slider.moved.connect(self._dragged)

    def _dragged(self, lower: float, upper: float) -> None:
        span = self._range[1] - self._range[0]
        self.setValues(self._range[0] + lower * span, self._range[0] + upper * span)

    def _limit_boxes(self) -> None:
        self._lower.setRange(self._range[0], max(self._range[0], self._upper.value()))
        self._upper.setRange(min(self._range[1], self._lower.value()), self._range[1])
        span = self._range[1] - self._range[0] or 1.0
        self._slider.show_positions(*((box.value() - self._range[0]) / span for box in (self._lower, self._upper)))

    def _changed(self, value: float, signal: Any) -> None:
        self._limit_boxes()
        signal.emit(value)
        self.valuesChanged.emit(self._lower.value(), self._upper.value())

    @Slot(float)
    def setMinimumValue(self, value: float) -> None:
        self._lower.setValue(value)

    @Slot(float)
    def setMaximumValue(self, value: float) -> None:
        self._upper.setValue(value)

    @Slot(float, float)
    def setValues(self, lower: float, upper: float) -> None:
        self._lower.setMaximum(upper)
        self._lower.setValue(lower)
        self._upper.setMinimum(lower)
        self._upper.setValue(upper)

    def setRange(self, lower: float, upper: float) -> None:
        self._range = (lower, upper)
        self._upper.setMaximum(upper)
        self._limit_boxes()

    minimumValue = Property(float, lambda self: self._lower.value(), setMinimumValue)
    maximumValue = Property(float, lambda self: self._upper.value(), setMaximumValue)
    minimum = Property(float, lambda self: self._range[0], lambda self, v: self.setRange(v, self._range[1]))
    maximum = Property(float, lambda self: self._range[1], lambda self, v: self.setRange(self._range[0], v))
    singleStep = _on_both("singleStep", "setSingleStep", float)
    decimals = _on_both("decimals", "setDecimals", int)
    prefix = _on_both("prefix", "setPrefix", str)
    suffix = _on_both("suffix", "setSuffix", str)


class ctkPathLineEdit(QtWidgets.QWidget):
    """A path that is typed or chosen. As in CTK, an empty line is no valid input, and its path is not told of."""

    currentPathChanged = Signal(str)
    validInputChanged = Signal(bool)
    # ctkPathLineEdit::Filter
    Dirs, Files, Readable, Writable, Executable = 0x0001, 0x0002, 0x0010, 0x0020, 0x0040

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        self._edit = QtWidgets.QLineEdit(self)
        self._browse = QtWidgets.QToolButton(self)
        self._browse.setText("...")
        layout.addWidget(self._edit, 1)
        layout.addWidget(self._browse)
        self.setFocusProxy(self._edit)
        self._filters, self._names, self._key, self._label = self.Files, [], "", ""
        self._is_valid = False
        self._edit.textChanged.connect(self._changed)
        self._browse.clicked.connect(self.browse)

    def _changed(self, path: str) -> None:
        was_valid, self._is_valid = self._is_valid, bool(path)
        if path:
            self.currentPathChanged.emit(path)
        if was_valid != self._is_valid:
            self.validInputChanged.emit(self._is_valid)

    @Slot()
    def browse(self) -> None:
        directories = self._filters & self.Dirs and not self._filters & self.Files
        function = QFileDialog.getExistingDirectory if directories else QFileDialog.getOpenFileName
        chosen = function(None, self._label or "Select a file to open", self._edit.text(), ";;".join(self._names))
        if chosen:
            self._edit.setText(str(chosen))

    @Slot(str)
    def setCurrentPath(self, path: str) -> None:
        self._edit.setText(path)

    @Slot()
    def addCurrentPathToHistory(self) -> None:
        """CTK keeps it in the application's settings; the host keeps none."""

    currentPath = Property(str, lambda self: self._edit.text(), setCurrentPath, notify=currentPathChanged)
    filters = Property(int, lambda self: self._filters, lambda self, v: setattr(self, "_filters", v))
    nameFilters = Property("QStringList", lambda self: self._names, lambda self, v: setattr(self, "_names", list(v)))
    settingKey = Property(str, lambda self: self._key, lambda self, v: setattr(self, "_key", v))
    label = Property(str, lambda self: self._label, lambda self, v: setattr(self, "_label", v))


class ctkDirectoryButton(QtWidgets.QWidget):
    """A button that shows a directory and lets one choose another."""

    directoryChanged = Signal(str)
    directorySelected = Signal(str)

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        self._button = QtWidgets.QPushButton(self)
        layout.addWidget(self._button)
        self.setFocusProxy(self._button)
        self._directory, self._caption, self._text = "", "", ""
        self.setDirectory(".")
        self._button.clicked.connect(self.browse)

    @Slot()
    def browse(self) -> None:
        chosen = QFileDialog.getExistingDirectory(None, self._caption, self._directory)
        if chosen:
            self.setDirectory(str(chosen))
            self.directorySelected.emit(self._directory)

    @Slot(str)
    def setDirectory(self, directory: str) -> None:
        """An empty string means the current directory, as it does for QDir."""
        absolute = QtCore.QDir(directory).absolutePath()
        if absolute != self._directory:
            self._directory = absolute
            self._button.setText(self._text or absolute)
            self.directoryChanged.emit(absolute)

    def _set_text(self, text: str) -> None:
        self._text = text
        self._button.setText(text or self._directory)

    directory = Property(str, lambda self: self._directory, setDirectory, notify=directoryChanged)
    caption = Property(str, lambda self: self._caption, lambda self, v: setattr(self, "_caption", v))
    text = Property(str, lambda self: self._text, _set_text)


class ctkMenuButton(QtWidgets.QPushButton):
    """A push button with a menu at its right end."""


class ctkMessageBox(QMessageBox):
    """A message box that can be told not to come again."""

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._key = ""

    dontShowAgainSettingsKey = Property(str, lambda self: self._key, lambda self, v: setattr(self, "_key", v))


def with_setters(cls: type) -> type:
    """Give a class the function setX that C++ has for each property X."""
    for name, value in list(vars(cls).items()):
        setter = f"set{name[0].upper()}{name[1:]}"
        if isinstance(value, Property) and value.fset is not None and not hasattr(cls, setter):
            setattr(cls, setter, value.fset)
    return cls


CTK_WIDGETS = {
    cls.__name__: with_setters(cls)
    for cls in (
        ctkCollapsibleButton,
        ctkComboBox,
        ctkDirectoryButton,
        ctkDoubleSpinBox,
        ctkMenuButton,
        ctkMessageBox,
        ctkPathLineEdit,
        ctkRangeWidget,
        ctkSliderWidget,
    )
}
