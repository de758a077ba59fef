"""Scrolling spectrogram: computes only new columns, and all of them when the size or the path
changes.
"""

from __future__ import annotations

import math

from gui.plots import colormaps
from gui.plots.audio_history import AudioHistory
from gui.plots.axes import TimeAxis
from gui.plots.frequency_scale import NOTES, FrequencyScale, note_name
from gui.plots.ring_image import RingImage
from gui.plots.scrolling_plot import ScrollingPlot
from gui.plots.stft_columns import StftAnalysis, columns, last_column

MAGMA = colormaps.table(*colormaps.MAGMA)


class Spectrogram(ScrollingPlot):
    """Spectrogram of one path. Call `draw` about 30 times a second."""

    def __init__(self, name: str, path: str) -> None:
        super().__init__(name, NOTES.ticks)
        self.path, self.scale = path, NOTES
        self._drawn = 0  # first column that is not drawn yet
        self._analysis: StftAnalysis | None = None
        self._history: AudioHistory | None = None  # source of the last `draw`
        self.readout = self._read
        self.resized.connect(lambda columns, rows: self._rebuild(self.axis.rate))

    def start_stream(self, rate: int) -> None:
        """Start with another stream."""
        self._rebuild(rate)

    def show_path(self, path: str) -> None:
        """Show another path, over the whole history."""
        if path != self.path:
            self.path = path
            self._drawn = 0

    def set_scale(self, scale: FrequencyScale) -> None:
        """Draw the whole history again on another frequency scale."""
        self.scale, self.ticks = scale, scale.ticks
        self._rebuild(self.axis.rate)
        self.update()

    def last_column(self, end: int) -> int:
        """Return the first column that needs sound after sample `end`."""
        return last_column(self.axis, self._analysis.size, end) if self._analysis else 0

    def draw(self, history: AudioHistory, end: int) -> None:
        """Draw the columns before `end` that are in the history and not drawn yet."""
        self._history = history
        if self._analysis is None or self.ring_image is None:
            return
        known = min(history.end, history.capacity) - self._analysis.size - self.axis.step  # samples before history.end
        oldest = max(0, -(-(history.end - known) // self.axis.step))
        first = max(self._drawn, end - self.ring_image.columns, min(oldest, end))
        if first < end:
            self.ring_image.write(first, columns(history, self.path, self.axis, self._analysis, first, end))
            self._drawn = end

    def _rebuild(self, rate: int) -> None:
        area, ratio = self.area(), self.devicePixelRatioF()
        wide, high = max(16, round(area.width() * ratio)), max(8, round(area.height() * ratio))
        self.axis = TimeAxis(rate, wide)
        self._analysis = StftAnalysis(rate, high, self.scale)
        self.ring_image = RingImage(high, wide, MAGMA)
        self._drawn = 0

    def _read(self, sample: int, height: float) -> str:
        frequency = float(self.scale.frequency(height))
        if self._analysis is None or self._history is None:
            return ""
        start = sample - self._analysis.size // 2
        if not self._history.end - self._history.capacity <= start <= self._history.end - self._analysis.size:
            return _named(frequency)
        sound = self._history.read(self.path, start, self._analysis.size)
        magnitude = self._analysis.magnitudes(sound[None])[0, round(frequency * self._analysis.size / self.axis.rate)]
        return f"{_named(frequency)}  {20 * math.log10(float(magnitude) + 1e-6):.0f} dB"


def _named(frequency: float) -> str:
    return f"{frequency:.0f} Hz  {note_name(frequency)}".rstrip()
