"""Undo and redo of parameter changes; the drag of a slider is one step."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

MERGE_S = 0.7  # changes of one parameter within this time are one step
DEPTH = 200


@dataclass
class Step:
    """Change of a parameter."""

    name: str
    before: Any
    after: Any
    at: float  # s


class UndoStack:
    """Changes that can be undone and redone.

    `apply(name, value)` sets a parameter without a new step.
    """

    def __init__(self, apply: Callable[[str, Any], object]) -> None:
        self._apply = apply
        self._done: list[Step] = []
        self._undone: list[Step] = []

    def note(self, name: str, before: Any, after: Any, now: float | None = None) -> None:
        """Add a change; merge it with a recent previous one of the same parameter."""
        now = time.perf_counter() if now is None else now
        self._undone.clear()
        if self._done and self._done[-1].name == name and now - self._done[-1].at < MERGE_S:
            self._done[-1].after, self._done[-1].at = after, now
        elif before != after:
            self._done.append(Step(name, before, after, now))
            del self._done[:-DEPTH]

    def undo(self) -> str:
        """Undo the last step; return its parameter, or "" if there is none."""
        return self._move(self._done, self._undone, "before")

    def redo(self) -> str:
        """Redo the last undone step; return its parameter, or "" if there is none."""
        return self._move(self._undone, self._done, "after")

    def _move(self, source: list[Step], target: list[Step], which: str) -> str:
        if not source:
            return ""
        step = source.pop()
        target.append(step)
        self._apply(step.name, getattr(step, which))
        return step.name
