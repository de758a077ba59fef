"""Frames from the messages that carry them: a head, then tokens and latents in parts (docs/osc.md, streams)."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from realtime.client.facts import CodecFacts, Frame
from realtime.osc.packet import Message
from realtime.timeline import SLOTS

KEPT = 1024  # frames of a slot that nobody has taken
HEAD = "/verdigris/out/frame"
PARTS = {
    **{f"/verdigris/out/{kind}": ("a", kind) for kind in ("tokens", "latents")},
    **{f"/verdigris/out/b/{kind}": ("b", kind) for kind in ("tokens", "latents")},
}
MODULO = 2**31  # of sample numbers


@dataclass
class _Coming:
    """A frame of which not everything has come."""

    number: int
    audible: int
    bits: float
    seconds: float
    parts: dict[str, list[Any]] = field(default_factory=lambda: {"tokens": [], "latents": []})


class Frames:
    """One thread."""

    def __init__(self) -> None:
        self._done: dict[str, deque[Frame]] = {slot: deque(maxlen=KEPT) for slot in SLOTS}
        self._coming: dict[str, _Coming] = {}

    def hear(self, message: Message, codecs: Mapping[str, CodecFacts], played: int, latency: int) -> bool:
        """Take in a message; whether it was one of these. `played`: about the time at which it came, in samples."""
        if message.address == HEAD:
            slot = SLOTS[message.args[0]]
            self._finish(slot, codecs, latency)  # what has not come by now does not come
            number, audible, bits, seconds = message.args[1:]
            audible = played + (audible - played + MODULO // 2) % MODULO - MODULO // 2
            self._coming[slot] = _Coming(number, audible, bits, seconds)
        elif message.address in PARTS:
            slot, kind = PARTS[message.address]
            coming = self._coming.get(slot)
            if coming is None or coming.number != message.args[0]:
                return True
            coming.parts[kind] += message.args[2:]
        else:
            return False
        if self._is_whole(slot, codecs):
            self._finish(slot, codecs, latency)
        return True

    def take(self, slot: str) -> list[Frame]:
        """Those that have come since the last call."""
        done = self._done[slot]
        found = list(done)
        done.clear()
        return found

    def clear(self) -> None:
        """Forget everything: another stream begins."""
        self._coming.clear()
        for done in self._done.values():
            done.clear()

    def _is_whole(self, slot: str, codecs: Mapping[str, CodecFacts]) -> bool:
        if slot not in codecs:
            return False
        spec, parts = codecs[slot].spec, self._coming[slot].parts
        return len(parts["tokens"]) >= spec.tokens and len(parts["latents"]) >= spec.latent[0] * spec.latent[1]

    def _finish(self, slot: str, codecs: Mapping[str, CodecFacts], latency: int) -> None:
        coming = self._coming.pop(slot, None)
        if coming is None or slot not in codecs:
            return
        latent, shape = coming.parts["latents"], codecs[slot].spec.latent
        self._done[slot].append(
            Frame(
                slot,
                coming.number,
                coming.audible - latency,
                coming.seconds,
                coming.bits,
                np.array(coming.parts["tokens"], np.int32),
                np.array(latent, np.float32).reshape(shape) if len(latent) == shape[0] * shape[1] > 0 else None,
            )
        )
