"""Label and button whose text ends in … where it does not fit; the whole text is in the tooltip."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QFontMetrics, QPainter, QPaintEvent, QResizeEvent
from PySide6.QtWidgets import QLabel, QPushButton, QSizePolicy, QStyle, QStyleOptionButton


class ElidedLabel(QLabel):
    """Label that ends in … where its text does not fit; the whole text is its tooltip."""

    def __init__(self) -> None:
        super().__init__()
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)

    def minimumSizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        return QSize(0, super().minimumSizeHint().height())

    def setText(self, text: str) -> None:  # noqa: N802 - Qt's name
        if text != self.text():
            super().setText(text)
            self._explain()

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802 - Qt's name
        super().resizeEvent(event)
        self._explain()

    def _explain(self) -> None:
        cut = QFontMetrics(self.font()).horizontalAdvance(self.text()) > self.width()
        self.setToolTip(self.text() if cut else "")

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802 - Qt's name
        painter = QPainter(self)
        painter.setPen(self.palette().color(self.foregroundRole()))
        shown = painter.fontMetrics().elidedText(self.text(), Qt.TextElideMode.ElideRight, self.width())
        painter.drawText(self.rect(), self.alignment(), shown)


class ElidedButton(QPushButton):
    """Button that shows as much of `name` as fits, then `mark`; a name that is cut comes first in the
    tooltip.
    """

    def __init__(self, help_text: str, *, mark: str = "", mode: Qt.TextElideMode = Qt.TextElideMode.ElideRight) -> None:
        """`mode`: where a name that is too long is cut; `help_text`: the tooltip."""
        super().__init__()
        self.name, self._help, self._mark, self._mode = "", help_text, mark, mode
        self.setToolTip(help_text)

    def show_name(self, name: str) -> None:
        """Show another name."""
        if name != self.name:
            self.name = name
            self.setAccessibleDescription(name)
            self.updateGeometry()
            self._write()

    def text_room(self) -> int:
        """Return the pixels that the style leaves for the text."""
        option = QStyleOptionButton()
        self.initStyleOption(option)
        return self.style().subElementRect(QStyle.SubElement.SE_PushButtonContents, option, self).width()

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """Return the size for the whole name."""
        metrics = QFontMetrics(self.font())
        around = self.width() - self.text_room() + 1  # widths are rounded
        return QSize(metrics.horizontalAdvance(self.name + self._mark) + around, super().sizeHint().height())

    def minimumSizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        return QSize(0, super().minimumSizeHint().height())

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802 - Qt's name
        super().resizeEvent(event)
        self._write()

    def _write(self) -> None:
        metrics = QFontMetrics(self.font())
        room = self.text_room() - metrics.horizontalAdvance(self._mark)
        shown = metrics.elidedText(self.name, self._mode, max(room, 0))
        self.setText(shown + self._mark)
        self.setToolTip(self._help if shown == self.name else f"{self.name}\n{self._help}")
