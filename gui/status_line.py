"""Status: messages with their history and actions, the line of health, and the OSC address under
the cursor.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

from PySide6.QtCore import QEvent, QObject
from PySide6.QtWidgets import QWidget

from gui.model.health import Health
from gui.model.message_list import Action, Level, Message, MessageLog
from gui.model.wording import milliseconds
from gui.widgets.message_bar import MessageBar
from gui.widgets.message_history import MessageHistory

MESSAGE_S = 4.0
ADDRESS_S = 3.0
REMEDIES = {"start": "Start", "steps": "Fewer steps", "unmute": "Unmute"}


class StatusLine(QObject):
    """Shows a message for some seconds, and otherwise the hint of the last `show_hint`.

    Every message stays in the history, with its actions.
    """

    def __init__(self, bar: MessageBar, clock: Callable[[], float]) -> None:
        """`clock` in seconds."""
        super().__init__()
        self._bar, self._clock = bar, clock
        self.log = MessageLog()
        self.history: MessageHistory | None = None  # the last one that was opened
        self._until = 0.0
        self._health: Health | None = None
        self._remedies: Mapping[str, Callable[[Health], object]] = {}
        bar.remedy_pressed.connect(self._on_remedy)
        bar.history_pressed.connect(self.open_history)

    def show_message(
        self, text: str, seconds: float = MESSAGE_S, level: Level = Level.INFO, actions: Sequence[Action] = ()
    ) -> None:
        """Show a message for so many seconds, and keep it in the history."""
        if not text:
            return
        self.log.add(Message(text, level, tuple(actions), time.strftime("%H:%M:%S")))
        self._show(text, seconds, level, actions)

    def show_address(self, address: str) -> None:
        """Show an OSC address for a moment; it is not kept."""
        if not any(button.isVisible() for button in self._bar.choices):  # a choice is not hidden by a hover
            self._show(address, ADDRESS_S, Level.INFO, ())

    def _show(self, text: str, seconds: float, level: Level, actions: Sequence[Action]) -> None:
        self._until = self._clock() + seconds
        self._bar.show_message(text, level, actions)
        self._bar.show_errors(self.log.unread_errors)

    def show_hint(self, hint: str) -> None:
        """Show the hint unless a message is shown. Call at every tick."""
        if self._clock() > self._until:
            self._bar.show_message(hint, Level.INFO, ())

    def connect_remedies(self, remedies: Mapping[str, Callable[[Health], object]]) -> None:
        """Set the action of each remedy of the health line."""
        self._remedies = remedies

    def show_health(self, health: Health, rate: int) -> None:
        """Show the health of the stream, with a button for its remedy."""
        if health != self._health:
            self._health = health
            label = REMEDIES.get(health.remedy, "")
            if health.remedy == "latency":
                label = f"Restart with {milliseconds(health.latency, rate)}"
            self._bar.show_health(health.level, health.text, label)

    def _on_remedy(self) -> None:
        if self._health and (act := self._remedies.get(self._health.remedy)):
            act(self._health)

    def open_history(self) -> None:
        """Open the history above the bar."""
        self.log.mark_read()
        self._bar.show_errors(0)
        self.history = MessageHistory(self._bar, self.log)
        self.history.open_above(self._bar)

    def watch_addresses(self, part: QWidget) -> None:
        """Show the OSC address of a widget in `part` while the cursor is over it."""
        for widget in part.findChildren(QWidget):
            if widget.property("address"):
                widget.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802 - Qt's name
        if event.type() == QEvent.Type.Enter and (address := watched.property("address")):
            self.show_address(str(address))
        return False
