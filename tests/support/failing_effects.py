"""Effects for tests: late ones, and such that fail. None of them leaves this process."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from models.codec import Audio
from realtime.effects.effect import Control, EffectError
from realtime.effects.rack import Rack, RackEffect


class Late:
    """Plays what it gets times `factor`, `latency` samples later."""

    controls: tuple[Control, ...] = (Control("factor", float, 1.0, -4.0, 4.0),)

    def __init__(self, latency: int = 0, factor: float = 1.0) -> None:
        self.latency, self._factor = latency, np.float32(factor)
        self.resets = 0
        self.closed = False
        self._line = np.zeros((2, latency), np.float32)

    def process(self, block: Audio) -> Audio | None:
        joined = np.concatenate([self._line, block * self._factor], axis=1)
        self._line = joined[:, block.shape[1] :]
        return joined[:, : block.shape[1]]

    def set(self, name: str, value: float) -> None:
        self._factor = np.float32(value)

    def reset(self) -> None:
        self._line = np.zeros((2, self.latency), np.float32)
        self.resets += 1

    def remarks(self) -> list[str]:
        return []

    def close(self) -> None:
        self.closed = True


class Failing(Late):
    """Late, and after `good` samples does `fail` to what it would give."""

    def __init__(self, fail: Callable[[Audio], Audio | None], good: int, latency: int = 0, factor: float = 1.0) -> None:
        super().__init__(latency, factor)
        self._fail, self.good = fail, good

    def process(self, block: Audio) -> Audio | None:
        self.good -= block.shape[1]
        made = super().process(block)
        assert made is not None
        return made if self.good >= 0 else self._fail(made)


def crash(made: Audio) -> Audio:
    raise EffectError("crashed (SIGSEGV)")


def rack_of(*effects: Late) -> Rack:
    """A rack of these, named by their place."""
    return Rack([RackEffect(f"effect {number}", effect, 2) for number, effect in enumerate(effects, 1)])
