"""Transport bar at the top: start and stop, device, and readouts of health."""

from __future__ import annotations

from collections import deque

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QPushButton, QWidget

from gui.transport.transport_controls import TransportControls
from gui.widgets import theme
from gui.widgets.elided import ElidedButton, ElidedLabel
from gui.widgets.readout import Readout
from realtime.client import Latency

LOW_RING = 0.35  # of the reserve; below it the ring is red
MINIMUM_TICKS = 30  # over which the minimum of the ring is shown
CELLS = 4  # of the ring's bar


class TransportBar(QWidget):
    """Buttons and readouts.

    Signals come from the user; `show_…` shows the engine's state.
    """

    run_pressed = Signal()
    device_pressed = Signal()
    latency_pressed = Signal()
    dropouts_pressed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.run = QPushButton("▶  Start")
        self.run.setObjectName("run")
        self.run.setAccessibleName("start or stop the engine")
        self.run.setToolTip("Start or stop the engine (Ctrl+Return)")
        self.device = ElidedButton("Sound cards, rate, block and input file")
        self.device.setAccessibleName("sound cards and input file")
        self.device.show_name("no engine")
        self.transport = TransportControls()
        self.latency = Readout("LATENCY", "9999 ms", clickable=True, large=1.6)
        self.load = Readout("INFERENCE", "9.99 × RT")
        self.ring = Readout("RING", "▮▮▮▮")
        self.dropouts = Readout("DROPOUTS", "9999", clickable=True)
        self.state = ElidedLabel()
        self.state.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self.latency.setToolTip("Latency from input to output. Click for its terms.")
        self.load.setToolTip("Compute time over audio time, median of all frames; above 1 the codecs cannot keep up.")
        self.ring.setToolTip("Buffered output, as part of the planned reserve. Red: running short.")
        self.dropouts.setToolTip("Dropouts since the stream began. Click for their kinds.")
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for widget in (self.run, self.device):
            layout.addWidget(widget)
        layout.addWidget(self.transport, 3)
        layout.addWidget(self.state, 1)
        for stat in (self.latency, self.load, self.ring, self.dropouts):
            layout.addSpacing(8)
            layout.addWidget(stat)
        self.run.clicked.connect(self.run_pressed)
        self.device.clicked.connect(self.device_pressed)
        self.latency.clicked.connect(self.latency_pressed)
        self.dropouts.clicked.connect(self.dropouts_pressed)
        self._lowest: deque[float] = deque(maxlen=MINIMUM_TICKS)

    def show_compact(self, compact: bool) -> None:
        """Hide device and ring where there is little room."""
        self.device.setVisible(not compact)
        self.transport.setVisible(not compact)
        self.ring.setVisible(not compact)

    def apply_font_sizes(self) -> None:
        """Set sizes that depend on the font."""
        em = theme.em(self)
        for widget in (self.run, self.device):
            widget.setFixedHeight(round(2.3 * em))
        self.run.setMinimumWidth(7 * em)
        self.device.setMinimumWidth(6 * em)
        self.device.setMaximumWidth(24 * em)
        self.transport.apply_font_sizes()

    def show_state(self, state: str, text: str, running: bool) -> None:
        """Show a state of the engine as a short text, and start or stop on the button."""
        self.run.setText("■  Stop" if running else "▶  Start")
        self.state.setText(text)
        self.state.setObjectName("bad" if state in ("gone", "stalled") else "muted")
        self.state.style().unpolish(self.state)
        self.state.style().polish(self.state)

    def show_latency(self, latency: Latency) -> None:
        self.latency.show_value(f"{latency.ms:.0f} ms" if latency.samples else "—")

    def show_load(self, factor: float) -> None:
        role = theme.BAD if factor >= 1 else theme.GOOD if factor else theme.MUTED
        self.load.show_value(f"{factor:.2f} × RT" if factor else "—", role)

    def show_ring(self, part: float | None) -> bool:
        """Show the buffered part of the reserve; return True if it is low.

        None: there is no stream.
        """
        if part is None:
            self._lowest.clear()
            self.ring.show_value("▯" * CELLS, theme.MUTED)
            return False
        self._lowest.append(part)
        lowest = min(max(min(self._lowest), 0.0), 1.0)
        full = round(lowest * CELLS)
        low = lowest < LOW_RING
        self.ring.show_value("▮" * full + "▯" * (CELLS - full), theme.BAD if low else theme.GOOD)
        return low

    def show_dropouts(self, dropouts: dict[str, int]) -> None:
        total = sum(dropouts.values())
        role = theme.BAD if total else theme.GOOD if dropouts else theme.MUTED
        self.dropouts.show_value(str(total) if dropouts else "—", role)
