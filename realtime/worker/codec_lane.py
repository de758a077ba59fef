"""Codec lane: one codec in a stream, from blocks at the device's rate to wet at the device's rate.

    block → effects → resample → chunk → encode → Frame ─┬→ chain of slot A (slot_chain.py)
                                                         └→ chain of slot B

One encoder serves every slot that plays this codec; each slot has its own decoder side. A lane does
not know devices or time.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np

from models.codec import Audio, Codec
from models.load import open_surprise
from realtime.dsp.blocks import silence_nonfinite, with_channels
from realtime.dsp.resampler import Resampler
from realtime.effects.rack import Rack
from realtime.worker.messages import ParameterChange, Slot, SlotWarning
from realtime.worker.routing import effects_place
from realtime.worker.slot_chain import SlotChain, unscheduled


class CodecLane:
    """One codec and the chains of the slots that play it. One thread at a time."""

    def __init__(
        self,
        codec: Codec,
        slots: Sequence[tuple[int, str]],
        rate: int,
        channels: int = 2,
        *,
        pre: Rack | None = None,
        post: Mapping[int, Rack] = MappingProxyType({}),
    ) -> None:
        """Open the codec for slots, given as (number, path), at the device's rate in Hz.

        `pre` holds the effects before the codec, `post` those after it by slot; `close` closes
        them.
        """
        spec = codec.spec
        self.codec, self.rate, self.channels = codec, rate, channels
        self.torch_threads = 0  # chosen by `lane_setup.autotune`; 0: torch's default
        self.one_thread_keeps_up = False  # decided by `lane_setup.warm_up`
        self.pre = pre or Rack()
        self.warnings: list[SlotWarning] = []  # of the effects before the codec; emptied by the owner
        self.pre_changes: list[ParameterChange] = []  # for the next frame, or for the sample that they name
        self.chains = [SlotChain(slot, path, codec, rate, channels, post.get(slot)) for slot, path in slots]
        self.encoder = codec.open_encoder()
        self.resampler = Resampler(rate, spec.sample_rate, channels) if spec.sample_rate != rate else None
        # a stream starts at a multiple of this, where both rates have an integer index
        self.alignment = rate // math.gcd(rate, spec.sample_rate)
        self.codec_seconds = 0.0  # in encode and decode since the last reset
        self.frames = 0
        self.bad_samples = 0
        self.start_sample = 0  # input sample at which the owner started this stream
        self.typical_s = 0.0  # median time of a frame in the warm-up, seconds
        self.applied: list[tuple[ParameterChange, int]] = []  # change and frame; emptied by the owner
        self.surprise = open_surprise(codec)  # of what is played in; None: the codec has no language model
        self.reset()

    def reset(self) -> None:
        """Restart: the next block begins at sample 0 of the stream."""
        self.pre.reset()
        self.encoder.reset()
        if self.resampler:
            self.resampler.reset()
        for chain in self.chains:
            chain.reset()
        if self.surprise:
            self.surprise.reset()
        self._gathered = np.zeros((self.channels, 0), np.float32)
        self.codec_seconds, self.frames = 0.0, 0

    @property
    def hop(self) -> int:
        """Duration of a frame in samples at the device's rate, rounded up."""
        return math.ceil(self.codec.spec.hop * self.rate / self.codec.spec.sample_rate)

    @property
    def samples_needed(self) -> int:
        """Samples at the device's rate that complete the next frame, or nearly so; at least 1."""
        missing = self.codec.spec.hop - self._gathered.shape[1]
        return self.pre.samples_needed(max(1, math.ceil(missing * self.rate / self.codec.spec.sample_rate)))

    @property
    def racks(self) -> list[tuple[str, Rack]]:
        """All racks of effects with the prefix of their parameters."""
        return [("pre", self.pre)] + [(effects_place(chain.slot), chain.rack) for chain in self.chains]

    def unschedule(self) -> None:
        """Apply scheduled changes at the next frame; a new stream counts its samples from 0."""
        self.pre_changes = unscheduled(self.pre_changes)
        for chain in self.chains:
            chain.unschedule()

    def close(self) -> None:
        """Close the effects."""
        for _, rack in self.racks:
            rack.close()

    def start_of(self, frame: int) -> int:
        """Return the first input sample of a frame, by the owner's count."""
        spec = self.codec.spec
        return self.start_sample + math.floor(frame * spec.hop * self.rate / spec.sample_rate)

    @property
    def resampler_latency(self) -> int:
        """Latency of both resamplers in samples at the device's rate."""
        before = self.resampler.latency if self.resampler else 0
        after = self.chains[0].resampler if self.chains else None
        # one sample more for each rounding to an integer index
        return before + math.ceil(after.latency * self.rate / self.codec.spec.sample_rate) + 2 if after else 0

    @property
    def lookahead(self) -> int:
        """Look-ahead of the codec in samples at the device's rate, rounded up."""
        return math.ceil(self.codec.spec.lookahead * self.rate / self.codec.spec.sample_rate)

    def process(self, block: Audio) -> list[tuple[int, Audio]]:
        """Take a block [C, n] at the device's rate; return complete (slot, audio [C, m])."""
        block, bad = silence_nonfinite(block)
        self.bad_samples += bad
        self._apply_pre_changes()
        block = self.pre.process(block)
        self.warnings += [SlotWarning(Slot.PRE, remark, failed) for remark, failed in self.pre.remarks()]
        if self.resampler:
            block = self.resampler.process(block)
        self._gathered = np.concatenate([self._gathered, block], axis=1)
        hop, done = self.codec.spec.hop, []
        while self._gathered.shape[1] >= hop:
            chunk = with_channels(self._gathered[:, :hop], self.codec.spec.channels)
            self._gathered = self._gathered[:, hop:]
            done += self._process_frame(np.ascontiguousarray(chunk))
        return done

    def _apply_pre_changes(self) -> None:
        """Apply the due changes of the effects before the codec."""
        before = self.start_of(self.frames + 1)
        due = [change for change in self.pre_changes if change.at is None or change.at < before]
        self.pre_changes = [change for change in self.pre_changes if change not in due]
        for change in due:
            self.pre.set(change.name, change.value)
            self.applied.append((change, self.frames))

    def _process_frame(self, chunk: Audio) -> list[tuple[int, Audio]]:
        """Encode, bend and decode one chunk [C, hop] for every slot."""
        started = time.perf_counter()
        for chain in self.chains:
            due = chain.apply_due_changes(self.start_of(self.frames + 1))
            self.applied += [(change, self.frames) for change in due]
        frame = self.encoder.encode(chunk)
        before = [chain.frame for chain in self.chains]  # read before any bend, so that slot order has no effect
        work = []
        for number, chain in enumerate(self.chains):
            other = before[1 - number] if len(before) == 2 else None
            controls, bent = chain.bend(frame, other)
            work.append((chain.decoder, bent, chain.with_locked_seed(controls, self.frames)))
        if self.surprise and self.chains and (continuation := self.chains[0].continuation):
            self.surprise.add(self.frames, continuation.heard)
        wet = self.codec.decode_batch(work)
        self.codec_seconds += time.perf_counter() - started
        self.frames += 1
        for chain in self.chains:
            chain.record_bitrate()
        return [(chain.slot, chain.postprocess(audio)) for chain, audio in zip(self.chains, wet, strict=True)]

    def warm_up(self, frames: int = 8) -> float:
        """Run frames of noise and reset; return the longest time of one frame in seconds.

        The median goes to `typical_s`: another program delays single frames.
        """
        delay = self.resampler.latency if self.resampler else 0
        longest = self.pre.samples_needed(self.hop + delay)
        noise = np.random.default_rng(0).standard_normal((self.channels, longest)).astype(np.float32) * 0.1
        self.process(noise)  # the first frame compiles and allocates
        times = []
        for _ in range(frames):
            started = time.perf_counter()
            self.process(noise[:, : self.samples_needed])
            times.append(time.perf_counter() - started)
        self.reset()
        self.typical_s = float(np.median(times))
        return max(times)
