"""A rack: effects in a row, each with a bypass, none of them trusted.

    audio ──► whole blocks ──► effect 1 ──► effect 2 ──► ... ──► what all of them lag is dropped at the start
                               └─ dry, as late ─┘

An effect that crashes, takes too long, gives other than it got or what is no number is bypassed from that block on, and
named: what comes instead is its own input, as late as it was, so nothing is shifted. Taking its bypass off tries it
again. Output sample m of a rack belongs to input sample m. One thread.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from models.codec import Audio
from realtime.rack.effect import BLOCK, Effect, EffectError

BYPASS = "bypass"  # the control that every effect has


class Insert:
    """An effect in its place. `failed` says why it is bypassed, if it is not by the player."""

    def __init__(self, spec: str, effect: Effect, channels: int) -> None:
        self.spec, self.effect = spec, effect
        self.failed = ""
        self._channels = channels
        self._bypass = False
        self._said: list[tuple[str, bool]] = []
        self.reset()

    def reset(self) -> None:
        """Begin anew; what failed stays out."""
        self._late = np.zeros((self._channels, self.effect.latency), np.float32)
        self._last = np.zeros((self._channels, 1), np.float32)
        self._wet = 0.0 if self._bypass else 1.0
        if not self.failed:
            self._try(self.effect.reset)

    def set(self, name: str, value: object) -> None:
        """A control, or the bypass; off, it has what failed try again, at the price of the time that this takes."""
        if name != BYPASS:
            self._try(lambda: self.effect.set(name, float(value)))  # type: ignore[arg-type]
            return
        self._bypass = bool(value)
        if self.failed and not self._bypass:
            self.failed, self._wet = "", 0.0
            self._try(self.effect.reset)

    def _try(self, do: Callable[[], None]) -> None:
        try:
            do()
        except EffectError as error:
            self._fail(str(error))

    def process(self, block: Audio) -> Audio:
        """[C, n] in, [C, n] out."""
        count = block.shape[1]
        joined = np.concatenate([self._late, block], axis=1)
        dry, self._late = joined[:, :count], joined[:, count:]
        out = dry
        if not self.failed:
            try:
                made = self.effect.process(block)
                out = dry if made is None else self._mixed(dry, self._checked(made, block))
            except EffectError as error:
                self._fail(str(error))
                # from where the effect left off to dry, within a block
                step = (self._last - dry[:, :1]) * np.linspace(1.0, 0.0, BLOCK).astype(np.float32)
                out = dry.copy()
                out[:, :BLOCK] += step
            self._said += [(remark, False) for remark in self.effect.remarks()]
        self._last = out[:, -1:].copy()
        return out

    def remarks(self) -> list[tuple[str, bool]]:
        """What there is to tell, once, and whether it is that the effect failed."""
        said, self._said = self._said, []
        return [(f"{self.spec}: {remark}", failed) for remark, failed in said]

    def _mixed(self, dry: Audio, wet: Audio) -> Audio:
        """Wet, or dry where it is bypassed, with a ramp of a block between."""
        before, self._wet = self._wet, 0.0 if self._bypass else 1.0
        if before == self._wet:
            return wet if self._wet else dry
        gains = np.full(wet.shape[1], self._wet, np.float32)
        gains[:BLOCK] = np.linspace(before, self._wet, BLOCK)
        return dry + (wet - dry) * gains

    def _checked(self, made: Audio, given: Audio) -> Audio:
        if made.shape != given.shape:
            raise EffectError(f"gave {made.shape[-1] if made.ndim else 0} of {given.shape[1]} samples")
        if not np.isfinite(made).all():
            raise EffectError("gave what is no number")
        return made

    def _fail(self, why: str) -> None:
        self.failed = why
        self._said.append((f"{why}; bypassed. Take its bypass off to try again", True))
        self.effect.close()


class Rack:
    """Inserts in order; without any it does nothing and costs no latency."""

    def __init__(self, inserts: Sequence[Insert] = (), channels: int = 2) -> None:
        self.inserts = tuple(inserts)
        self.latency = sum(insert.effect.latency for insert in self.inserts)
        self._empty: Audio = np.zeros((channels, 0), np.float32)
        self._waiting, self._skip = self._empty, self.latency

    @property
    def lag(self) -> int:
        """Samples that it may keep back: what its effects lag, and a block that is not whole yet."""
        return self.latency + BLOCK - 1 if self.inserts else 0

    def wanted(self, count: int) -> int:
        """How many samples it must be given until `count` more come out."""
        if not self.inserts:
            return count
        blocks = math.ceil((self._skip + count) / BLOCK)
        return blocks * BLOCK - int(self._waiting.shape[1])

    def process(self, audio: Audio) -> Audio:
        """[C, n] in; what is complete out, aligned with it."""
        if not self.inserts:
            return audio
        joined = np.concatenate([self._waiting, audio], axis=1)
        whole = joined.shape[1] // BLOCK * BLOCK
        block, self._waiting = np.ascontiguousarray(joined[:, :whole]), joined[:, whole:]
        if not whole:
            return self._empty
        for insert in self.inserts:
            block = insert.process(block)
        skip = min(self._skip, whole)
        self._skip -= skip
        return block[:, skip:]

    def set(self, name: str, value: object) -> None:
        """NUMBER.CONTROL, the effects counted from 1; what is not there is let pass."""
        number, _, control = name.partition(".")
        if number.isdecimal() and 0 < int(number) <= len(self.inserts):
            self.inserts[int(number) - 1].set(control, value)

    def remarks(self) -> list[tuple[str, int]]:
        """What its effects have to tell, once, and the number of the effect that failed, or 0."""
        return [
            (remark, number if failed else 0)
            for number, insert in enumerate(self.inserts, 1)
            for remark, failed in insert.remarks()
        ]

    def reset(self) -> None:
        """Begin anew at sample 0."""
        for insert in self.inserts:
            insert.reset()
        self._waiting, self._skip = self._empty, self.latency

    def close(self) -> None:
        """Let go of the effects."""
        for insert in self.inserts:
            insert.effect.close()
