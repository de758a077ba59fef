"""A small sheet of names and numbers under what was clicked: the terms of the latency, the kinds of misses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QFrame, QGridLayout, QLabel, QWidget

from gui import theme
from realtime.client import Latency


class Sheet(QFrame):
    """Rows of text, the first column on the left, the others on the right; the last row is the sum. Esc closes it."""

    def __init__(self, parent: QWidget, title: str, rows: Sequence[Sequence[str]], remark: str = "") -> None:
        super().__init__(parent, Qt.WindowType.Popup)
        self.setObjectName("panel")
        self.setAccessibleName(title)
        grid = QGridLayout(self)
        grid.setHorizontalSpacing(18)
        head = QLabel(title)
        head.setObjectName("title")
        grid.addWidget(head, 0, 0, 1, 3)
        for line, row in enumerate(rows, 1):
            for place, text in enumerate(row):
                label = QLabel(text)
                if place:
                    label.setFont(theme.digits(self, bold=line == len(rows)))
                    label.setAlignment(Qt.AlignmentFlag.AlignRight)
                grid.addWidget(label, line, place)
        if remark:
            below = QLabel(remark)
            below.setObjectName("muted")
            grid.addWidget(below, len(rows) + 1, 0, 1, 3)

    def open_under(self, widget: QWidget) -> None:
        self.adjustSize()
        corner = widget.mapToGlobal(QPoint(widget.width() - self.width(), widget.height() + 4))
        self.move(corner)
        self.show()

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802 - Qt's name
        self.close()


def latency_rows(latency: Latency, rate: int) -> list[tuple[str, str, str]]:
    """The terms of L that are not nothing, and L."""
    terms = {name: samples for name, samples in latency.terms.items() if samples} | {"latency": latency.samples}
    return [(name, str(samples), f"{1000 * samples / rate:.1f} ms") for name, samples in terms.items()]


def device_in_words(device: Mapping[str, Any]) -> str:
    """What plays the stream, as short as it goes."""
    driver = device.get("driver", "")
    if not driver:
        return "no engine"
    name = device.get("name") or ("clock, no sound card" if driver == "clock" else driver)
    return f"{name} · {device.get('sample_rate', 0) / 1000:g} kHz · {device.get('block', '')}"
