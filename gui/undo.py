"""Undo: what the player has changed, step by step; a slider that is dragged is one step."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

TOGETHER_S = 0.7  # changes of one thing within this are one step
DEPTH = 200


@dataclass
class Step:
    name: str
    before: Any
    after: Any
    at: float


class Undo:
    """`apply(name, value)` sets a parameter without noting it here."""

    def __init__(self, apply: Callable[[str, Any], object]) -> None:
        self._apply = apply
        self._done: list[Step] = []
        self._undone: list[Step] = []

    def note(self, name: str, before: Any, after: Any, now: float | None = None) -> None:
        """The player has changed something."""
        now = time.monotonic() if now is None else now
        self._undone.clear()
        if self._done and self._done[-1].name == name and now - self._done[-1].at < TOGETHER_S:
            self._done[-1].after, self._done[-1].at = after, now
        elif before != after:
            self._done.append(Step(name, before, after, now))
            del self._done[:-DEPTH]

    def undo(self) -> str:
        """Take the last step back; its name, or "" if there is none."""
        return self._move(self._done, self._undone, "before")

    def redo(self) -> str:
        """Take back that it was taken back."""
        return self._move(self._undone, self._done, "after")

    def _move(self, source: list[Step], target: list[Step], which: str) -> str:
        if not source:
            return ""
        step = source.pop()
        target.append(step)
        self._apply(step.name, getattr(step, which))
        return step.name
