"""Recorder of tapes: the tokens or latents that each slot's decoder gets while a stream plays.

Writes `a.tape` and `b.tape` beside the WAV files; `verdigris play` decodes them. A slot's tape ends
where its codec is changed. Frames are numbered from the take's first frame by their place in the
stream, so a lost frame leaves a gap.
"""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np

from models.codec import CodecError, Frame
from realtime.engine.engine import Engine
from realtime.files.tape import TapeHeader, TapeWriter
from realtime.system.atomic_file import FileError
from realtime.timeline.layout import SLOTS
from realtime.worker.messages import CodecLoaded, FrameEncoded, SlotInfo


class TokenRecorder:
    """Tapes of one take, written until `finish` in the thread that pumps the engine's events."""

    def __init__(self, engine: Engine, directory: Path, start: int = 0) -> None:
        """Begin at input sample `start`. Slots whose codec has neither tokens nor latents get no tape. OSError if
        one cannot be written.
        """
        self.error: FileError | None = None
        self._engine, self._start = engine, start
        self._end: int | None = None
        self._lock = threading.Lock()  # `finish` may run in another thread than events
        self._subscription = f"tape {directory}"
        self._first: dict[int, int] = {}  # stream frame number of the take's first frame, by slot
        self._last: dict[int, int] = {}  # stream frame number of the frame written last, by slot
        self._slots = {p.slot: p for p in engine.playing if p.spec.tokens or 0 not in p.spec.latent}
        self._writers = {
            slot: TapeWriter(directory / f"{SLOTS[slot]}.tape", self._header(playing))
            for slot, playing in self._slots.items()
        }
        if self._writers:
            engine.listen(self._on_event)
            engine.subscribe_frames(frozenset({"tokens", "latents"}), subscriber=self._subscription)

    def end(self, sample: int) -> None:
        """End the tapes before input sample `sample`."""
        self._end = sample

    def finish(self) -> None:
        """Close the tapes. Before that they can be read up to the last frame at any time."""
        self._engine.unlisten(self._on_event)
        with self._lock:
            for slot in list(self._writers):
                self._close(slot)
        self._engine.subscribe_frames(frozenset(), subscriber=self._subscription)

    def _header(self, playing: SlotInfo) -> TapeHeader:
        values, name = self._engine.parameters, SLOTS[playing.slot]
        kind = "latents" if playing.path == "continuous" else "tokens"
        steps, noise, seed = (values[f"{name}.{key}"] for key in ("steps", "context_noise", "seed"))
        return TapeHeader.of(playing.spec, kind, self._engine.plan.latency, seed, steps, noise, playing.config_hash)

    def _on_event(self, event: object) -> None:
        with self._lock:
            self._record(event)

    def _record(self, event: object) -> None:
        if isinstance(event, CodecLoaded) and not event.reason:
            self._close(event.slot)
        if not isinstance(event, FrameEncoded) or event.slot not in self._writers:
            return
        first_sample = event.audible - self._engine.plan.latency  # input sample k = n - L of its first output sample
        if first_sample < self._start or (self._end is not None and first_sample >= self._end):
            return
        number = self._number(event)
        if number <= self._last.get(
            event.slot, -1
        ):  # already written: a worker that takes over repeats frames as preroll
            return
        self._last[event.slot] = number
        first = self._first.setdefault(event.slot, 0 if self._start == 0 else number)
        tokens = np.empty(0, np.int32) if event.tokens is None else event.tokens
        try:
            self._writers[event.slot].write(Frame(number - first, tokens, event.latent, event.bits))
        except (OSError, CodecError) as error:
            self.error = FileError(f"the tape of slot {SLOTS[event.slot].upper()} ends here ({error})")
            self._close(event.slot)

    def _number(self, event: FrameEncoded) -> int:
        """Return the frame's number in the stream. It is audible L after its hop's first sample,
        less the look-ahead.
        """
        spec, rate = self._slots[event.slot].spec, self._engine.settings.rate
        start = (event.audible - self._engine.plan.latency) * spec.sample_rate / rate
        return round((start + spec.lookahead * (start > 0)) / spec.hop)

    def _close(self, slot: int) -> None:
        if writer := self._writers.pop(slot, None):
            try:
                writer.close()
            except OSError as error:
                self.error = self.error or FileError(f"the tape of slot {SLOTS[slot].upper()} ends early ({error})")
