"""A scrolling picture of frames: latents, the digits of tokens, or packets, whichever the codec has."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from gui.axes import TimeAxis
from gui.bricks import Brick, Wall
from gui.picture import Picture
from gui.raster import Raster

AHEAD = 1.5  # frames are known before they are heard: so much more than is seen has room
DARK = [0xFF000000] * 256


class BrickView(Picture):
    """Shows one wall at a time."""

    def __init__(self, name: str, *, times: bool = False) -> None:
        super().__init__(name, times=times)
        self._colours = DARK
        self.wall: Wall | None = None
        self.resized.connect(lambda columns, rows: self._rebuild(self.axis.rate))

    def begin(self, rate: int) -> None:
        """Another stream."""
        self._rebuild(rate)

    def show_wall(
        self,
        wall: Wall,
        colours: list[int],
        ticks: Sequence[tuple[float, str]],
        describe: Callable[[Brick, float], str],
    ) -> None:
        """Show another one; `describe(brick, height)` says what lies under the cursor."""
        self.wall, self._colours, self.ticks = wall, colours, list(ticks)

        def read(sample: int, height: float) -> str:
            brick = wall.at(sample)
            return describe(brick, height) if brick else ""

        self.readout = read
        self._rebuild(self.axis.rate)
        self.update()

    def lay(self, brick: Brick) -> None:
        """One more brick of the wall that is shown."""
        if self.raster is not None and self.wall is not None:
            self.wall.lay(brick, self.raster, self.axis)

    def _rebuild(self, rate: int) -> None:
        area, ratio = self.area(), self.devicePixelRatioF()
        wide, high = max(16, round(area.width() * ratio)), max(8, round(area.height() * ratio))
        self.axis = TimeAxis(rate, wide)
        self.raster = Raster(high, round(AHEAD * wide), self._colours)
        if self.wall:
            self.wall.lay_all(self.raster, self.axis)
