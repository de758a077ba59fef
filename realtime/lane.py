"""A lane: one codec in a stream, from blocks at the device's rate to wet at the device's rate.

    block → effects → resample → chunk → encode → Frame ─┬→ bends → decode → resample → effects → limit → slot A
                                                         └→ bends → decode → resample → effects → limit → slot B

One encoder serves every slot that plays this codec; decoder, controls and limiter are the slot's own. Output sample m
of a slot belongs to input sample m: what codec, limiter and effects lag is dropped at the start, here (the effects' in
rack.py) and nowhere else.
A lane knows nothing of devices or time.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

import numpy as np

from models.codec import Audio, Codec, Controls, Decoder, Frame, part_sent
from models.load import open_token_model
from realtime.bends.chain import Chain
from realtime.limiter import LOOKAHEAD as LIMITER_LOOKAHEAD
from realtime.limiter import Limiter
from realtime.news import PRE, Change, Trouble
from realtime.rack.rack import Rack
from realtime.resample import Resampler
from realtime.timeline import SLOTS

LOCK_STEP = 69_069  # a multiplier of linear congruential generators: neighbouring seeds share no frame's


class Outlet:
    """One slot of a lane: its decoder and the way back to the device's rate."""

    def __init__(self, slot: int, path: str, codec: Codec, rate: int, channels: int, rack: Rack | None = None) -> None:
        spec = codec.spec
        self.slot, self.path = slot, path
        self.controls = Controls()
        self.lock = 0  # frames after which the decoding noise repeats; 0: never
        self.bends = Chain(codec, slot, path, self._say)
        self.troubles: list[Trouble] = []  # its owner empties it
        self.decoder: Decoder = codec.open_decoder(path)
        self.resampler = Resampler(spec.sample_rate, rate, channels) if spec.sample_rate != rate else None
        self.rack = rack or Rack()
        self.limiter = Limiter(rate, channels)
        self._lookahead, self._channels, self._spec = spec.lookahead, channels, spec
        self.waiting: list[Change] = []  # for the next frame, or for the one that they name
        self.frame: Frame | None = None  # the last one, as it was decoded
        self.bits = 0.0  # sent for this slot since reset
        self._recent: deque[float] = deque(maxlen=max(1, round(spec.frame_rate)))  # of each frame of the last second
        self._coded: deque[float] = deque(maxlen=self._recent.maxlen)  # the same, under an entropy coder
        self.bad_samples = 0  # not finite, replaced by silence
        self.reset()

    def reset(self) -> None:
        """Begin anew at sample 0."""
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
        self._coded.clear()
        self._token_model = open_token_model(self._spec)

    def ask(self, change: Change) -> None:
        """Have a change wait for its frame; of those for the next frame the last one counts."""
        if change.at is None:
            self.waiting = [c for c in self.waiting if c.at is not None or c.name != change.name]
        self.waiting.append(change)

    def forget_samples(self) -> None:
        """Another stream counts its samples anew: what waits for one of the old is for the next frame."""
        self.waiting = _without_samples(self.waiting)

    def take_changes(self, before: int) -> list[Change]:
        """Apply what is due for a frame that ends before this input sample, in order; what that was."""
        due = [c for c in self.waiting if c.at is None or c.at < before]
        if due:
            self.waiting = [c for c in self.waiting if not (c.at is None or c.at < before)]
            for change in due:
                self._set(change.name, change.value)
        return due

    def _set(self, name: str, value: object) -> None:
        if name == "limiter":
            self.limiter.on = bool(value)
        elif name.startswith("bend."):
            self.bends.set(name.removeprefix("bend."), value)
        elif name == "lock":
            self.lock = int(value)  # type: ignore[call-overload]
        elif name.startswith("post."):
            self.rack.set(name.removeprefix("post."), value)
        else:
            self.controls = replace(self.controls, **{name: value})  # type: ignore[arg-type]

    def locked(self, controls: Controls, frame: int) -> Controls:
        """With a seed of this frame's own, the same each time a loop comes round."""
        if not self.lock:
            return controls
        return replace(controls, seed=(controls.seed * LOCK_STEP + frame % self.lock + 1) % 2**31)

    def count_bits(self) -> None:
        """A frame has been decoded."""
        self._recent.append(self.wire_bits)
        self.bits += self.wire_bits
        if self._token_model and self.frame:
            books = round(part_sent(self._spec.books, self.controls) * self._spec.books)
            self._coded.append(self._token_model.frame_bits(self.frame.tokens, books))

    @property
    def bits_a_frame(self) -> float:
        """What was sent in a frame, on average over the last second."""
        return sum(self._recent) / len(self._recent) if self._recent else 0.0

    @property
    def coded_a_frame(self) -> float:
        """What an entropy coder would have sent in a frame, on average over the last second; 0: no such codec."""
        return sum(self._coded) / len(self._coded) if self._coded else 0.0

    def _say(self, what: str) -> None:
        self.troubles.append(Trouble(self.slot, what))

    @property
    def wire_bits(self) -> float:
        """What the last frame cost to send, as it was bent and with the books that are sent."""
        if self.frame is None:
            return 0.0
        if self.bends.rounded:
            return self.frame.bits
        return wire_bits(self.frame, self.path) * part_sent(self._spec.books, self.controls)

    def finish(self, chunk: Audio) -> Audio:
        """Decoded chunk [C, hop] to what lies in the timeline, aligned with its input."""
        skip = min(self._skip, chunk.shape[1])
        self._skip -= skip
        audio, bad = _finite(_with_channels(chunk[:, skip:], self._channels))
        self.bad_samples += bad
        if self.resampler:
            audio = self.resampler.process(audio)
        audio = self.rack.process(audio)
        self.troubles += [Trouble(self.slot, said, failed) for said, failed in self.rack.remarks()]
        audio = self.limiter.process(audio)
        skip = min(self._limiter_skip, audio.shape[1])
        self._limiter_skip -= skip
        return audio[:, skip:]


