"""Stereo meter: correlation of left and right, and width, of dry and of the path shown."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QPainter, QPaintEvent
from PySide6.QtWidgets import QSizePolicy

from gui.plots.picture import Picture
from gui.widgets import theme

SMOOTH_S = 0.3
SILENT = 1e-9  # mean power below which there is no image
ROW_EM = 1.45
HELP = (
    "Correlation of left and right: +1 mono, 0 wide, below 0 out of phase.\n"
    "Width: part of the energy in the side signal."
)


class StereoImage:
    """Correlation and width of one path, smoothed over SMOOTH_S seconds."""

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._sums = np.zeros(3)  # mean of left², right² and left × right

    def step(self, block: npt.NDArray[np.float32]) -> tuple[float, float] | None:
        """Return correlation (−1 to 1) and width (0 to 1) after a block [C, n]; None for silence."""
        left, right = block[0], block[-1]
        products = (left * left, right * right, left * right)  # a sum of products wakes no threads, as @ would
        now = np.array([float(product.sum(dtype=np.float64)) for product in products]) / max(1, block.shape[1])
        keep = math.exp(-block.shape[1] / (SMOOTH_S * self._rate))
        self._sums = keep * self._sums + (1 - keep) * now
        lefts, rights, crossed = self._sums.tolist()
        if lefts + rights < SILENT:
            return None
        correlation = crossed / math.sqrt(max(lefts * rights, 1e-30))
        return min(max(correlation, -1.0), 1.0), min(
            max((lefts + rights - 2 * crossed) / (2 * (lefts + rights)), 0.0), 1.0
        )


class StereoMeter(Picture):
    """Two rows with a marker between −1 and +1, and the width in percent."""

    def __init__(self) -> None:
        super().__init__()
        self.setAccessibleName("correlation and width of dry and of the path shown")
        self.setToolTip(HELP)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.images: dict[str, tuple[float, float] | None] = {}
        self.blind = False

    def show_images(self, images: dict[str, tuple[float, float] | None]) -> None:
        """Show correlation and width by path."""
        if images != self.images:
            self.images = images
            self.update()

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        return QSize(20 * theme.em(self), round(2 * ROW_EM * theme.em(self)))

    def minimumSizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        return QSize(12 * theme.em(self), self.sizeHint().height())

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802 - Qt's name
        painter, em = self.painter_on(self._paint_names, *self.images, self.blind), theme.em(self)
        right = Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignRight
        painter.setFont(theme.digits(self, 0.92))
        painter.setPen(theme.colour(theme.TEXT))
        for number, (path, image) in enumerate(self.images.items()):
            line = self._line(number, em)
            if image is None:
                painter.drawText(line, right, "—")
                continue
            correlation, width = image
            bar, hue = _bar(line, em), theme.BLIND if self.blind else theme.PATHS[path]
            middle, x = bar.center().x(), bar.left() + (correlation + 1) / 2 * bar.width()
            marker = QRectF(min(x, middle), bar.top(), max(2.0, abs(x - middle)), bar.height())
            painter.fillRect(marker, theme.colour(hue))
            painter.drawText(line, right, f"{correlation:+.2f} {width:4.0%} wide")

    def _paint_names(self, painter: QPainter) -> None:
        em = theme.em(self)
        painter.setFont(theme.digits(self))
        painter.setPen(theme.colour(theme.MUTED))
        for number, path in enumerate(self.images):
            line = self._line(number, em)
            bar = _bar(line, em)
            painter.drawText(line, Qt.AlignmentFlag.AlignVCenter, "·" if self.blind else theme.NAMES[path])
            painter.fillRect(bar, theme.colour(theme.SUNKEN))
            painter.fillRect(QRectF(bar.center().x(), bar.top(), 1, bar.height()), theme.colour(theme.MUTED))

    def _line(self, number: int, em: int) -> QRectF:
        return QRectF(0, number * ROW_EM * em, self.width(), ROW_EM * em)


def _bar(line: QRectF, em: int) -> QRectF:
    return line.adjusted(3.0 * em, 0.4 * em, -8.8 * em, -0.4 * em)
