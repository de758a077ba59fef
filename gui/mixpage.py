"""What is heard beyond the strip: gain, way from dry, what fills holes, match, locked seeds; the ghost of a codec."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QLabel, QPushButton, QVBoxLayout, QWidget

from gui.controls import Controls

ROWS = (
    ("gain", "Output gain"),
    ("wet", "Dry to wet"),
    ("bypass", "Bypass"),
    ("fill", "Holes are"),
    ("match", "Level match"),
    ("a.match", "Match of A"),
    ("b.match", "Match of B"),
    ("limiter", "Limiter"),
    ("adapt", "Step down alone"),
    ("a.lock", "Seed lock of A"),
    ("b.lock", "Seed lock of B"),
    ("osc.reply_port", "OSC reply port"),
)
GHOST = (
    "The ghost: both slots decode the same tokens with two seeds, and their difference is what the codec makes up. "
    "Of a codec without noise it is silence."
)


class MixPage(QWidget):
    """`changed(name, value)`; `ghost_wanted` for two seeds of A's codec."""

    changed = Signal(str, object)
    wants_to_learn = Signal(str)
    ghost_wanted = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.controls = Controls(ROWS)
        self.controls.changed.connect(self.changed)
        self.controls.wants_to_learn.connect(self.wants_to_learn)
        ghost = QPushButton("Hear the ghost of A")
        ghost.setAccessibleName("put A's codec into B with another seed, and hear A less B")
        ghost.clicked.connect(self.ghost_wanted)
        words = QLabel(GHOST)
        words.setObjectName("muted")
        words.setWordWrap(True)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for part in (self.controls, words, ghost):
            layout.addWidget(part)
        layout.addStretch(1)

    def show_values(self, values: dict[str, Any]) -> None:
        """What the engine has."""
        self.controls.show_values(values)

    def polish(self) -> None:
        self.controls.polish()
