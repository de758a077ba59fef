"""The bends of a slot, all of them, made from the table."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QHBoxLayout, QPushButton, QStackedWidget, QVBoxLayout, QWidget

from gui import theme
from gui.controls import Controls
from gui.slotpanel import scrolled
from realtime.params import PARAMETERS


def rows(slot: str) -> list[tuple[str, str]]:
    """Names of the slot's bends and how they are labelled."""
    start = f"{slot}.bend."
    found = [name for name, row in PARAMETERS.items() if name.startswith(start) and not row.local]
    return [(name, name.removeprefix(start).replace(".", " ").removesuffix(" on") or "on") for name in found]


class BendPage(QWidget):
    """`changed(name, value)`; `reset(slot)` when all bends of a slot are to be neutral again."""

    changed = Signal(str, object)
    wants_to_learn = Signal(str)
    reset = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self._stack = QStackedWidget()
        self.pages = {slot: Controls(rows(slot)) for slot in ("a", "b")}
        self.slot = "a"
        self._choices = {}
        head = QHBoxLayout()
        for slot, page in self.pages.items():
            self._stack.addWidget(scrolled(page))
            page.changed.connect(self.changed)
            page.wants_to_learn.connect(self.wants_to_learn)
            button = QPushButton(f"Slot {theme.NAMES[slot]}")
            button.setCheckable(True)
            button.clicked.connect(lambda _=False, slot=slot: self.show_slot(slot))
            self._choices[slot] = button
            head.addWidget(button)
        neutral = QPushButton("All neutral")
        neutral.setToolTip("Set every bend of this slot to its default, which changes nothing")
        neutral.clicked.connect(lambda: self.reset.emit(self.slot))
        head.addStretch(1)
        head.addWidget(neutral)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(head)
        layout.addWidget(self._stack, 1)
        self.show_slot("a")

    def show_slot(self, slot: str) -> None:
        """Those of a or b."""
        self.slot = slot
        self._stack.setCurrentIndex(list(self.pages).index(slot))
        for name, button in self._choices.items():
            button.setChecked(name == slot)

    def show_values(self, values: dict[str, Any]) -> None:
        """What the engine has."""
        for page in self.pages.values():
            page.show_values(values)

    def polish(self) -> None:
        for page in self.pages.values():
            page.polish()
