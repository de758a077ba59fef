"""Snapshots of everything, kept in the engine, a pad that goes between four of them, and presets, kept in files."""

from __future__ import annotations

from collections.abc import Iterable

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QComboBox, QGridLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from gui.pad import Pad

CORNERS = ("1", "2", "3", "4")


class MorphPage(QWidget):
    """`sent(address, args)` is what the engine is asked; presets are the window's own."""

    sent = Signal(str, object)
    preset_saved = Signal(str)
    preset_chosen = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self.stored: set[str] = set()
        self.pad = Pad(CORNERS)
        self.pad.setEnabled(False)
        self.pad.moved.connect(lambda x, y: self.sent.emit("/verdigris/morph", (float(x), float(y))))
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(_caption("SNAPSHOTS"))
        grid = QGridLayout()
        self.recalls: dict[str, QPushButton] = {}
        for column, name in enumerate(CORNERS):
            store, recall = QPushButton(f"Store {name}"), QPushButton(f"Recall {name}")
            store.setAccessibleName(f"store snapshot {name}")
            store.setToolTip(f"Keep everything as it is now\n/verdigris/snapshot/store {name}")
            store.setProperty("address", "/verdigris/snapshot/store")
            recall.setToolTip(f"/verdigris/snapshot/recall {name}")
            recall.setProperty("address", "/verdigris/snapshot/recall")
            recall.setAccessibleName(f"recall snapshot {name}")
            recall.setEnabled(False)
            store.clicked.connect(lambda _=False, name=name: self.store(name))
            recall.clicked.connect(lambda _=False, name=name: self.sent.emit("/verdigris/snapshot/recall", (name,)))
            self.recalls[name] = recall
            grid.addWidget(store, 0, column)
            grid.addWidget(recall, 1, column)
        layout.addLayout(grid)
        layout.addWidget(_caption("MORPH"))
        self.remark = QLabel("Store all four, then go between them.")
        self.remark.setObjectName("muted")
        layout.addWidget(self.remark)
        layout.addWidget(self.pad, 1)
        layout.addWidget(_caption("PRESETS"))
        self.presets = QComboBox()
        self.presets.setEditable(True)
        self.presets.setAccessibleName("preset: choose one, or type a name for another")
        self.presets.activated.connect(lambda _: self.preset_chosen.emit(self.presets.currentText()))
        save = QPushButton("Save")
        save.setAccessibleName("save all values as a preset of this name")
        save.clicked.connect(lambda: self.preset_saved.emit(self.presets.currentText().strip()))
        row = QGridLayout()
        row.setColumnStretch(0, 1)
        row.addWidget(self.presets, 0, 0)
        row.addWidget(save, 0, 1)
        layout.addLayout(row)

    def store(self, name: str) -> None:
        """Keep everything as it is now; with the fourth, the pad begins to work."""
        self.sent.emit("/verdigris/snapshot/store", (name,))
        self.stored.add(name)
        self._show_stored()

    def restore(self, names: Iterable[str]) -> None:
        """What was stored before: the engine keeps it."""
        self.stored = {str(name) for name in names} & set(CORNERS)
        self._show_stored()

    def greet(self) -> None:
        """Tell an engine which four the pad goes between."""
        if self.pad.isEnabled():
            self.sent.emit("/verdigris/morph/corners", CORNERS)

    def list_presets(self, names: list[str], current: str = "") -> None:
        self.presets.clear()
        self.presets.addItems(names)
        self.presets.setCurrentText(current)

    def _show_stored(self) -> None:
        for name, button in self.recalls.items():
            button.setEnabled(name in self.stored)
        ready, before = self.stored >= set(CORNERS), self.pad.isEnabled()
        self.pad.setEnabled(ready)
        if ready and not before:
            self.greet()
        self.remark.setText("Drag, or arrow keys." if ready else "Store all four, then go between them.")


def _caption(text: str) -> QLabel:
    label = QLabel(text)
    label.setObjectName("title")
    return label
