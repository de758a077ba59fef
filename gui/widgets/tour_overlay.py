"""Overlay of the tour: darkens the view but for one part, with a text and buttons beside it."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, QPoint, QRect, Qt, Signal
from PySide6.QtGui import QKeyEvent, QPainter, QPaintEvent, QRegion
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from gui.widgets import theme

MARGIN = 6  # pixels around the part that stays bright
BUBBLE_EM = 26
SHADE = 0.72


class TourOverlay(QWidget):
    """Signals: `moved(−1 or +1)` and `ended` by the user. The bright part can be clicked through."""

    moved = Signal(int)
    ended = Signal()

    def __init__(self, view: QWidget) -> None:
        super().__init__(view)
        self._view = view
        self.setAccessibleName("tour")
        self._target: QWidget | None = None
        self.bubble = QFrame(self)
        self.bubble.setObjectName("panel")
        self.count, self.title, self.text = QLabel(), QLabel(), QLabel()
        self.count.setObjectName("muted")
        self.title.setObjectName("strong")
        self.text.setWordWrap(True)
        self.skip, self.back, self.next = (QPushButton(label) for label in ("Skip", "Back", "Next"))
        for button, name in ((self.skip, "end the tour (Esc)"), (self.back, "step back"), (self.next, "next step")):
            button.setAccessibleName(name)
            button.setAutoDefault(True)
        self.skip.clicked.connect(self.ended)
        self.back.clicked.connect(lambda: self.moved.emit(-1))
        self.next.clicked.connect(lambda: self.moved.emit(1))
        row = QHBoxLayout()
        row.addWidget(self.skip)
        row.addStretch(1)
        row.addWidget(self.back)
        row.addWidget(self.next)
        layout = QVBoxLayout(self.bubble)
        layout.setContentsMargins(14, 10, 14, 12)
        for part in (self.count, self.title, self.text):
            layout.addWidget(part)
        layout.addSpacing(6)
        layout.addLayout(row)
        view.installEventFilter(self)

    def show_step(self, number: int, count: int, title: str, text: str, target: QWidget) -> None:
        """Show step `number` of `count` at a widget."""
        self._target = target
        self.count.setText(f"{number} of {count}")
        self.title.setText(title)
        self.text.setText(text)
        self.back.setEnabled(number > 1)
        self.next.setText("Done" if number == count else "Next")
        self.bubble.setFixedWidth(BUBBLE_EM * theme.em(self))
        self.place()
        self.show()
        self.raise_()
        self.next.setFocus()

    def hole(self) -> QRect:
        """Return the part of the view that stays bright."""
        if self._target is None or not self._target.isVisible():
            return QRect()
        corner = self._target.mapTo(self._view, QPoint(0, 0))
        rect = QRect(corner, self._target.size()).adjusted(-MARGIN, -MARGIN, MARGIN, MARGIN)
        return rect.intersected(self._view.rect())

    def place(self) -> None:
        """Cover the view, leave the hole, and put the text beside it."""
        view, hole = self._view.rect(), self.hole()
        self.setGeometry(view)
        self.bubble.adjustSize()
        self.bubble.move(_beside(hole, self.bubble.rect(), view))
        self.setMask(QRegion(view).subtracted(QRegion(hole)).united(QRegion(self.bubble.geometry())))
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802 - Qt's name
        painter = QPainter(self)
        painter.fillRect(self.rect(), theme.colour(theme.BACKGROUND, SHADE))
        painter.setPen(theme.colour(theme.TEXT))
        painter.drawRect(self.hole().adjusted(-1, -1, 0, 0))

    def event(self, event: QEvent) -> bool:
        """Keep Esc from the window, whose key it is too."""
        own = (Qt.Key.Key_Escape, Qt.Key.Key_Space)
        is_override = event.type() == QEvent.Type.ShortcutOverride
        if is_override and isinstance(event, QKeyEvent) and event.key() in own:
            event.accept()
            return True
        return super().event(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802 - Qt's name
        if event.key() == Qt.Key.Key_Escape:
            self.ended.emit()
        else:
            super().keyPressEvent(event)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802 - Qt's name
        if event.type() == QEvent.Type.Resize and self.isVisible():
            self.place()
        return False


def _beside(hole: QRect, bubble: QRect, view: QRect) -> QPoint:
    """Return the corner of a bubble above or below a hole, or else left of it, within the view."""
    x = min(max(hole.center().x() - bubble.width() // 2, 12), max(view.width() - bubble.width() - 12, 0))
    for y in (hole.top() - bubble.height() - 12, hole.bottom() + 12):
        if y >= 0 and y + bubble.height() <= view.height():
            return QPoint(x, y)
    left = max(hole.left() - bubble.width() - 12, 12)
    return QPoint(left, min(max(hole.center().y() - bubble.height() // 2, 0), view.height() - bubble.height()))
