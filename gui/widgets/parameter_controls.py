"""Widgets built from the parameter table; the type of a row selects the editor."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from PySide6.QtCore import QEvent, QObject, Qt, Signal
from PySide6.QtGui import QContextMenuEvent, QKeyEvent, QMouseEvent
from PySide6.QtWidgets import (
    QComboBox,
    QGridLayout,
    QLabel,
    QLineEdit,
    QMenu,
    QSizePolicy,
    QSlider,
    QStyle,
    QStyleOptionSlider,
    QWidget,
)

from gui.widgets import theme
from gui.widgets.check_box import CheckBox
from gui.widgets.learn_menu import LEARN
from gui.widgets.vector_bars import VectorBars
from realtime.parameters.table import PARAMETERS, Parameter, ParameterError

STEPS = 1000  # of a slider over a float range
MAX_SLIDER_STEPS = 4096  # integers with a larger range get a text field


class Slider(QSlider):
    """Slider whose handle jumps to a click, with reset by double-click or Home.

    It ignores the wheel, which scrolls the page.
    """

    reset = Signal()

    def __init__(self) -> None:
        super().__init__(Qt.Orientation.Horizontal)

    def mousePressEvent(self, event: QMouseEvent) -> None:  # noqa: N802 - Qt's name
        """Move the handle under the cursor, so that the press takes hold of it."""
        if event.button() == Qt.MouseButton.LeftButton:
            option = QStyleOptionSlider()
            self.initStyleOption(option)
            handle = self.style().subControlRect(
                QStyle.ComplexControl.CC_Slider, option, QStyle.SubControl.SC_SliderHandle, self
            )
            if not handle.contains(event.position().toPoint()):
                x, span = round(event.position().x()) - handle.width() // 2, self.width() - handle.width()
                self.setValue(QStyle.sliderValueFromPosition(self.minimum(), self.maximum(), x, span))
        super().mousePressEvent(event)

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:  # noqa: N802 - Qt's name
        self.reset.emit()

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802 - Qt's name
        if event.key() == Qt.Key.Key_Home:
            self.reset.emit()
        else:
            super().keyPressEvent(event)

    def wheelEvent(self, event: Any) -> None:  # noqa: N802 - Qt's name
        event.ignore()


class ParameterControl(QObject):
    """Label, editor and value of one parameter. Signal: `changed(name, value)` by the user."""

    changed = Signal(str, object)

    def __init__(self, row: Parameter, label: str) -> None:
        super().__init__()
        self.row = row
        self.label = QLabel(label)
        self.value = QLabel()
        self.value.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self._shown: Any = None
        self.editor, self._show = self._make_editor()
        self.editor.setMinimumWidth(60)
        self.editor.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.editor.setAccessibleName(row.help)
        self.editor.setAccessibleDescription(row.address)
        self.label.setBuddy(self.editor)
        text = f"{row.help}: {row.allowed}\n{row.address}"
        for widget in (self.label, self.editor, self.value):
            widget.setToolTip(text)
            widget.setProperty("address", row.address)
            widget.setProperty("parameter", row.name)
        self.show_value(row.default)

    def show_value(self, value: Any) -> None:
        """Show the engine's value without a signal."""
        if value == self._shown and type(value) is type(self._shown):
            return
        self._shown = value
        blocked = self.editor.blockSignals(True)
        self._show(value)
        self.editor.blockSignals(blocked)
        self.value.setText(self._value_text(value))

    def edit(self, value: Any) -> None:
        """Set a value as the user does; an invalid value is undone."""
        try:
            value = self.row.parse(value)
        except ParameterError:
            self._show(self._shown)
            return
        self._shown = value
        self.value.setText(self._value_text(value))
        self.changed.emit(self.row.name, value)

    def reset(self) -> None:
        """Set the default value."""
        value = self.row.default
        self.show_value(value)
        self.changed.emit(self.row.name, value)

    def _value_text(self, value: Any) -> str:
        row = self.row
        if row.size or row.choices or row.kind in (bool, str) or isinstance(self.editor, QLineEdit):
            return ""
        text = f"{value:.2f}" if row.kind is float else str(value)
        return f"{text} {row.unit}".rstrip()

    def _make_editor(self) -> tuple[QWidget, Callable[[Any], None]]:
        row = self.row
        if row.size:
            low, high = (row.low or 0.0), (row.high if row.high is not None else 1.0)
            bars = VectorBars(row.default, low, high, row.kind)
            bars.changed.connect(self.edit)
            return bars, bars.show_values
        if row.kind is bool:
            box = CheckBox()
            box.toggled.connect(self.edit)
            return box, lambda value: box.setChecked(bool(value))
        if row.choices:
            combo = QComboBox()
            combo.addItems(row.choices)
            combo.currentTextChanged.connect(self.edit)
            return combo, lambda value: combo.setCurrentText(str(value))
        if (
            row.low is not None
            and row.high is not None
            and (row.kind is float or row.high - row.low <= MAX_SLIDER_STEPS)
        ):
            return self._slider(row.low, row.high)
        line = QLineEdit()
        line.editingFinished.connect(lambda: self.edit(line.text()))
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

        slider.valueChanged.connect(lambda place: self.edit(to_value(place)))
        slider.reset.connect(self.reset)
        return slider, show


class ParameterControls(QWidget):
    """Grid of parameter controls.

    Signals: `changed(name, value)`; `wants_to_learn(name)` from the context menu.
    """

    changed = Signal(str, object)
    wants_to_learn = Signal(str)

    def __init__(self, rows: Iterable[tuple[str, str]], table: Mapping[str, Parameter] = PARAMETERS) -> None:
        """`rows`: parameter name and label of each control."""
        super().__init__()
        self.setObjectName("clear")
        self.controls: dict[str, ParameterControl] = {}
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 12, 0)  # beside the scroll bar
        grid.setVerticalSpacing(2)
        grid.setHorizontalSpacing(10)
        grid.setColumnStretch(1, 1)
        for line, (name, label) in enumerate(rows):
            control = ParameterControl(table[name], label)
            control.changed.connect(self.changed)
            self.controls[name] = control
            grid.addWidget(control.label, line, 0)
            grid.addWidget(control.editor, line, 1)
            grid.addWidget(control.value, line, 2)
            for widget in (control.label, control.editor):
                widget.installEventFilter(self)
        grid.setRowStretch(grid.rowCount(), 1)
        self._grid = grid

    def show_values(self, values: dict[str, Any]) -> None:
        """Show the engine's values."""
        for name, control in self.controls.items():
            if name in values:
                control.show_value(values[name])

    def set_available(self, name: str, available: bool) -> None:
        """Show or hide a control that not every codec has."""
        control = self.controls[name]
        for widget in (control.label, control.editor, control.value):
            widget.setVisible(available)

    def apply_font_sizes(self) -> None:
        """Set sizes that depend on the font: monospaced numbers in a column of fixed width."""
        for control in self.controls.values():
            control.value.setFont(theme.digits(self))
        self._grid.setColumnMinimumWidth(2, 5 * theme.em(self))

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802 - Qt's name
        if isinstance(event, QContextMenuEvent):
            name = str(watched.property("parameter"))
            menu = QMenu(self)
            menu.addAction("Reset", self.controls[name].reset)
            menu.addAction(LEARN, lambda: self.wants_to_learn.emit(name))
            menu.exec(event.globalPos())
            return True
        return False
