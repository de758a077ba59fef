"""Level meters: a bar for each path with peak hold and a number."""

from __future__ import annotations

import time

from PySide6.QtCore import QRect, QSize, Qt
from PySide6.QtGui import QPainter, QPaintEvent
from PySide6.QtWidgets import QSizePolicy

from gui.plots.picture import Picture
from gui.widgets import theme

FLOOR_DB = -60.0
HOLD_S = 2.0
LEFT = Qt.AlignmentFlag.AlignVCenter
RIGHT = Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignRight
SILENT_DB = -120.0
NUMBERS_S = 0.1  # between two updates of the numbers; no eye reads faster
FALL_DB_S = 24.0  # decay of a bar, dB/s


class Meters(Picture):
    """Peak meters in dBFS.

    Call `show_levels` about 30 times a second; a missing path is drawn as a dash.
    """

    def __init__(self, paths: tuple[str, ...] = tuple(theme.PATHS)) -> None:
        super().__init__()
        self._paths = paths
        self.setAccessibleName(f"levels of {', '.join(theme.NAMES[path] for path in paths)}")
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self._bars: dict[str, float] = dict.fromkeys(theme.PATHS, FLOOR_DB)
        self._held: dict[str, tuple[float, float]] = {}  # peak in dB, end of the hold in s
        self.levels: dict[str, float] = {}  # dBFS by path, shown last
        self._seen = time.perf_counter()
        self._texts: dict[str, str] = {}  # of the levels, by path
        self._texts_due = 0.0
        self._blind = False
        self._row = 1.9  # em, height of a path

    @property
    def blind(self) -> bool:
        """True if names and colours are hidden."""
        return self._blind

    @blind.setter
    def blind(self, blind: bool) -> None:
        self._blind = blind
        self.update()

    def set_tight(self, tight: bool) -> None:
        """Take less height, down to 1.25 em for a path, and more where there is room."""
        policy = QSizePolicy.Policy.MinimumExpanding if tight else QSizePolicy.Policy.Fixed
        self._row = 1.25 if tight else 1.9
        self.setSizePolicy(QSizePolicy.Policy.Expanding, policy)
        self.updateGeometry()

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        return QSize(20 * theme.em(self), round(len(self._paths) * self._row * theme.em(self)))

    def minimumSizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        return QSize(12 * theme.em(self), round(len(self._paths) * self._row * theme.em(self)))

    def show_levels(self, levels: dict[str, float]) -> None:
        """Show new levels by path; bars rise at once and fall slowly."""
        now = time.perf_counter()
        fall = FALL_DB_S * (now - self._seen)
        self._seen, self.levels = now, levels
        for path in self._paths:
            level = levels.get(path, FLOOR_DB)
            self._bars[path] = max(level, self._bars[path] - fall, FLOOR_DB)
            held, until = self._held.get(path, (FLOOR_DB, 0.0))
            if level >= held or now > until:
                self._held[path] = (level, now + HOLD_S)
        left, wide = self._span()
        self.update(left, 0, wide, self.height())
        if levels.keys() != self._texts.keys() or now >= self._texts_due:
            self._texts_due = now + NUMBERS_S
            self._texts = {path: _in_words(level) for path, level in levels.items()}
            self.update()

    def held(self, path: str) -> float | None:
        """Return the highest level of the last seconds in dBFS; None if the path is not shown."""
        return self._held[path][0] if path in self.levels else None

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802 - Qt's name
        painter, left, wide = self.painter_on(self._paint_names, self.blind), *self._span()
        for path, line in self._lines():
            if not self._is_shown(path):
                continue
            bar = self._bar(line)
            hue = theme.BLIND if self.blind else theme.PATHS[path]
            painter.fillRect(bar.adjusted(0, 0, self._x(self._bars[path], wide) - wide, 0), theme.colour(hue))
            held = self._held[path][0]
            if held > FLOOR_DB:
                peak = QRect(left + self._x(held, wide) - 1, bar.top(), 2, bar.height())
                painter.fillRect(peak, theme.colour(theme.BAD if held >= -0.01 else theme.TEXT))
        if event.rect().right() >= left + wide:
            painter.setFont(theme.digits(self))
            painter.setPen(theme.colour(theme.TEXT))
            for path, line in self._lines():
                painter.drawText(line, RIGHT, self._texts[path] if self._is_shown(path) else "—")

    def _paint_names(self, painter: QPainter) -> None:
        painter.setFont(theme.digits(self))
        painter.setPen(theme.colour(theme.MUTED))
        for path, line in self._lines():
            painter.drawText(line, LEFT, "·" if self.blind else theme.NAMES[path])
            painter.fillRect(self._bar(line), theme.colour(theme.SUNKEN))

    def _is_shown(self, path: str) -> bool:
        return path in self._texts and not (self.blind and path == "delta")

    def _lines(self) -> list[tuple[str, QRect]]:
        """Return the paths with their rectangles, names and numbers included."""
        row = self.height() / len(self._paths)
        return [(path, QRect(0, round(at * row), self.width(), round(row))) for at, path in enumerate(self._paths)]

    def _span(self) -> tuple[int, int]:
        """Return left edge and width of the bars."""
        em = theme.em(self)
        left = round(3.0 * em)
        return left, self.width() - left - round(5.2 * em)

    def _bar(self, line: QRect) -> QRect:
        row, (left, wide) = self.height() / len(self._paths), self._span()
        return QRect(left, line.top() + round(row * 0.24), wide, round(row * 0.52))

    def _x(self, db: float, wide: int) -> int:
        return round(wide * min(max((db - FLOOR_DB) / -FLOOR_DB, 0.0), 1.0))


def _in_words(level: float) -> str:
    return "-∞ dB" if level <= SILENT_DB else f"{level:.1f} dB"
