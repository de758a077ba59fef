"""Page of the effects before the codecs and after each: added, ordered, bypassed and removed."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QFileDialog, QHBoxLayout, QLabel, QVBoxLayout, QWidget

from gui.widgets.add_menu import AddMenu, Entry
from gui.widgets.module_card import ModuleCard
from gui.widgets.parameter_controls import ParameterControls
from gui.widgets.scroll_area import scroll_area
from realtime.parameters.table import Parameter

PLACES = {"pre": "BEFORE THE CODECS", "a.post": "AFTER A", "b.post": "AFTER B"}
NONE = "no effects"
FILES = {"py": "Python script (numpy) …", "pyo": "pyo patch …"}
MODELS = {"nn": ("Model for nn~ …", "Models (*.ts)"), "neutone": ("Neutone model …", "Models (*.nm)")}
BYPASS = "bypass"


class EffectPage(QWidget):
    """Signals: `changed(name, value)`, `wants_to_learn(name)`, `added(place, effect)`,
    `file_added(place, effect)` for a file that only another start of the engine can load,
    `moved(place, number, to)` and `removed(place, number)` by the user.
    """

    changed = Signal(str, object)
    wants_to_learn = Signal(str)
    added = Signal(str, str)
    file_added = Signal(str, str)
    moved = Signal(str, int, int)
    removed = Signal(str, int)

    def __init__(self) -> None:
        super().__init__()
        self.racks: list[ParameterControls] = []  # one for each effect
        self.cards: dict[str, ModuleCard] = {}  # by place and number
        self.menus: dict[str, AddMenu] = {}
        self._plugins: list[Entry] = []
        self._area = scroll_area(QWidget())
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._area)
        self.show_effects({}, {})

    def show_effects(self, effects: Mapping[str, str], table: Mapping[str, Parameter]) -> None:
        """Show the cards of `effects` (KIND:WHERE by place and number), whose rows are in `table`."""
        body = QWidget()
        body.setObjectName("clear")
        column = QVBoxLayout(body)
        column.setContentsMargins(0, 0, 8, 0)
        self.racks, self.cards = [], {}
        for place, title in PLACES.items():
            own = [at for at in effects if at.rpartition(".")[0] == place]
            column.addLayout(self._head(place, title))
            for at in own:
                column.addWidget(self._card(at, effects[at], len(own), table))
            if not own:
                none = QLabel(NONE)
                none.setObjectName("muted")
                column.addWidget(none)
        column.addStretch(1)
        self._area.setWidget(body)  # deletes the previous one

    def _head(self, place: str, title: str) -> QHBoxLayout:
        label = QLabel(title)
        label.setObjectName("title")
        menu = AddMenu("+  Add", f"add an effect {title.lower()}")
        menu.entries = self._entries()
        menu.chosen.connect(partial(self._add, place))
        self.menus[place] = menu
        row = QHBoxLayout()
        row.addWidget(label, 1)
        row.addWidget(menu)
        return row

    def _card(self, at: str, effect: str, count: int, table: Mapping[str, Parameter]) -> ModuleCard:
        place, _, number = at.rpartition(".")
        names = [name for name in table if name.rpartition(".")[0] == at and not name.endswith(f".{BYPASS}")]
        rack = ParameterControls([(name, name.rpartition(".")[2].replace("_", " ")) for name in names], table)
        rack.changed.connect(self.changed)
        rack.wants_to_learn.connect(self.wants_to_learn)
        self.racks.append(rack)
        kind = effect.partition(":")[0]
        names_of = {value: label for value, label, _ in self._plugins}
        title = names_of.get(effect) or effect.rpartition("/")[2].rpartition("#")[2]
        card = ModuleCard(title, kind if ":" in effect else "", rack)
        card.setToolTip(effect)
        card.switch.setProperty("parameter", f"{at}.{BYPASS}")
        card.show_on(True)
        card.show_places(number == "1", int(number) == count)
        card.switched.connect(lambda on: self.changed.emit(f"{at}.{BYPASS}", not on))
        card.moved.connect(lambda step: self.moved.emit(place, int(number), int(number) + step))
        card.removed.connect(lambda: self.removed.emit(place, int(number)))
        self.cards[at] = card
        return card

    def list_effects(self, found: Any) -> None:
        """Offer the plug-ins of the answer of `verdigris effects`."""
        plugins = found.get("plugins", []) if isinstance(found, dict) else []
        self._plugins = [(str(plugin["effect"]), str(plugin["name"]), "") for plugin in plugins]
        for menu in self.menus.values():
            menu.entries = self._entries()

    def _entries(self) -> list[Entry]:
        files: list[Entry] = [(kind, label, "") for kind, label in FILES.items()]
        files += [(kind, label, "") for kind, (label, _) in MODELS.items()]
        return [("gain", "Gain", ""), *files, *([("", "Plug-ins", "")] if self._plugins else []), *self._plugins]

    def _add(self, place: str, effect: str) -> None:
        if effect not in FILES and effect not in MODELS:
            self.added.emit(place, effect)
            return
        kinds = MODELS[effect][1] if effect in MODELS else "Python (*.py)"
        path, _ = QFileDialog.getOpenFileName(self, f"Effect {PLACES[place].lower()}", "", kinds)
        if path:
            (self.added if effect in MODELS else self.file_added).emit(place, f"{effect}:{path}")

    def show_values(self, values: dict[str, Any]) -> None:
        """Show the engine's values."""
        for rack in self.racks:
            rack.show_values(values)
        for at, card in self.cards.items():
            card.show_on(not values.get(f"{at}.{BYPASS}", False))

    def apply_font_sizes(self) -> None:
        for rack in self.racks:
            rack.apply_font_sizes()
