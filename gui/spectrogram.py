"""One scrolling spectrogram: computes the columns that are new, and all of them when its size or its path changes."""

from __future__ import annotations

import math

from gui import axes, colormaps
from gui.axes import TICKS_HZ, TimeAxis, place
from gui.history import History
from gui.picture import Picture
from gui.raster import Raster
from gui.spectra import Analysis, columns, last_column

MAGMA = colormaps.table(*colormaps.MAGMA)


class Spectrogram(Picture):
    """`draw` some 30 times a second."""

    def __init__(self, name: str, path: str) -> None:
        ticks = [(float(place(hz)), f"{hz // 1000}k" if hz else "0") for hz in TICKS_HZ]
        super().__init__(name, ticks)
        self.path = path
        self._drawn = 0  # the first column that is not in the raster
        self._analysis: Analysis | None = None
        self._history: History | None = None  # the last that was drawn from
        self.readout = self._read
        self.resized.connect(lambda columns, rows: self._rebuild(self.axis.rate))

    def begin(self, rate: int) -> None:
        """Another stream."""
        self._rebuild(rate)

    def show_path(self, path: str) -> None:
        """Draw another path, from as far back as is remembered."""
        if path != self.path:
            self.path = path
            self._drawn = 0

    def last_column(self, end: int) -> int:
        """The first column that cannot be drawn yet when sound ends at sample `end`."""
        return last_column(self.axis, self._analysis.size, end) if self._analysis else 0

    def draw(self, history: History, end: int) -> None:
        """Have all columns before `end`, as far as `history` knows them."""
        self._history = history
        if self._analysis is None or self.raster is None:
            return
        known = min(history.end, history.capacity) - self._analysis.size - self.axis.step  # samples back
        oldest = max(0, -(-(history.end - known) // self.axis.step))
        first = max(self._drawn, end - self.raster.columns, min(oldest, end))
        if first < end:
            self.raster.write(first, columns(history, self.path, self.axis, self._analysis, first, end))
            self._drawn = end

    def _rebuild(self, rate: int) -> None:
        area, ratio = self.area(), self.devicePixelRatioF()
        wide, high = max(16, round(area.width() * ratio)), max(8, round(area.height() * ratio))
        self.axis = TimeAxis(rate, wide)
        self._analysis = Analysis(rate, high)
        self.raster = Raster(high, wide, MAGMA)
        self._drawn = 0

    def _read(self, sample: int, height: float) -> str:
        frequency = float(axes.hertz(height * float(axes.mel(axes.TOP_HZ))))
        if self._analysis is None or self._history is None:
            return ""
        start = sample - self._analysis.size // 2
        if not self._history.end - self._history.capacity <= start <= self._history.end - self._analysis.size:
            return f"{frequency:.0f} Hz"
        sound = self._history.read(self.path, start, self._analysis.size)
        magnitude = self._analysis.magnitudes(sound[None])[0, round(frequency * self._analysis.size / self.axis.rate)]
        return f"{frequency:.0f} Hz  {20 * math.log10(float(magnitude) + 1e-6):.0f} dB"
