"""Surprise curve: how predictable the player is, above the tokens and on their clock."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QPointF, QSize, Qt
from PySide6.QtGui import QPainterPath, QPaintEvent, QPen
from PySide6.QtWidgets import QSizePolicy

from gui.plots.frame_plot import FramePlot
from gui.plots.picture import Picture
from gui.widgets import theme
from realtime.client import FrameSurprise

TOP_BITS, CHANCE_BITS = 14.0, 10.0  # of the axis; of a token that nothing is known of
HEIGHT_EM = 3.4
LABEL = "bits per token: how predictable you are"
HELP = (
    "How well a small language model expects what you play, frame by frame. Low: it had expected it, as in a tone that "
    "goes on. The line is chance: 10 bits, as if it knew nothing. It listens before the bends."
)


class SurpriseCurve(Picture):
    """Curve of the last seconds, with the newest value as a number; hidden where there is none."""

    def __init__(self, tokens: FramePlot) -> None:
        """Take the plot below, whose time axis this one shares."""
        super().__init__()
        self._tokens = tokens
        self.points: Sequence[FrameSurprise] = ()
        self.setAccessibleName(LABEL)
        self.setToolTip(HELP)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.hide()

    def show_points(self, points: Sequence[FrameSurprise]) -> None:
        """Show these points, oldest first."""
        self.points = points
        self.setVisible(bool(points))
        if points:
            self.setAccessibleDescription(f"{points[-1].bits:.1f} bits per token")
            self.update()

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        return QSize(20 * theme.em(self), round(HEIGHT_EM * theme.em(self)))

    def minimumSizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        return QSize(12 * theme.em(self), self.sizeHint().height())

    def place(self, point: FrameSurprise) -> QPointF:
        """Return where a point is drawn; one that is not heard yet lies beyond the right edge."""
        area, axis = self._tokens.area(), self._tokens.axis
        x = area.left() + axis.x(point.start, self._tokens.end) * area.width() / axis.columns
        return QPointF(x, self._height_of(point.bits))

    def _height_of(self, bits: float) -> float:
        return (1 - min(max(bits / TOP_BITS, 0.0), 1.0)) * (self.height() - 2) + 1

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802 - Qt's name
        painter, area = self.painter(event), self._tokens.area()
        painter.setFont(theme.small(self))
        painter.setPen(theme.colour(theme.MUTED))
        if self.points:
            label = self.rect().adjusted(0, 0, area.left() - 6 - self.width(), 0)
            painter.drawText(label, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, self.newest)
        plot = self.rect().adjusted(area.left(), 0, area.right() + 1 - self.width(), 0)
        painter.fillRect(plot, theme.colour(theme.SUNKEN))
        painter.setClipRect(plot)
        chance = round(self._height_of(CHANCE_BITS))
        painter.setPen(QPen(theme.colour(theme.MUTED, 0.5), 1, Qt.PenStyle.DotLine))
        painter.drawLine(plot.left(), chance, plot.right(), chance)
        path = QPainterPath()
        for number, point in enumerate(self.points):
            path.lineTo(self.place(point)) if number else path.moveTo(self.place(point))
        painter.setPen(QPen(theme.colour(theme.TEXT), 1.2))
        painter.drawPath(path)
        painter.setPen(theme.colour(theme.MUTED))
        painter.drawText(plot.adjusted(6, 1, -6, 0), Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignTop, LABEL)

    @property
    def newest(self) -> str:
        """The newest value as text."""
        return f"{self.points[-1].bits:.1f}" if self.points else ""
