"""Bends of one slot as a chain of cards: added, ordered, bypassed and removed."""

from __future__ import annotations

from functools import partial
from typing import Any

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QLabel, QVBoxLayout, QWidget

from gui.model.bend_groups import BY_BEND, GROUPS, BendGroup, in_order, order_with
from gui.widgets.add_menu import AddMenu
from gui.widgets.module_card import ModuleCard
from gui.widgets.parameter_controls import ParameterControls
from gui.widgets.scroll_area import scroll_area
from realtime.client import CodecInfo
from realtime.parameters.table import PARAMETERS

NONE = "No bends: the codec plays as it is. Add one; it is neutral until you move a control."


class BendRack(QWidget):
    """Signals: `changed(name, value)` and `wants_to_learn(name)` by the user."""

    changed = Signal(str, object)
    wants_to_learn = Signal(str)

    def __init__(self, slot: str) -> None:
        super().__init__()
        self.slot = slot
        self.cards: dict[str, ModuleCard] = {}
        self.controls: dict[str, ParameterControls] = {}
        self._values: dict[str, Any] = {}
        self._bypassed: dict[str, dict[str, Any]] = {}  # amounts of each bypassed bend
        self._facts: CodecInfo | None = None
        self._order = ""
        self.add = AddMenu("+  Add a bend", f"add a bend to slot {slot.upper()}")
        self.add.chosen.connect(self.add_bend)
        self.none = QLabel(NONE)
        self.none.setObjectName("muted")
        self.none.setWordWrap(True)
        self.general = ParameterControls([(f"{slot}.bend.on", "All bends"), (f"{slot}.bend.seed", "Random seed")])
        self.general.changed.connect(self.changed)
        self.general.wants_to_learn.connect(self.wants_to_learn)
        body = QWidget()
        body.setObjectName("clear")
        self._column = QVBoxLayout(body)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.addStretch(1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for part in (self.general, self.none):
            layout.addWidget(part)
        layout.addWidget(scroll_area(body), 1)
        layout.addWidget(self.add)
        self._list_choices()

    def add_bend(self, bend: str) -> None:
        """Add the card of a bend; it stays neutral until a control moves."""
        if bend not in self.cards:
            self._make_card(BY_BEND[bend])
            self._arrange()
            self._show_card(bend)

    def _make_card(self, group: BendGroup) -> None:
        labels = [(name, _label(control)) for name, control in zip(group.names(self.slot), group.controls, strict=True)]
        controls = ParameterControls(labels)
        controls.changed.connect(self.changed)
        controls.wants_to_learn.connect(self.wants_to_learn)
        controls.show_values(self._values)
        controls.apply_font_sizes()
        card = ModuleCard(group.title, group.sentence, controls)
        card.switched.connect(partial(self._switch, group))
        card.moved.connect(partial(self._move, group.bend))
        card.removed.connect(partial(self.remove_bend, group.bend))
        self.cards[group.bend], self.controls[group.bend] = card, controls

    def remove_bend(self, bend: str) -> None:
        """Make a bend neutral, and remove its card."""
        self._bypassed.pop(bend, None)
        for name in BY_BEND[bend].names(self.slot):
            if self._values.get(name, PARAMETERS[name].default) != PARAMETERS[name].default:
                self.changed.emit(name, PARAMETERS[name].default)
                self._values[name] = PARAMETERS[name].default
        del self.controls[bend]
        self.cards.pop(bend).deleteLater()
        self._arrange()

    def _switch(self, group: BendGroup, on: bool) -> None:
        """Bypass a bend: its amounts become neutral, and come back as they were."""
        if on:
            amounts = self._bypassed.pop(group.bend, {})
        else:
            names = group.amount_names(self.slot)
            self._bypassed[group.bend] = {name: self._values[name] for name in names if name in self._values}
            amounts = {name: PARAMETERS[name].default for name in names}
        for name, value in amounts.items():
            self._values[name] = value
            self.changed.emit(name, value)

    def _move(self, bend: str, step: int) -> None:
        self.changed.emit(f"{self.slot}.bend.order", order_with(self.shown(), self._order, bend, step))

    def shown(self) -> list[str]:
        """Return the bends that have a card, in their order."""
        return in_order(self.cards, self._order)

    def _arrange(self) -> None:
        shown = self.shown()
        ordered = [bend for bend in shown if BY_BEND[bend].ordered]
        for at, bend in enumerate(shown):
            card = self.cards[bend]
            self._column.insertWidget(at, card)
            movable = bend in ordered
            card.show_places(not movable or bend == ordered[0], not movable or bend == ordered[-1])
        self.none.setVisible(not shown)
        self._list_choices()

    def _list_choices(self) -> None:
        self.add.entries = [
            (group.bend, f"{group.title} — {group.sentence}".rstrip(" —"), group.passed_over(self._facts))
            for group in GROUPS
            if group.bend not in self.cards
        ]

    def set_codec(self, facts: CodecInfo | None) -> None:
        """Grey the bends that the codec passes over."""
        self._facts = facts
        for bend in self.cards:
            self._show_card(bend)
        self._list_choices()

    def show_values(self, values: dict[str, Any]) -> None:
        """Show the engine's values; a bend that acts has a card."""
        starts = (f"{self.slot}.bend.", f"{self.slot}.continue")
        self._values = {name: value for name, value in values.items() if name.startswith(starts)}
        self.general.show_values(self._values)
        new = [group for group in GROUPS if group.bend not in self.cards and group.active(self.slot, self._values)]
        for group in new:
            self._make_card(group)
        order = str(self._values.get(f"{self.slot}.bend.order", ""))
        if new or order != self._order:
            self._order = order
            self._arrange()
        for bend, controls in self.controls.items():
            controls.show_values(self._values)
            self._show_card(bend)

    def _show_card(self, bend: str) -> None:
        group = BY_BEND[bend]
        if group.active(self.slot, self._values):
            self._bypassed.pop(bend, None)
        self.cards[bend].show_on(bend not in self._bypassed)
        self.cards[bend].show_passed_over(group.passed_over(self._facts), group.sentence)

    def apply_font_sizes(self) -> None:
        for controls in (self.general, *self.controls.values()):
            controls.apply_font_sizes()


def _label(control: str) -> str:
    """Return the words of a control: its last part, or its only one."""
    words = control.rpartition(".")[2].replace("_", " ")
    return {
        "on": "frozen",
        "continue": "plays on",
        "top p": "most probable",
        "token": "lost tokens",
        "enter": "burst begins",
        "leave": "burst ends",
    }.get(words, words)
