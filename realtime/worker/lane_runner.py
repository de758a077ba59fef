"""Lane runner: one lane on a timeline, from dry in the ring to wet at its index.

Each lane has its own position, heartbeat and run, so that lanes may run in a thread each: a lane
that is late delays no other. It does not know devices, windows or other lanes.

    read_pos ──►|...... unread dry ......|◄── dry_end      more than half a ring: restart at dry_end
"""

from __future__ import annotations

import math
import queue
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from models.codec import Audio, CodecProgramError
from realtime.effects.effect import LIVE_TIMEOUT_S, OFFLINE_TIMEOUT_S
from realtime.effects.factory import set_timeout
from realtime.timeline.layout import (
    DRY,
    HEARTBEAT,
    PREV_RUN_END,
    PREV_RUN_START,
    RUN_START,
    WET,
    WET_END,
    Field,
    Timeline,
)
from realtime.timeline.telemetry import LoadMeter
from realtime.worker.codec_lane import CodecLane
from realtime.worker.host_automation import Automation
from realtime.worker.messages import (
    ChangeApplied,
    FrameEncoded,
    ParameterChange,
    Slot,
    SlotStarted,
    SlotWarning,
    SurpriseMeasured,
)

PREROLL_HOPS = 2  # input that a new worker's codec processes before its output is used


@dataclass(frozen=True)
class LaneTelemetry:
    """Measurements of one lane; bitrates in kbit/s by slot, load in × real time (p50, p99, max)."""

    frames: int
    bitrate: dict[int, float]
    coded: dict[int, float]
    load: tuple[float, float, float]
    resyncs: int
    bad_samples: int


