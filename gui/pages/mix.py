"""Page of the mix: gain, dry/wet, dropout fill, level match, locked seeds and the ghost."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QLabel, QPushButton, QVBoxLayout, QWidget

from gui.widgets.parameter_controls import ParameterControls

ROWS = (
    ("gain", "Output gain"),
    ("wet", "Dry to wet"),
    ("bypass", "Bypass"),
    ("fill", "Dropout fill"),
    ("match", "Level match"),
    ("a.match", "Match of A"),
    ("b.match", "Match of B"),
    ("limiter", "Limiter"),
    ("adapt", "Auto quality"),
    ("a.lock", "Seed lock of A"),
    ("b.lock", "Seed lock of B"),
    ("osc.reply_port", "OSC reply port"),
)
GHOST = (
    "The ghost: both slots decode the same tokens with two seeds. Their difference is the part that the codec "
    "invents. It is silence for a codec without noise."
)


class MixPage(QWidget):
    """Signals: `changed(name, value)`, `wants_to_learn(name)`, and `ghost_wanted`."""

    changed = Signal(str, object)
    wants_to_learn = Signal(str)
    ghost_wanted = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.controls = ParameterControls(ROWS)
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
        """Show the engine's values."""
        self.controls.show_values(values)

    def apply_font_sizes(self) -> None:
        self.controls.apply_font_sizes()
