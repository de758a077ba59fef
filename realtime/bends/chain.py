"""Chain of one slot: its active bends, in the registry's order unless `order` names another.

    frame → freeze → hold → stutter → mosh → morph → swap → mask → arithmetic → macro → noise → snapshot
          → levels → blend → loss → user script → generations → decoder

One thread. A chain whose settings are all neutral returns the very frame object that it was given.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from models.codec import Codec, DecoderControls, Frame, Interpolating
from realtime.bends import registry
from realtime.bends.bend import Bend
from realtime.bends.context import BendState, BendStream
from realtime.bends.fsq_grid import grid_of
from realtime.bends.generation_loss import Generations
from realtime.bends.user_script import RANDOM_STREAM, UserBend


class BendChain:
    """Settings and state of a slot's bends.

    `warn` gets messages for the user, each once: errors of the user script, and bends that have no
    effect on this codec.
    """

    def __init__(self, codec: Codec, slot: int, path: str, warn: Callable[[str], None]) -> None:
        self._bends = registry.BENDS
        self._defaults = {control.name: control.default for control in registry.controls()}
        self.settings: dict[str, Any] = dict(self._defaults)
        self._slot = slot
        self._spec, self._path = codec.spec, path
        self._between = codec.between if isinstance(codec, Interpolating) else None
        self._warn = warn
        has_values = codec.spec.tokens > 0 or 0 not in codec.spec.latent
        self._ineffective = {b.name for b in self._bends if b.needs_tokens and not has_values}
        self._generations = Generations(codec, path)
        self._user = UserBend(warn)
        self._active: list[Bend] = []
        self._learned: dict[str, Any] = {}
        self.reset()

    def reset(self) -> None:
        """Discard all frames and state; keep the settings."""
        grid = grid_of(self._spec)
        self.stream = BendStream(self._spec, self._path, grid, self._learned, between=self._between)
        self._states: dict[str, BendState] = {}
        self._generations.reset()

    def set(self, name: str, value: object) -> None:
        """Set one control, named without slot and `bend.`; the value has been checked by the
        parameter table.
        """
        self.settings[name] = value
        active = [b for b in self._bends if any(self.settings[a] != self._defaults[a] for a in b.amounts)]
        rank = {name: place for place, name in enumerate(self.settings["order"].split())}
        active.sort(key=lambda bend: rank.get(bend.name, len(rank)))  # stable: the others keep their order
        self._active = active if self.settings["on"] else []
        names = {bend.name for bend in self._active} | ({"user"} if self.settings["file"] else set())
        for bend in sorted(self._ineffective & names):
            self._ineffective.remove(bend)
            self._warn(
                f"bend {bend} does nothing to {self._spec.name}: it has no tokens and no latents. Use a network."
            )
        self._states = {key: state for key, state in self._states.items() if key in names}

    def bend(self, frame: Frame, controls: DecoderControls, other: Frame | None) -> tuple[Frame, DecoderControls]:
        """Return the frame and the controls for the decoder.

        `other` is the frame that the other slot of this codec decoded last.
        """
        stream, settings = self.stream, self.settings
        stream.past.append(frame)
        if not settings["on"]:
            return frame, controls
        stream.other, stream.levels, stream.seed = other, 0, None
        index = frame.index
        for bend in self._active:
            params = {control.name.rpartition(".")[2]: settings[control.name] for control in bend.controls}
            rng = self._rng(bend.random_stream, 1 + index if bend.new_random_each_frame else 0)
            frame = bend.function(frame, self._state(bend.name), params, rng)
        if settings["file"]:
            params = {key: settings[f"user.{key}"] for key in "xyz"} | {"file": settings["file"]}
            frame = self._user.run(frame, self._state("user"), params, self._rng(RANDOM_STREAM, 1 + index))
        seed: int | None = self.stream.seed  # a bend may have set it
        if seed is not None:
            controls = replace(controls, seed=seed)
        if settings["generations"]:
            frame = self._generations.run(frame, controls, settings["generations"])
        return frame, controls

    @property
    def rounded(self) -> bool:
        """True if the last frame's latents were rounded to few levels, so that its bits are those
        of the levels.
        """
        return bool(self.stream.levels)

    def _state(self, name: str) -> BendState:
        if name not in self._states:
            self._states[name] = BendState(self.stream)
        return self._states[name]

    def _rng(self, stream: int, frame: int) -> np.random.Generator:
        return np.random.default_rng((self.settings["seed"], self._slot, stream, frame))
