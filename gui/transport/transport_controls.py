"""Transport: the source that plays, its position and length, seek and loop."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QFontMetrics
from PySide6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QSizePolicy, QWidget

from gui.widgets import theme
from gui.widgets.elided import ElidedLabel
from gui.widgets.parameter_controls import Slider

STEPS = 2000  # of the slider, over the whole file
LONGEST_TIME = "59:59 / 59:59"


class NameLabel(ElidedLabel):
    """Name of a source, as wide as a short one."""

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        return QSize(14 * theme.em(self), super().sizeHint().height())


class TransportControls(QWidget):
    """Signals by the user: `seeked(seconds)`, `loop_toggled(on)`, `open_pressed`, `input_pressed`."""

    seeked = Signal(float)
    loop_toggled = Signal(bool)
    open_pressed = Signal()
    input_pressed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.open = QPushButton("♪")
        self.open.setAccessibleName("open an audio file or a tape to play")
        self.open.setToolTip("Play an audio file or a tape (Ctrl+O); you can also drop one on the window")
        self.open.setProperty("address", "/verdigris/source")
        self.name = NameLabel()
        self.name.setAccessibleName("source that plays")
        self.name.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Preferred)
        self.place = Slider()
        self.place.setRange(0, STEPS)
        self.place.setPageStep(STEPS // 20)
        self.place.setSingleStep(STEPS // 200)
        self.place.setAccessibleName("position in the file")
        self.place.setToolTip("Position in the file: click or drag to go there\n/verdigris/seek")
        self.place.setProperty("address", "/verdigris/seek")
        self.time = QLabel()
        self.time.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self.loop = QPushButton("⟲")
        self.loop.setCheckable(True)
        self.loop.setAccessibleName("begin the file again at its end")
        self.loop.setToolTip("Loop: begin the file again at its end; otherwise the input plays after it")
        self.loop.setProperty("address", "/verdigris/source/loop")
        self.loop.setProperty("parameter", "source.loop")
        self.back = QPushButton("✕")
        self.back.setAccessibleName("play the input again")
        self.back.setToolTip("Leave the file and play the input\n/verdigris/source input")
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.open)
        layout.addWidget(self.name, 2)
        layout.addWidget(self.place, 3)
        layout.addWidget(self.time)
        layout.addWidget(self.loop)
        layout.addWidget(self.back)
        self._length = 0.0
        self.open.clicked.connect(self.open_pressed)
        self.back.clicked.connect(self.input_pressed)
        self.loop.clicked.connect(self.loop_toggled)
        self.place.valueChanged.connect(self._on_moved)
        self.place.sliderReleased.connect(self._seek)
        self.show_position("", 0.0, 0.0)

    def apply_font_sizes(self) -> None:
        """Set sizes that depend on the font."""
        em = theme.em(self)
        self.time.setFont(theme.digits(self, 0.95))
        self.time.setFixedWidth(QFontMetrics(self.time.font()).horizontalAdvance(LONGEST_TIME) + 4)
        self.place.setMinimumWidth(6 * em)
        self.name.setMinimumWidth(4 * em)
        for button in (self.open, self.loop, self.back):
            button.setFixedSize(round(2.4 * em), round(2.3 * em))

    def show_position(self, name: str, position: float, length: float) -> None:
        """Show the source and, for a file, its position and length in seconds; length 0: the input."""
        self.name.setText(name)
        if (length > 0) != (self._length > 0) or not name:
            for part in (self.place, self.time, self.loop, self.back):
                part.setVisible(length > 0)
        self._length = length
        if length > 0 and not self.place.isSliderDown():
            blocked = self.place.blockSignals(True)
            self.place.setValue(round(STEPS * position / length))
            self.place.blockSignals(blocked)
            self._write(position)

    def show_loop(self, on: bool) -> None:
        """Show whether the file begins again at its end."""
        self.loop.setChecked(on)

    def _write(self, position: float) -> None:
        self.time.setText(f"{clock(position)} / {clock(self._length)}")

    def _on_moved(self, step: int) -> None:
        """Go where the key or the click has moved the slider; a drag goes there when it ends."""
        self._write(step / STEPS * self._length)
        if not self.place.isSliderDown():
            self._seek()

    def _seek(self) -> None:
        if self._length > 0:
            self.seeked.emit(self.place.value() / STEPS * self._length)


def clock(seconds: float) -> str:
    """Return minutes and seconds, such as 3:07."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"
