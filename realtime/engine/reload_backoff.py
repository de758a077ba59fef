"""Back-off of reloads: a codec that fails again and again is loaded more and more seldom.

The first failure is repaired at once. One that follows before the codecs have played for SETTLED_S
waits, twice as long each time, and is announced once.
"""

from __future__ import annotations

import time
from collections.abc import Callable

FIRST_S, LONGEST_S = 1.0, 60.0  # waits after the second failure, and at most
SETTLED_S = 30.0  # playing for so long ends a series of failures


class ReloadBackoff:
    """Failures in a row, and the time of the next attempt. One control thread."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self.reset()

    def reset(self) -> None:
        """Forget all failures: the codecs are others now."""
        self._failures = 0
        self._due: float | None = None  # time of the next attempt; None: none is planned
        self._since: float | None = None  # time from which the codecs play; None: they do not

    def fail(self, what: str, now: str) -> str | None:
        """Plan an attempt after a failure; return the message to tell, if any.

        The first failure tells `now`, what is done at once; the second, that attempts become seldom;
        later ones tell nothing.
        """
        self._failures += 1
        wait = 0.0 if self._failures == 1 else min(FIRST_S * 2.0 ** (self._failures - 2), LONGEST_S)
        self._due, self._since = self._clock() + wait, None
        if self._failures == 1:
            return f"{what}; {now}"
        return f"{what}; trying more and more seldom, dry meanwhile" if self._failures == 2 else None

    def retry(self) -> None:
        """Plan the attempt again that another change has ended."""
        self._due = self._clock()

    def take_attempt(self, *, busy: bool = False) -> bool:
        """Return True once when the planned attempt is due, and nothing else loads."""
        if busy or self._due is None or self._clock() < self._due:
            return False
        self._due = None
        return True

    def loaded(self, message: str, *, anew: bool = False) -> str | None:
        """Note that the codecs play again, or `anew` others; return the message, unless earlier
        attempts failed soon.
        """
        if anew:
            self.reset()
        self._since = self._clock()
        return message if self._failures < 2 else None

    def settle(self) -> str | None:
        """End a series of failures once the codecs have played long enough; return a message if it
        was announced.
        """
        if self._since is None or self._clock() - self._since < SETTLED_S:
            return None
        announced = self._failures > 1
        self.reset()
        return "the codecs play again" if announced else None
