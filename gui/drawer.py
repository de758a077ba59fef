"""What is not needed at every moment: pages beside the pictures, one at a time, opened and closed by one key."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QPushButton, QStackedWidget, QWidget

from gui.panel import Panel


class Drawer(Panel):
    """`page_changed(name)` when another page is shown."""

    page_changed = Signal(str)

    def __init__(self, pages: dict[str, QWidget]) -> None:
        self._stack = QStackedWidget()
        super().__init__("", self._stack)
        self.title.hide()
        self.note.hide()
        self._buttons: dict[str, QPushButton] = {}
        self.page = ""
        for name, page in pages.items():
            self._stack.addWidget(page)
            button = QPushButton(name)
            button.setObjectName("flat")
            button.setCheckable(True)
            button.setAccessibleName(f"page {name}")
            button.clicked.connect(lambda _=False, name=name: self.show_page(name))
            self._buttons[name] = button
            self.head.addWidget(button)
        self.head.addStretch(1)
        self.show_page(next(iter(pages)))

    def show_page(self, name: str) -> None:
        """One of the pages."""
        if name not in self._buttons:
            return
        self._stack.setCurrentIndex(list(self._buttons).index(name))
        for known, button in self._buttons.items():
            button.setChecked(known == name)
        if name != self.page:
            self.page = name
            self.page_changed.emit(name)
