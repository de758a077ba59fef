"""Levels: a bar for each path, with the peak of the last seconds held as a line, and the number."""

from __future__ import annotations

import time

from PySide6.QtCore import QRect, QSize, Qt
from PySide6.QtGui import QPainter, QPaintEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from gui import theme

FLOOR_DB = -60.0
HOLD_S = 2.0
FALL_DB_S = 24.0  # how fast a bar falls


class Meters(QWidget):
    """`show_levels` some 30 times a second, in dBFS peak; a path that is missing is drawn as a dash."""

    def __init__(self) -> None:
        super().__init__()
        self.setAccessibleName("levels of dry, A, B and delta")
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self._bars: dict[str, float] = dict.fromkeys(theme.PATHS, FLOOR_DB)
        self._held: dict[str, tuple[float, float]] = {}  # dB, and until when
        self._levels: dict[str, float] = {}
        self._seen = time.monotonic()
        self.blind = False

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        return QSize(20 * theme.em(self), round(4 * 1.9 * theme.em(self)))

    def minimumSizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        return QSize(12 * theme.em(self), round(4 * 1.9 * theme.em(self)))

    def show_levels(self, levels: dict[str, float]) -> None:
        """What is now; bars rise at once and fall slowly."""
        now = time.monotonic()
        fall = FALL_DB_S * (now - self._seen)
        self._seen, self._levels = now, levels
        for path in theme.PATHS:
            level = levels.get(path, FLOOR_DB)
            self._bars[path] = max(level, self._bars[path] - fall, FLOOR_DB)
            held, until = self._held.get(path, (FLOOR_DB, 0.0))
            if level >= held or now > until:
                self._held[path] = (level, now + HOLD_S)
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802 - Qt's name
        painter, em = QPainter(self), theme.em(self)
        painter.setFont(theme.digits(self))
        row = self.height() / 4
        left, right = round(3.0 * em), round(5.2 * em)
        wide = self.width() - left - right
        for i, (path, hue) in enumerate(theme.PATHS.items()):
            hue = theme.BLIND if self.blind else hue
            known = path in self._levels and not (self.blind and path == "delta")
            line = QRect(0, round(i * row), self.width(), round(row))
            painter.setPen(theme.colour(theme.MUTED))
            painter.drawText(line, Qt.AlignmentFlag.AlignVCenter, "·" if self.blind else theme.NAMES[path])
            bar = QRect(left, line.top() + round(row * 0.24), wide, round(row * 0.52))
            painter.fillRect(bar, theme.colour(theme.SUNKEN))
            if known:
                painter.fillRect(bar.adjusted(0, 0, self._x(self._bars[path], wide) - wide, 0), theme.colour(hue))
                held = self._held[path][0]
                if held > FLOOR_DB:
                    over = held >= -0.01
                    painter.fillRect(
                        QRect(left + self._x(held, wide) - 1, bar.top(), 2, bar.height()),
                        theme.colour(theme.BAD if over else theme.TEXT),
                    )
            level = self._levels.get(path, FLOOR_DB)
            text = "—" if not known else "-∞ dB" if level <= -120 else f"{level:.1f} dB"
            painter.setPen(theme.colour(theme.TEXT))
            painter.drawText(line, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignRight, text)

    def _x(self, db: float, wide: int) -> int:
        return round(wide * min(max((db - FLOOR_DB) / -FLOOR_DB, 0.0), 1.0))
