"""History of messages as a popup: time, text and the actions, newest first."""

from __future__ import annotations

from collections.abc import Iterable

from PySide6.QtCore import QPoint, Qt
from PySide6.QtWidgets import QFrame, QGridLayout, QLabel, QScrollArea, QVBoxLayout, QWidget

from gui.model.message_list import Level, Message
from gui.widgets import theme
from gui.widgets.message_bar import MARKS, ROLES, row_of
from gui.widgets.scroll_area import scroll_area

NONE = "No messages yet."
SIZE_EM = (56, 26)


class MessageHistory(QFrame):
    """Popup with all messages. Esc closes it, and so does pressing an action."""

    def __init__(self, parent: QWidget, messages: Iterable[Message]) -> None:
        super().__init__(parent, Qt.WindowType.Popup)
        self.setObjectName("panel")
        self.setAccessibleName("history of messages")
        head = QLabel("MESSAGES")
        head.setObjectName("title")
        body = QWidget()
        body.setObjectName("clear")
        grid = QGridLayout(body)
        grid.setColumnStretch(2, 1)
        grid.setHorizontalSpacing(10)
        line = -1
        for line, message in enumerate(messages):
            self._add(grid, line, message)
        if line < 0:
            grid.addWidget(QLabel(NONE), 0, 0, 1, 4)
        grid.setRowStretch(grid.rowCount(), 1)
        self.area: QScrollArea = scroll_area(body)
        layout = QVBoxLayout(self)
        layout.addWidget(head)
        layout.addWidget(self.area, 1)

    def _add(self, grid: QGridLayout, line: int, message: Message) -> None:
        at, mark, text = QLabel(message.at), QLabel(MARKS[message.level]), QLabel(message.text)
        at.setFont(theme.digits(self, 0.9))
        at.setStyleSheet(f"color: {theme.MUTED}")
        mark.setStyleSheet(f"color: {ROLES[message.level]}; font-weight: bold")
        if message.level is Level.BAD:
            text.setStyleSheet(f"color: {theme.BAD}")
        text.setWordWrap(True)
        text.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        for column, label in enumerate((at, mark, text)):
            grid.addWidget(label, line, column, Qt.AlignmentFlag.AlignTop)
        if message.actions:
            grid.addWidget(row_of(message.actions, self.close), line, 3, Qt.AlignmentFlag.AlignTop)

    def open_above(self, widget: QWidget) -> None:
        """Show the popup above a widget, its right edges aligned."""
        em = theme.em(self)
        window = widget.window()
        self.resize(min(SIZE_EM[0] * em, window.width()), min(SIZE_EM[1] * em, window.height()))
        self.move(widget.mapToGlobal(QPoint(widget.width() - self.width(), -self.height() - 4)))
        self.show()
