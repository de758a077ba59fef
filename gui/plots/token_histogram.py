"""Histogram of the token levels that a codec uses, or of its packet sizes."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PySide6.QtCore import QPointF, QRect, QRectF, QSize, Qt
from PySide6.QtGui import QPaintEvent

from gui.plots.picture import Picture
from gui.widgets import theme


def entropy(counts: npt.NDArray[np.int64]) -> float:
    """Return the entropy in bits per symbol of symbol counts; 0 without counts."""
    total = counts.sum()
    if not total:
        return 0.0
    share = counts[counts > 0] / total
    return float(-(share * np.log2(share)).sum())


class TokenHistogram(Picture):
    """VectorBars with labels below, in the colour of a path."""

    def __init__(self) -> None:
        super().__init__()
        self.setAccessibleName("histogram of token levels")
        self.path = "a"
        self.message = ""
        self._shares: npt.NDArray[np.float64] = np.zeros(0)
        self._labels: list[str] = []

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        return QSize(20 * theme.em(self), 8 * theme.em(self))

    def minimumSizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        return QSize(12 * theme.em(self), 5 * theme.em(self))

    def show_counts(self, counts: npt.NDArray[np.int64], labels: list[str]) -> None:
        """Show the counts of each value, with their labels."""
        self._shares, self._labels = counts / max(1, counts.sum()), labels
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802 - Qt's name
        painter, em = self.painter(event), theme.em(self)
        area = QRect(round(2.6 * em), 4, self.width() - round(2.6 * em) - 2, self.height() - round(1.4 * em) - 4)
        painter.setFont(theme.small(self))
        painter.setPen(theme.colour(theme.MUTED))
        if self.message or not len(self._shares):
            painter.drawText(self.rect(), Qt.AlignmentFlag.AlignCenter, self.message)
            return
        top = max(0.05, float(self._shares.max()))
        height = painter.fontMetrics().height()
        for share in (0.0, top / 2, top):
            y = area.bottom() - share / top * (area.height() - height / 2)
            box = QRectF(0, y - height / 2, area.left() - 5, height)
            painter.drawText(box, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, f"{share:.0%}")
        step = area.width() / len(self._shares)
        every = max(1, -(-round(2.4 * em) // max(1, round(step))))
        for i, (share, label) in enumerate(zip(self._shares.tolist(), self._labels, strict=True)):
            tall = share / top * (area.height() - height / 2)
            bar = QRectF(area.left() + i * step, area.bottom() - tall, max(1.0, 0.8 * step), tall)
            painter.fillRect(bar, theme.colour(theme.PATHS[self.path]))
            if i % every == 0:
                wide = painter.fontMetrics().horizontalAdvance(label)
                painter.drawText(QPointF(bar.center().x() - wide / 2, area.bottom() + height), label)
