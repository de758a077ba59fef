"""Page of the source (input, a file, a tape, or a loop of the last seconds) and of the directory
for takes.
"""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import Signal
from PySide6.QtWidgets import (
    QDoubleSpinBox,
    QFileDialog,
    QGridLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

INPUT = "input"
SECONDS = (0.5, 30.0)  # of a loop


class PlayPage(QWidget):
    """Signals: `changed(name, value)` and `captured(seconds)` by the user."""

    changed = Signal(str, object)
    captured = Signal(float)

    def __init__(self) -> None:
        super().__init__()
        self.source = QLabel()
        self.source.setWordWrap(True)
        self.source.setProperty("address", "/verdigris/source")
        self.back, self.open, self.loop = (
            QPushButton("Input"),
            QPushButton("File or tape …"),
            QPushButton("Loop the last"),
        )
        self.back.setToolTip("Play the input\n/verdigris/source input")
        self.open.setToolTip("Loop an audio file or a tape; you can also drop one on the window\n/verdigris/source")
        self.loop.setToolTip("Loop the last seconds, with the same seeds each time\n/verdigris/capture")
        self.loop.setProperty("address", "/verdigris/capture")
        self.seconds = QDoubleSpinBox()
        self.seconds.setRange(*SECONDS)
        self.seconds.setValue(8.0)
        self.seconds.setSuffix(" s")
        self.seconds.setAccessibleName("seconds of the loop")
        self.directory = QLineEdit()
        self.directory.setAccessibleName("directory where takes are recorded")
        self.directory.setProperty("address", "/verdigris/record/directory")
        choose = QPushButton("…")
        choose.setAccessibleName("choose the directory where takes are recorded")
        self.back.clicked.connect(lambda: self.changed.emit("source", INPUT))
        self.open.clicked.connect(self._open)
        self.loop.clicked.connect(lambda: self.captured.emit(self.seconds.value()))
        self.directory.editingFinished.connect(self._set_directory)
        choose.clicked.connect(self._choose)
        grid = QGridLayout()
        grid.setColumnStretch(1, 1)
        rows: tuple[tuple[str, tuple[QWidget, ...]], ...] = (
            ("Source", (self.source,)),
            ("", (self.back, self.open)),
            ("", (self.loop, self.seconds)),
            ("Takes go to", (self.directory, choose)),
        )
        for line, (label, widgets) in enumerate(rows):
            grid.addWidget(QLabel(label), line, 0)
            for column, widget in enumerate(widgets, 1):
                grid.addWidget(widget, line, column, 1, 3 - len(widgets))
        remark = QLabel(
            "A take has input.wav, a.wav, b.wav, monitor.wav and, for networks, a tape of each slot's tokens."
        )
        remark.setObjectName("muted")
        remark.setWordWrap(True)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(grid)
        layout.addWidget(remark)
        layout.addStretch(1)
        self._directory = ""  # as the engine has it

    def show_values(self, values: dict[str, Any]) -> None:
        """Show the engine's values."""
        source = str(values["source"])
        self.source.setText("the input" if source == INPUT else source)
        if values["record.directory"] != self._directory:
            self._directory = str(values["record.directory"])
            self.directory.setText(self._directory)

    def _open(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self, "An audio file or a tape")
        if path:
            self.changed.emit("source", path)

    def _set_directory(self) -> None:
        if (text := self.directory.text().strip()) and text != self._directory:
            self._directory = text
            self.changed.emit("record.directory", text)

    def _choose(self) -> None:
        path = QFileDialog.getExistingDirectory(self, "Directory for takes")
        if path:
            self.directory.setText(path)
            self._set_directory()
