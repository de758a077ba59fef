"""Hot reload: a user's Python file, run again when it is saved. Errors are reported, and the file
is skipped until then.
"""

from __future__ import annotations

import reprlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from realtime.effects.effect import EffectError
from realtime.system.user_code_errors import user_code_error

CHECK_S = 0.25  # between checks whether the file was saved
MAX_LATENCY = 2**20  # samples, the largest value of the parameter `latency`


class HotReloadedFile:
    """File and the `names` that it defined; None while it cannot be run. One thread."""

    def __init__(self, path: str) -> None:
        self._path = Path(path)
        self._stamp = (0, 0)
        self._due = 0.0
        self._remarks: list[str] = []
        self._reported = ("", self._stamp)
        self.names: dict[str, Any] | None = None

    def changed(self) -> bool:
        """Return True if the file was saved since `run`; checked four times a second."""
        now = time.perf_counter()
        if now < self._due:
            return False
        self._due = now + CHECK_S
        try:
            return self._read_stamp() != self._stamp
        except OSError:
            return False  # it is being written; keep the version that runs

    def run(self, names: dict[str, Any], check: Callable[[dict[str, Any]], None] = lambda names: None) -> None:
        """Run the file with these names defined. `check` may raise an error about the result."""
        self.names = None
        try:
            self._stamp = self._read_stamp()
            names |= {"__name__": "effect", "__file__": str(self._path)}
            exec(compile(self._path.read_bytes(), str(self._path), "exec"), names)
            check(names)
            self.names = names
        except (Exception, SystemExit) as error:  # noqa: BLE001 - it is user code
            self.fail(error)

    def fail(self, error: BaseException) -> None:
        """Skip the file because of an error, which is reported once per version of the file."""
        self.names = None
        message = user_code_error(error, str(self._path)) + "; skipped until it is saved again"
        if (message, self._stamp) != self._reported:
            self._reported = message, self._stamp
            self._remarks.append(message)

    @property
    def latency(self) -> int:
        """LATENCY of the file in samples; EffectError if it is not a whole number in the allowed
        range.
        """
        given = (self.names or {}).get("LATENCY", 0)
        try:
            samples = int(given)
            is_whole = bool(samples == given)
        except (TypeError, ValueError, OverflowError):
            samples, is_whole = 0, False
        if not (is_whole and 0 <= samples <= MAX_LATENCY):
            raise EffectError(
                f"LATENCY is {reprlib.repr(given)}. Write LATENCY = samples, a whole number from 0 to {MAX_LATENCY}"
            )
        return samples

    def remarks(self) -> list[str]:
        """Return messages for the user, each once."""
        remarks, self._remarks = self._remarks, []
        return remarks

    def _read_stamp(self) -> tuple[int, int]:
        found = self._path.stat()
        return found.st_mtime_ns, found.st_size
