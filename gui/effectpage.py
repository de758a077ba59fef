"""The controls of the effects in the session's racks, made from the rows that the session tells."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QLabel, QVBoxLayout, QWidget

from gui.controls import Controls
from gui.slotpanel import scrolled
from realtime.params import Parameter

PLACES = {"pre": "BEFORE THE CODECS", "a.post": "AFTER A", "b.post": "AFTER B"}
NONE = "No effects. They are named where the engine starts: verdigris live --pre, --post-a, --post-b (docs/effects.md)."


class EffectPage(QWidget):
    """`changed(name, value)` when the player moves something."""

    changed = Signal(str, object)
    wants_to_learn = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self.racks: list[Controls] = []  # an effect each
        self._area = scrolled(QWidget())
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._area)
        self.show_effects({}, {})

    def show_effects(self, effects: Mapping[str, str], table: Mapping[str, Parameter]) -> None:
        """KIND:WHERE by place and number, and the rows of their controls."""
        body = QWidget()
        body.setObjectName("clear")
        column = QVBoxLayout(body)
        column.setContentsMargins(0, 0, 0, 0)
        self.racks = []
        for place, effect in effects.items():
            names = [name for name in table if name.rpartition(".")[0] == place]
            rack = Controls([(name, name.rpartition(".")[2].replace("_", " ")) for name in names], table)
            rack.changed.connect(self.changed)
            rack.wants_to_learn.connect(self.wants_to_learn)
            self.racks.append(rack)
            column.addWidget(_caption(place, effect))
            column.addWidget(rack)
        if not effects:
            none = QLabel(NONE)
            none.setObjectName("muted")
            none.setWordWrap(True)
            column.addWidget(none)
        column.addStretch(1)
        self._area.setWidget(body)  # which ends the one before

    def show_values(self, values: dict[str, Any]) -> None:
        """What the engine has."""
        for rack in self.racks:
            rack.show_values(values)

    def polish(self) -> None:
        for rack in self.racks:
            rack.polish()


def _caption(place: str, effect: str) -> QLabel:
    where, _, number = place.rpartition(".")
    label = QLabel(f"{PLACES[where]} · {number} · {effect.rpartition('/')[2]}")
    label.setObjectName("title")
    label.setToolTip(effect)
    return label
