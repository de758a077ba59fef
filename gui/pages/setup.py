"""Page of the values fixed while a stream runs: devices, channels, rate, block, latency; with a check
of the input's level.
"""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QComboBox, QFileDialog, QGridLayout, QLabel, QLineEdit, QPushButton, QVBoxLayout, QWidget

from gui.plots.meters import Meters
from gui.widgets import theme

DRIVERS = {"automatic": "", "sound card": "device", "clock (no sound card)": "clock"}
RATES = ("the card's", "44100", "48000", "88200", "96000")
CHANNELS = ("1,2", "1", "2", "3,4", "5,6", "7,8")
SILENT_DB, LOW_DB, HOT_DB = -60.0, -36.0, -3.0
BLOCKS = ("automatic", "32", "64", "128", "256", "512", "1024")
DEFAULT = "default"
COMBOS = ("driver", "input", "output", "input_channels", "output_channels", "rate", "block")


class SetupPage(QWidget):
    """Signals: `start_wanted(values by parameter)`; `devices_wanted` to list sound cards again."""

    start_wanted = Signal(dict)
    devices_wanted = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.driver, self.input, self.output = QComboBox(), QComboBox(), QComboBox()
        self.rate, self.block = QComboBox(), QComboBox()
        self.latency, self.file = QLineEdit(), QLineEdit()
        self.input_channels, self.output_channels = QComboBox(), QComboBox()
        for combo in (self.input_channels, self.output_channels):
            combo.addItems(CHANNELS)
            combo.setEditable(True)
        self.driver.addItems(list(DRIVERS))
        self.rate.addItems(RATES)
        self.block.addItems(BLOCKS)
        for combo in (self.input, self.output):
            combo.addItem(DEFAULT)
            combo.setEditable(True)
        self.block.setEditable(True)
        self.latency.setPlaceholderText("minimum (samples)")
        self.file.setPlaceholderText("the card's input, or the demo clip")
        browse, again, start = QPushButton("…"), QPushButton("List cards again"), QPushButton("Start with these")
        browse.setAccessibleName("choose an audio file to play")
        browse.clicked.connect(self._browse)
        again.clicked.connect(self.devices_wanted)
        start.clicked.connect(lambda: self.start_wanted.emit(self.wanted()))
        grid = QGridLayout()
        grid.setColumnStretch(1, 1)
        rows: tuple[tuple[str, QWidget, str], ...] = (
            ("Driver", self.driver, "driver that plays the stream"),
            ("Input card", self.input, "sound card of the input"),
            ("Channels", self.input_channels, "channels of the input card, counted from 1"),
            ("Output card", self.output, "sound card of the output"),
            ("Channels ", self.output_channels, "channels of the output card, counted from 1"),
            ("Rate, Hz", self.rate, "sample rate of the stream"),
            ("Block", self.block, "block size in samples"),
            ("Latency", self.latency, "minimum latency in samples"),
            ("File", self.file, "audio file to play in place of the input"),
        )
        for line, (label, widget, description) in enumerate(rows):
            grid.addWidget(QLabel(label), line, 0)
            grid.addWidget(widget, line, 1)
            widget.setAccessibleName(description)
            widget.setToolTip(description[0].upper() + description[1:])
        grid.addWidget(browse, len(rows) - 1, 2)
        self.remark = QLabel("The stream fades out and restarts with these values.")
        self.remark.setObjectName("muted")
        self.remark.setWordWrap(True)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(grid)
        self.level, self.level_text = Meters(("dry",)), QLabel()
        self.level_text.setWordWrap(True)
        self.level_text.setAccessibleName("check of the input's level")
        check = QLabel("INPUT CHECK")
        check.setObjectName("title")
        layout.addWidget(again)
        layout.addWidget(start)
        for part in (self.remark, check, self.level, self.level_text):
            layout.addWidget(part)
        layout.addStretch(1)

    def wanted(self) -> dict[str, str]:
        """Return the chosen values by parameter; `source` is a file."""
        wanted = {"driver": DRIVERS[self.driver.currentText()]}
        if wanted["driver"] != "clock":
            wanted |= {
                f"device.{kind}": _chosen(combo) for kind, combo in (("input", self.input), ("output", self.output))
            }
            channels = {"input": self.input_channels, "output": self.output_channels}
            wanted |= {f"device.{kind}_channels": _channels(combo) for kind, combo in channels.items()}
        wanted |= {"rate": _number(self.rate.currentText()), "block": _number(self.block.currentText())}
        wanted |= {"latency": _number(self.latency.text()), "source": self.file.text().strip()}
        return {name: text for name, text in wanted.items() if text}

    def show_level(self, levels: dict[str, float]) -> None:
        """Show the level of the input, and what to do about it. `levels`: dBFS by path."""
        self.level.show_levels({"dry": levels["dry"]} if "dry" in levels else {})
        text, role = verdict(self.level.held("dry"))
        if text != self.level_text.text():
            self.level_text.setText(text)
            self.level_text.setStyleSheet(f"color: {role}")

    def list_devices(self, found: Any) -> None:
        """Offer the devices listed by `verdigris devices --json`."""
        for kind, combo in (("inputs", self.input), ("outputs", self.output)):
            chosen = combo.currentText()
            combo.clear()
            combo.addItem(DEFAULT)
            combo.addItems(names(found, kind))
            combo.setCurrentText(chosen)

    def state(self) -> dict[str, str]:
        """Return the texts of the widgets, to be saved."""
        combos = {name: getattr(self, name).currentText() for name in COMBOS}
        return {**combos, "latency": self.latency.text()}

    def restore(self, state: dict[str, Any]) -> None:
        """Restore saved texts."""
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
    """Return the names of the devices that have `kind`, "inputs" or "outputs"."""
    devices = found if isinstance(found, list) else found.get("devices", []) if isinstance(found, dict) else []
    return [str(device["name"]) for device in devices if isinstance(device, dict) and device.get(kind, 0)]


def verdict(peak: float | None) -> tuple[str, str]:
    """Return words about the peak of the last seconds in dBFS, and their colour; None: nothing plays."""
    if peak is None:
        return "Start the engine, then play: the level of the input is shown here.", theme.MUTED
    if peak < SILENT_DB:
        return "No signal. Check the cable, the channel above and the gain of the card.", theme.BAD
    if peak < LOW_DB:
        return f"Low: {peak:.0f} dBFS at the loudest. Turn up the gain of the card.", theme.TEXT
    if peak > HOT_DB:
        return f"Too hot: {peak:.1f} dBFS at the loudest. Turn down the gain of the card.", theme.BAD
    return f"Good: {peak:.0f} dBFS at the loudest.", theme.GOOD


def _channels(combo: QComboBox) -> str:
    text = combo.currentText().replace(" ", "")
    return "" if text == CHANNELS[0] else text


def _chosen(combo: QComboBox) -> str:
    return "" if combo.currentText() == DEFAULT else combo.currentText().strip()


def _number(text: str) -> str:
    return text.strip() if text.strip().isdecimal() else ""
