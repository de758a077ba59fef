"""Button that opens a menu of what can be added."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QMenu, QPushButton

Entry = tuple[str, str, str]  # value, label, and why it is greyed ("" if it is not)


class AddMenu(QPushButton):
    """Signal: `chosen(value)` by the user. Set `entries`; an entry without a value is a heading."""

    chosen = Signal(str)

    def __init__(self, label: str, name: str) -> None:
        super().__init__(label)
        self.setAccessibleName(name)
        self.entries: Sequence[Entry] = ()
        self.choices = QMenu(self)
        self.choices.setToolTipsVisible(True)
        self.choices.aboutToShow.connect(self._fill)
        self.setMenu(self.choices)

    def _fill(self) -> None:
        self.choices.clear()
        for value, label, why in self.entries:
            if not value:
                self.choices.addSection(label)
                continue
            action = self.choices.addAction(label, partial(self.chosen.emit, value))
            action.setEnabled(not why)
            action.setToolTip(why)
