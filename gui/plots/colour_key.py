"""Colour key: the colours of a plot with the values that they stand for."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QImage, QPainter, QPaintEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from gui.widgets import theme

BAR_EM = 5.0
GAP_PX = 5


class ColourKey(QWidget):
    """Gradient with a label at either end. Without colours it shows one text, or nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Preferred)
        self._colours: list[int] = []
        self.low = self.high = ""

    def show_key(self, colours: Sequence[int], low: str, high: str = "") -> None:
        """Show colours 0xffrrggbb from `low` to `high`; without colours, the text `low`."""
        if (list(colours), low, high) != (self._colours, self.low, self.high):
            self._colours, self.low, self.high = list(colours), low, high
            self.setAccessibleName(f"colour key: {low}" + (f" to {high}" if high else ""))
            self.updateGeometry()
            self.update()

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        em = theme.em(self)
        if not (self.low or self._colours):
            return QSize(0, em)
        metrics = self.fontMetrics()
        texts = sum(metrics.horizontalAdvance(text) + GAP_PX for text in (self.low, self.high) if text)
        return QSize(round(texts + (BAR_EM * em if self._colours else 0)), round(1.3 * em))

    def minimumSizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        return QSize(0, theme.em(self))

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802 - Qt's name
        painter, em = QPainter(self), theme.em(self)
        painter.setFont(theme.small(self))
        painter.setPen(theme.colour(theme.MUTED))
        middle = Qt.AlignmentFlag.AlignVCenter
        painter.drawText(self.rect(), middle | Qt.AlignmentFlag.AlignLeft, self.low)
        if not self._colours:
            return
        left = painter.fontMetrics().horizontalAdvance(self.low) + GAP_PX
        image = QImage(len(self._colours), 1, QImage.Format.Format_RGB32)
        for at, colour in enumerate(self._colours):
            image.setPixel(at, 0, colour)
        bar = self.rect().adjusted(left, 0, 0, 0)
        bar.setWidth(round(BAR_EM * em))
        bar.setTop(round(self.height() / 2 - 0.35 * em))
        bar.setHeight(round(0.7 * em))
        painter.drawImage(bar, image)
        painter.drawRect(bar.adjusted(0, 0, -1, -1))
        painter.drawText(self.rect().adjusted(bar.right() + GAP_PX, 0, 0, 0), middle, self.high)
