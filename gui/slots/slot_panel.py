"""Main controls of a slot: decoding steps, noise, seed, codebooks and gain."""

from __future__ import annotations

from functools import partial
from typing import Any

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QPushButton, QStackedWidget

from gui.widgets import theme
from gui.widgets.panel import Panel
from gui.widgets.parameter_controls import ParameterControls
from gui.widgets.scroll_area import scroll_area
from realtime.client import CodecInfo

ROWS = (
    ("{}.steps", "Decode steps"),
    ("{}.context_noise", "Context noise"),
    ("{}.bend.noise", "Latent noise"),
    ("{}.seed", "Seed"),
    ("{}.books", "Codebooks"),
    ("{}.mute", "Mute books"),
    ("{}.solo", "Solo books"),
    ("gain", "Output gain"),
)
BOOKS = ("{}.books", "{}.mute", "{}.solo")


class SlotPanel(Panel):
    """Controls of slots A and B.

    Signals: `changed(name, value)` and `wants_to_learn(name)` by the user.
    """

    changed = Signal(str, object)
    wants_to_learn = Signal(str)

    def __init__(self) -> None:
        self._stack = QStackedWidget()
        self.pages = {
            slot: ParameterControls((name.format(slot), label) for name, label in ROWS) for slot in ("a", "b")
        }
        super().__init__("CODEC A", self._stack)
        self._choices = {}
        for slot, page in self.pages.items():
            self._stack.addWidget(scroll_area(page))
            page.changed.connect(self.changed)
            page.wants_to_learn.connect(self.wants_to_learn)
            button = QPushButton(theme.NAMES[slot])
            button.setObjectName("flat")
            button.setCheckable(True)
            button.setAccessibleName(f"controls of slot {theme.NAMES[slot]}")
            button.clicked.connect(partial(self.show_slot, slot))
            self._choices[slot] = button
            self.head.addWidget(button)
            self.set_codec(slot, None)
        self.slot = ""
        self.show_slot("a")

    def show_slot(self, slot: str, *_: object) -> None:
        """Show the controls of slot a or b."""
        self.slot = slot
        self._stack.setCurrentIndex(list(self.pages).index(slot))
        self.set_title(f"CODEC {theme.NAMES[slot]}", theme.PATHS[slot])
        self.set_note(f"/verdigris/{slot}/…")
        for name, button in self._choices.items():
            button.setChecked(name == slot)

    def set_codec(self, slot: str, facts: CodecInfo | None) -> None:
        """Show the controls that the codec of a slot has; only codecs with tokens in time order
        have codebooks.
        """
        has_books = facts is not None and facts.spec.tokens > 0 and facts.spec.time_ordered
        for name in BOOKS:
            self.pages[slot].set_available(name.format(slot), has_books)

    def show_values(self, values: dict[str, Any]) -> None:
        """Show the engine's values."""
        for page in self.pages.values():
            page.show_values(values)

    def apply_font_sizes(self) -> None:
        for page in self.pages.values():
            page.apply_font_sizes()
