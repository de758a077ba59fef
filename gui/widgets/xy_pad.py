"""XY pad: four snapshots at the corners, and the point between them."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QResizeEvent
from PySide6.QtWidgets import QWidget

from gui.widgets import theme

STEP = 0.02  # by an arrow key


class XYPad(QWidget):
    """Pad moved by mouse or arrow keys. Signal: `moved(x, y)`, both from 0 to 1, y upwards."""

    moved = Signal(float, float)

    def __init__(self, corners: tuple[str, str, str, str] = ("1", "2", "3", "4")) -> None:
        """`corners`: names at 0 0, 1 0, 0 1 and 1 1."""
        super().__init__()
        self.setAccessibleName("morph between four snapshots")
        self.setToolTip("Morph between four snapshots: drag, or use the arrow keys.\n/verdigris/morph x y")
        self.setProperty("address", "/verdigris/morph")
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.corners = corners
        self.across, self.up = 0.0, 0.0

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        return QSize(14 * theme.em(self), 12 * theme.em(self))

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802 - Qt's name
        self.setMaximumHeight(max(self.width(), 8 * theme.em(self)))  # a square at most

    def move_to(self, x: float, y: float) -> None:
        """Move the point, clipped to the pad."""
        self.across, self.up = min(max(x, 0.0), 1.0), min(max(y, 0.0), 1.0)
        self.update()
        self.moved.emit(self.across, self.up)

    def mousePressEvent(self, event: QMouseEvent) -> None:  # noqa: N802 - Qt's name
        self._go_to(event.position())

    def mouseMoveEvent(self, event: QMouseEvent) -> None:  # noqa: N802 - Qt's name
        if event.buttons() & Qt.MouseButton.LeftButton:
            self._go_to(event.position())

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802 - Qt's name
        step = {
            Qt.Key.Key_Left: (-STEP, 0.0),
            Qt.Key.Key_Right: (STEP, 0.0),
            Qt.Key.Key_Up: (0.0, STEP),
            Qt.Key.Key_Down: (0.0, -STEP),
        }.get(Qt.Key(event.key()))
        if step:
            self.move_to(self.across + step[0], self.up + step[1])
        else:
            super().keyPressEvent(event)

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802 - Qt's name
        painter, em = QPainter(self), theme.em(self)
        area = QRectF(self.rect()).adjusted(1, 1, -1, -1)
        painter.fillRect(area, theme.colour(theme.SUNKEN))
        painter.setPen(theme.colour(theme.TEXT if self.hasFocus() else theme.LINE))
        painter.drawRect(area)
        painter.setPen(theme.colour(theme.MUTED))
        places = ("Left", "Bottom"), ("Right", "Bottom"), ("Left", "Top"), ("Right", "Top")
        for name, (across, up) in zip(self.corners, places, strict=True):
            flags = getattr(Qt.AlignmentFlag, f"Align{across}") | getattr(Qt.AlignmentFlag, f"Align{up}")
            painter.drawText(area.adjusted(6, 4, -6, -4), flags, name)
        point = QPointF(area.left() + self.across * area.width(), area.bottom() - self.up * area.height())
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(theme.colour(theme.MUTED, 0.5))
        painter.drawLine(QPointF(area.left(), point.y()), QPointF(area.right(), point.y()))
        painter.drawLine(QPointF(point.x(), area.top()), QPointF(point.x(), area.bottom()))
        painter.setBrush(theme.colour(theme.TEXT))
        painter.drawEllipse(point, 0.45 * em, 0.45 * em)

    def _go_to(self, at: QPointF) -> None:
        self.move_to(at.x() / max(1, self.width()), 1 - at.y() / max(1, self.height()))
