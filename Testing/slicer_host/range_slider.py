"""A slider with two handles, as CTK's range widget has between its spin boxes."""

from __future__ import annotations

from PySide6 import QtCore, QtGui, QtWidgets
from PySide6.QtCore import Qt, Signal


class RangeSlider(QtWidgets.QWidget):
    """Positions are fractions of its length; `moved` gives both when a user has dragged a handle."""

    moved = Signal(float, float)
    _RADIUS = 7

    def __init__(self, parent: QtWidgets.QWidget) -> None:
        super().__init__(parent)
        self._positions = [0.0, 1.0]
        self._held = 0
        self.setMinimumSize(60, 2 * self._RADIUS + 4)

    def show_positions(self, lower: float, upper: float) -> None:
        self._positions = [lower, upper]
        self.update()

    def _fraction(self, x: float) -> float:
        return min(1.0, max(0.0, (x - self._RADIUS) / max(1, self.width() - 2 * self._RADIUS)))

    def mousePressEvent(self, event: QtGui.QMouseEvent) -> None:
        there = self._fraction(event.position().x())
        lower, upper = self._positions
        self._held = int(abs(there - upper) < abs(there - lower) or there > upper)
        self.mouseMoveEvent(event)

    def mouseMoveEvent(self, event: QtGui.QMouseEvent) -> None:
        there = self._fraction(event.position().x())
        lower, upper = self._positions
        self._positions = [min(there, upper), upper] if self._held == 0 else [lower, max(there, lower)]
        self.update()
        self.moved.emit(*self._positions)

    def paintEvent(self, _: QtGui.QPaintEvent) -> None:
        painter = QtGui.QPainter(self)
        painter.setRenderHint(QtGui.QPainter.RenderHint.Antialiasing)
        palette, middle, radius = self.palette(), self.height() / 2, self._RADIUS
        xs = [radius + position * (self.width() - 2 * radius) for position in self._positions]
        painter.setPen(QtGui.QPen(palette.mid().color(), 4, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap))
        painter.drawLine(QtCore.QLineF(radius, middle, self.width() - radius, middle))
        group = QtGui.QPalette.ColorGroup.Active if self.isEnabled() else QtGui.QPalette.ColorGroup.Disabled
        painter.setPen(QtGui.QPen(palette.color(group, QtGui.QPalette.ColorRole.Highlight), 4))
        painter.drawLine(QtCore.QLineF(xs[0], middle, xs[1], middle))
        painter.setPen(QtGui.QPen(palette.dark().color(), 1))
        painter.setBrush(palette.button())
        for x in xs:
            painter.drawEllipse(QtCore.QPointF(x, middle), radius - 1, radius - 1)
