"""Supervisor of a session: the boundary around each source, recorder, effect, client, request and
console.

One rule holds for all of them: an error is reported (console line, `/verdigris/fail`, the session's
report), its part falls back (input, dry, no console), and the session goes on.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Iterator
from typing import Any

from models.codec import CodecError
from realtime.drivers.driver import DriverError
from realtime.effects.effect import EffectError
from realtime.parameters.parameter import ParameterError
from realtime.system.atomic_file import FileError
from realtime.timeline.layout import TimelineError
from realtime.worker.handle import EngineError
from realtime.worker.latency_budget import LatencyError

REPEAT_S = 30.0  # before the same failure of a part is reported again
MAX_KEPT = 1000  # failures in the report
START_ERRORS = (  # of a session that cannot be opened; their message is for the user
    CodecError,
    DriverError,
    EffectError,
    EngineError,
    FileError,
    LatencyError,
    ParameterError,
    TimelineError,
)
USER_REASONS = (*START_ERRORS, OSError)  # any other error is a bug of ours
LOG = logging.getLogger("verdigris.session")


def reason_of(error: BaseException) -> str:
    """Return the reason of a failure as a line for the user."""
    if isinstance(error, USER_REASONS):
        return str(error)
    return f"{type(error).__name__}: {error}. Please report this."


class Supervisor:
    """Reports of failures and the boundary that causes them. One thread, the session's."""

    def __init__(
        self,
        announce: Callable[[str, str], None] = lambda part, reason: None,
        now: Callable[[], float] = time.perf_counter,
    ) -> None:
        """`announce` sends a part and a reason to all clients; `now` is in seconds."""
        self._announce, self._now, self._began = announce, now, now()
        self._reported: dict[tuple[str, str], float] = {}
        self.failures: list[dict[str, Any]] = []  # seconds since the session began, part, reason

    @contextlib.contextmanager
    def part(self, name: str, fall_back: Callable[[], None] = lambda: None) -> Iterator[None]:
        """Run a part of the session: an error in it is reported, then `fall_back` is called."""
        try:
            yield
        except Exception as error:  # noqa: BLE001 - the session goes on whatever it is
            self._report_seldom(name, reason_of(error))
            try:
                fall_back()
            except Exception as error:  # noqa: BLE001
                self._report_seldom(name, reason_of(error))

    def _report_seldom(self, part: str, reason: str) -> None:
        """Report a failure, unless it was reported less than REPEAT_S ago: a part may fail at every poll."""
        now = self._now()
        if now - self._reported.get((part, reason), -REPEAT_S) >= REPEAT_S:
            self._reported[part, reason] = now
            self.report(part, reason)

    def report(self, part: str, reason: str) -> None:
        """Report a failure on the console, to all clients and in the report."""
        if len(self.failures) < MAX_KEPT:
            seconds = round(self._now() - self._began, 3)
            self.failures.append({"seconds": seconds, "part": part, "reason": reason})
        LOG.warning("%s: %s", part, reason)
        with contextlib.suppress(Exception):
            self._announce(part, reason)
