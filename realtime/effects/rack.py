"""Rack: effects in series, each with a bypass; failures of an effect stay within it.

    audio ──► whole blocks ──► effect 1 ──► effect 2 ──► ... ──► the first `latency` samples are dropped
                               └─ its input, delayed by its latency ─┘

An effect that crashes, takes too long, or returns the wrong number of samples or non-finite ones is
bypassed from that block on, with a message. Its own input, delayed by its latency, replaces its
output, so nothing is shifted. Setting its bypass to off tries it again. Output sample m of a rack
belongs to input sample m. One thread.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from models.codec import Audio
from realtime.effects.effect import BLOCK, Effect, EffectError

BYPASS = "bypass"  # the control that every effect has


class RackEffect:
    """One effect of a rack. `failed` is the reason if the effect itself caused its bypass."""

    def __init__(self, spec: str, effect: Effect, channels: int) -> None:
        self.spec, self.effect = spec, effect
        self.failed = ""
        self._channels = channels
        self._bypass = False
        self._remarks: list[tuple[str, bool]] = []
        self.reset()

    def reset(self) -> None:
        """Reset the effect; one that has failed stays bypassed."""
        self._late = np.zeros((self._channels, self.effect.latency), np.float32)
        self._last = np.zeros((self._channels, 1), np.float32)
        self._wet = 0.0 if self._bypass else 1.0
        if not self.failed:
            self._try(self.effect.reset)

    def set(self, name: str, value: object) -> None:
        """Set a control or the bypass. Bypass off starts a failed effect again, which takes its
        starting time.
        """
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
        """Return the output [C, n] of a block [C, n]."""
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
                # ramp from the effect's last sample to dry within a block
                step = (self._last - dry[:, :1]) * np.linspace(1.0, 0.0, BLOCK).astype(np.float32)
                out = dry.copy()
                out[:, :BLOCK] += step
            self._remarks += [(remark, False) for remark in self.effect.remarks()]
        self._last = out[:, -1:].copy()
        return out

    def remarks(self) -> list[tuple[str, bool]]:
        """Return messages for the user, each once, with True if it says that the effect failed."""
        remarks, self._remarks = self._remarks, []
        return [(f"{self.spec}: {remark}", failed) for remark, failed in remarks]

    def _mixed(self, dry: Audio, wet: Audio) -> Audio:
        """Return wet, or dry if bypassed, with a ramp of one block when that changes."""
        before, self._wet = self._wet, 0.0 if self._bypass else 1.0
        if before == self._wet:
            return wet if self._wet else dry
        gains = np.full(wet.shape[1], self._wet, np.float32)
        gains[:BLOCK] = np.linspace(before, self._wet, BLOCK)
        return dry + (wet - dry) * gains

    def _checked(self, made: Audio, given: Audio) -> Audio:
        if made.shape != given.shape:
            raise EffectError(f"returned {made.shape[-1] if made.ndim else 0} of {given.shape[1]} samples")
        if not np.isfinite(made).all():
            raise EffectError("returned samples that are not finite")
        return made

    def _fail(self, reason: str) -> None:
        self.failed = reason
        self._remarks.append((f"{reason}; bypassed. Set its bypass to off to try again", True))
        self.effect.close()


class Rack:
    """Effects in order. An empty rack changes nothing and has no latency."""

    def __init__(self, effects: Sequence[RackEffect] = (), channels: int = 2) -> None:
        self.effects = tuple(effects)
        self.latency = sum(rack_effect.effect.latency for rack_effect in self.effects)
        self._empty: Audio = np.zeros((channels, 0), np.float32)
        self._waiting, self._skip = self._empty, self.latency

    @property
    def lag(self) -> int:
        """Most samples that it holds back: the latency of its effects and an incomplete block."""
        return self.latency + BLOCK - 1 if self.effects else 0

    def samples_needed(self, count: int) -> int:
        """Return the number of input samples after which `count` more have come out."""
        if not self.effects:
            return count
        blocks = math.ceil((self._skip + count) / BLOCK)
        return blocks * BLOCK - int(self._waiting.shape[1])

    def process(self, audio: Audio) -> Audio:
        """Return the finished output [C, m] after input [C, n], aligned with the input."""
        if not self.effects:
            return audio
        joined = np.concatenate([self._waiting, audio], axis=1)
        whole = joined.shape[1] // BLOCK * BLOCK
        block, self._waiting = np.ascontiguousarray(joined[:, :whole]), joined[:, whole:]
        if not whole:
            return self._empty
        for rack_effect in self.effects:
            block = rack_effect.process(block)
        skip = min(self._skip, whole)
        self._skip -= skip
        return block[:, skip:]

    def set(self, name: str, value: object) -> None:
        """Set NUMBER.CONTROL, effects counted from 1. Effects that do not exist are ignored."""
        number, _, control = name.partition(".")
        if number.isdecimal() and 0 < int(number) <= len(self.effects):
            self.effects[int(number) - 1].set(control, value)

    def remarks(self) -> list[tuple[str, int]]:
        """Return messages for the user, each once, with the number of the effect that failed, or 0."""
        return [
            (remark, number if failed else 0)
            for number, rack_effect in enumerate(self.effects, 1)
            for remark, failed in rack_effect.remarks()
        ]

    def reset(self) -> None:
        """Reset all effects; the next input sample is sample 0."""
        for rack_effect in self.effects:
            rack_effect.reset()
        self._waiting, self._skip = self._empty, self.latency

    def close(self) -> None:
        """Close all effects."""
        for rack_effect in self.effects:
            rack_effect.effect.close()
