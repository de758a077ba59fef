"""Current spectrum: dry and the shown path as lines, their difference filled, the magnitude delta
dashed.

The difference of a codec that synthesises its phases is nearly as loud as the sound itself, even
where both sound alike. The magnitude delta compares magnitudes and ignores phases.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QMouseEvent, QPainter, QPaintEvent, QPen, QPolygonF
from shiboken6 import VoidPtr

from gui.plots.axes import Rows
from gui.plots.frequency_scale import NOTES, FrequencyScale
from gui.plots.picture import Picture
from gui.widgets import theme

FLOOR_DB, CEILING_DB = -90.0, -10.0
POINTS = 140
HOLD_S, FALL_DB_S = 2.0, 12.0  # of held peaks
HELD_ALPHA = 0.45
DASHES = [3.0, 3.0]  # pixels, of the magnitude delta
SMOOTH_S = 0.4
WINDOW_S = 0.085
WHY = (
    "Filled: dry − wet, sample by sample. A codec that synthesises its phases has a large difference even where both "
    "sound alike. Dashed: the difference of the magnitudes, without phases. Faint: peaks of the last 2 seconds; "
    "click to reset them."
)


class SpectrumAnalysis:
    """Smoothed spectra in dB at POINTS positions of the axis, low to high, for one sample rate."""

    def __init__(self, rate: int, scale: FrequencyScale = NOTES) -> None:
        self.size = 1 << round(np.log2(WINDOW_S * rate))
        self._window = np.hanning(self.size + 1)[:-1].astype(np.float32)
        self._window *= 2.0 / self._window.sum()
        self.rate, self.scale = rate, scale
        self._rows = Rows(POINTS, self.size, rate, scale)
        self._power: npt.NDArray[np.float64] | None = None

    def step(
        self, dry: npt.NDArray[np.float32], wet: npt.NDArray[np.float32], seconds: float
    ) -> npt.NDArray[np.float64]:
        """Return [dry, wet, delta, magnitude delta] in dB.

        `dry`, `wet`: the newest `size` samples; `seconds`: time since the last call.
        """
        bins = np.fft.rfft(np.stack([dry, wet, dry - wet]) * self._window)
        size = np.abs(bins)
        power = self._rows(np.square(np.concatenate([size, np.abs(size[:1] - size[1:2])])))[:, ::-1]
        keep = np.exp(-seconds / SMOOTH_S)
        self._power = power if self._power is None else keep * self._power + (1 - keep) * power
        return 10.0 * np.log10(self._power + 1e-12)


class PeakHold:
    """Highest values of the last HOLD_S seconds, which then fall by FALL_DB_S."""

    def __init__(self) -> None:
        self._peaks: npt.NDArray[np.float64] | None = None
        self._since = np.zeros(0)  # s, when each peak was reached
        self._now = 0.0

    def step(self, db: npt.NDArray[np.float64], now: float) -> npt.NDArray[np.float64]:
        """Return the held peaks in dB after new values of the same shape; `now` in seconds."""
        if self._peaks is None:
            self._peaks, self._since = db.copy(), np.full(db.shape, now)
        else:
            fall = np.where(now - self._since > HOLD_S, FALL_DB_S * (now - self._now), 0.0)
            higher = db >= self._peaks - fall
            self._peaks = np.where(higher, db, self._peaks - fall)
            self._since = np.where(higher, now, self._since)
        self._now = now
        return self._peaks


class Line:
    """Line of POINTS points whose memory numpy writes."""

    def __init__(self, points: int = POINTS) -> None:
        self.polygon: Any = QPolygonF([QPointF()] * points)  # its types lack data and items
        size = 2 * points * np.dtype(np.float64).itemsize
        pointer: Any = VoidPtr  # its types lack size and writable
        memory = pointer(self.polygon.data(), size, True)
        self._points = np.frombuffer(memory, np.float64).reshape(points, 2)

    def put(self, x: npt.NDArray[np.float64], y: npt.NDArray[np.float64]) -> None:
        """Move the points to these pixels."""
        self._points[:, 0], self._points[:, 1] = x, y


class Spectrum(Picture):
    """Plot of a SpectrumAnalysis; `reference` and `path` give the lines their colours."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        super().__init__()
        self._clock = clock
        self.setAccessibleName("spectrum of dry, of the path shown and of their difference")
        self.setToolTip(WHY)
        self.reference, self.path, self.scale = "dry", "a", NOTES
        self._message = ""
        self._held = PeakHold()
        self.db: npt.NDArray[np.float64] | None = None  # what is shown, with the held peaks last
        self._lines = [Line() for _ in range(6)]
        self._fill = Line(POINTS + 2)

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        return QSize(20 * theme.em(self), 18 * theme.em(self))

    def minimumSizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        return QSize(12 * theme.em(self), 6 * theme.em(self))

    @property
    def message(self) -> str:
        """Text in place of the lines; "" shows the lines."""
        return self._message

    @message.setter
    def message(self, words: str) -> None:
        self._message = words
        self.update()

    def show_spectra(self, db: npt.NDArray[np.float64] | None) -> None:
        """Show [dry, wet, delta, magnitude delta] in dB; None clears the plot."""
        self.db = None if db is None else np.concatenate([db, self._held.step(db[:2], self._clock())])
        self.update()

    def set_paths(self, reference: str, path: str) -> None:
        """Compare other paths; the held peaks are of those before."""
        if (reference, path) != (self.reference, self.path):
            self.reference, self.path = reference, path
            self.reset_peaks()

    def set_scale(self, scale: FrequencyScale) -> None:
        """Show another frequency scale; the next spectra must be on it."""
        self.scale = scale
        self.reset_peaks()

    def reset_peaks(self) -> None:
        """Forget the held peaks, as a click does."""
        self._held = PeakHold()

    def mousePressEvent(self, event: QMouseEvent) -> None:  # noqa: N802 - Qt's name
        self.reset_peaks()

    def _area(self) -> QRectF:
        em = theme.em(self)
        return QRectF(2.6 * em, 4, max(1.0, self.width() - 3.6 * em), max(1.0, self.height() - 4 - 1.5 * em))

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802 - Qt's name
        painter, area = self.painter_on(self._paint_axes, self.scale.name), self._area()
        if self._message:
            painter.setPen(theme.colour(theme.MUTED))
            painter.drawText(area, Qt.AlignmentFlag.AlignCenter, self._message)
        elif self.db is not None:
            self._paint_lines(painter, area, self.db)

    def _paint_lines(self, painter: QPainter, area: QRectF, db: npt.NDArray[np.float64]) -> None:
        """Paint the filled difference under the held peaks, the magnitude delta, dry and wet."""
        x = np.linspace(area.left(), area.right(), POINTS)
        part = (np.clip(db, FLOOR_DB, CEILING_DB) - FLOOR_DB) / (CEILING_DB - FLOOR_DB)
        heights = area.bottom() - part * area.height()
        for line, y in zip(self._lines, heights, strict=True):
            line.put(x, y)
        bottom = [area.bottom()]
        self._fill.put(np.concatenate([x[:1], x, x[-1:]]), np.concatenate([bottom, heights[2], bottom]))
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(theme.colour(theme.PATHS["delta"], 0.30))
        painter.drawPolygon(self._fill.polygon)  # its edge is a line, so that it need not be smooth
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        dry, wet, delta = (theme.PATHS[path] for path in (self.reference, self.path, "delta"))
        for number, role, alpha in (
            (4, dry, HELD_ALPHA),
            (5, wet, HELD_ALPHA),
            (2, delta, 1.0),
            (0, dry, 1.0),
            (1, wet, 1.0),
        ):
            painter.setPen(theme.colour(role, alpha))
            painter.drawPolyline(self._lines[number].polygon)
        dashed = QPen(theme.colour(delta))
        dashed.setDashPattern(DASHES)
        painter.setPen(dashed)
        painter.drawPolyline(self._lines[3].polygon)

    def _paint_axes(self, painter: QPainter) -> None:
        """Paint labels and grid lines."""
        area = self._area()
        painter.setFont(theme.small(self))
        height = painter.fontMetrics().height()
        right = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        for db in range(int(CEILING_DB) - 10, int(FLOOR_DB), -20):
            y = area.bottom() - (db - FLOOR_DB) / (CEILING_DB - FLOOR_DB) * area.height()
            painter.setPen(theme.colour(theme.LINE))
            painter.drawLine(QPointF(area.left(), y), QPointF(area.right(), y))
            painter.setPen(theme.colour(theme.MUTED))
            painter.drawText(QRectF(0, y - height / 2, area.left() - 5, height), right, str(db))
        free = -1.0  # first pixel after the last label
        for place, label in self.scale.ticks:
            wide = painter.fontMetrics().horizontalAdvance(label)
            x = min(max(area.left() + place * area.width() - wide / 2, 0.0), self.width() - wide - 1.0)
            if x > free:
                painter.drawText(QPointF(x, area.bottom() + height), label)
                free = x + wide + 3
