"""What is asked of a live session from outside: given by any thread, done by the session's own, answered when done.

A parameter of the table that waits for `session` is an order too.
"""

from __future__ import annotations

import queue
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


def _nobody(word: str, text: str) -> None:
    """Where an order was given by nobody who waits for an answer."""


@dataclass(frozen=True)
class Order:
    """`what` is a parameter's name with its value, or a command with its arguments."""

    what: str
    args: tuple[Any, ...] = ()
    answer: Callable[[str, str], None] = _nobody  # "done" or "fail", and with what or why

    def done(self, text: object = "") -> None:
        self.answer("done", str(text))

    def fail(self, why: object) -> None:
        self.answer("fail", str(why))


class Orders:
    """They wait here."""

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[Order] = queue.SimpleQueue()

    def give(self, order: Order) -> None:
        self._queue.put(order)

    def take(self) -> list[Order]:
        """Those that wait, in the order they were given."""
        return [self._queue.get() for _ in range(self._queue.qsize())]
