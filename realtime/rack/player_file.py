"""A player's file, run again when it is saved. What is wrong in it is said, and passed over until then."""

from __future__ import annotations

import reprlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from realtime.mistakes import mistake
from realtime.rack.effect import EffectError

LOOK_S = 0.25
MOST_LATENCY = 2**20  # samples, as much as the parameter `latency` can reserve


class PlayerFile:
    """`names` are those that the file defined, or None while it cannot be run. One thread."""

    def __init__(self, path: str) -> None:
        self._path = Path(path)
        self._stamp = (0, 0)
        self._due = 0.0
        self._remarks: list[str] = []
        self._said = ("", self._stamp)
        self.names: dict[str, Any] | None = None

    def changed(self) -> bool:
        """Whether it was saved since `run`; looked at four times a second."""
        now = time.monotonic()
        if now < self._due:
            return False
        self._due = now + LOOK_S
        try:
            return self._look() != self._stamp
        except OSError:
            return False  # it is being written; what runs goes on

    def run(self, names: dict[str, Any], check: Callable[[dict[str, Any]], None] = lambda names: None) -> None:
        """Run it with these names there; `check` may raise what is wrong with what it made."""
        self.names = None
        try:
            self._stamp = self._look()
            names |= {"__name__": "effect", "__file__": str(self._path)}
            exec(compile(self._path.read_bytes(), str(self._path), "exec"), names)
            check(names)
            self.names = names
        except (Exception, SystemExit) as error:  # noqa: BLE001 - it is not our code
            self.fail(error)

    def fail(self, error: BaseException) -> None:
        """Pass it over for what it brought up."""
        self.names = None
        said = mistake(error, str(self._path)) + "; passed over until it is saved again"
        if (said, self._stamp) != self._said:  # once for each version of the file
            self._said = said, self._stamp
            self._remarks.append(said)

    @property
    def latency(self) -> int:
        """Samples that it says it is late; EffectError if it cannot be so."""
        given = (self.names or {}).get("LATENCY", 0)
        try:
            samples = int(given)
            is_whole = bool(samples == given)
        except (TypeError, ValueError, OverflowError):
            samples, is_whole = 0, False
        if not (is_whole and 0 <= samples <= MOST_LATENCY):
            raise EffectError(
                f"LATENCY is {reprlib.repr(given)}. Write LATENCY = samples, a whole number from 0 to {MOST_LATENCY}"
            )
        return samples

    def remarks(self) -> list[str]:
        said, self._remarks = self._remarks, []
        return said

    def _look(self) -> tuple[int, int]:
        found = self._path.stat()
        return found.st_mtime_ns, found.st_size
