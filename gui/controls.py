"""Controls made from the table of parameters: what a row is decides what moves it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from PySide6.QtCore import QEvent, QObject, Qt, Signal
from PySide6.QtGui import QContextMenuEvent, QKeyEvent, QMouseEvent
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QMenu,
    QSizePolicy,
    QSlider,
    QWidget,
)

from gui import theme
from gui.bars import Bars
from realtime.params import PARAMETERS, Parameter, ParameterError

STEPS = 1000  # of a slider over a range of numbers
MOST_STEPS = 4096  # whole numbers over more than this are typed


class Slider(QSlider):
    """Double-click or Home to reset; a click goes there at once. The wheel is for scrolling what it lies in."""

    reset = Signal()

    def __init__(self) -> None:
        super().__init__(Qt.Orientation.Horizontal)

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:  # noqa: N802 - Qt's name
        self.reset.emit()

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802 - Qt's name
        if event.key() == Qt.Key.Key_Home:
            self.reset.emit()
        else:
            super().keyPressEvent(event)

    def wheelEvent(self, event: Any) -> None:  # noqa: N802 - Qt's name
        event.ignore()


class Control(QObject):
    """One row of the table as label, mover and value. `changed(name, value)` when the player moves it."""

    changed = Signal(str, object)

    def __init__(self, row: Parameter, label: str) -> None:
        super().__init__()
        self.row = row
        self.label = QLabel(label)
        self.value = QLabel()
        self.value.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self._shown: Any = None
        self.mover, self._show = self._make()
        self.mover.setMinimumWidth(60)
        self.mover.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.mover.setAccessibleName(row.help)
        self.mover.setAccessibleDescription(row.address)
        self.label.setBuddy(self.mover)
        text = f"{row.help}: {row.allowed}\n{row.address}"
        for widget in (self.label, self.mover, self.value):
            widget.setToolTip(text)
            widget.setProperty("address", row.address)
            widget.setProperty("parameter", row.name)
        self.show_value(row.default)

    def show_value(self, value: Any) -> None:
        """What the engine has; says nothing of it in turn."""
        if value == self._shown and type(value) is type(self._shown):
            return
        self._shown = value
        blocked = self.mover.blockSignals(True)
        self._show(value)
        self.mover.blockSignals(blocked)
        self.value.setText(self._in_words(value))

    def move(self, value: Any) -> None:
        """As if the player had."""
        try:
            value = self.row.parse(value)
        except ParameterError:
            self._show(self._shown)
            return
        self._shown = value
        self.value.setText(self._in_words(value))
        self.changed.emit(self.row.name, value)

    def reset(self) -> None:
        """To its default."""
        value = self.row.default
        self.show_value(value)
        self.changed.emit(self.row.name, value)

    def _in_words(self, value: Any) -> str:
        row = self.row
        if row.size or row.choices or row.kind in (bool, str) or isinstance(self.mover, QLineEdit):
            return ""
        text = f"{value:.2f}" if row.kind is float else str(value)
        return f"{text} {row.unit}".rstrip()

    def _make(self) -> tuple[QWidget, Callable[[Any], None]]:
        row = self.row
        if row.size:
            low, high = (row.low or 0.0), (row.high if row.high is not None else 1.0)
            bars = Bars(row.default, low, high, row.kind)
            bars.changed.connect(self.move)
            return bars, bars.show_values
        if row.kind is bool:
            box = QCheckBox()
            box.toggled.connect(self.move)
            return box, lambda value: box.setChecked(bool(value))
        if row.choices:
            combo = QComboBox()
            combo.addItems(row.choices)
            combo.currentTextChanged.connect(self.move)
            return combo, lambda value: combo.setCurrentText(str(value))
        if row.low is not None and row.high is not None and (row.kind is float or row.high - row.low <= MOST_STEPS):
            return self._slider(row.low, row.high)
        line = QLineEdit()
        line.editingFinished.connect(lambda: self.move(line.text()))
        return line, lambda value: line.setText(str(value))

    def _slider(self, low: float, high: float) -> tuple[QWidget, Callable[[Any], None]]:
        slider = Slider()
        whole = self.row.kind is int
        slider.setRange(*((int(low), int(high)) if whole else (0, STEPS)))
        slider.setPageStep(max(1, (slider.maximum() - slider.minimum()) // 10))
        slider.setSingleStep(1 if whole else STEPS // 100)
        span = (high - low) or 1.0

        def to_value(place: int) -> float:
            return place if whole else round(low + span * place / STEPS, 4)

        def show(value: Any) -> None:
            slider.setValue(int(value) if whole else round((float(value) - low) / span * STEPS))

        slider.valueChanged.connect(lambda place: self.move(to_value(place)))
        slider.reset.connect(self.reset)
        return slider, show


class Controls(QWidget):
    """A grid of controls for some rows of the table. `changed(name, value)`; `wants_to_learn(name)` from the menu."""

    changed = Signal(str, object)
    wants_to_learn = Signal(str)

    def __init__(self, rows: Iterable[tuple[str, str]], table: Mapping[str, Parameter] = PARAMETERS) -> None:
        """(name in the table, label)."""
        super().__init__()
        self.setObjectName("clear")
        self.controls: dict[str, Control] = {}
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 12, 0)  # beside the scroll bar
        grid.setVerticalSpacing(2)
        grid.setHorizontalSpacing(10)
        grid.setColumnStretch(1, 1)
        for line, (name, label) in enumerate(rows):
            control = Control(table[name], label)
            control.changed.connect(self.changed)
            self.controls[name] = control
            grid.addWidget(control.label, line, 0)
            grid.addWidget(control.mover, line, 1)
            grid.addWidget(control.value, line, 2)
            for widget in (control.label, control.mover):
                widget.installEventFilter(self)
        grid.setRowStretch(grid.rowCount(), 1)
        self._grid = grid

    def show_values(self, values: dict[str, Any]) -> None:
        """What the engine has."""
        for name, control in self.controls.items():
            if name in values:
                control.show_value(values[name])

    def set_offered(self, name: str, offered: bool) -> None:
        """Whether a row is there at all: not every codec has all of them."""
        control = self.controls[name]
        for widget in (control.label, control.mover, control.value):
            widget.setVisible(offered)

    def polish(self) -> None:
        """Monospaced numbers in a column that does not change its width; once the font is known."""
        for control in self.controls.values():
            control.value.setFont(theme.digits(self))
        self._grid.setColumnMinimumWidth(2, 5 * theme.em(self))

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802 - Qt's name
        if isinstance(event, QContextMenuEvent):
            name = str(watched.property("parameter"))
            menu = QMenu(self)
            menu.addAction("Reset", self.controls[name].reset)
            menu.addAction("Learn from OSC", lambda: self.wants_to_learn.emit(name))
            menu.exec(event.globalPos())
            return True
        return False


def line_of(*widgets: QWidget) -> QWidget:
    """Widgets side by side."""
    line = QWidget()
    line.setObjectName("clear")
    layout = QHBoxLayout(line)
    layout.setContentsMargins(0, 0, 0, 0)
    for widget in widgets:
        layout.addWidget(widget)
    return line
