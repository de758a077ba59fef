"""Card of a slot above the plots: its codec, path, bitrate, and compression."""

from __future__ import annotations

from functools import partial

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QFontMetrics
from PySide6.QtWidgets import QFrame, QGridLayout, QHBoxLayout, QLabel, QPushButton, QSizePolicy, QWidget

from gui.model.codec_names import PATHS, RateControl
from gui.model.compression import Compression
from gui.slots.figures import Figures
from gui.widgets import theme
from gui.widgets.elided import ElidedButton, ElidedLabel
from gui.widgets.parameter_controls import Slider

SETTLE_MS = 350  # after the last move of the slider, before another codec is loaded
LABELS = {"continuous": "Continuous", "discrete": "Discrete"}
SHORT = {"continuous": "Cont.", "discrete": "Disc."}
HELP = {
    "continuous": "the latents as they are: no quantiser, no bitrate to speak of",
    "discrete": "the tokens that would be sent",
}
KEYS = {"a": ("P", "K"), "b": ("Shift+P", "Shift+K")}  # path, list of codecs


class CodecButton(ElidedButton):
    """Button with the codec's name, which opens the list."""

    def __init__(self, slot: str) -> None:
        help_text = f"Choose the codec of slot {theme.NAMES[slot]} ({KEYS[slot][1]})\n/verdigris/{slot}/codec"
        super().__init__(help_text, mark="  ▾", mode=Qt.TextElideMode.ElideMiddle)
        self.setObjectName("codec")
        self.setAccessibleName(f"codec of slot {theme.NAMES[slot]}: choose another one")
        self.setProperty("address", f"/verdigris/{slot}/codec")
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)


