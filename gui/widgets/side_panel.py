"""Side panel: pages beside the plots, one at a time."""

from __future__ import annotations

from functools import partial

from PySide6.QtWidgets import QPushButton, QStackedWidget, QWidget

from gui.widgets.panel import Panel
from gui.widgets.scroll_area import scroll_area


class SidePanel(Panel):
    """Pages by name, with a button for each."""

    def __init__(self, pages: dict[str, QWidget]) -> None:
        self._stack = QStackedWidget()
        super().__init__("", self._stack)
        self.title.hide()
        self.note.hide()
        self._buttons: dict[str, QPushButton] = {}
        self.page = ""
        for name, page in pages.items():
            self._stack.addWidget(scroll_area(page))
            button = QPushButton(name)
            button.setObjectName("flat")
            button.setCheckable(True)
            button.setAccessibleName(f"page {name}")
            button.clicked.connect(partial(self.show_page, name))
            self._buttons[name] = button
            self.head.addWidget(button)
        self.head.addStretch(1)
        self.show_page(next(iter(pages)))

    def show_page(self, name: str, *_: object) -> None:
        """Show a page; an unknown name is ignored."""
        if name not in self._buttons:
            return
        self._stack.setCurrentIndex(list(self._buttons).index(name))
        for known, button in self._buttons.items():
            button.setChecked(known == name)
        self.page = name
