"""Card of an effect or a bend: its name, switch, place in the chain, and controls below."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QSizePolicy, QVBoxLayout, QWidget

from gui.widgets import theme
from gui.widgets.check_box import CheckBox
from gui.widgets.elided import ElidedLabel


class ModuleCard(QFrame):
    """Signals: `switched(on)`, `moved(−1 earlier or +1 later)` and `removed` by the user."""

    switched = Signal(bool)
    moved = Signal(int)
    removed = Signal()

    def __init__(self, title: str, sentence: str, body: QWidget) -> None:
        super().__init__()
        self.setObjectName("card")
        self.title, self.sentence, self.body = QLabel(title), ElidedLabel(), body
        self.title.setObjectName("strong")
        self.sentence.setText(sentence)
        self.sentence.setObjectName("muted")
        self.switch = CheckBox("on")
        self.switch.setAccessibleName(f"{title}: on, or bypassed")
        self.switch.setToolTip("On, or bypassed")
        self.switch.toggled.connect(self.switched)
        self.earlier = self._button("▲", f"{title}: one place earlier")
        self.later = self._button("▼", f"{title}: one place later")
        self.remove = self._button("✕", f"{title}: remove")
        self.earlier.clicked.connect(lambda: self.moved.emit(-1))
        self.later.clicked.connect(lambda: self.moved.emit(1))
        self.remove.clicked.connect(self.removed)
        head = QHBoxLayout()
        head.setSpacing(4)
        for part in (self.title, self.sentence, self.switch, self.earlier, self.later, self.remove):
            head.addWidget(part, int(part is self.sentence))
        layout = QVBoxLayout(self)
        layout.setContentsMargins(8, 4, 6, 6)
        layout.setSpacing(2)
        layout.addLayout(head)
        layout.addWidget(body)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Maximum)
        self._why = ""

    @staticmethod
    def _button(label: str, name: str) -> QPushButton:
        button = QPushButton(label)
        button.setObjectName("tool")
        button.setAccessibleName(name)
        button.setToolTip(name.partition(": ")[2].capitalize())
        return button

    def show_on(self, on: bool) -> None:
        """Show whether it acts, without a signal."""
        blocked = self.switch.blockSignals(True)
        self.switch.setChecked(on)
        self.switch.blockSignals(blocked)

    def show_places(self, first: bool, last: bool) -> None:
        """Enable the buttons that can move it."""
        self.earlier.setEnabled(not first)
        self.later.setEnabled(not last)

    def show_passed_over(self, why: str, sentence: str) -> None:
        """Grey the card if the codec passes it over, with the reason in place of its sentence."""
        if why != self._why:
            self._why = why
            self.body.setEnabled(not why)
            self.title.setStyleSheet(f"color: {theme.FAINT if why else theme.TEXT}")
            self.sentence.setText(why or sentence)
