"""Protocol of effects: they process blocks of audio, report their latency, and can be reset.

Effects run at the device's rate on float32 [C, n], n a multiple of BLOCK counted from the stream's
first sample. Sandboxed effects get BLOCK samples at a time. So each effect sees the same blocks
whatever driver, codec or file feeds it, and streaming equals offline even if a plug-in's result
depends on its block size. One thread.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from models.codec import Audio

BLOCK = 64  # samples that a plug-in processes at once, 1.3 ms at 48 kHz
LIVE_TIMEOUT_S = 0.5  # for one answer; a live effect that takes longer is bypassed
OFFLINE_TIMEOUT_S = 60.0  # the same for files and tests


class EffectError(Exception):
    """An effect that is not available or has failed; the message gives the reason."""


@dataclass(frozen=True)
class Control:
    """One parameter of an effect. `kind` is float, int or bool; the range is inclusive."""

    name: str
    kind: type
    default: float
    low: float
    high: float
    help: str = ""


class Effect(Protocol):
    """A running effect with all its state."""

    latency: int  # samples by which output lags input; fixed once it is open
    controls: tuple[Control, ...]

    def process(self, block: Audio) -> Audio | None:
        """Return the output [C, n] of a block [C, n], or None to be skipped for it. EffectError if
        it fails.
        """
        ...

    def set(self, name: str, value: float) -> None:
        """Set a control from the next block on. Values set while it is closed hold when it is
        reset.
        """
        ...

    def reset(self) -> None:
        """Restore the state of a newly opened effect, also after `close`; controls stay.
        EffectError if that fails.
        """
        ...

    def remarks(self) -> list[str]:
        """Return messages for the user, each once."""
        ...

    def close(self) -> None:
        """Release all resources."""
        ...


@runtime_checkable
class Timed(Protocol):
    """Effect with a process of its own, whose answers must not take longer than `timeout_s`."""

    timeout_s: float


@dataclass(frozen=True)
class Racks:
    """Effects of each place in order, as KIND:WHERE."""

    pre: tuple[str, ...] = ()  # before every codec; dry is the untouched input
    post: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())  # after the codec of slot A, of slot B
    timeout_s: float = LIVE_TIMEOUT_S


EMPTY = Racks()


@dataclass(frozen=True)
class EffectInfo:
    """Facts of an open effect. `place` is pre, a.post or b.post; `number` counts from 1."""

    place: str
    number: int
    spec: str
    latency: int
    controls: tuple[Control, ...]
