"""Scrolling plot of frames: latents, digits of tokens, or packet sizes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from gui.plots.axes import TimeAxis
from gui.plots.frame_columns import FrameColumn, FrameHistory
from gui.plots.ring_image import RingImage
from gui.plots.scrolling_plot import ScrollingPlot

AHEAD = 1.5  # image width over visible width, as frames arrive before they are heard
DARK = [0xFF000000] * 256


class FramePlot(ScrollingPlot):
    """Plot of one frame history at a time."""

    def __init__(self, name: str, *, times: bool = False) -> None:
        super().__init__(name, times=times)
        self._colours = DARK
        self.frame_history: FrameHistory | None = None
        self.resized.connect(lambda columns, rows: self._rebuild(self.axis.rate))

    def start_stream(self, rate: int) -> None:
        """Start with another stream."""
        self._rebuild(rate)

    def show_frame_history(
        self,
        frame_history: FrameHistory,
        colours: list[int],
        ticks: Sequence[tuple[float, str]],
        describe: Callable[[FrameColumn, float], str],
    ) -> None:
        """Show a frame history; `describe(column, height)` returns the text of the point under the
        cursor.
        """
        self.frame_history, self._colours, self.ticks = frame_history, colours, list(ticks)

        def read(sample: int, height: float) -> str:
            column = frame_history.at(sample)
            return describe(column, height) if column else ""

        self.readout = read
        self._rebuild(self.axis.rate)
        self.update()

    def draw(self, column: FrameColumn) -> None:
        """Draw one more column of the history shown."""
        if self.ring_image is not None and self.frame_history is not None:
            self.frame_history.draw(column, self.ring_image, self.axis)

    def _rebuild(self, rate: int) -> None:
        area, ratio = self.area(), self.devicePixelRatioF()
        wide, high = max(16, round(area.width() * ratio)), max(8, round(area.height() * ratio))
        self.axis = TimeAxis(rate, wide)
        self.ring_image = RingImage(high, round(AHEAD * wide), self._colours)
        if self.frame_history:
            self.frame_history.draw_all(self.ring_image, self.axis)
