"""A scrolling picture with its axes: paints a window of a raster pixel for pixel, and what lies under the cursor."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from PySide6.QtCore import QPointF, QRect, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QMouseEvent, QPainter, QPaintEvent, QResizeEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from gui import theme
from gui.axes import TimeAxis
from gui.raster import Raster

LABELS_EM = 3.6  # room for labels at the left


class Picture(QWidget):
    """`resized(columns, rows)` asks for another raster. `ticks`: (0 at the bottom to 1 at the top, label)."""

    resized = Signal(int, int)

    def __init__(self, name: str, ticks: Sequence[tuple[float, str]] = (), *, times: bool = False) -> None:
        super().__init__()
        self.setAccessibleName(name)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMouseTracking(True)
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self.ticks, self.times = list(ticks), times
        self.raster: Raster | None = None
        self.axis = TimeAxis(48_000, 1)
        self.end = 0  # the first column beyond the right edge
        self.message = ""  # in place of a picture
        self.dim = False
        self.readout: Callable[[int, float], str] = lambda sample, height: ""
        self._cursor: QPointF | None = None
        self._shape = (0, 0)

    def area(self) -> QRect:
        """Where the picture itself is, between its labels."""
        em = theme.em(self)
        left, below = round(LABELS_EM * em), round(1.35 * em) if self.times else 2
        return QRect(left, 2, max(1, self.width() - left - 1), max(1, self.height() - 2 - below))

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        return QSize(60 * theme.em(self), 8 * theme.em(self))

    def minimumSizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        return QSize(16 * theme.em(self), 4 * theme.em(self))

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802 - Qt's name
        ratio = self.devicePixelRatioF()
        shape = (round(self.area().width() * ratio), round(self.area().height() * ratio))
        if shape != self._shape:
            self._shape = shape
            self.resized.emit(*shape)

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802 - Qt's name
        painter = QPainter(self)
        area = self.area()
        if event.rect() != area:
            painter.fillRect(self.rect(), theme.colour(theme.PANEL))
            self._labels(painter, area)
        painter.fillRect(area, theme.colour(theme.SUNKEN))
        if self.raster is not None and not self.message:
            image = self.raster.image(self.end, min(self.axis.columns, self.raster.columns))
            painter.drawImage(QRectF(area), image)
        if self.message:
            painter.setPen(theme.colour(theme.MUTED))
            painter.drawText(area, Qt.AlignmentFlag.AlignCenter, self.message)
        if self.dim:
            painter.fillRect(area, theme.colour(theme.BACKGROUND, 0.6))
        if self._cursor is not None and not self.message:
            self._under_cursor(painter, area)

    def step(self, end: int) -> None:
        """Show the columns before `end`; only the picture itself is painted again."""
        self.end = end
        self.update(self.area())

    def _labels(self, painter: QPainter, area: QRect) -> None:
        painter.setFont(theme.small(self))
        painter.setPen(theme.colour(theme.MUTED))
        height = painter.fontMetrics().height()
        for at, label in self.ticks:
            y = area.bottom() - at * area.height()
            y = min(max(y - height / 2, area.top() - 1), area.bottom() - height + 2)  # inside, or edge labels clip
            box = QRectF(0, y, area.left() - 6, height)
            painter.drawText(box, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, label)
        if self.times:
            ratio = self.axis.columns / max(1, area.width())
            for column, label in self.axis.ticks():
                wide = painter.fontMetrics().horizontalAdvance(label)
                x = min(max(area.left() + column / ratio - wide / 2, area.left()), area.right() - wide)
                painter.drawText(QPointF(x, area.bottom() + height), label)

    def _under_cursor(self, painter: QPainter, area: QRect) -> None:
        assert self._cursor is not None
        x, y = self._cursor.x(), self._cursor.y()
        column = (x - area.left()) * self.axis.columns / area.width()
        sample = round((self.end - self.axis.columns + column) * self.axis.step)
        seconds = (column - self.axis.columns) * self.axis.step / self.axis.rate
        text = f"{seconds:.2f} s  {self.readout(sample, (area.bottom() - y) / area.height())}".rstrip()
        painter.setFont(theme.digits(self, 0.85))
        box = painter.fontMetrics().boundingRect(text).adjusted(-6, -3, 6, 3)
        box.moveTopLeft(QPointF(x + 10, y - box.height() - 4).toPoint())
        box.moveRight(min(box.right(), area.right() - 2))
        box.moveTop(max(box.top(), area.top() + 2))
        painter.setPen(theme.colour(theme.TEXT, 0.35))
        painter.drawLine(round(x), area.top(), round(x), area.bottom())
        painter.fillRect(box, theme.colour(theme.PANEL, 0.9))
        painter.setPen(theme.colour(theme.TEXT))
        painter.drawText(box, Qt.AlignmentFlag.AlignCenter, text)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:  # noqa: N802 - Qt's name
        self._cursor = event.position() if self.area().contains(event.position().toPoint()) else None
        self.update(self.area())

    def leaveEvent(self, event: object) -> None:  # noqa: N802 - Qt's name
        self._cursor = None
        self.update(self.area())
