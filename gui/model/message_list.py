"""Messages to the user: their history, and the actions that they offer."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum

KEPT = 200  # messages in the history


class Level(StrEnum):
    """Importance of a message or of a state of health."""

    INFO = "info"
    GOOD = "good"
    BAD = "bad"


@dataclass(frozen=True)
class Action:
    """Button beside a message."""

    label: str
    run: Callable[[], object]


@dataclass(frozen=True)
class Message:
    """One message. `at` is the time of day, HH:MM:SS."""

    text: str
    level: Level = Level.INFO
    actions: tuple[Action, ...] = ()
    at: str = ""


class MessageLog:
    """Messages since the window was opened, newest first."""

    def __init__(self, keep: int = KEPT) -> None:
        self._messages: deque[Message] = deque(maxlen=keep)
        self.unread_errors = 0  # since `mark_read`

    def add(self, message: Message) -> None:
        """Add a message; one with the text of the newest replaces it."""
        if self._messages and self._messages[0].text == message.text:
            self._messages.popleft()
        elif message.level is Level.BAD:
            self.unread_errors += 1
        self._messages.appendleft(message)

    def mark_read(self) -> None:
        self.unread_errors = 0

    def __iter__(self) -> Iterator[Message]:
        return iter(self._messages)

    def __len__(self) -> int:
        return len(self._messages)