class LaneRunner:
    """Runs one lane on a timeline. One thread at a time; `put` from any."""

    def __init__(
        self,
        timeline: Timeline,
        lane: CodecLane,
        send: Callable[[object], None],
        warned: dict[SlotWarning, CodecLane],
    ) -> None:
        """`send` receives the events; `warned` is shared by the lanes of a worker."""
        self.timeline, self.lane = timeline, lane
        self.groups: frozenset[str] = frozenset()  # of FrameEncoded events
        self.stream = -1  # STREAM_ID for which the lane was reset
        self.load = LoadMeter()
        self._send, self._warned = send, warned
        self._inbox: queue.SimpleQueue[ParameterChange] = queue.SimpleQueue()
        self._automation = Automation(timeline)
        self._capacity = timeline[Field.CAPACITY]
        self._offline = 0  # Field.OFFLINE, for which the timeouts of the effects were set
        self._resyncs = 0
        self._surprise_samples = 0  # that the last measurement took, at most half a hop
        self._failed = False  # the codec's own program has failed: dry in its place, until another one is loaded
        self._read_pos = 0  # next input sample to read
        self._write_pos = {chain.slot: 0 for chain in lane.chains}  # next input sample to write
        self._valid_from = dict(self._write_pos)  # earlier samples belong to the previous worker
        self.beat()

    def beat(self) -> None:
        """Store the heartbeat of each slot of the lane."""
        now = time.perf_counter_ns()
        for slot in self._write_pos:
            self.timeline.store(HEARTBEAT[slot], now)

    def put(self, change: ParameterChange) -> None:
        """Queue a change for the next frame, or for the input sample that it names. Any thread."""
        self._inbox.put(change)

    def prepare(self) -> bool:
        """Do the work before a frame; return True if its dry samples are complete.

        That is: heartbeat, a new stream, changes that have arrived. A plug-in's host publishes its
        automation before the samples, so that here the samples are looked at first.
        """
        self.beat()
        if self._failed:
            self.stream = self.timeline.load(Field.STREAM_ID)
            return False
        self._update_effect_timeouts()
        self._start_new_stream()
        dry_end = self.timeline.load(Field.DRY_END)
        while not self._inbox.empty():
            self._enqueue(self._inbox.get())
        for name, value, at in self._automation.read():  # of a plug-in's host, for both slots
            for chain in self.lane.chains:
                chain.enqueue(ParameterChange(chain.slot, name, value, at))
        return self.ready_at <= dry_end

    @property
    def ready_at(self) -> int:
        """End of the dry samples that complete the next frame."""
        return self._read_pos + self.lane.samples_needed

    def compute(self) -> None:
        """Compute the next frame, whose dry samples are complete."""
        block = np.empty((self.lane.channels, self.lane.samples_needed), np.float32)
        self.timeline.read(DRY, self._read_pos, block)
        if self.timeline.load(Field.DRY_END) - self._read_pos > self._capacity // 2:  # its input may be overwritten
            self._start_at(self.timeline.load(Field.DRY_END))
            self._resyncs += 1
            return
        try:
            self._process_block(block)
        except CodecProgramError as error:
            if self.timeline[Field.OFFLINE]:
                raise
            self._failed = True
            for slot in self._write_pos:
                self._send(SlotWarning(slot, f"{error}; bypassed. Choose its codec again to try again"))

    def measure_surprise(self) -> bool:
        """Measure one frame of the player, while none can be computed, if the next one leaves time for
        it. Return False if nothing was measured.
        """
        if self.lane.surprise is None:
            return False
        left = self.ready_at - self.timeline.load(Field.DRY_END)
        if left < self._surprise_samples and not self.timeline[Field.OFFLINE]:
            return False
        started = time.perf_counter()
        found = self.lane.surprise.measure()
        if found is None:
            return False
        taken = (time.perf_counter() - started) * self.timeline[Field.RATE]
        self._surprise_samples = min(math.ceil(taken), self.lane.hop // 2)
        number, bits = found
        for chain in self.lane.chains:
            self._send(SurpriseMeasured(chain.slot, number, self._audible(number), bits))
        return True

    def resume_previous(self) -> None:
        """Continue where the previous worker ended if that is yet to be played, else now."""
        timeline, lane = self.timeline, self.lane
        self.stream = timeline.load(Field.STREAM_ID)
        ends = {slot: timeline.load(WET_END[slot]) for slot in self._write_pos}
        dry_end = timeline.load(Field.DRY_END)
        # as far back as a worker may be, less the input that arrives until its first step
        oldest = dry_end - self._capacity // 2 + self._capacity // 16
        start = max(0, min(ends.values()) - PREROLL_HOPS * lane.hop, oldest)
        start = math.ceil(start / lane.alignment) * lane.alignment
        if min(ends.values()) < max(start, dry_end - timeline[Field.LATENCY]):
            self._start_at(dry_end)
            return
        lane.reset()
        self._read_pos = lane.start_sample = start
        for slot, end in ends.items():
            self._write_pos[slot], self._valid_from[slot] = start, end
            self._publish_run(slot, end)
            self._announce_start(slot, end)

    def measure(self) -> LaneTelemetry:
        """Return the measurements so far."""
        lane, rate = self.lane, self.lane.codec.spec.frame_rate
        return LaneTelemetry(
            frames=lane.frames,
            bitrate={chain.slot: chain.mean_bits_per_frame * rate / 1000 for chain in lane.chains},
            coded={chain.slot: chain.mean_entropy_bits_per_frame * rate / 1000 for chain in lane.chains},
            load=self.load.percentiles(),
            resyncs=self._resyncs,
            bad_samples=lane.bad_samples + sum(chain.bad_samples for chain in lane.chains),
        )

    def slow_frame(self, min_frames: int) -> float:
        """Return the 99th percentile of the seconds per frame; 0 below `min_frames` frames."""
        spec = self.lane.codec.spec
        return self.load.percentiles()[1] * spec.hop / spec.sample_rate * (self.load.count >= min_frames)

    # parts of `prepare` and `compute`

    def _update_effect_timeouts(self) -> None:
        """Set the timeouts of effects: long while the host renders offline, else short."""
        if self.timeline[Field.OFFLINE] != self._offline:
            self._offline = self.timeline[Field.OFFLINE]
            for _, rack in self.lane.racks:
                set_timeout(rack, OFFLINE_TIMEOUT_S if self._offline else LIVE_TIMEOUT_S)

    def _start_new_stream(self) -> None:
        """Reset the lane if the host has begun a new stream."""
        stream = self.timeline.load(Field.STREAM_ID)
        if stream == self.stream:
            return
        self._start_at(0)
        self.lane.unschedule()
        self._automation.restart()
        self.stream = stream

    def _enqueue(self, change: ParameterChange) -> None:
        if change.slot == Slot.PRE:
            self.lane.pre_changes.append(change)
            return
        for chain in self.lane.chains:
            if change.slot in (chain.slot, Slot.GLOBAL):
                chain.enqueue(change)

    def _process_block(self, block: Audio) -> None:
        """Run the lane on a block of dry, publish its wet and report its frame."""
        lane, frames = self.lane, self.lane.frames
        if lane.surprise:
            lane.surprise.on = "surprise" in self.groups
        started = time.perf_counter()
        wet = lane.process(block)
        self._read_pos += block.shape[1]
        if lane.frames > frames:
            spec = lane.codec.spec
            self.load.add((time.perf_counter() - started) * spec.sample_rate / (spec.hop * (lane.frames - frames)))
        for slot, audio in wet:
            self._write(slot, audio)
        for slot, end in self._write_pos.items():
            self.timeline.store(WET_END[slot], max(end, self._valid_from[slot]))
        if lane.frames > frames:
            self._report()

    def _write(self, slot: int, audio: Audio) -> None:
        start = self._write_pos[slot]
        self._write_pos[slot] += audio.shape[1]
        skip = min(max(0, self._valid_from[slot] - start), audio.shape[1])
        self.timeline.write(WET + slot, start + skip, audio[:, skip:])

    # events

    def _report(self) -> None:
        """Send the applied changes, the warnings and the last frame of the lane."""
        lane = self.lane
        for change, frame in lane.applied:
            if change.ticket:
                self._send(ChangeApplied(change.ticket, change.name, change.slot, frame, self._audible(frame)))
        lane.applied.clear()
        while lane.warnings:
            warning = lane.warnings.pop(0)
            if self._warned.setdefault(warning, lane) is lane:  # every lane has these effects; one reports them
                self._send(warning)
        for chain in lane.chains:
            while chain.warnings:
                self._send(chain.warnings.pop(0))
        if self.groups:
            self._report_frame(self.groups)

    def _report_frame(self, groups: frozenset[str]) -> None:
        spec, frame = self.lane.codec.spec, self.lane.frames - 1
        for chain in self.lane.chains:
            if chain.frame is not None:
                self._send(
                    FrameEncoded(
                        slot=chain.slot,
                        frame=frame,
                        audible=self._audible(frame),
                        seconds=1.0 / spec.frame_rate,
                        bits=chain.transmitted_bits,
                        tokens=chain.frame.tokens if "tokens" in groups else None,
                        latent=chain.frame.latent if "latents" in groups else None,
                    )
                )

    def _audible(self, frame: int) -> int:
        """Return the sample at which a frame becomes audible.

        Decoded audio precedes its hop by the look-ahead.
        """
        lane = self.lane
        return self.timeline[Field.LATENCY] + max(lane.start_sample, lane.start_of(frame) - lane.lookahead)

    def _announce_start(self, slot: int, start: int) -> None:
        lane, spec = self.lane, self.lane.codec.spec
        frame = (start + lane.lookahead - lane.start_sample) * spec.sample_rate // (spec.hop * lane.rate)
        self._send(SlotStarted(slot, frame, start + self.timeline[Field.LATENCY]))

    # runs

    def _start_at(self, at: int) -> None:
        """Restart the lane at input sample `at` or the next that both rates share.

        Earlier output is invalid.
        """
        lane = self.lane
        start = math.ceil(at / lane.alignment) * lane.alignment
        lane.reset()
        self._read_pos = lane.start_sample = start
        if start:
            for slot in self._write_pos:
                self._announce_start(slot, start)
        for slot in self._write_pos:
            self._write_pos[slot] = self._valid_from[slot] = start
            self._publish_run(slot, start)
            self.timeline.store(WET_END[slot], start)

    def _publish_run(self, slot: int, start: int) -> None:
        """Publish a run's start and the bounds of the run before it, ahead of its WET_END."""
        timeline = self.timeline
        timeline.store(PREV_RUN_START[slot], timeline.load(RUN_START[slot]))
        timeline.store(PREV_RUN_END[slot], timeline.load(WET_END[slot]))
        timeline.store(RUN_START[slot], start)
