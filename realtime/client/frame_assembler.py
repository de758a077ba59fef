"""Assemble frames from OSC messages: a head, then tokens and latents in parts (docs/osc.md,
Streams); and keep how predictable they were.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from realtime.client.model import CodecInfo, Frame, FrameSurprise
from realtime.osc.packet import Message
from realtime.timeline.layout import SLOTS

MAX_FRAMES = 1024  # kept for each slot until `take`
HEAD, SURPRISE = "/verdigris/out/frame", "/verdigris/out/surprise"
PARTS = {
    **{f"/verdigris/out/{kind}": ("a", kind) for kind in ("tokens", "latents")},
    **{f"/verdigris/out/b/{kind}": ("b", kind) for kind in ("tokens", "latents")},
}
MODULO = 2**31  # sample numbers go out modulo this


@dataclass
class _PartialFrame:
    """Frame whose parts have not all arrived."""

    number: int
    audible: int
    bits: float
    seconds: float
    parts: dict[str, list[Any]] = field(default_factory=lambda: {"tokens": [], "latents": []})


class FrameAssembler:
    """Complete frames of both slots, and the one of each slot that is still incomplete.

    One thread.
    """

    def __init__(self) -> None:
        self._done: dict[str, deque[Frame]] = {slot: deque(maxlen=MAX_FRAMES) for slot in SLOTS}
        self._partial: dict[str, _PartialFrame] = {}
        self._surprise: dict[str, deque[FrameSurprise]] = {slot: deque(maxlen=MAX_FRAMES) for slot in SLOTS}

    def add(self, message: Message, codecs: Mapping[str, CodecInfo], played: int, latency: int) -> bool:
        """Add a message and return True, or return False if it does not belong to a frame.

        `played`, in samples, is about the time of arrival; sample numbers modulo 2³¹ are extended
        with it.
        """
        if message.address == HEAD:
            slot = SLOTS[message.args[0]]
            self._finish(slot, codecs, latency)  # a new head: missing parts of the frame before will not arrive
            number, audible, bits, seconds = message.args[1:]
            self._partial[slot] = _PartialFrame(number, _extended(audible, played), bits, seconds)
        elif message.address == SURPRISE:
            slot, _, audible, bits = message.args
            self._surprise[SLOTS[slot]].append(FrameSurprise(_extended(audible, played) - latency, bits))
            return True
        elif message.address in PARTS:
            slot, kind = PARTS[message.address]
            partial = self._partial.get(slot)
            if partial is None or partial.number != message.args[0]:
                return True
            partial.parts[kind] += message.args[2:]
        else:
            return False
        if self._is_complete(slot, codecs):
            self._finish(slot, codecs, latency)
        return True

    def take(self, slot: str) -> list[Frame]:
        """Return the frames completed since the last call, oldest first."""
        done = self._done[slot]
        found = list(done)
        done.clear()
        return found

    def take_surprise(self, slot: str) -> list[FrameSurprise]:
        """Return how predictable frames were that were measured since the last call, oldest first."""
        found = list(self._surprise[slot])
        self._surprise[slot].clear()
        return found

    def clear(self) -> None:
        """Forget all frames, for a new stream."""
        self._partial.clear()
        for slot in SLOTS:
            self._done[slot].clear()
            self._surprise[slot].clear()

    def _is_complete(self, slot: str, codecs: Mapping[str, CodecInfo]) -> bool:
        if slot not in codecs:
            return False
        spec, parts = codecs[slot].spec, self._partial[slot].parts
        return len(parts["tokens"]) >= spec.tokens and len(parts["latents"]) >= spec.latent[0] * spec.latent[1]

    def _finish(self, slot: str, codecs: Mapping[str, CodecInfo], latency: int) -> None:
        partial = self._partial.pop(slot, None)
        if partial is None or slot not in codecs:
            return
        latent, shape = partial.parts["latents"], codecs[slot].spec.latent
        self._done[slot].append(
            Frame(
                slot,
                partial.number,
                partial.audible - latency,
                partial.seconds,
                partial.bits,
                np.array(partial.parts["tokens"], np.int32),
                np.array(latent, np.float32).reshape(shape) if len(latent) == shape[0] * shape[1] > 0 else None,
            )
        )


def _extended(sample: int, near: int) -> int:
    """Return the sample number that is `sample` modulo MODULO, and next to `near`."""
    return near + (sample - near + MODULO // 2) % MODULO - MODULO // 2
