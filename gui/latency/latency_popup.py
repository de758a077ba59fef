"""Latency popup: the terms of each slot with one sentence each, as a bar and in milliseconds."""

from __future__ import annotations

from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QKeyEvent, QPixmap
from PySide6.QtWidgets import QFrame, QGridLayout, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from gui.latency.latency_bars import LatencyBar, shade
from gui.model.latency_terms import SlotLatency, Term, by_slot
from gui.widgets import theme
from realtime.client import Latency

FIXED = "The latency is fixed while a stream runs: both slots are delayed alike, so that A, B and dry stay aligned."


class LatencyPopup(QFrame):
    """Popup with a bar and a list for each slot. S shows samples; any other key closes it."""

    def __init__(self, parent: QWidget, latency: Latency, rate: int) -> None:
        """`rate` in Hz."""
        super().__init__(parent, Qt.WindowType.Popup)
        self.setObjectName("panel")
        self.setAccessibleName("latency by slot")
        self._rate = max(rate, 1)
        self._numbers: list[tuple[QLabel, int]] = []  # label and samples
        head = QLabel(f"LATENCY   {self._ms(latency.samples)}")
        head.setObjectName("title")
        self.unit = QPushButton("Samples")
        self.unit.setObjectName("small")
        self.unit.setCheckable(True)
        self.unit.setAccessibleName("show samples in place of milliseconds (S)")
        self.unit.setToolTip("Show samples in place of milliseconds (S)")
        self.unit.toggled.connect(self._show_numbers)
        row = QHBoxLayout()
        row.addWidget(head, 1)
        row.addWidget(self.unit)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(12, 8, 12, 10)
        layout.addLayout(row)
        slots = by_slot(latency)
        longest = max((slot.samples for slot in slots), default=1)
        for slot in slots:
            layout.addSpacing(4)
            layout.addWidget(_slot_name(slot))
            layout.addWidget(LatencyBar(slot, longest, self._rate))
            layout.addLayout(self._list(slot))
        remark = QLabel(FIXED if slots else "No stream runs.")
        remark.setObjectName("muted")
        layout.addSpacing(4)
        layout.addWidget(remark)
        self._show_numbers(False)

    def _list(self, slot: SlotLatency) -> QGridLayout:
        grid = QGridLayout()
        grid.setHorizontalSpacing(10)
        grid.setVerticalSpacing(1)
        grid.setColumnStretch(2, 1)
        for line, term in enumerate(slot.terms):
            self._add(grid, line, slot, term)
        return grid

    def _add(self, grid: QGridLayout, line: int, slot: SlotLatency, term: Term) -> None:
        swatch, sentence, number = QLabel(), QLabel(term.sentence), QLabel()
        size = round(0.8 * theme.em(self))
        square = QPixmap(size, size)
        square.fill(shade(slot.slot, line, len(slot.terms)))
        swatch.setPixmap(square)
        sentence.setObjectName("muted")
        number.setFont(theme.digits(self))
        number.setAlignment(Qt.AlignmentFlag.AlignRight)
        self._numbers.append((number, term.samples))
        for column, label in enumerate((swatch, QLabel(term.words), sentence, number)):
            grid.addWidget(label, line, column)

    def _ms(self, samples: int) -> str:
        return f"{1000 * samples / self._rate:.1f} ms"

    def _show_numbers(self, in_samples: bool) -> None:
        for label, samples in self._numbers:
            label.setText(str(samples) if in_samples else self._ms(samples))

    def open_under(self, widget: QWidget) -> None:
        """Show the popup under a widget."""
        self.adjustSize()
        self.move(widget.mapToGlobal(QPoint(widget.width() - self.width(), widget.height() + 4)))
        self.show()

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802 - Qt's name
        if event.key() == Qt.Key.Key_S:
            self.unit.toggle()
        else:
            self.close()


def _slot_name(slot: SlotLatency) -> QLabel:
    label = QLabel(f"SLOT {slot.slot.upper()}" if slot.slot else "SLOTS")
    label.setStyleSheet(f"color: {theme.PATHS.get(slot.slot, theme.TEXT)}; font-weight: bold")
    return label
