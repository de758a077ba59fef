"""Message bar below the monitor strip: health, the last message with its actions, and the history."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QSizePolicy, QWidget

from gui.model.message_list import Action, Level
from gui.widgets import theme
from gui.widgets.elided import ElidedLabel

ROLES = {Level.INFO: theme.MUTED, Level.GOOD: theme.GOOD, Level.BAD: theme.BAD}
MARKS = {Level.INFO: "·", Level.GOOD: "✓", Level.BAD: "!"}  # health is never told by colour alone
MAX_ACTIONS = 2


class MessageBar(QFrame):
    """Signals: `remedy_pressed` (the button of the health line) and `history_pressed`."""

    remedy_pressed = Signal()
    history_pressed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("bar")
        self.mark, self.health, self.text = QLabel(), ElidedLabel(), ElidedLabel()
        self.health.setAccessibleName("health of the stream")
        self.text.setAccessibleName("last message")
        self.health.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Preferred)
        self.text.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self.text.setObjectName("muted")
        self.remedy = self._button("do what the health line proposes")
        self.remedy.clicked.connect(self.remedy_pressed)
        self.choices = [self._button(f"action {number} of the last message") for number in range(1, MAX_ACTIONS + 1)]
        for number, button in enumerate(self.choices):
            button.clicked.connect(lambda _=False, number=number: self._run(number))
        self.history = self._button("history of messages (H)")
        self.history.setText("History")
        self.history.setToolTip("All messages since the window was opened (H)")
        self.history.clicked.connect(self.history_pressed)
        self._offered: tuple[Action, ...] = ()
        layout = QHBoxLayout(self)
        layout.setContentsMargins(8, 2, 4, 2)
        layout.setSpacing(8)
        for part, stretch in ((self.mark, 0), (self.health, 0), (self.remedy, 0), (self.text, 1)):
            layout.addWidget(part, stretch)
        for button in (*self.choices, self.history):
            layout.addWidget(button)
        self.remedy.hide()
        self.show_message("", Level.INFO, ())

    @staticmethod
    def _button(name: str) -> QPushButton:
        button = QPushButton()
        button.setObjectName("small")
        button.setAccessibleName(name)
        return button

    def show_health(self, level: Level, text: str, remedy: str) -> None:
        """Show the health; `remedy` is the label of its button, "" for none."""
        if self.mark.text() != MARKS[level]:
            self.mark.setText(MARKS[level])
            self.mark.setStyleSheet(f"color: {ROLES[level]}; font-weight: bold")
            self.health.setStyleSheet(f"color: {ROLES[level]}")
        self.health.setText(text)
        _show_label(self.remedy, remedy)

    def show_message(self, text: str, level: Level, actions: Sequence[Action]) -> None:
        """Show a message with at most MAX_ACTIONS buttons."""
        self.text.setText(text)
        self.text.setProperty("level", str(level))
        self._offered = tuple(actions[:MAX_ACTIONS])
        for number, button in enumerate(self.choices):
            _show_label(button, self._offered[number].label if number < len(self._offered) else "")

    def show_errors(self, count: int) -> None:
        """Show the number of errors that have not been read."""
        label = f"History · {count} error{'s' * (count > 1)}" if count else "History"
        if self.history.text() != label:
            self.history.setText(label)

    def _run(self, number: int) -> None:
        if number < len(self._offered):
            run: Callable[[], object] = self._offered[number].run
            self.show_message("", Level.INFO, ())
            run()

    def apply_font_sizes(self) -> None:
        """Set sizes that depend on the font."""
        em = theme.em(self)
        self.setFixedHeight(round(2.1 * em))
        self.mark.setMinimumWidth(em)
        for button in (self.remedy, *self.choices, self.history):
            button.setFixedHeight(round(1.7 * em))


def _show_label(button: QPushButton, label: str) -> None:
    """Show a button with this label; hide it if there is none."""
    if button.text() != label:
        button.setText(label)
    if button.isHidden() == bool(label):
        button.setVisible(bool(label))


def row_of(actions: Sequence[Action], done: Callable[[], object]) -> QWidget:
    """Return a row of buttons, one for each action; `done` is called after one was pressed."""
    row = QWidget()
    row.setObjectName("clear")
    layout = QHBoxLayout(row)
    layout.setContentsMargins(0, 0, 0, 0)
    for action in actions:
        button = QPushButton(action.label)
        button.setObjectName("small")
        button.setAccessibleName(action.label)

        def press(_: bool = False, action: Action = action) -> None:
            done()
            action.run()

        button.clicked.connect(press)
        layout.addWidget(button)
    return row
