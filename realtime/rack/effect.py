"""What an effect is: it processes blocks, says how late it makes them, and can begin anew.

Effects run at the device's rate, float32 [C, n], n a multiple of BLOCK counted from the stream's first sample; those
that are not ours get BLOCK samples at a time. So each sees the same blocks whatever driver, codec or file feeds it:
streaming equals offline, also where a plug-in's own result depends on its block size. An effect knows nothing of
codecs, slots or time. One thread.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from models.codec import Audio

BLOCK = 64  # samples; what a plug-in is run on at once, 1.3 ms at 48 kHz
LIVE_PATIENCE_S = 0.5  # for one answer; after it an effect that runs live is bypassed
PATIENCE_S = 60.0  # the same where nobody waits: files, tests
FILES = ("pyo", "py", "vst")  # kinds that name a file
KINDS = ("gain", "lv2", *FILES)


class EffectError(Exception):
    """An effect that cannot be had, or that failed; the message says how."""


@dataclass(frozen=True)
class Control:
    """One of an effect's own parameters; `kind` is float, int or bool, a range is inclusive."""

    name: str
    kind: type
    default: float
    low: float
    high: float
    help: str = ""


class Effect(Protocol):
    """A running effect with all its state."""

    latency: int  # samples that its output lags its input; fixed once it is open
    controls: tuple[Control, ...]

    def process(self, block: Audio) -> Audio | None:
        """[C, n] in, as much out, or None to be passed over for this block; EffectError if it failed."""
        ...

    def set(self, name: str, value: float) -> None:
        """One control, from the next block on; kept for the next time where it is closed."""
        ...

    def reset(self) -> None:
        """Begin anew, as just opened, also after it was closed; controls stay. EffectError if it cannot."""
        ...

    def remarks(self) -> list[str]:
        """What there is to tell the player, once."""
        ...

    def close(self) -> None:
        """Let go of everything."""
        ...


@dataclass(frozen=True)
class Racks:
    """What is inserted where, each effect as KIND:WHERE, in order."""

    pre: tuple[str, ...] = ()  # before every codec; dry stays the untouched input
    post: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())  # after the codec of slot A, of slot B
    patience_s: float = LIVE_PATIENCE_S


EMPTY = Racks()


@dataclass(frozen=True)
class Inserted:
    """An effect in its place: `pre`, `a.post` or `b.post`, counted from 1."""

    place: str
    number: int
    spec: str
    latency: int
    controls: tuple[Control, ...]


def split_spec(spec: str) -> tuple[str, str]:
    """Kind and place of KIND:WHERE; EffectError if there cannot be such an effect."""
    kind, _, where = spec.partition(":")
    if kind not in KINDS or (kind == "gain") == bool(where):
        raise EffectError(f'effect "{spec}" is unknown. Pass gain, lv2:URI, pyo:FILE, py:FILE or vst:PATH.')
    if kind in FILES and not Path(where).exists():
        raise EffectError(f"{spec}: there is no such file. Pass the path of one.")
    return kind, where


def check_all(specs: Sequence[str]) -> tuple[str, ...]:
    """The same, each looked at by `split_spec`."""
    for spec in specs:
        split_spec(spec)
    return tuple(specs)
