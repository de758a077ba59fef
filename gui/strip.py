"""The monitor strip: what is heard, and the switches that a hand wants on stage."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QButtonGroup, QHBoxLayout, QLabel, QPushButton, QSizePolicy, QWidget

from gui import theme

LABELS = {"dry": "1  DRY", "a": "2  A", "b": "3  B", "delta": "4  Δ  dry − A", "ghost": "G  A − B"}
BLIND_LABELS = {"dry": "1", "a": "2", "b": "3", "delta": "4", "ghost": "G"}
HEARD = {
    "dry": "the input, delayed to align",
    "a": "slot A",
    "b": "slot B",
    "delta": "dry less A, sample by sample",
    "ghost": "A less B: with two seeds of one codec, what it makes up",
}


class Strip(QWidget):
    """`monitored(path)` when the player chooses; `show_path` what the engine says is heard."""

    monitored = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self.caption = QLabel("MONITOR")
        self.caption.setObjectName("muted")
        self.paths: dict[str, QPushButton] = {}
        self._group = QButtonGroup(self)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.caption)
        for path, label in LABELS.items():
            button = QPushButton(label)
            button.setCheckable(True)
            button.setProperty("path", path)
            button.setProperty("address", "/verdigris/monitor/path")
            button.setAccessibleName(f"hear {HEARD[path]}")
            button.setToolTip(f"Hear {HEARD[path]} ({label[0]})\n/verdigris/monitor/path {path}")
            button.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Preferred)
            button.clicked.connect(lambda _=False, path=path: self.monitored.emit(path))
            self._group.addButton(button)
            self.paths[path] = button
            layout.addWidget(button)
        self._group.setExclusive(True)
        layout.addSpacing(12)
        self.mute = self._switch("Mute", "silence what is heard (Esc)", layout)
        self.match = self._switch("◐ Level match", "play A and B as loud as dry (L)", layout)
        self.blind = self._switch("? Blind", "hide names, colours and pictures (B)", layout)
        self.freeze = self._switch("❄ Freeze", "stop the pictures, not the sound (F)", layout)
        self.record = self._switch("● Record", "record input, A, B and what is heard (R)", layout)
        self.record.setObjectName("rec")
        self.hint = QLabel()
        self.hint.setObjectName("muted")
        self.hint.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self.hint.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        layout.addWidget(self.hint, 1)
        self._blind = False

    def _switch(self, label: str, what: str, layout: QHBoxLayout) -> QPushButton:
        button = QPushButton(label)
        button.setCheckable(True)
        button.setAccessibleName(what)
        button.setToolTip(what[0].upper() + what[1:])
        layout.addWidget(button)
        return button

    def polish(self) -> None:
        """Sizes, once the font is known."""
        em = theme.em(self)
        for button in self.paths.values():
            button.setMinimumSize(9 * em, round(2.9 * em))
        self.paths["ghost"].setMinimumWidth(6 * em)
        for button in (self.mute, self.match, self.blind, self.freeze, self.record):
            button.setMinimumHeight(round(2.9 * em))

    def show_path(self, path: str) -> None:
        """What is heard."""
        if path in self.paths and not self.paths[path].isChecked():
            self.paths[path].setChecked(True)

    def lock(self, locked: bool) -> None:
        """In a blind test nothing here may be pressed that would tell, and none is shown as pressed."""
        self._group.setExclusive(not locked)
        for button in (self.blind, self.match):
            button.setEnabled(not locked)
        for button in self.paths.values():
            button.setVisible(not locked)
            if locked:
                button.setChecked(False)

    def show_match(self, mode: str, gains: dict[str, float]) -> None:
        """Whether levels are matched, and by how much each slot is raised."""
        self.match.setChecked(mode != "off")
        told = "  ".join(f"{theme.NAMES[slot]} {gain:+.1f}" for slot, gain in gains.items())
        text = "◐ Level match" if mode == "off" or self._blind else f"◐ {told} dB"
        if self.match.text() != text:
            self.match.setText(text)

    def set_available(self, slots: set[str]) -> None:
        """What can be heard with these slots."""
        paths = {"dry", *slots} | ({"delta"} if "a" in slots else set()) | ({"ghost"} if len(slots) == 2 else set())
        for path, button in self.paths.items():
            button.setEnabled(path in paths)

    def hide_names(self, blind: bool) -> None:
        """Blind: no names, no colours; the difference cannot be heard, as it would tell."""
        if blind == self._blind:
            return
        self._blind = blind
        for path, button in self.paths.items():
            button.setText((BLIND_LABELS if blind else LABELS)[path])
            button.setProperty("path", "blind" if blind else path)
            button.style().unpolish(button)
            button.style().polish(button)
        for path in ("delta", "ghost"):
            self.paths[path].setVisible(not blind)
