"""Scrolling plot with axes: paints a window of a ring image pixel by pixel, and a readout at the
cursor.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from PySide6.QtCore import QPointF, QRect, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QMouseEvent, QPainter, QPaintEvent, QResizeEvent
from PySide6.QtWidgets import QSizePolicy

from gui.plots.axes import TimeAxis
from gui.plots.picture import Picture
from gui.plots.ring_image import RingImage
from gui.widgets import theme

LABELS_EM = 3.6  # width of the labels at the left


class ScrollingPlot(Picture):
    """Base of the scrolling plots. `resized(columns, rows)` requests a new ring image.

    `ticks`: position from 0 (bottom) to 1 (top), label.
    """

    resized = Signal(int, int)

    def __init__(self, name: str, ticks: Sequence[tuple[float, str]] = (), *, times: bool = False) -> None:
        super().__init__()
        self.setAccessibleName(name)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMouseTracking(True)
        self.ticks, self.times = list(ticks), times
        self.ring_image: RingImage | None = None
        self.axis = TimeAxis(48_000, 1)
        self.end = 0  # the first column beyond the right edge
        self.message = ""  # in place of the plot
        self.dim = False
        self.readout: Callable[[int, float], str] = lambda sample, height: ""
        self._cursor: QPointF | None = None
        self._shape = (0, 0)

    def area(self) -> QRect:
        """Return the rectangle of the plot without its labels."""
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
            self._draw_labels(painter, area)
        if self.ring_image is not None and not self.message:
            image = self.ring_image.to_qimage(self.end, min(self.axis.columns, self.ring_image.columns))
            painter.drawImage(QRectF(area), image)
        else:
            painter.fillRect(area, theme.colour(theme.SUNKEN))
        if self.message:
            painter.setPen(theme.colour(theme.MUTED))
            painter.drawText(area, Qt.AlignmentFlag.AlignCenter, self.message)
        if self.dim:
            painter.fillRect(area, theme.colour(theme.BACKGROUND, 0.6))
        if self._cursor is not None and not self.message:
            self._draw_readout(painter, area, self._cursor)

    def step(self, end: int) -> None:
        """Show the columns before `end`; labels are not repainted."""
        self.end = end
        self.update(self.area())

    def _draw_labels(self, painter: QPainter, area: QRect) -> None:
        painter.setFont(theme.small(self))
        painter.setPen(theme.colour(theme.MUTED))
        height = painter.fontMetrics().height()
        for at, label in self.ticks:
            y = area.bottom() - at * area.height()
            y = min(max(y - height / 2, area.top() - 1), area.bottom() - height + 2)  # not clipped at the edges
            box = QRectF(0, y, area.left() - 6, height)
            painter.drawText(box, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, label)
        if self.times:
            ratio = self.axis.columns / max(1, area.width())
            for column, label in self.axis.ticks():
                wide = painter.fontMetrics().horizontalAdvance(label)
                x = min(max(area.left() + column / ratio - wide / 2, area.left()), area.right() - wide)
                painter.drawText(QPointF(x, area.bottom() + height), label)

    def _draw_readout(self, painter: QPainter, area: QRect, cursor: QPointF) -> None:
        x, y = cursor.x(), cursor.y()
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
