"""Latency of one slot as a bar of its terms, all slots on one scale of milliseconds."""

from __future__ import annotations

from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent
from PySide6.QtWidgets import QWidget

from gui.model.latency_terms import SlotLatency
from gui.model.round_numbers import round_step
from gui.widgets import theme

GAP_PX = 1
TICKS = 5  # at most, on the axis


def shade(slot: str, number: int, count: int) -> QColor:
    """Return the colour of a term: the hue of its slot, darker from term to term."""
    hue = QColor(theme.PATHS.get(slot, theme.PATHS["dry"]))
    part, panel = 1.0 - 0.62 * number / max(1, count - 1), QColor(theme.PANEL)
    pairs = ((hue.red(), panel.red()), (hue.green(), panel.green()), (hue.blue(), panel.blue()))
    mixed = [round(part * bright + (1 - part) * dark) for bright, dark in pairs]
    return QColor(*mixed)


class LatencyBar(QWidget):
    """Bar of the terms of one slot, over an axis in milliseconds."""

    def __init__(self, latency: SlotLatency, longest: int, rate: int) -> None:
        """`longest`: samples that the whole width stands for; `rate` in Hz."""
        super().__init__()
        self._latency, self._longest, self._rate = latency, max(longest, 1), max(rate, 1)
        told = ", ".join(f"{term.words} {1000 * term.samples / self._rate:.1f} ms" for term in latency.terms)
        self.setAccessibleName(f"latency of slot {latency.slot.upper() or 'A and B'}: {told}")

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        return QSize(44 * theme.em(self), round(3.2 * theme.em(self)))

    def segments(self) -> list[QRectF]:
        """Return the rectangle of each term."""
        wide, tall, x = self.width(), 1.7 * theme.em(self), 0.0
        found = []
        for term in self._latency.terms:
            width = term.samples * wide / self._longest
            found.append(QRectF(x, 0, max(width - GAP_PX, 0.5), tall))
            x += width
        return found

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802 - Qt's name
        painter, em, terms = QPainter(self), theme.em(self), self._latency.terms
        painter.setFont(theme.small(self))
        metrics = painter.fontMetrics()
        for number, (term, box) in enumerate(zip(terms, self.segments(), strict=True)):
            colour = shade(self._latency.slot, number, len(terms))
            painter.fillRect(box, colour)
            label = f"{1000 * term.samples / self._rate:.0f}"
            if metrics.horizontalAdvance(label) + 6 < box.width():
                painter.setPen(theme.colour(theme.readable_on(colour.name())))
                painter.drawText(box, Qt.AlignmentFlag.AlignCenter, label)
        self._paint_axis(painter, 1.7 * em)

    def _paint_axis(self, painter: QPainter, top: float) -> None:
        longest_ms = 1000 * self._longest / self._rate
        step, height = round_step(longest_ms, TICKS), painter.fontMetrics().height()
        painter.setPen(theme.colour(theme.MUTED))
        for number in range(int(longest_ms / step + 1e-9) + 1):
            x = number * step / longest_ms * self.width()
            label = f"{number * step:g}" + (" ms" if number == 0 else "")
            wide = painter.fontMetrics().horizontalAdvance(label)
            painter.drawLine(
                round(min(x, self.width() - 1)), round(top), round(min(x, self.width() - 1)), round(top + 3)
            )
            painter.drawText(QRectF(min(max(x - wide / 2, 0), self.width() - wide), top + 3, wide + 1, height), label)
