"""A panel: a quiet frame with a title on the left, a note or buttons on the right, and one thing below."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QSizePolicy, QVBoxLayout, QWidget

from gui import theme


class Panel(QFrame):
    """`note` is what is said at the right of the title; `title` can be coloured by path."""

    def __init__(self, title: str, body: QWidget, note: str = "") -> None:
        super().__init__()
        self.setObjectName("panel")
        self.title = QLabel(title)
        self.title.setObjectName("title")
        self.note = QLabel(note)
        self.note.setObjectName("note")
        self.note.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.note.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self.body = body
        self.head = QHBoxLayout()
        self.head.setSpacing(2)
        self.head.addWidget(self.title)
        self.head.addWidget(self.note, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(8, 4, 8, 6)
        layout.setSpacing(3)
        layout.addLayout(self.head)
        layout.addWidget(body, 1)

    def entitle(self, title: str, role: str = theme.MUTED) -> None:
        """Another title, in a role's colour."""
        if self.title.text() != title or self.title.property("role") != role:
            self.title.setText(title)
            self.title.setProperty("role", role)
            self.title.setStyleSheet(f"color: {role}")

    def say(self, note: str) -> None:
        """Another note."""
        if self.note.text() != note:
            self.note.setText(note)
