"""Vector parameter as a row of bars: drag to draw; arrow keys to select and change a bar."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QKeyEvent, QMouseEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import QWidget

from gui.widgets import theme


class VectorBars(QWidget):
    """Editor of a vector.

    Signal: `changed(values)` by the user. A double-click resets all values.
    """

    changed = Signal(tuple)

    def __init__(self, default: Sequence[float], low: float, high: float, kind: type) -> None:
        super().__init__()
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.values: tuple[float, ...] = tuple(default)
        self._default, self._low, self._high, self._kind = tuple(default), low, high, kind
        self._at = 0
        self.role = theme.TEXT

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        return QSize(12 * theme.em(self), round(2.6 * theme.em(self)))

    def minimumSizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        return self.sizeHint()

    def show_values(self, values: Sequence[float]) -> None:
        """Show the engine's values."""
        if tuple(values) != self.values:
            self.values = tuple(values)
            self.update()

    def _change(self, place: int, value: float) -> None:
        value = self._kind(min(max(value, self._low), self._high))
        self._at = place
        self.values = (*self.values[:place], value, *self.values[place + 1 :])
        self.update()
        self.changed.emit(self.values)

    def _draw_at(self, at: QPointF) -> None:
        place = min(max(int(at.x() / max(1, self.width()) * len(self.values)), 0), len(self.values) - 1)
        part = 1 - at.y() / max(1, self.height())
        self._change(place, (part > 0.5) if self._kind is bool else self._low + part * (self._high - self._low))

    def mousePressEvent(self, event: QMouseEvent) -> None:  # noqa: N802 - Qt's name
        self._draw_at(event.position())

    def mouseMoveEvent(self, event: QMouseEvent) -> None:  # noqa: N802 - Qt's name
        if event.buttons() & Qt.MouseButton.LeftButton:
            self._draw_at(event.position())

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:  # noqa: N802 - Qt's name
        self.values = self._default
        self.update()
        self.changed.emit(self.values)

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802 - Qt's name
        step = 1 if self._kind is bool else (self._high - self._low) / 40
        moves = {Qt.Key.Key_Left: -1, Qt.Key.Key_Right: 1}
        changes = {Qt.Key.Key_Up: step, Qt.Key.Key_Down: -step}
        key = Qt.Key(event.key())
        if key in moves:
            self._at = (self._at + moves[key]) % len(self.values)
            self.update()
        elif key in changes:
            self._change(self._at, self.values[self._at] + changes[key])
        else:
            super().keyPressEvent(event)

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802 - Qt's name
        painter = QPainter(self)
        painter.fillRect(self.rect(), theme.colour(theme.SUNKEN))
        span, step = float(self._high - self._low), self.width() / len(self.values)
        zero = self.height() * (1 - (min(max(0.0, self._low), self._high) - self._low) / span)
        for i, value in enumerate(self.values):
            y = self.height() * (1 - (float(value) - self._low) / span)
            bar = QRectF(i * step, min(y, zero - 1), max(1.0, step - 1), max(1.5, abs(zero - y)))
            painter.fillRect(bar, theme.colour(self.role))
        if self.hasFocus():
            painter.setPen(theme.colour(theme.TEXT))
            painter.drawRect(self.rect().adjusted(0, 0, -1, -1))
            painter.fillRect(QRectF(self._at * step, self.height() - 3, max(2.0, step), 3), theme.colour(theme.TEXT))
