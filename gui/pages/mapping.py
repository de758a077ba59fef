"""Page of the mapping: controls of OSC and MIDI, what they are bound to, and the tempo."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QComboBox,
    QDoubleSpinBox,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from gui.midi.midi_controls import in_words
from gui.model.tempo_sync import BENDS, NOTES, SYNCED
from gui.widgets.elided import ElidedLabel
from gui.widgets.scroll_area import scroll_area
from realtime.parameters.table import PARAMETERS, Parameter

HOW = (
    "Right-click any control and choose Learn, or choose a parameter here; then move a fader, a knob or a pad of your "
    "OSC or MIDI controller."
)


def can_be_learned(row: Parameter) -> bool:
    """Return True if a fader can control a parameter: a number, a switch or a choice."""
    return not row.local and not row.size and bool(row.choices or row.kind is bool or row.low is not None)


class MappingPage(QWidget):
    """Signals: `learn_wanted(name)` ("" stops), `unbound(address)`, `sync_chosen(name, note)` and
    `tempo_chosen(quarter notes a minute)` by the user.
    """

    learn_wanted = Signal(str)
    unbound = Signal(str)
    sync_chosen = Signal(str, str)
    tempo_chosen = Signal(float)

    def __init__(self) -> None:
        super().__init__()
        how = QLabel(HOW)
        how.setWordWrap(True)
        how.setObjectName("muted")
        self.parameter = QComboBox()
        self.parameter.setAccessibleName("parameter to learn a control for")
        self.parameter.addItems([name for name, row in PARAMETERS.items() if can_be_learned(row)])
        self.parameter.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.learn = QPushButton("Learn")
        self.learn.setCheckable(True)
        self.learn.setAccessibleName("learn a control for this parameter")
        self.learn.clicked.connect(lambda on: self.learn_wanted.emit(self.parameter.currentText() if on else ""))
        row = QHBoxLayout()
        row.addWidget(self.parameter, 1)
        row.addWidget(self.learn)
        self.ports, self.moved = QLabel(), ElidedLabel()
        self.ports.setWordWrap(True)
        for label in (self.ports, self.moved):
            label.setObjectName("muted")
        self._bindings: Mapping[str, str] | None = None
        self._area = scroll_area(QWidget())
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(how)
        layout.addLayout(row)
        for part in (self.ports, self.moved, _caption("BOUND")):
            layout.addWidget(part)
        layout.addWidget(self._area, 1)
        layout.addWidget(_caption("TEMPO"))
        layout.addLayout(self._tempo_rows())
        self.show_bindings({})

    def _tempo_rows(self) -> QGridLayout:
        grid = QGridLayout()
        grid.setColumnStretch(1, 1)
        self.clock = QLabel()
        self.clock.setObjectName("muted")
        self.tempo = QDoubleSpinBox()
        self.tempo.setRange(20, 400)
        self.tempo.setDecimals(1)
        self.tempo.setValue(120)
        self.tempo.setSuffix(" bpm")
        self.tempo.setAccessibleName("tempo while there is no MIDI clock")
        self.tempo.valueChanged.connect(self.tempo_chosen)
        grid.addWidget(self.tempo, 0, 0)
        grid.addWidget(self.clock, 0, 1, 1, 2)
        self.notes: dict[str, QComboBox] = {}
        for line, name in enumerate(SYNCED, 1):
            title = f"{BENDS[name[2:]]} of {name[0].upper()}"
            box = QComboBox()
            box.addItems(list(NOTES))
            box.setAccessibleName(f"{title}: length in note values")
            box.currentTextChanged.connect(partial(self.sync_chosen.emit, name))
            self.notes[name] = box
            grid.addWidget(QLabel(title), line, 0)
            grid.addWidget(box, line, 1)
        return grid

    def show_bindings(self, bindings: Mapping[str, str]) -> None:
        """Show the bound addresses with their parameters."""
        if bindings == self._bindings:
            return
        self._bindings = dict(bindings)
        body = QWidget()
        body.setObjectName("clear")
        grid = QGridLayout(body)
        grid.setContentsMargins(0, 0, 8, 0)
        grid.setColumnStretch(0, 1)
        grid.setColumnStretch(1, 1)
        for line, (address, name) in enumerate(sorted(bindings.items())):
            source, target, remove = ElidedLabel(), ElidedLabel(), QPushButton("✕")
            source.setText(in_words(address))
            target.setText(name)
            target.setToolTip(PARAMETERS[name].help if name in PARAMETERS else name)
            remove.setObjectName("tool")
            remove.setAccessibleName(f"unbind {in_words(address)} from {name}")
            remove.clicked.connect(partial(lambda address, *_: self.unbound.emit(address), address))
            for column, part in enumerate((source, target, remove)):
                grid.addWidget(part, line, column)
        if not bindings:
            none = QLabel("nothing yet")
            none.setObjectName("muted")
            grid.addWidget(none, 0, 0)
        grid.setRowStretch(grid.rowCount(), 1)
        self._area.setWidget(body)  # deletes the previous one

    def show_midi(self, ports: Sequence[str], problem: str, tempo: float) -> None:
        """Show the controllers, why there are none, and the tempo of the clock (0: none)."""
        self.ports.setText(problem or (f"MIDI: {', '.join(ports)}" if ports else "MIDI: no controller is plugged in"))
        self.clock.setText(f"MIDI clock: {tempo:.1f} bpm" if tempo else "no MIDI clock")
        self.tempo.setEnabled(not tempo)

    def show_moved(self, address: str, value: float) -> None:
        """Show the control that has moved last."""
        self.moved.setText(f"{in_words(address)}: {value:.2f}")

    def show_learning(self, name: str) -> None:
        """Show the parameter that waits for a control; "" for none."""
        self.learn.setChecked(bool(name))
        self.learn.setText("Move a control …" if name else "Learn")
        if name:
            at = self.parameter.findText(name, Qt.MatchFlag.MatchExactly)
            if at < 0:  # of an effect
                self.parameter.addItem(name)
                at = self.parameter.count() - 1
            self.parameter.setCurrentIndex(at)


def _caption(text: str) -> QLabel:
    label = QLabel(text)
    label.setObjectName("title")
    return label
