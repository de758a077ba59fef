"""Page of snapshots (stored in the engine), a pad that morphs between four of them, and presets
(stored in files).
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QComboBox, QGridLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from gui.widgets.xy_pad import XYPad

CORNERS = ("1", "2", "3", "4")
NOT_READY = "Store all four, then morph between them."


class MorphPage(QWidget):
    """Signals: `sent(address, args)` for the engine; `preset_saved(name)` and `preset_chosen(name)`
    for the window.
    """

    sent = Signal(str, object)
    preset_saved = Signal(str)
    preset_chosen = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self.stored: set[str] = set()
        self.pad = XYPad(CORNERS)
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
            store.setToolTip(f"Store all values\n/verdigris/snapshot/store {name}")
            store.setProperty("address", "/verdigris/snapshot/store")
            recall.setToolTip(f"/verdigris/snapshot/recall {name}")
            recall.setProperty("address", "/verdigris/snapshot/recall")
            recall.setAccessibleName(f"recall snapshot {name}")
            recall.setEnabled(False)
            store.clicked.connect(partial(self.store, name))
            recall.clicked.connect(partial(self._recall, name))
            self.recalls[name] = recall
            grid.addWidget(store, 0, column)
            grid.addWidget(recall, 1, column)
        layout.addLayout(grid)
        layout.addWidget(_caption("MORPH"))
        self.remark = QLabel(NOT_READY)
        self.remark.setObjectName("muted")
        layout.addWidget(self.remark)
        layout.addWidget(self.pad, 1)
        layout.addWidget(_caption("PRESETS"))
        self.presets = QComboBox()
        self.presets.setEditable(True)
        self.presets.setAccessibleName("preset: choose one, or type a new name")
        self.presets.activated.connect(lambda _: self.preset_chosen.emit(self.presets.currentText()))
        save = QPushButton("Save")
        save.setAccessibleName("save all values as a preset of this name")
        save.clicked.connect(lambda: self.preset_saved.emit(self.presets.currentText().strip()))
        row = QGridLayout()
        row.setColumnStretch(0, 1)
        row.addWidget(self.presets, 0, 0)
        row.addWidget(save, 0, 1)
        layout.addLayout(row)

    def store(self, name: str, *_: object) -> None:
        """Store all values in the engine; with the fourth snapshot the pad is enabled."""
        self.sent.emit("/verdigris/snapshot/store", (name,))
        self.stored.add(name)
        self._show_stored()

    def _recall(self, name: str, *_: object) -> None:
        self.sent.emit("/verdigris/snapshot/recall", (name,))

    def restore(self, names: Iterable[str]) -> None:
        """Mark the snapshots that the engine has stored before."""
        self.stored = {str(name) for name in names} & set(CORNERS)
        self._show_stored()

    def send_corners(self) -> None:
        """Send the corners of the pad to the engine, if all four are stored."""
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
            self.send_corners()
        self.remark.setText("Drag, or use the arrow keys." if ready else NOT_READY)


def _caption(text: str) -> QLabel:
    label = QLabel(text)
    label.setObjectName("title")
    return label
