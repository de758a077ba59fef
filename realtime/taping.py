"""Tapes of a stream while it plays: what each slot would send, tokens or latents, as its decoder got them.

`a.tape` and `b.tape` beside the recordings; `verdigris play` makes sound of them. A slot's tape ends where its codec is
changed; a frame that was lost leaves a gap in the numbers, which are those of the stream, counted from the first of the
take, and not of the encoder.
"""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np

from models.codec import CodecError, Frame
from realtime.engine import Engine
from realtime.news import Encoded, Loaded
from realtime.service import Playing
from realtime.tape import TapeHeader, TapeWriter
from realtime.timeline import SLOTS
from realtime.wholefile import FileError


class Taping:
    """Writes tapes until `finish`; written by whoever pumps the engine."""

    def __init__(self, engine: Engine, directory: Path, start: int = 0) -> None:
        """From input sample `start` on; a slot whose codec has no tokens gets none. OSError if it cannot be."""
        self.error: FileError | None = None
        self._engine, self._start = engine, start
        self._end: int | None = None
        self._lock = threading.Lock()  # who pumps may be another than who finishes
        self._asker = f"tape {directory}"
        self._first: dict[int, int] = {}  # per slot: the number of the take's first frame
        self._last: dict[int, int] = {}  # and of the frame written last
        self._slots = {p.slot: p for p in engine.playing if p.spec.tokens}
        self._writers = {
            slot: TapeWriter(directory / f"{SLOTS[slot]}.tape", self._header(playing))
            for slot, playing in self._slots.items()
        }
        if self._writers:
            engine.listen(self._hear)
            engine.stream(frozenset({"tokens", "latents"}), asker=self._asker)

    def end(self, sample: int) -> None:
        """Nothing from input sample `sample` on is to be on them."""
        self._end = sample

    def finish(self) -> None:
        """Close them; they can be read up to the last frame at any time before."""
        self._engine.unlisten(self._hear)
        with self._lock:
            for slot in list(self._writers):
                self._close(slot)
        self._engine.stream(frozenset(), asker=self._asker)

    def _header(self, playing: Playing) -> TapeHeader:
        values, name = self._engine.values, SLOTS[playing.slot]
        kind = "latents" if playing.path == "continuous" else "tokens"
        steps, noise, seed = (values[f"{name}.{key}"] for key in ("steps", "context_noise", "seed"))
        return TapeHeader.of(playing.spec, kind, self._engine.plan.latency, seed, steps, noise, playing.config_hash)

    def _hear(self, event: object) -> None:
        with self._lock:
            self._take(event)

    def _take(self, event: object) -> None:
        if isinstance(event, Loaded) and not event.reason:
            self._close(event.slot)
        if not isinstance(event, Encoded) or event.slot not in self._writers:
            return
        heard = event.audible - self._engine.plan.latency  # the input sample that is heard as its first
        if heard < self._start or (self._end is not None and heard >= self._end):
            return
        number = self._number(event)
        if number <= self._last.get(event.slot, -1):  # a worker that took over lets its codec run in
            return
        self._last[event.slot] = number
        first = self._first.setdefault(event.slot, 0 if self._start == 0 else number)
        tokens = np.empty(0, np.int32) if event.tokens is None else event.tokens
        try:
            self._writers[event.slot].write(Frame(number - first, tokens, event.latent, event.bits))
        except (OSError, CodecError) as error:
            self.error = FileError(f"the tape of slot {SLOTS[event.slot].upper()} ends here ({error})")
            self._close(event.slot)

    def _number(self, event: Encoded) -> int:
        """The frame's place in the stream: it is heard L after its hop's first sample, less the look-ahead."""
        spec, rate = self._slots[event.slot].spec, self._engine.settings.rate
        start = (event.audible - self._engine.plan.latency) * spec.sample_rate / rate
        return round((start + spec.lookahead * (start > 0)) / spec.hop)

    def _close(self, slot: int) -> None:
        if writer := self._writers.pop(slot, None):
            writer.close()
