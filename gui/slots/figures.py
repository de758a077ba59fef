"""Compression of a slot in large figures."""

from __future__ import annotations

from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QFont, QFontMetrics, QPainter, QPaintEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from gui.model.compression import Compression
from gui.widgets import theme

LARGE = 1.4  # em
LONGEST_RATES = "1536 → 3072 kbit/s"
LONGEST_RATIO = "296 : 1"


class Figures(QWidget):
    """Bitrates and ratio of a slot; below them the measured bitrate, or a message.

    Where the width is short, the bitrates move to the second line.
    """

    def __init__(self, slot: str) -> None:
        super().__init__()
        self._role = theme.PATHS[slot]
        self._shown: Compression | None = None
        self._message = ""
        self.setAccessibleName(f"compression of slot {theme.NAMES[slot]}")
        self.setToolTip(
            "Bits of the input (16 bits a sample) and of the codec, nominal and as measured now.\n"
            "Entropy-coded: the same tokens in fewer bits, as verdigris pack writes them."
        )
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)

    def show_compression(self, shown: Compression | None, message: str = "") -> None:
        """Show the compression; without one only the message, which replaces the measurement."""
        if (shown, message) != (self._shown, self._message):
            self._shown, self._message = shown, message
            self.setAccessibleDescription(" · ".join(filter(None, self.lines(10_000))))
            self.update()

    def lines(self, width: int) -> tuple[str, str, str]:
        """Return the bitrates, the ratio and the second line, as they are shown in `width` pixels."""
        shown = self._shown
        if shown is None:
            return "", "", self._message
        below = self._message or shown.measurement
        if width >= self._wide():
            return shown.rates, shown.ratio, below
        return "", shown.ratio, self._message or shown.rates

    def _font(self, bold: bool = False) -> QFont:
        return theme.digits(self, LARGE, bold=bold)

    def _wide(self) -> int:
        em = theme.em(self)
        rates, ratio = QFontMetrics(self._font()), QFontMetrics(self._font(bold=True))
        return rates.horizontalAdvance(LONGEST_RATES) + em + ratio.horizontalAdvance(LONGEST_RATIO)

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        return QSize(self._wide(), round(3.1 * theme.em(self)))

    def minimumSizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        small = QFontMetrics(theme.small(self)).horizontalAdvance(LONGEST_RATES)
        large = QFontMetrics(self._font(bold=True)).horizontalAdvance(LONGEST_RATIO)
        return QSize(max(small, large) + 2, round(3.1 * theme.em(self)))

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802 - Qt's name
        painter, em = QPainter(self), theme.em(self)
        rates, ratio, below = self.lines(self.width())
        top = QRectF(0, 0, self.width(), 1.8 * em)
        right = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        painter.setFont(self._font())
        painter.setPen(theme.colour(theme.TEXT))
        gap = QFontMetrics(self._font(bold=True)).horizontalAdvance(ratio) + em
        painter.drawText(top.adjusted(0, 0, -gap, 0), right, rates)
        painter.setFont(self._font(bold=True))
        painter.setPen(theme.colour(self._role))
        painter.drawText(top, right, ratio)
        font = theme.small(self)
        painter.setFont(font)
        painter.setPen(theme.colour(theme.MUTED))
        rest = QRectF(0, 1.75 * em, self.width(), self.height() - 1.75 * em)
        text = QFontMetrics(font).elidedText(below, Qt.TextElideMode.ElideRight, self.width())
        painter.drawText(rest, right, text)
