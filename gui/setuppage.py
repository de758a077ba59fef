"""What is fixed while a stream runs: sound cards, rate, block, latency, and a file in place of the input."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QComboBox, QFileDialog, QGridLayout, QLabel, QLineEdit, QPushButton, QVBoxLayout, QWidget

DRIVERS = {"automatic": "", "sound card": "device", "clock (no sound card)": "clock"}
RATES = ("the card's", "44100", "48000", "88200", "96000")
BLOCKS = ("automatic", "32", "64", "128", "256", "512", "1024")
DEFAULT = "default"


class SetupPage(QWidget):
    """`start_wanted` with parameters and their values; `devices_wanted` when the list of cards is to be made anew."""

    start_wanted = Signal(dict)
    devices_wanted = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.driver, self.input, self.output = QComboBox(), QComboBox(), QComboBox()
        self.rate, self.block = QComboBox(), QComboBox()
        self.latency, self.file = QLineEdit(), QLineEdit()
        self.driver.addItems(list(DRIVERS))
        self.rate.addItems(RATES)
        self.block.addItems(BLOCKS)
        for combo in (self.input, self.output):
            combo.addItem(DEFAULT)
            combo.setEditable(True)
        self.block.setEditable(True)
        self.latency.setPlaceholderText("as little as it takes (samples)")
        self.file.setPlaceholderText("the card's input, or the demo clip")
        browse, again, start = QPushButton("…"), QPushButton("Look for cards again"), QPushButton("Start with these")
        browse.setAccessibleName("choose an audio file to play")
        browse.clicked.connect(self._browse)
        again.clicked.connect(self.devices_wanted)
        start.clicked.connect(lambda: self.start_wanted.emit(self.wanted()))
        grid = QGridLayout()
        grid.setColumnStretch(1, 1)
        rows: tuple[tuple[str, QWidget, str], ...] = (
            ("Played by", self.driver, "what plays the stream"),
            ("Input card", self.input, "sound card that is listened to"),
            ("Output card", self.output, "sound card that is played on"),
            ("Rate, Hz", self.rate, "sample rate of the stream"),
            ("Block", self.block, "samples handed over at once"),
            ("Latency", self.latency, "latency to reserve at least, in samples"),
            ("File", self.file, "audio file that is played in place of the input"),
        )
        for line, (label, widget, what) in enumerate(rows):
            grid.addWidget(QLabel(label), line, 0)
            grid.addWidget(widget, line, 1)
            widget.setAccessibleName(what)
            widget.setToolTip(what[0].upper() + what[1:])
        grid.addWidget(browse, len(rows) - 1, 2)
        self.remark = QLabel("What plays is faded out, and begins anew with these.")
        self.remark.setObjectName("muted")
        self.remark.setWordWrap(True)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(grid)
        layout.addWidget(again)
        layout.addWidget(start)
        layout.addWidget(self.remark)
        layout.addStretch(1)

    def wanted(self) -> dict[str, str]:
        """Parameters of a stream that begins, as far as they are chosen; `input` is a file."""
        wanted = {"driver": DRIVERS[self.driver.currentText()]}
        if wanted["driver"] != "clock":
            wanted |= {
                f"device.{kind}": _chosen(combo) for kind, combo in (("input", self.input), ("output", self.output))
            }
        wanted |= {"rate": _number(self.rate.currentText()), "block": _number(self.block.currentText())}
        wanted |= {"latency": _number(self.latency.text()), "input": self.file.text().strip()}
        return {name: text for name, text in wanted.items() if text}

    def list_devices(self, found: Any) -> None:
        """As `verdigris devices --json` lists them."""
        for kind, combo in (("inputs", self.input), ("outputs", self.output)):
            chosen = combo.currentText()
            combo.clear()
            combo.addItem(DEFAULT)
            combo.addItems(names(found, kind))
            combo.setCurrentText(chosen)

    def state(self) -> dict[str, str]:
        """To be remembered."""
        combos = {name: getattr(self, name).currentText() for name in ("driver", "input", "output", "rate", "block")}
        return {**combos, "latency": self.latency.text()}

    def restore(self, state: dict[str, Any]) -> None:
        """What was remembered."""
        for name, text in state.items():
            widget = getattr(self, name, None)
            if isinstance(widget, QComboBox):
                widget.setCurrentText(str(text))
            elif isinstance(widget, QLineEdit):
                widget.setText(str(text))

    def _browse(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self, "An audio file to play")
        if path:
            self.file.setText(path)


def names(found: Any, kind: str) -> list[str]:
    """Of the cards that have inputs, or outputs."""
    cards = found if isinstance(found, list) else found.get("devices", []) if isinstance(found, dict) else []
    return [str(card["name"]) for card in cards if isinstance(card, dict) and card.get(kind, 0)]


def _chosen(combo: QComboBox) -> str:
    return "" if combo.currentText() == DEFAULT else combo.currentText().strip()


def _number(text: str) -> str:
    return text.strip() if text.strip().isdecimal() else ""
