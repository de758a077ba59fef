"""The spectrum of now: dry and the path that is shown as lines, their difference filled, the magnitude delta dashed.

The raw difference of a codec that makes its phases up is nearly as loud as the sound itself, however alike the two are
to the ear; the magnitude delta compares energies and leaves phases out.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyqtgraph
from PySide6.QtCore import QSize

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


class Spectrum(pyqtgraph.PlotWidget):
    """`show_spectra` what SpectrumAnalysis says; `path` is whose colour the wet line has."""

    def __init__(self) -> None:
        super().__init__(background=None)
        self.setAccessibleName("spectrum of dry, of the path shown and of their difference")
        self.setToolTip(WHY)
        self.path = "a"
        self._message = ""
        plot = self.getPlotItem()
        plot.setMouseEnabled(x=False, y=False)
        plot.setMenuEnabled(False)
        plot.hideButtons()
        plot.setContentsMargins(0, 4, 14, 0)  # half the last frequency's label
        plot.setRange(xRange=(0, 1), yRange=(FLOOR_DB, CEILING_DB), padding=0)
        plot.disableAutoRange()
        self._axes()
        self._place = np.linspace(0, 1, POINTS)
        delta, dry = (theme.colour(theme.PATHS[name]) for name in ("delta", "dry"))
        fill = theme.colour(theme.PATHS["delta"], 0.30)
        self._curves = [
            plot.plot(pen=dry, antialias=True),
            plot.plot(antialias=True),
            plot.plot(pen=delta, antialias=True, fillLevel=FLOOR_DB, brush=fill),
            plot.plot(pen=delta, antialias=True, connect="pairs"),  # every second stretch: dashes by a pen cost more
        ]
        for depth, curve in enumerate(reversed((2, 3, 0, 1))):  # the fill lies under the lines
            self._curves[curve].setZValue(-depth)
        self._words = pyqtgraph.TextItem(color=theme.MUTED, anchor=(0.5, 0.5))
        self._words.setPos(0.5, (FLOOR_DB + CEILING_DB) / 2)
        plot.addItem(self._words)

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        return QSize(20 * theme.em(self), 18 * theme.em(self))

    def minimumSizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        return QSize(12 * theme.em(self), 6 * theme.em(self))

    @property
    def message(self) -> str:
        """Words in place of the lines; "" for the lines."""
        return self._message

    @message.setter
    def message(self, words: str) -> None:
        self._message = words
        self._words.setText(words)
        for curve in self._curves:
            curve.setVisible(not words)

    def show_spectra(self, db: npt.NDArray[np.float64] | None) -> None:
        """[dry, wet, delta, magnitude delta] in dB, or nothing."""
        self._curves[1].setPen(theme.colour(theme.PATHS[self.path]))
        for number, curve in enumerate(self._curves):
            curve.setData([], []) if db is None else curve.setData(self._place, np.maximum(db[number], FLOOR_DB))

    def _axes(self) -> None:
        ticks = {
            "left": [(db, str(db)) for db in range(int(CEILING_DB) - 10, int(FLOOR_DB), -20)],
            "bottom": [(float(place(f)), f"{f // 1000}k" if f else "0") for f in TICKS_HZ],
        }
        for side, marks in ticks.items():
            axis = self.getPlotItem().getAxis(side)
            axis.setTicks([marks])
            axis.setPen(theme.LINE)
            axis.setTextPen(theme.MUTED)
            axis.setStyle(tickFont=theme.small(self), tickLength=0, hideOverlappingLabels=False)
        self.getPlotItem().showGrid(y=True, alpha=0.25)


def frequency_at(height: float) -> float:
    """Hz at a place of the axis from 0 to 1."""
    return float(hertz(height * float(mel(TOP_HZ))))
