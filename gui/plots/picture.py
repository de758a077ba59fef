"""Base of the widgets that paint all of their rectangle, so that Qt paints no parent beneath them."""

from __future__ import annotations

from collections.abc import Callable, Hashable

from PySide6.QtCore import Qt
from PySide6.QtGui import QPainter, QPaintEvent, QPixmap
from PySide6.QtWidgets import QWidget

from gui.widgets import theme


class Picture(QWidget):
    """Widget on the colour of a panel. The theme knows it by its property: without a colour of its own
    Qt would paint the panel beneath it each time.
    """

    def __init__(self) -> None:
        super().__init__()
        self.setProperty("picture", True)
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self._backdrop, self._backdrop_key = QPixmap(), ()  # type: tuple[QPixmap, tuple[Hashable, ...]]

    def painter(self, event: QPaintEvent) -> QPainter:
        """Return a painter for an event, whose rectangle has the background."""
        made = QPainter(self)
        made.fillRect(event.rect(), theme.colour(theme.PANEL))
        return made

    def painter_on(self, draw: Callable[[QPainter], None], *key: Hashable) -> QPainter:
        """Return a painter on what `draw` paints, which is kept while size, font and `key` are the same."""
        ratio = self.devicePixelRatioF()
        state = (self.width(), self.height(), ratio, theme.em(self), *key)
        if state != self._backdrop_key:
            self._backdrop_key = state
            self._backdrop = QPixmap(self.size() * ratio)
            self._backdrop.setDevicePixelRatio(ratio)
            self._backdrop.fill(theme.colour(theme.PANEL))
            painter = QPainter(self._backdrop)
            draw(painter)
            painter.end()
        made = QPainter(self)
        made.drawPixmap(0, 0, self._backdrop)
        return made
