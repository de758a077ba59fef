"""Effects that are TorchScript modules: exports for nn~ and Neutone models (`models.scripted.players`).

    block of 64 ──► resample ──► whole blocks of the module ──► resample ──► first in, first out ──► 64

The module runs in a confined process of its own, beside the worker. Its latency is the delay of the
module, and the samples that the way to it holds back at most; it is constant.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np

from models.codec import Audio, CodecError
from models.load import SCRIPTED_START_S, Player, open_neutone_player, open_nn_player
from realtime.dsp.resampler import Resampler
from realtime.effects.effect import BLOCK, OFFLINE_TIMEOUT_S, Control, EffectError

OpenPlayer = Callable[[Path, int, int], Player]


class ScriptedEffect:
    """Effect of one module. EffectError if it cannot be opened."""

    def __init__(self, open_player: OpenPlayer, where: str, rate: int, channels: int) -> None:
        self._open, self._path, self._rate, self._channels = open_player, Path(where), rate, channels
        self.timeout_s = OFFLINE_TIMEOUT_S  # for one answer; may be set at any time
        self._values: dict[str, float] = {}  # set by the user, for a restart
        self._remarks: list[str] = []
        self._player: Player | None = None
        self._start()

    def _start(self) -> None:
        try:
            player = self._open(self._path, self._rate, self._channels)
        except CodecError as error:
            raise EffectError(str(error)) from error
        self._player = player
        self._remarks += player.remarks
        self.controls = tuple(Control(c.name, c.kind, c.default, c.low, c.high, c.help) for c in player.controls)
        self._to = self._back = None
        if player.rate != self._rate:
            self._to = Resampler(self._rate, player.rate, self._channels)
            self._back = Resampler(player.rate, self._rate, self._channels)
        self._held_back = self._most_held_back(player)
        self.latency = self._held_back + math.ceil(player.delay * self._rate / player.rate)
        self._clear()

    def _most_held_back(self, player: Player) -> int:
        """Return the most samples that are on their way between input and output, beyond a block."""
        if self._to is None or self._back is None:
            return math.lcm(player.block, BLOCK) - BLOCK
        at_its_rate = player.block + self._back.latency + 2  # one more for each rounding to an index
        return self._to.latency + math.ceil(at_its_rate * self._rate / player.rate) + 1

    def _clear(self) -> None:
        empty = np.zeros((self._channels, 0), np.float32)
        self._waiting, self._used = empty, False
        self._done = np.zeros((self._channels, self._held_back), np.float32)
        for resampler in (self._to, self._back):
            if resampler:
                resampler.reset()

    def process(self, block: Audio) -> Audio:
        made = [self._process_block(part) for part in np.split(block, block.shape[1] // BLOCK, axis=1)]
        return np.concatenate(made, axis=1)

    def _process_block(self, block: Audio) -> Audio:
        player = self._player
        if player is None:
            raise EffectError("is closed")
        given = self._to.process(block) if self._to else block
        self._waiting = np.concatenate([self._waiting, given], axis=1)
        while self._waiting.shape[1] >= player.block:
            chunk, self._waiting = self._waiting[:, : player.block], self._waiting[:, player.block :]
            made = self._run(player, np.ascontiguousarray(chunk))
            if self._back:
                made = self._back.process(made)
            self._done = np.concatenate([self._done, made], axis=1)
        out, self._done = self._done[:, :BLOCK], self._done[:, BLOCK:]
        return out

    def _run(self, player: Player, chunk: Audio) -> Audio:
        try:
            made = player.process(chunk, self.timeout_s if self._used else SCRIPTED_START_S)
        except CodecError as error:
            raise EffectError(str(error)) from error
        self._used = True
        return made

    def set(self, name: str, value: float) -> None:
        self._values[name] = value
        if self._player:
            self._try_set(self._player, name, value)

    def _try_set(self, player: Player, name: str, value: float) -> None:
        try:
            player.set(name, value)
        except CodecError as error:
            raise EffectError(str(error)) from error

    def reset(self) -> None:
        if self._player is None:
            before = self.latency
            self._start()
            if self.latency != before:
                self.close()
                raise EffectError("has another latency now. Restart the stream")
        elif self._used:
            try:
                self._player.reset()
            except CodecError as error:
                raise EffectError(str(error)) from error
        self._clear()
        if self._player:
            for name, value in self._values.items():
                self._try_set(self._player, name, value)

    def remarks(self) -> list[str]:
        remarks, self._remarks = self._remarks, []
        return remarks

    def close(self) -> None:
        if self._player:
            self._player.close()
            self._player = None


def open_nn(where: str, rate: int, channels: int) -> ScriptedEffect:
    """Return an effect of an nn~ export with `forward`."""
    return ScriptedEffect(open_nn_player, where, rate, channels)


def open_neutone(where: str, rate: int, channels: int) -> ScriptedEffect:
    """Return an effect of a Neutone model."""
    return ScriptedEffect(open_neutone_player, where, rate, channels)
