"""Monitor strip: buttons of the monitor path, and the switches used on stage."""

from __future__ import annotations

from functools import partial

from PySide6.QtCore import Signal
from PySide6.QtGui import QFontMetrics
from PySide6.QtWidgets import QButtonGroup, QHBoxLayout, QLabel, QPushButton, QSizePolicy, QWidget

from gui.widgets import theme

LABELS = {"dry": "1  DRY", "a": "2  A", "b": "3  B", "delta": "4  Δ  dry − A", "ghost": "G  A − B"}
BLIND_LABELS = {"dry": "1", "a": "2", "b": "3", "delta": "4", "ghost": "G"}
SHORT_LABELS = {"dry": "1 DRY", "a": "2 A", "b": "3 B", "delta": "4 Δ", "ghost": "G"}
SHORT_FILLS = {"silence": "—"}
PATH_EM = {"roomy": 9.0, "narrow": 5.0, "short": 3.5}  # least width of a path's button
MATCH = {"roomy": "◐ Level match", "narrow": "◐ Match", "short": "◐"}
SWITCHES = {"blind": "? Blind", "freeze": "❄ Freeze", "record": "● Record"}
WIDEST_MATCH = {"roomy": "◐ A -24.0  B -24.0 dB", "narrow": "◐ A -24.0  B -24.0"}
HEARD = {
    "dry": "the input, delayed to align",
    "a": "slot A",
    "b": "slot B",
    "delta": "dry − A, sample by sample",
    "ghost": "A − B: with two seeds of one codec, the part that it invents",
}


class MonitorStrip(QWidget):
    """Signal: `monitored(path)` by the user; `show_path` shows the engine's value."""

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
            button.setProperty("parameter", "monitor")
            button.setAccessibleName(f"hear {HEARD[path]}")
            button.setToolTip(f"Hear {HEARD[path]} ({label[0]})\n/verdigris/monitor/path {path}")
            button.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Preferred)
            button.clicked.connect(partial(self._select, path))
            self._group.addButton(button)
            self.paths[path] = button
            layout.addWidget(button)
        self._group.setExclusive(True)
        layout.addSpacing(12)
        self.mute = self._switch("Mute", "silence the output (Esc)", layout)
        self.match = self._switch("◐ Level match", "play A and B as loud as dry (L)", layout)
        self.blind = self._switch("? Blind", "hide names, colours and plots (B)", layout)
        self.freeze = self._switch("❄ Freeze", "stop the plots, not the sound (F)", layout)
        self.record = self._switch("● Record", "record input, A, B and the monitor (R)", layout)
        self.record.setObjectName("rec")
        for button, name in ((self.mute, "mute"), (self.match, "match"), (self.record, "record")):
            button.setProperty("parameter", name)
        layout.addStretch(1)
        self._blind, self._size = False, "roomy"
        self._gains: dict[str, float] = {}  # dB of each slot, while levels are matched
        self._heard = ""  # state `heard` that is shown, or "" while no fill stands in for a slot

    def _select(self, path: str, *_: object) -> None:
        self.monitored.emit(path)

    def _switch(self, label: str, description: str, layout: QHBoxLayout) -> QPushButton:
        button = QPushButton(label)
        button.setCheckable(True)
        button.setAccessibleName(description)
        button.setToolTip(description[0].upper() + description[1:])
        layout.addWidget(button)
        return button

    def apply_font_sizes(self) -> None:
        """Set sizes that depend on the font."""
        self.show_size(self._size)

    def show_size(self, size: str) -> None:
        """Set widths and labels: "roomy", "narrow" or "short"."""
        em, self._size = theme.em(self), size
        high = round((2.9 if size == "roomy" else 2.5) * em)
        self.caption.setVisible(size == "roomy")
        self._show_labels()
        for path, button in self.paths.items():
            theme.fit_bold(button)
            least = 6.0 if path == "ghost" and size == "roomy" else PATH_EM[size]
            button.setMinimumSize(max(button.minimumWidth(), round(least * em)), high)
        for name, label in SWITCHES.items():
            getattr(self, name).setText(label[0] if size == "short" else label)
        self._show_match()
        for button in (self.mute, self.blind, self.freeze, self.record, self.match):
            theme.fit_bold(button)
            button.setMinimumHeight(high)
        if size != "short":  # as wide as its widest text, so that the window does not grow with it
            widest = QFontMetrics(self.match.font()).horizontalAdvance(WIDEST_MATCH[size])
            self.match.setFixedWidth(widest + 2 * em)
        else:
            self.match.setFixedWidth(self.match.minimumWidth())

    def show_path(self, path: str) -> None:
        """Show the path that is heard."""
        if path in self.paths and not self.paths[path].isChecked():
            self.paths[path].setChecked(True)
            self._show_labels()

    def show_heard(self, heard: str) -> None:
        """Show that dry or silence is heard in place of a slot, as in `dry for a`; "" if not.

        A blind comparison shows that there is a dropout, and not where.
        """
        if heard != self._heard:
            self._heard = heard
            self._show_labels()

    def _show_labels(self) -> None:
        """Show the names of the paths, and on the chosen one what stands in for it."""
        fill = self._heard.partition(" for ")[0]
        self.caption.setText("DROPOUT" if fill and self._blind else self._heard.upper() or "MONITOR")
        self.caption.setObjectName("bad" if fill else "muted")
        for path, button in self.paths.items():
            stand_in = bool(fill) and not self._blind and button.isChecked()
            short = SHORT_LABELS if self._size == "short" else LABELS
            label = (BLIND_LABELS if self._blind else short)[path]
            short_fill = f"{label[0]} {SHORT_FILLS.get(fill, fill)}"
            instead = f"{label}: {fill}" if self._size == "roomy" else short_fill
            button.setText(instead if stand_in else label)
            button.setAccessibleName(f"hear {HEARD[path]}" + (f"; now {self._heard}" if stand_in else ""))
            button.setProperty("standin", stand_in)
            button.setProperty("path", "blind" if self._blind else path)
            for widget in (self.caption, button):
                widget.style().unpolish(widget)
                widget.style().polish(widget)

    def lock(self, locked: bool) -> None:
        """Hide the paths and lock blind and match during an ABX test; nothing reveals X."""
        self._group.setExclusive(not locked)
        for button in (self.blind, self.match):
            button.setEnabled(not locked)
        for button in self.paths.values():
            button.setVisible(not locked)
            if locked:
                button.setChecked(False)

    def show_match(self, mode: str, gains: dict[str, float]) -> None:
        """Show the level match: its mode, and the gain of each slot in dB."""
        self.match.setChecked(mode != "off")
        self._gains = {} if mode == "off" else gains
        self._show_match()

    def _show_match(self) -> None:
        names = "  ".join(f"{theme.NAMES[slot]} {gain:+.1f}" for slot, gain in self._gains.items())
        plain = not names or self._blind or self._size == "short"
        text = MATCH[self._size] if plain else f"◐ {names}" + (" dB" if self._size == "roomy" else "")
        if self.match.text() != text:
            self.match.setText(text)

    def set_available(self, slots: set[str]) -> None:
        """Enable the paths that these slots provide."""
        paths = {"dry", *slots} | ({"delta"} if "a" in slots else set()) | ({"ghost"} if len(slots) == 2 else set())
        for path, button in self.paths.items():
            button.setEnabled(path in paths)

    def show_blind(self, blind: bool) -> None:
        """Hide names and colours; delta and ghost are hidden too, as they would reveal the path."""
        if blind == self._blind:
            return
        self._blind = blind
        self._show_labels()
        for path in ("delta", "ghost"):
            self.paths[path].setVisible(not blind)
