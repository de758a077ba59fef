"""The chain of one slot: every bend in its order, those that do something.

    frame → freeze → hold → stutter → mosh → swap → mask → arithmetic → macro → noise → snapshot → levels
          → blend → loss → your own → generations → decoder

One thread. A chain whose settings are all neutral gives back the very frame it was given.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from models.codec import Codec, Controls, Frame
from realtime import bend_params
from realtime.bends import loss, macro, places, timewise, values
from realtime.bends.generations import Generations
from realtime.bends.grid import grid_of
from realtime.bends.state import Bend, BendFunction, State, Stream
from realtime.bends.user import UserBend

DEFAULTS = {row.name.removeprefix("a.bend."): row.default for row in bend_params.rows("a")}


def _bend(name: str, run: BendFunction, *amounts: str) -> Bend:
    own = tuple(key for key in DEFAULTS if key.partition(".")[0] == name) or amounts
    return Bend(name, run, amounts, own)


BENDS = (
    _bend("freeze", timewise.freeze, "freeze.on"),
    _bend("hold", timewise.hold, "hold.frames"),
    _bend("stutter", timewise.stutter, "stutter.frames"),
    _bend("mosh", timewise.mosh, "mosh.probability"),
    _bend("swap", places.swap, "swap.amount"),
    _bend("mask", places.mask, "mask.probability"),
    _bend("arithmetic", values.arithmetic, "scale", "bias", "invert"),
    _bend("macro", macro.macro, "macro.learn", "macro.move"),
    _bend("noise", values.noise, "noise"),
    _bend("snapshot", values.snapshot, "snapshot.store", "snapshot.mix"),
    _bend("levels", values.levels, "levels"),
    _bend("blend", values.blend, "blend"),
    _bend("loss", loss.loss, "loss.token", "loss.enter"),
)


OF_LATENTS = frozenset({"swap", "mask", "arithmetic", "macro", "noise", "snapshot", "levels", "blend"})


class Chain:
    """Settings and state. `say` gets what is wrong with the player's own bend, and what can do nothing here, once."""

    def __init__(self, codec: Codec, slot: int, path: str, say: Callable[[str], None]) -> None:
        self.settings = dict(DEFAULTS)
        self._slot = slot
        self._spec, self._path = codec.spec, path
        self._say = say
        self._idle = OF_LATENTS if codec.spec.tokens == 0 else frozenset()  # bends that have nothing to work on
        self._generations = Generations(codec, path)
        self._user = UserBend(say)
        self._active: list[tuple[int, Bend]] = []
        self._learned: dict[str, Any] = {}
        self.reset()

    def reset(self) -> None:
        """Forget every frame; settings stay."""
        self.stream = Stream(self._spec, self._path, grid_of(self._spec), self._learned)
        self._states: dict[str, State] = {}
        self._generations.reset()

    def set(self, name: str, value: object) -> None:
        """One setting, by its name without slot and `bend.`; checked by the table."""
        self.settings[name] = value
        found = [(i, b) for i, b in enumerate(BENDS) if any(self.settings[a] != DEFAULTS[a] for a in b.amounts)]
        self._active = found if self.settings["on"] else []
        for idle in sorted(self._idle & {bend.name for _, bend in self._active}):
            self._idle -= {idle}
            self._say(f"bend {idle} does nothing to {self._spec.name}: it has no tokens and no latents. Use a network.")
        names = {bend.name for _, bend in self._active} | ({"user"} if self.settings["file"] else set())
        self._states = {key: state for key, state in self._states.items() if key in names}

    def bend(self, frame: Frame, controls: Controls, other: Frame | None) -> tuple[Frame, Controls]:
        """The frame that the decoder gets, and the controls; `other` is what the other slot decoded last."""
        stream = self.stream
        stream.past.append(frame)
        if not self.settings["on"]:
            return frame, controls
        stream.other, stream.levels, stream.seed = other, 0, None
        index = frame.index
        for number, bend in self._active:
            params = {key.rpartition(".")[2]: self.settings[key] for key in bend.params}
            frame = bend.run(frame, self._state(bend.name), params, self._rng(number, index, bend.name))
        if self.settings["file"]:
            params = {key: self.settings[f"user.{key}"] for key in "xyz"} | {"file": self.settings["file"]}
            frame = self._user.run(frame, self._state("user"), params, self._rng(len(BENDS), index, "user"))
        seed: int | None = self.stream.seed  # a bend may have set it
        if seed is not None:
            controls = replace(controls, seed=seed)
        if self.settings["generations"]:
            frame = self._generations.run(frame, controls, self.settings["generations"])
        return frame, controls

    @property
    def rounded(self) -> bool:
        """Whether the last frame's latents were rounded to few levels, so that its bits are counted by those."""
        return bool(self.stream.levels)

    def _state(self, name: str) -> State:
        if name not in self._states:
            self._states[name] = State(self.stream)
        return self._states[name]

    def _rng(self, number: int, index: int, name: str) -> np.random.Generator:
        """A generator of its own for each bend and frame; for swap, whose places stay, for each bend."""
        key = 0 if name == "swap" else 1 + index
        return np.random.default_rng((self.settings["seed"], self._slot, number, key))
