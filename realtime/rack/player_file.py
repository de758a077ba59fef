"""A player's file, run again when it is saved. What is wrong in it is said, and passed over until then."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

LOOK_S = 0.25


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
        except (Exception, SystemExit):  # noqa: BLE001 - it is not our code
            self.fail()

    def fail(self) -> None:
        """Pass it over for the exception in hand."""
        self.names = None
        lines = traceback.format_exc(limit=-1).strip().splitlines()
        where = next((line.strip() for line in lines if line.strip().startswith("File")), "")
        said = (f"{lines[-1]} ({where})" if where else lines[-1]) + "; passed over until it is saved again"
        if (said, self._stamp) != self._said:  # once for each version of the file
            self._said = said, self._stamp
            self._remarks.append(said)

    def remarks(self) -> list[str]:
        said, self._remarks = self._remarks, []
        return said

    def _look(self) -> tuple[int, int]:
        found = self._path.stat()
        return found.st_mtime_ns, found.st_size
