"""Page of the bends of both slots."""

from __future__ import annotations

from functools import partial
from typing import Any

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QHBoxLayout, QPushButton, QStackedWidget, QVBoxLayout, QWidget

from gui.pages.bend_rack import BendRack
from gui.widgets import theme
from realtime.client import CodecInfo


class BendPage(QWidget):
    """Signals: `changed(name, value)`, `wants_to_learn(name)`, and `reset(slot)` to set all bends
    to their defaults.
    """

    changed = Signal(str, object)
    wants_to_learn = Signal(str)
    reset = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self._stack = QStackedWidget()
        self.racks = {slot: BendRack(slot) for slot in ("a", "b")}
        self.slot = "a"
        self._choices = {}
        head = QHBoxLayout()
        for slot, rack in self.racks.items():
            self._stack.addWidget(rack)
            rack.changed.connect(self.changed)
            rack.wants_to_learn.connect(self.wants_to_learn)
            button = QPushButton(f"Slot {theme.NAMES[slot]}")
            button.setCheckable(True)
            button.setAccessibleName(f"bends of slot {theme.NAMES[slot]}")
            button.clicked.connect(partial(self.show_slot, slot))
            self._choices[slot] = button
            head.addWidget(button)
        reset = QPushButton("All neutral")
        reset.setAccessibleName("set all bends of this slot to neutral")
        reset.setToolTip("Set every bend of this slot to its default, which leaves the sound unchanged")
        reset.clicked.connect(lambda: self.reset.emit(self.slot))
        head.addStretch(1)
        head.addWidget(reset)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(head)
        layout.addWidget(self._stack, 1)
        self.show_slot("a")

    def show_slot(self, slot: str, *_: object) -> None:
        """Show the bends of slot a or b."""
        self.slot = slot
        self._stack.setCurrentIndex(list(self.racks).index(slot))
        for name, button in self._choices.items():
            button.setChecked(name == slot)

    def set_codec(self, slot: str, facts: CodecInfo | None) -> None:
        """Grey the bends that the codec of a slot passes over."""
        self.racks[slot].set_codec(facts)

    def show_values(self, values: dict[str, Any]) -> None:
        """Show the engine's values."""
        for rack in self.racks.values():
            rack.show_values(values)

    def apply_font_sizes(self) -> None:
        for rack in self.racks.values():
            rack.apply_font_sizes()
