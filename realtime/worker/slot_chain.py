"""Slot chain: the decoder side of one slot, from an encoded frame to wet at the device's rate.

    Frame → continuation → bends → decode → channels → resample → effects → limit

Output sample m belongs to input sample m: the look-ahead of codec and limiter is dropped once at
the start, here; that of effects is dropped in effects/rack.py.
"""

from __future__ import annotations

from collections import deque
from dataclasses import replace

from models.codec import Audio, Codec, Decoder, DecoderControls, Frame, sent_fraction
from models.load import open_continuation, open_entropy_estimator
from realtime.bends.chain import BendChain
from realtime.dsp.blocks import silence_nonfinite, with_channels
from realtime.dsp.limiter import LOOKAHEAD as LIMITER_LOOKAHEAD
from realtime.dsp.limiter import Limiter
from realtime.dsp.resampler import Resampler
from realtime.effects.rack import Rack
from realtime.worker.messages import ParameterChange, SlotWarning
from realtime.worker.routing import Stage, stage_of

LCG_MULTIPLIER = 69_069  # of a linear congruential generator: neighbouring seeds give different frame seeds


class SlotChain:
    """Decoder, bends, effects and limiter of one slot. One thread at a time."""

    def __init__(self, slot: int, path: str, codec: Codec, rate: int, channels: int, rack: Rack | None = None) -> None:
        spec = codec.spec
        self.slot, self.path = slot, path
        self.controls = DecoderControls()
        self.lock = 0  # period in frames after which the decoding noise repeats; 0: never
        self.continuation = open_continuation(codec)  # goes on in place of the encoder; None: it cannot
        self._told_no_continuation = False
        self.bends = BendChain(codec, slot, path, self._warn)
        self.warnings: list[SlotWarning] = []  # emptied by the owner
        self.decoder: Decoder = codec.open_decoder(path)
        self.resampler = Resampler(spec.sample_rate, rate, channels) if spec.sample_rate != rate else None
        self.rack = rack or Rack()
        self.limiter = Limiter(rate, channels)
        self._codec = codec
        self._lookahead, self._channels, self._spec = spec.lookahead, channels, spec
        self._pending: list[ParameterChange] = []  # for the next frame, or for the sample that they name
        self.frame: Frame | None = None  # the last one decoded, after its bends
        self.bits = 0.0  # transmitted for this slot since the last reset
        self._recent: deque[float] = deque(maxlen=max(1, round(spec.frame_rate)))  # bits of the last second's frames
        self._entropy: deque[float] = deque(maxlen=self._recent.maxlen)  # the same under an entropy coder
        self.bad_samples = 0  # NaN or infinite, replaced by silence
        self.reset()

    def reset(self) -> None:
        """Restart at sample 0."""
        if self.continuation:
            self.continuation.reset()
        self.bends.reset()
        self.frame = None
        self.decoder.reset()
        self.limiter.reset()
        if self.resampler:
            self.resampler.reset()
        self.rack.reset()
        self._skip, self._limiter_skip = self._lookahead, LIMITER_LOOKAHEAD
        self.bits = 0.0
        self._recent.clear()
        self._entropy.clear()
        self._entropy_estimator = open_entropy_estimator(self._codec)

    def enqueue(self, change: ParameterChange) -> None:
        """Queue a change for its frame; of several for the next frame, the last one counts."""
        if change.at is None:
            self._pending = [c for c in self._pending if c.at is not None or c.name != change.name]
        self._pending.append(change)

    def unschedule(self) -> None:
        """Apply scheduled changes at the next frame; a new stream counts its samples from 0."""
        self._pending = unscheduled(self._pending)

    def apply_due_changes(self, before: int) -> list[ParameterChange]:
        """Apply and return the changes due for a frame that ends before input sample `before`."""
        due = [c for c in self._pending if c.at is None or c.at < before]
        if due:
            self._pending = [c for c in self._pending if not (c.at is None or c.at < before)]
            for change in due:
                self._set(change.name, change.value)
        return due

    def _set(self, name: str, value: object) -> None:
        stage, key = stage_of(name)
        if stage is Stage.BENDS:
            self.bends.set(key, value)
        elif stage is Stage.CONTINUATION:
            self._set_continuation(key, value)
        elif stage is Stage.EFFECTS:
            self.rack.set(key, value)
        elif stage is Stage.LIMITER:
            self.limiter.on = bool(value)
        elif stage is Stage.SEED_LOCK:
            self.lock = int(value)  # type: ignore[call-overload]
        else:
            self.controls = replace(self.controls, **{key: value})  # type: ignore[arg-type]

    def _set_continuation(self, key: str, value: object) -> None:
        if self.continuation:
            self.continuation.set(key, value)
        elif key == "on" and value and not self._told_no_continuation:
            self._told_no_continuation = True
            self._warn(f"{self._spec.name} cannot continue by itself: it has no language model. Play swift.")

    def bend(self, frame: Frame, other: Frame | None) -> tuple[DecoderControls, Frame]:
        """Return the decoder's controls, and what it is to decode of an encoded frame, which is kept.

        `other` is the frame that the other slot of this codec decoded last.
        """
        if self.continuation:
            frame = self.continuation.frame(frame)
        self.frame, controls = self.bends.bend(frame, self.controls, other)
        if self.continuation:
            self.continuation.played(self.frame.tokens)
        return controls, self.frame

    def with_locked_seed(self, controls: DecoderControls, frame: int) -> DecoderControls:
        """Return the controls; with a lock, their seed repeats with its period in frames."""
        if not self.lock:
            return controls
        return replace(controls, seed=(controls.seed * LCG_MULTIPLIER + frame % self.lock + 1) % 2**31)

    def record_bitrate(self) -> None:
        """Add the last decoded frame to the bitrates."""
        self._recent.append(self.transmitted_bits)
        self.bits += self.transmitted_bits
        if self._entropy_estimator and self.frame:
            books = round(sent_fraction(self._spec.books, self.controls) * self._spec.books)
            self._entropy.append(self._entropy_estimator.frame_bits(self.frame.tokens, books))

    @property
    def mean_bits_per_frame(self) -> float:
        """Mean bits transmitted per frame over the last second."""
        return sum(self._recent) / len(self._recent) if self._recent else 0.0

    @property
    def mean_entropy_bits_per_frame(self) -> float:
        """Mean bits per frame under an entropy coder, last second; 0 if there is none."""
        return sum(self._entropy) / len(self._entropy) if self._entropy else 0.0

    @property
    def transmitted_bits(self) -> float:
        """Size of the last frame in bits, after its bends, of the transmitted codebooks."""
        if self.frame is None:
            return 0.0
        if self.bends.rounded:
            return self.frame.bits
        return frame_bits(self.frame, self.path) * sent_fraction(self._spec.books, self.controls)

    def postprocess(self, chunk: Audio) -> Audio:
        """Return wet at the device's rate, aligned with its input, from a chunk [C, hop]."""
        skip = min(self._skip, chunk.shape[1])
        self._skip -= skip
        audio, bad = silence_nonfinite(with_channels(chunk[:, skip:], self._channels))
        self.bad_samples += bad
        if self.resampler:
            audio = self.resampler.process(audio)
        audio = self.rack.process(audio)
        self.warnings += [SlotWarning(self.slot, remark, failed) for remark, failed in self.rack.remarks()]
        audio = self.limiter.process(audio)
        skip = min(self._limiter_skip, audio.shape[1])
        self._limiter_skip -= skip
        return audio[:, skip:]

    def _warn(self, message: str) -> None:
        self.warnings.append(SlotWarning(self.slot, message))


def unscheduled(changes: list[ParameterChange]) -> list[ParameterChange]:
    """Return the changes without their input samples."""
    return [replace(change, at=None) for change in changes]


def frame_bits(frame: Frame, path: str) -> float:
    """Return the bits of a frame on a path: its tokens, or its latent in float16."""
    return 16.0 * frame.latent.size if path == "continuous" and frame.latent is not None else frame.bits
