"""The controls of a slot that a hand wants first: decoding steps, noise on past and latent, seed, codebooks, gain."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QPushButton, QScrollArea, QStackedWidget

from gui import theme
from gui.controls import Controls
from gui.panel import Panel
from realtime.client import CodecFacts

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


def scrolled(widget: Any) -> QScrollArea:
    """In an area that scrolls up and down only."""
    area = QScrollArea()
    area.setWidgetResizable(True)
    area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    area.setFrameShape(QScrollArea.Shape.NoFrame)
    area.setWidget(widget)
    return area


class SlotPanel(Panel):
    """Two pages, A and B. `changed(name, value)` when the player moves something."""

    changed = Signal(str, object)
    wants_to_learn = Signal(str)

    def __init__(self) -> None:
        self._stack = QStackedWidget()
        self.pages = {slot: Controls((name.format(slot), label) for name, label in ROWS) for slot in ("a", "b")}
        super().__init__("CODEC A", self._stack)
        self._choices = {}
        for slot, page in self.pages.items():
            self._stack.addWidget(scrolled(page))
            page.changed.connect(self.changed)
            page.wants_to_learn.connect(self.wants_to_learn)
            button = QPushButton(theme.NAMES[slot])
            button.setObjectName("flat")
            button.setCheckable(True)
            button.setAccessibleName(f"controls of slot {theme.NAMES[slot]}")
            button.clicked.connect(lambda _=False, slot=slot: self.show_slot(slot))
            self._choices[slot] = button
            self.head.addWidget(button)
            self.set_codec(slot, None)
        self.slot = ""
        self.show_slot("a")

    def show_slot(self, slot: str) -> None:
        """The controls of a or b."""
        self.slot = slot
        self._stack.setCurrentIndex(list(self.pages).index(slot))
        self.entitle(f"CODEC {theme.NAMES[slot]}", theme.PATHS[slot])
        self.say(f"/verdigris/{slot}/…")
        for name, button in self._choices.items():
            button.setChecked(name == slot)

    def set_codec(self, slot: str, facts: CodecFacts | None) -> None:
        """What a slot plays: codebooks are the tokens of a codec that has them in the order of time."""
        has_books = facts is not None and facts.spec.tokens > 0 and facts.spec.time_ordered
        for name in BOOKS:
            self.pages[slot].set_offered(name.format(slot), has_books)

    def show_values(self, values: dict[str, Any]) -> None:
        """What the engine has."""
        for page in self.pages.values():
            page.show_values(values)

    def polish(self) -> None:
        for page in self.pages.values():
            page.polish()
