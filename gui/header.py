"""The line at the top: start and stop, what plays where, and is it healthy."""

from __future__ import annotations

from collections import deque

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QLabel, QPushButton, QSizePolicy, QWidget

from gui import theme
from gui.stat import Stat
from realtime.client import Latency

CODECS = (
    *("opus:6", "opus:12", "opus:24", "opus:64", "opus:128"),
    *("nano:continuous", "nano:discrete", "codicodec:continuous", "codicodec:discrete"),
    *("mp3:64", "mp3:128", "aac:64", "aac:96", "pcm"),
)
SHORT = 0.35  # of the ring's reserve: below it the ring is red
SEEN = 30  # ticks over which the lowest is shown
CELLS = 4


class CodecChoice(QComboBox):
    """A slot's codec: a list, and room to type another. `chosen(codec)` when the player takes one."""

    chosen = Signal(str)

    def __init__(self, slot: str) -> None:
        super().__init__()
        self.slot = slot
        self._codec, self._rate, self._blind = "", "", False
        self.setEditable(True)
        self.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Preferred)
        self.setMinimumContentsLength(26)
        self.addItems(list(CODECS))
        self.setAccessibleName(f"codec of slot {theme.NAMES[slot]}, and its path after a colon")
        self.setToolTip(f"Codec of slot {theme.NAMES[slot]}: choose, or type CODEC[:PATH]\n/verdigris/{slot}/codec")
        self.setProperty("address", f"/verdigris/{slot}/codec")
        self.activated.connect(lambda _: self._take())
        line = self.lineEdit()
        assert line is not None
        line.returnPressed.connect(self._take)
        self.setCurrentText(f"{theme.NAMES[slot]}  …")

    def show_codec(self, codec: str, rate: str) -> None:
        """What the slot plays, and at what rate."""
        if (codec, rate) != (self._codec, self._rate):
            self._codec, self._rate = codec, rate
            self._write()

    def show_blind(self, blind: bool) -> None:
        self._blind = blind
        self.setEnabled(not blind)
        self._write()

    def _take(self) -> None:
        codec = self.currentText().strip()
        self._write()
        if codec and codec != self.currentText():
            self.chosen.emit(codec)

    def _write(self) -> None:
        line = self.lineEdit()
        if line is None or (line.hasFocus() and line.isModified()):
            return
        name = theme.NAMES[self.slot]
        text = f"{name}  hidden" if self._blind else "  ·  ".join(filter(None, (f"{name}  {self._codec}", self._rate)))
        self.setEditText(text)
        line.setCursorPosition(0)


class Header(QWidget):
    """Signals are the player's wishes; `show_...` what is."""

    run_pressed = Signal()
    device_pressed = Signal()
    latency_pressed = Signal()
    misses_pressed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.run = QPushButton("▶  Start")
        self.run.setObjectName("run")
        self.run.setAccessibleName("start or stop the engine")
        self.run.setToolTip("Start or stop the engine (Ctrl+Return)")
        self.device = QPushButton("no engine")
        self.device.setAccessibleName("sound cards and what is played")
        self.device.setToolTip("Sound cards, rate and block, or a file to play")
        self.codecs = {slot: CodecChoice(slot) for slot in ("a", "b")}
        self.latency = Stat("LATENCY", "9999 ms", clickable=True, large=1.6)
        self.load = Stat("INFERENCE", "9.99 × RT")
        self.ring = Stat("RING", "▮▮▮▮")
        self.misses = Stat("MISSES", "9999", clickable=True)
        self.state = QLabel()
        self.state.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.state.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self.latency.setToolTip("How late everything is heard. Click for its terms.")
        self.load.setToolTip("Compute time over audio time, the middle of all frames; above 1 it cannot keep up.")
        self.ring.setToolTip("Output that lies ready, of what is planned for. Red: it runs short.")
        self.misses.setToolTip("Holes and lost blocks since the stream began. Click for their kinds.")
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for widget in (self.run, self.device, *self.codecs.values()):
            layout.addWidget(widget)
        layout.addWidget(self.state, 1)
        for stat in (self.latency, self.load, self.ring, self.misses):
            layout.addSpacing(8)
            layout.addWidget(stat)
        self.run.clicked.connect(self.run_pressed)
        self.device.clicked.connect(self.device_pressed)
        self.latency.clicked.connect(self.latency_pressed)
        self.misses.clicked.connect(self.misses_pressed)
        self._lowest: deque[float] = deque(maxlen=SEEN)
        self._in_samples = False

    def polish(self) -> None:
        """Sizes, once the font is known."""
        em = theme.em(self)
        for widget in (self.run, self.device, *self.codecs.values()):
            widget.setFixedHeight(round(2.3 * em))
        self.run.setMinimumWidth(7 * em)

    def show_state(self, state: str, words: str, running: bool) -> None:
        """What the engine is doing, in a few words where it is not simply playing."""
        self.run.setText("■  Stop" if running else "▶  Start")
        self.state.setText(words)
        self.state.setObjectName("bad" if state in ("gone", "standing") else "muted")
        self.state.style().unpolish(self.state)
        self.state.style().polish(self.state)

    def show_latency(self, latency: Latency) -> None:
        self.latency.show_value(f"{latency.ms:.0f} ms" if latency.samples else "—")

    def show_load(self, factor: float) -> None:
        role = theme.BAD if factor >= 1 else theme.GOOD if factor else theme.MUTED
        self.load.show_value(f"{factor:.2f} × RT" if factor else "—", role)

    def show_ring(self, part: float | None) -> bool:
        """Part of the reserve that lies ready now; whether it is short. None: there is no stream."""
        if part is None:
            self._lowest.clear()
            self.ring.show_value("▯" * CELLS, theme.MUTED)
            return False
        self._lowest.append(part)
        lowest = min(max(min(self._lowest), 0.0), 1.0)
        full = round(lowest * CELLS)
        short = lowest < SHORT
        self.ring.show_value("▮" * full + "▯" * (CELLS - full), theme.BAD if short else theme.GOOD)
        return short

    def show_misses(self, misses: dict[str, int]) -> None:
        total = sum(misses.values())
        self.misses.show_value(str(total) if misses else "—", theme.BAD if total else theme.GOOD)
