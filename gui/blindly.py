"""What has to be so that A and B are compared fairly, a loop and levels that hold; and how it was before."""

from __future__ import annotations

from typing import Any

from gui.wishes import Wishes

LOOP_S = 8.0
SPARE_S = 0.5  # that is not looped, of a stream that has just begun


class Fairness:
    """`arrange` before a blind test, `settle` when its loop has been heard once, `restore` after it."""

    def __init__(self, wishes: Wishes) -> None:
        self._wishes = wishes
        self._before: dict[str, Any] = {}
        self._seconds = LOOP_S

    def arrange(self) -> None:
        """Loop the last seconds, or what has been heard so far, and match levels."""
        client, values = self._wishes.client, self._wishes.client.values
        heard = client.rings.now / client.rate if client.rings else 0.0
        self._seconds = min(LOOP_S, max(heard - SPARE_S, SPARE_S))
        self._before = {name: values[name] for name in ("monitor", "match", "source")}
        self._wishes.capture(self._seconds)
        self._wishes.client.set("match", "follow")

    def settle(self) -> None:
        """Hold the levels, so that none changes while it is compared."""
        if self._before:
            self._wishes.client.set("match", "hold")

    def restore(self) -> None:
        """As it was."""
        for name, value in self._before.items():
            self._wishes.client.set(name, value)
        self._before = {}

    def about(self) -> dict[str, Any]:
        """What is compared."""
        client = self._wishes.client
        codecs = {slot: facts.spec.name + ":" + facts.path for slot, facts in client.codecs.items()}
        gains = {f"{slot}_gain_db": client.values[f"{slot}.match"] for slot in codecs}
        return {**codecs, **gains, "seconds": self._seconds}
