"""Requests to a live session: put by any thread, handled by the session's own, answered when
handled.

A request is a session parameter of the table with its value, or a command with its arguments.
"""

from __future__ import annotations

import queue
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


def _ignore(word: str, text: str) -> None:
    """Answer of a request whose sender does not wait for one."""


@dataclass(frozen=True)
class SessionRequest:
    """One request; it is answered once, by `done` or by `fail`."""

    name: str  # of a parameter or a command
    args: tuple[Any, ...] = ()
    answer: Callable[[str, str], None] = _ignore  # gets ("done", result) or ("fail", reason), in the session's thread

    def done(self, text: object = "") -> None:
        """Answer with the result."""
        self.answer("done", str(text))

    def fail(self, reason: object) -> None:
        """Answer with the reason of the failure."""
        self.answer("fail", str(reason))


class SessionRequestQueue:
    """Requests that wait for the session. `put` from any thread, `drain` from the session's."""

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[SessionRequest] = queue.SimpleQueue()

    def put(self, request: SessionRequest) -> None:
        """Append a request."""
        self._queue.put(request)

    def drain(self) -> list[SessionRequest]:
        """Remove and return all waiting requests, oldest first."""
        return [self._queue.get() for _ in range(self._queue.qsize())]
