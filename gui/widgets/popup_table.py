"""Popup table of names and numbers, such as the dropouts by kind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QFrame, QGridLayout, QLabel, QWidget

from gui.widgets import theme


class PopupTable(QFrame):
    """Rows of text; the last row is the sum. Any key closes it."""

    def __init__(self, parent: QWidget, title: str, rows: Sequence[Sequence[str]]) -> None:
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

    def open_under(self, widget: QWidget) -> None:
        """Show the popup under a widget."""
        self.adjustSize()
        corner = widget.mapToGlobal(QPoint(widget.width() - self.width(), widget.height() + 4))
        self.move(corner)
        self.show()

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802 - Qt's name
        self.close()


def device_in_words(device: Mapping[str, Any]) -> str:
    """Return a short text for the driver's facts."""
    driver = device.get("driver", "")
    if not driver:
        return "no engine"
    name = device.get("name") or ("clock, no sound card" if driver == "clock" else driver)
    return f"{name} · {device.get('sample_rate', 0) / 1000:g} kHz · {device.get('block', '')}"
