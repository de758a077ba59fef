"""The spectrum of now: dry and the path that is shown as lines, their difference filled, the magnitude delta dashed.

The raw difference of a codec that makes its phases up is nearly as loud as the sound itself, however alike the two are
to the ear; the magnitude delta compares energies and leaves phases out.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PySide6.QtCore import QPointF, QRect, QRectF, QSize, Qt
from PySide6.QtGui import QPainter, QPaintEvent
from PySide6.QtWidgets import QWidget

from gui import theme
from gui.axes import TICKS_HZ, TOP_HZ, Rows, hertz, mel, place

FLOOR_DB, CEILING_DB = -90.0, -10.0
POINTS = 140
SMOOTH_S = 0.4
WINDOW_S = 0.085
WHY = (
    "Filled: dry less wet, sample by sample. A codec that makes up its phases differs there almost as much as it "
    "sounds alike, so this can look and sound significant where nothing is to be heard. "
    "Dashed: the difference of magnitudes alone, without phases."
)


class SpectrumAnalysis:
    """Smoothed spectra in dB at POINTS places of the axis, low to high. One rate."""

    def __init__(self, rate: int) -> None:
        self.size = 1 << round(np.log2(WINDOW_S * rate))
        self._window = np.hanning(self.size + 1)[:-1].astype(np.float32)
        self._window *= 2.0 / self._window.sum()
        self._rows = Rows(POINTS, self.size, rate)
        self._power: npt.NDArray[np.float64] | None = None

    def step(
        self, dry: npt.NDArray[np.float32], wet: npt.NDArray[np.float32], seconds: float
    ) -> npt.NDArray[np.float64]:
        """Newest `size` samples of both, and how long since the last: [dry, wet, delta, magnitude delta] in dB."""
        bins = np.fft.rfft(np.stack([dry, wet, dry - wet]) * self._window)
        size = np.abs(bins)
        power = self._rows(np.square(np.concatenate([size, np.abs(size[:1] - size[1:2])])))[:, ::-1]
        keep = np.exp(-seconds / SMOOTH_S)
        self._power = power if self._power is None else keep * self._power + (1 - keep) * power
        return 10.0 * np.log10(self._power + 1e-12)


class Spectrum(QWidget):
    """`show_spectra` what SpectrumAnalysis says; `path` is whose colour the wet line has."""

    def __init__(self) -> None:
        super().__init__()
        self.setAccessibleName("spectrum of dry, of the path shown and of their difference")
        self.setToolTip(WHY)
        self.path = "a"
        self.message = ""
        self._db: npt.NDArray[np.float64] | None = None

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        return QSize(20 * theme.em(self), 18 * theme.em(self))

    def minimumSizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        return QSize(12 * theme.em(self), 6 * theme.em(self))

    def show_spectra(self, db: npt.NDArray[np.float64] | None) -> None:
        self._db = db
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802 - Qt's name
        painter, em = QPainter(self), theme.em(self)
        area = QRect(round(2.4 * em), 4, self.width() - round(2.4 * em) - 2, self.height() - round(1.5 * em) - 4)
        self._axes(painter, area)
        if self.message:
            painter.setPen(theme.colour(theme.MUTED))
            painter.drawText(area, Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap, self.message)
        elif self._db is not None:
            dry, wet, raw, magnitude = (self._points(row, area) for row in self._db)
            delta = theme.PATHS["delta"]
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(theme.colour(delta, 0.30))
            corners = [QPointF(area.right(), area.bottom()), QPointF(area.left(), area.bottom())]
            painter.drawPolygon([*raw, *corners])
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            painter.setPen(theme.colour(delta))
            painter.drawPolyline(raw)
            painter.drawLines(magnitude[: len(magnitude) // 2 * 2])  # every second stretch: dashes by a pen cost more
            painter.setPen(theme.colour(theme.PATHS["dry"]))
            painter.drawPolyline(dry)
            painter.setPen(theme.colour(theme.PATHS[self.path]))
            painter.drawPolyline(wet)

    def _points(self, db: npt.NDArray[np.float64], area: QRect) -> list[QPointF]:
        y = area.bottom() - np.clip((db - FLOOR_DB) / (CEILING_DB - FLOOR_DB), 0, 1) * area.height()
        x = area.left() + np.linspace(0, area.width(), len(db))
        return list(map(QPointF, x.tolist(), y.tolist()))

    def _axes(self, painter: QPainter, area: QRect) -> None:
        painter.setFont(theme.small(self))
        height = painter.fontMetrics().height()
        for db in range(int(CEILING_DB) - 10, int(FLOOR_DB), -20):
            y = area.bottom() - (db - FLOOR_DB) / (CEILING_DB - FLOOR_DB) * area.height()
            painter.setPen(theme.colour(theme.LINE))
            painter.drawLine(area.left(), round(y), area.right(), round(y))
            painter.setPen(theme.colour(theme.MUTED))
            box = QRectF(0, max(0.0, y - height / 2), area.left() - 4, height)
            painter.drawText(box, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, str(db))
        for frequency in TICKS_HZ:
            label = f"{frequency // 1000}k" if frequency else "0"
            wide = painter.fontMetrics().horizontalAdvance(label)
            x = area.left() + float(place(frequency)) * area.width() - wide / 2
            x = min(max(x, area.left()), area.right() - wide)
            painter.drawText(QPointF(x, area.bottom() + height), label)


def frequency_at(height: float) -> float:
    """Hz at a place of the axis from 0 to 1."""
    return float(hertz(height * float(mel(TOP_HZ))))
