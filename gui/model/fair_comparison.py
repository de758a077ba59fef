"""Conditions of a fair comparison of A and B: a loop, and levels that hold; and the values from
before.
"""

from __future__ import annotations

from typing import Any

from gui.model.actions import Actions

LOOP_S = 8.0
MARGIN_S = 0.5  # at the start of a stream that is not looped


class AbxSetup:
    """Call `loop_and_match` before an ABX test, `hold_levels` after its first loop, and `restore`
    after the test.
    """

    def __init__(self, actions: Actions) -> None:
        self._client, self._actions = actions.client, actions
        self._before: dict[str, Any] = {}
        self._seconds = LOOP_S

    def loop_and_match(self) -> None:
        """Loop the last seconds, or less if the stream is young, and match the levels."""
        client = self._client
        heard = client.rings.now / client.rate if client.rings else 0.0
        self._seconds = min(LOOP_S, max(heard - MARGIN_S, MARGIN_S))
        self._before = {name: client.values[name] for name in ("monitor", "match", "source")}
        self._actions.capture(self._seconds)
        client.set("match", "follow")

    def hold_levels(self) -> None:
        """Hold the matched levels, so that they do not change during the test."""
        if self._before:
            self._client.set("match", "hold")

    def restore(self) -> None:
        """Restore the values from before the test."""
        for name, value in self._before.items():
            self._client.set(name, value)
        self._before = {}

    def about(self) -> dict[str, Any]:
        """Return codecs, gains and loop length, for the result of the test."""
        codecs = {slot: info.spec.name + ":" + info.path for slot, info in self._client.codecs.items()}
        gains = {f"{slot}_gain_db": self._client.values[f"{slot}.match"] for slot in codecs}
        return {**codecs, **gains, "seconds": self._seconds}
