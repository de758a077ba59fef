"""Area that scrolls vertically."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt
from PySide6.QtWidgets import QScrollArea, QWidget

from gui.widgets import theme


class VerticalScrollArea(QScrollArea):
    """Area that scrolls vertically, and is never narrower than its content."""

    def minimumSizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        content: QWidget | None = self.widget()
        wide = content.minimumSizeHint().width() if content else 0
        return QSize(wide + self.verticalScrollBar().sizeHint().width(), 3 * theme.em(self))


def scroll_area(widget: QWidget) -> QScrollArea:
    """Put a widget into an area that scrolls vertically."""
    area = VerticalScrollArea()
    area.setWidgetResizable(True)
    area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    area.setFrameShape(QScrollArea.Shape.NoFrame)
    area.setWidget(widget)
    return area
