"""Readout: a small caption and a large value of constant width below it."""

from __future__ import annotations

from PySide6.QtCore import QRectF, QSize, Qt, Signal
from PySide6.QtGui import QFontMetrics, QKeyEvent, QMouseEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import QWidget

from gui.widgets import theme


class Readout(QWidget):
    """Caption and value. Signal: `clicked` by mouse or Return, if `clickable`."""

    clicked = Signal()

    def __init__(self, caption: str, widest: str, *, clickable: bool = False, large: float = 1.15) -> None:
        """`widest`: the widest value, which sets the width."""
        super().__init__()
        self.setAccessibleName(caption.lower())
        self._caption, self._widest, self._large = caption, widest, large
        self._value, self._role = "—", theme.TEXT
        self._clickable = clickable
        if clickable:
            self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
            self.setCursor(Qt.CursorShape.PointingHandCursor)

    @property
    def value(self) -> str:
        return self._value

    @property
    def role(self) -> str:
        return self._role

    def show_value(self, value: str, role: str = theme.TEXT) -> None:
        """Show a value in a role's colour."""
        if (value, role) != (self._value, self._role):
            self._value, self._role = value, role
            self.setAccessibleDescription(value)
            self.update()

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        em = theme.em(self)
        return QSize(self._wide() + em, round((1.2 + 1.35 * self._large) * em))

    def minimumSizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        return self.sizeHint()

    def _wide(self) -> int:
        return max(
            QFontMetrics(theme.digits(self, self._large)).horizontalAdvance(self._widest),
            QFontMetrics(theme.small(self)).horizontalAdvance(self._caption),
        )

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802 - Qt's name
        painter, em = QPainter(self), theme.em(self)
        painter.setFont(theme.small(self))
        painter.setPen(theme.colour(theme.MUTED))
        painter.drawText(QRectF(0, 0, self.width(), 1.2 * em), Qt.AlignmentFlag.AlignVCenter, self._caption)
        painter.setFont(theme.digits(self, self._large))
        painter.setPen(theme.colour(self._role))
        below = QRectF(0, 1.15 * em, self.width(), self.height() - 1.15 * em)
        painter.drawText(below, Qt.AlignmentFlag.AlignVCenter, self._value)
        if self.hasFocus():
            painter.setPen(theme.colour(theme.TEXT))
            painter.drawRect(self.rect().adjusted(0, 0, -1, -1))

    def mousePressEvent(self, event: QMouseEvent) -> None:  # noqa: N802 - Qt's name
        if self._clickable:
            self.clicked.emit()

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802 - Qt's name
        if self._clickable and event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.clicked.emit()
        else:
            super().keyPressEvent(event)
