"""Panel: a frame with a title at the left, a note or buttons at the right, and one widget below."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QVBoxLayout, QWidget

from gui.widgets import theme
from gui.widgets.elided import ElidedLabel


class Panel(QFrame):
    """Frame around `body`; `note` is a text at the right of the title."""

    def __init__(self, title: str, body: QWidget, note: str = "") -> None:
        super().__init__()
        self.setObjectName("panel")
        self.title = QLabel(title)
        self.title.setObjectName("title")
        self.note = ElidedLabel()
        self.note.setText(note)
        self.note.setObjectName("note")
        self.note.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self.body = body
        self.head = QHBoxLayout()
        self.head.setSpacing(6)
        self.head.addWidget(self.title)
        self.head.addWidget(self.note, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(8, 4, 8, 6)
        layout.setSpacing(3)
        layout.addLayout(self.head)
        layout.addWidget(body, 1)

    def show_head(self, shown: bool) -> None:
        """Show or hide title and note."""
        self.title.setVisible(shown)
        self.note.setVisible(shown)

    def set_title(self, title: str, role: str = theme.MUTED) -> None:
        """Change the title, in a role's colour."""
        if self.title.text() != title or self.title.property("role") != role:
            self.title.setText(title)
            self.title.setProperty("role", role)
            self.title.setStyleSheet(f"color: {role}")

    def set_note(self, note: str) -> None:
        """Change the note."""
        self.note.setText(note)


def stacked(*parts: QWidget) -> QWidget:
    """Return a widget with these parts below each other."""
    body = QWidget()
    body.setSizePolicy(parts[0].sizePolicy())
    layout = QVBoxLayout(body)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(2)
    for part in parts:
        layout.addWidget(part)
    return body