class Lane:
    """One codec and the slots that play it. One thread at a time."""

    def __init__(
        self,
        codec: Codec,
        outlets: Sequence[tuple[int, str]],
        rate: int,
        channels: int = 2,
        *,
        pre: Rack | None = None,
        post: Mapping[int, Rack] = MappingProxyType({}),
    ) -> None:
        """`post` has the effects of a slot; `close` lets go of them and of those in `pre`."""
        spec = codec.spec
        self.codec, self.rate, self.channels = codec, rate, channels
        self.pre = pre or Rack()
        self.troubles: list[Trouble] = []  # of the effects before; its owner empties it
        self.pre_changes: list[Change] = []  # for the next frame, or for the one that they name
        self.outlets = [Outlet(slot, path, codec, rate, channels, post.get(slot)) for slot, path in outlets]
        self.encoder = codec.open_encoder()
        self.resampler = Resampler(rate, spec.sample_rate, channels) if spec.sample_rate != rate else None
        divisor = math.gcd(rate, spec.sample_rate)
        self.seat = rate // divisor  # a stream starts at a multiple of this, where both rates have a whole index
        self.codec_seconds = 0.0  # spent in encode and decode since the last reset
        self.frames = 0
        self.bad_samples = 0
        self.origin = 0  # what its owner calls sample 0 of this stream
        self.applied: list[tuple[Change, int, int]] = []  # change, slot, frame; its owner empties it
        self.reset()

    def reset(self) -> None:
        """Begin anew: the next block starts at sample 0 of this stream."""
        self.pre.reset()
        self.encoder.reset()
        if self.resampler:
            self.resampler.reset()
        for outlet in self.outlets:
            outlet.reset()
        self._pending = np.zeros((self.channels, 0), np.float32)
        self.codec_seconds, self.frames = 0.0, 0

    @property
    def hop(self) -> int:
        """Samples at the device's rate that a frame stands for, rounded up."""
        return math.ceil(self.codec.spec.hop * self.rate / self.codec.spec.sample_rate)

    @property
    def wanted(self) -> int:
        """Samples at the device's rate after which another frame is complete, or nearly so; at least 1."""
        missing = self.codec.spec.hop - self._pending.shape[1]
        return self.pre.wanted(max(1, math.ceil(missing * self.rate / self.codec.spec.sample_rate)))

    @property
    def racks(self) -> list[tuple[str, Rack]]:
        """All effects, by place as the table of parameters names it."""
        return [("pre", self.pre)] + [(f"{SLOTS[outlet.slot]}.post", outlet.rack) for outlet in self.outlets]

    def forget_samples(self) -> None:
        """As of Outlet, for all of them and for the effects before."""
        self.pre_changes = _without_samples(self.pre_changes)
        for outlet in self.outlets:
            outlet.forget_samples()

    def close(self) -> None:
        """Let go of the effects."""
        for _, rack in self.racks:
            rack.close()

    def start_of(self, frame: int) -> int:
        """The first input sample, by its owner's count, that is in a frame."""
        spec = self.codec.spec
        return self.origin + math.floor(frame * spec.hop * self.rate / spec.sample_rate)

    @property
    def resampler_latency(self) -> int:
        """Samples at the device's rate that both resamplers wait for."""
        waits = self.resampler.latency if self.resampler else 0
        back = self.outlets[0].resampler if self.outlets else None
        # one sample more for each rounding to a whole index
        return waits + math.ceil(back.latency * self.rate / self.codec.spec.sample_rate) + 2 if back else 0

    @property
    def lookahead(self) -> int:
        """The codec's look-ahead in samples at the device's rate, rounded up."""
        return math.ceil(self.codec.spec.lookahead * self.rate / self.codec.spec.sample_rate)

    def process(self, block: Audio) -> list[tuple[int, Audio]]:
        """Take the next [C, n] at the device's rate; give (slot, audio [C, m]) in order, whatever is complete."""
        block, bad = _finite(block)
        self.bad_samples += bad
        self._take_pre_changes()
        block = self.pre.process(block)
        self.troubles += [Trouble(PRE, said, failed) for said, failed in self.pre.remarks()]
        if self.resampler:
            block = self.resampler.process(block)
        self._pending = np.concatenate([self._pending, block], axis=1)
        hop, done = self.codec.spec.hop, []
        while self._pending.shape[1] >= hop:
            chunk = _with_channels(self._pending[:, :hop], self.codec.spec.channels)
            self._pending = self._pending[:, hop:]
            done += self._step(np.ascontiguousarray(chunk))
        return done

    def _take_pre_changes(self) -> None:
        """Apply what is due in the frame that is being gathered."""
        before = self.start_of(self.frames + 1)
        due = [change for change in self.pre_changes if change.at is None or change.at < before]
        self.pre_changes = [change for change in self.pre_changes if change not in due]
        for change in due:
            self.pre.set(change.name, change.value)
            self.applied.append((change, PRE, self.frames))

    def _step(self, chunk: Audio) -> list[tuple[int, Audio]]:
        started = time.perf_counter()
        for outlet in self.outlets:
            due = outlet.take_changes(self.start_of(self.frames + 1))
            self.applied += [(change, outlet.slot, self.frames) for change in due]
        frame = self.encoder.encode(chunk)
        before = [outlet.frame for outlet in self.outlets]  # so that neither slot goes first
        work = []
        for number, outlet in enumerate(self.outlets):
            other = before[1 - number] if len(before) == 2 else None
            outlet.frame, controls = outlet.bends.bend(frame, outlet.controls, other)
            work.append((outlet.decoder, outlet.frame, outlet.locked(controls, self.frames)))
        wet = self.codec.decode_together(work)
        self.codec_seconds += time.perf_counter() - started
        self.frames += 1
        for outlet in self.outlets:
            outlet.count_bits()
        return [(o.slot, o.finish(audio)) for o, audio in zip(self.outlets, wet, strict=True)]

    def warm_up(self, frames: int = 8) -> float:
        """Run frames of noise, then begin anew; the longest that one took, in seconds."""
        waits = self.resampler.latency if self.resampler else 0
        most = self.pre.wanted(self.hop + waits)
        noise = np.random.default_rng(0).standard_normal((self.channels, most)).astype(np.float32) * 0.1
        self.process(noise)  # the first frame compiles and allocates
        worst = 0.0
        for _ in range(frames):
            started = time.perf_counter()
            self.process(noise[:, : self.wanted])
            worst = max(worst, time.perf_counter() - started)
        self.reset()
        return worst


def _without_samples(changes: list[Change]) -> list[Change]:
    return [replace(change, at=None) for change in changes]


def wire_bits(frame: Frame, path: str) -> float:
    """What a frame costs to send on a path: its tokens, or its latent in float16 as the tape stores it."""
    return 16.0 * frame.latent.size if path == "continuous" and frame.latent is not None else frame.bits


def _with_channels(audio: Audio, channels: int) -> Audio:
    """Mono to stereo by repeating, stereo to mono by the mean."""
    if audio.shape[0] == channels:
        return audio
    mono = audio.mean(axis=0, keepdims=True, dtype=np.float32)
    return np.repeat(mono, channels, axis=0)


def _finite(audio: Audio) -> tuple[Audio, int]:
    """NaN and infinity become silence; how many there were."""
    good = np.isfinite(audio)
    bad = audio.size - int(np.count_nonzero(good))
    return (np.where(good, audio, np.float32(0.0)), bad) if bad else (audio, 0)