class SlotCard(QFrame):
    """Signals: `browse_pressed`, `path_chosen(path)` and `stop_chosen(stop)` by the user."""

    browse_pressed = Signal()
    path_chosen = Signal(str)
    stop_chosen = Signal(int)

    def __init__(self, slot: str) -> None:
        super().__init__()
        self.slot = slot
        name = theme.NAMES[slot]
        self.setObjectName("panel")
        self.letter = QLabel(name)
        self.letter.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.codec = CodecButton(slot)
        self.codec.clicked.connect(self.browse_pressed)
        self.note = ElidedLabel()
        self.note.setObjectName("muted")
        self.paths: dict[str, QPushButton] = {}
        switch = QHBoxLayout()
        switch.setSpacing(0)
        for path in PATHS:
            button = QPushButton(LABELS[path])
            button.setObjectName(f"switch-{path}")
            button.setCheckable(True)
            button.setProperty("slot", slot)
            button.setAccessibleName(f"slot {name}: {path} path")
            button.setToolTip(f"{LABELS[path]}: {HELP[path]} ({KEYS[slot][0]} switches)\n/verdigris/{slot}/codec")
            button.clicked.connect(partial(self._choose_path, path))
            self.paths[path] = button
            switch.addWidget(button)
        self.rate = Slider()
        self.rate.setAccessibleName(f"bitrate of slot {name}")
        self.rate.setProperty("slot", slot)
        self.rate.valueChanged.connect(self._on_rate)
        self.rate_text = QLabel()
        self.rate_text.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self.figures = Figures(slot)
        self._control: RateControl | None = None
        self._path = ""
        self._offered: tuple[str, ...] | None = None
        self._settle = QTimer(self)
        self._settle.setSingleShot(True)
        self._settle.timeout.connect(lambda: self.stop_chosen.emit(self.rate.value()))
        self._rate_row = QWidget()
        self._rate_row.setObjectName("clear")
        rate_row = QHBoxLayout(self._rate_row)
        rate_row.setContentsMargins(0, 0, 0, 0)
        rate_row.addWidget(self.rate, 1)
        rate_row.addWidget(self.rate_text)
        grid = QGridLayout(self)
        grid.setContentsMargins(8, 4, 10, 4)
        grid.setHorizontalSpacing(10)
        grid.setVerticalSpacing(2)
        grid.addWidget(self.letter, 0, 0, 2, 1)
        grid.addWidget(self.codec, 0, 1)
        grid.addWidget(self.note, 1, 1)
        grid.addLayout(switch, 0, 2)
        grid.addWidget(self._rate_row, 1, 2)
        grid.addWidget(self.figures, 0, 3, 2, 1)
        for column, stretch in ((1, 3), (2, 2), (3, 6)):
            grid.setColumnStretch(column, stretch)
        self.show_control(None)
        self.show_paths("", ())

    def show_short(self, short: bool) -> None:
        """Shorten the labels of the paths, for a narrow card."""
        for path, button in self.paths.items():
            button.setText(SHORT[path] if short else LABELS[path])
            theme.fit_bold(button)

    def apply_font_sizes(self) -> None:
        """Set sizes that depend on the font."""
        em = theme.em(self)
        self.letter.setFont(theme.digits(self, 2.0, bold=True))
        self.show_blind(False)
        self.rate_text.setFont(theme.digits(self, 0.9))
        self.rate_text.setMinimumWidth(QFontMetrics(self.rate_text.font()).horizontalAdvance("24.5 kbit/s"))
        self.codec.setMinimumWidth(8 * em)
        self.codec.setMaximumWidth(16 * em)
        for button in (self.codec, *self.paths.values()):
            button.setFixedHeight(round(1.9 * em))
        for button in self.paths.values():
            theme.fit_bold(button)
        self._rate_row.setFixedHeight(round(1.5 * em))
        self.rate.setMinimumWidth(5 * em)

    def show_blind(self, blind: bool) -> None:
        """Hide or show the slot's colour, and all that tells its codec."""
        role = theme.BLIND if blind else theme.PATHS[self.slot]
        if self.letter.property("role") != role:
            self.letter.setProperty("role", role)
            self.letter.setStyleSheet(f"color: {role}")
        self.codec.setEnabled(not blind)
        if blind:
            self.show_codec("hidden", "")
            self.show_paths("", ())
            self.show_control(None)
            self.show_compression(None)

    def show_codec(self, name: str, note: str) -> None:
        """Show the codec's name, and a short note below it."""
        self.codec.show_name(name)
        if self.note.text() != note:
            self.note.setText(note)

    def show_paths(self, path: str, offered: tuple[str, ...]) -> None:
        """Show the path that is played, of those that the codec offers."""
        if (path, offered) == (self._path, self._offered):
            return
        self._path, self._offered = path, offered
        for name, button in self.paths.items():
            button.setEnabled(name in offered)
            button.setChecked(name == path)

    def show_control(self, control: RateControl | None) -> None:
        """Show the control of the bitrate; None hides it."""
        if self._settle.isActive() or self.rate.isSliderDown():
            return  # the user moves it
        if control != self._control or control is None:
            self._control = control
            self._rate_row.setVisible(control is not None)
            if control:
                blocked = self.rate.blockSignals(True)
                self.rate.setRange(0, len(control.kbps) - 1)
                self.rate.setPageStep(1)
                self.rate.setValue(control.stop)
                self.rate.blockSignals(blocked)
                self._write_rate(control, control.stop)
                what = "codebooks sent" if control.kind == "books" else "bitrate; another one is loaded"
                self.rate.setToolTip(f"{what[0].upper()}{what[1:]}\n/verdigris/{self.slot}/{_address(control)}")

    def show_compression(self, shown: Compression | None, message: str = "") -> None:
        """Show the compression, or a message."""
        self.figures.show_compression(shown, message)

    def _write_rate(self, control: RateControl, stop: int) -> None:
        chosen = RateControl(control.kind, control.kbps, stop)
        self.rate_text.setText(chosen.text.partition(" · ")[0])
        self.rate.setAccessibleDescription(chosen.text)

    def _on_rate(self, stop: int) -> None:
        if self._control is None:
            return
        self._write_rate(self._control, stop)
        if self._control.kind == "books":
            self.stop_chosen.emit(stop)
        else:
            self._settle.start(SETTLE_MS)

    def _choose_path(self, path: str, *_: object) -> None:
        for name, button in self.paths.items():
            button.setChecked(name == self._path)  # until the engine has switched
        if path != self._path:
            self.path_chosen.emit(path)


def _address(control: RateControl) -> str:
    return "books" if control.kind == "books" else "codec"
