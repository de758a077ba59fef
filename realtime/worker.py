"""The worker: takes dry from the timeline hop by hop, runs the lanes, writes wet where its input was.

It knows nothing of devices or windows. Live it is a process of its own, for files and tests a thread; the timeline
cannot tell the difference. One thread owns a Worker.

    position ──►|...... dry not yet taken ......|◄── dry_end         more than half a ring behind: begin anew at now
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

import realtime.atomic  # noqa: F401  # half a second that a stream must not wait for when another worker takes it over
from models.codec import Audio
from realtime.automation import Automation
from realtime.lane import Lane, Outlet
from realtime.news import PRE, Applied, Began, Change, Encoded, Trouble
from realtime.rack.effect import LIVE_PATIENCE_S, PATIENCE_S
from realtime.rack.opening import set_patience
from realtime.telemetry import LoadMeter, Telemetry, publish
from realtime.timeline import BEFORE, CUT, DRY, EPOCH, WET, WET_END, Field, Timeline

POLL_S = 0.0005
OFFLINE_POLL_S = 0.00005
TELEMETRY_NS = 30_000_000
RUN_IN_HOPS = 2  # a codec that takes over hears so much before it is heard


class _Place:
    """Where a lane stands in the stream."""

    def __init__(self, lane: Lane) -> None:
        self.lane = lane
        self.taken = 0  # input sample to take next
        self.written = {outlet.slot: 0 for outlet in lane.outlets}  # input sample to write next
        self.publish_from = dict(self.written)  # what comes before belongs to the worker before
        self.load = LoadMeter()


class Worker:
    """Runs lanes on a timeline."""

    def __init__(
        self,
        timeline: Timeline,
        lanes: Sequence[Lane],
        engine: int = 1,
        post: Callable[[object], None] = lambda event: None,
    ) -> None:
        """`engine` counts the workers that have attached to this timeline, this one included; `post` gets news."""
        self.timeline = timeline
        self._post = post
        self._groups: frozenset[str] = frozenset()
        self._places = [_Place(lane) for lane in lanes]
        self._automation = Automation(timeline)
        self._capacity = timeline[Field.CAPACITY]
        self._told: dict[Trouble, Lane] = {}
        self._waited_for = 0  # whether the host waits, as the effects were told
        self._resyncs = 0
        self._told_ns = 0
        if timeline.load(Field.ACK) == timeline.load(Field.STREAM):  # another worker was here before
            for place in self._places:
                self._take_over(place)
        self._beat()
        timeline.store(Field.ENGINE, engine)
        self._engine = engine

    def step(self) -> bool:
        """Do the most urgent frame; False if none is complete yet. Never waits."""
        timeline = self.timeline
        self._beat()
        if timeline[Field.OFFLINE] != self._waited_for:
            self._be_patient()
        stream = timeline.load(Field.STREAM)
        if stream != timeline.load(Field.ACK):
            for place in self._places:
                self._begin(place, 0)
            for place in self._places:
                place.lane.forget_samples()
            self._automation.begin()
            timeline.store(Field.ACK, stream)
        dry_end = timeline.load(Field.DRY_END)
        for name, value, at in self._automation.take():
            for outlet in self._outlets():
                outlet.ask(Change(outlet.slot, name, value, at))
        ready = [p for p in self._places if p.taken + p.lane.wanted <= dry_end]
        if not ready:
            self._tell()
            return False
        place = min(ready, key=lambda p: p.taken + p.lane.wanted)  # who has waited longest
        count = place.lane.wanted
        block = np.empty((place.lane.channels, count), np.float32)
        timeline.read(DRY, place.taken, block)
        if self._too_late(place):
            self._begin(place, timeline.load(Field.DRY_END))
            self._resyncs += 1
            return True
        started = time.perf_counter()
        frames = place.lane.frames
        wet = place.lane.process(block)
        place.taken += count
        if place.lane.frames > frames:
            spec = place.lane.codec.spec
            place.load.add(
                (time.perf_counter() - started) * spec.sample_rate / (spec.hop * (place.lane.frames - frames))
            )
        for slot, audio in wet:
            self._write(place, slot, audio)
        for slot, end in place.written.items():
            timeline.store(WET_END[slot], max(end, place.publish_from[slot]))
        if place.lane.frames > frames:
            self._report(place.lane)
        self._tell()
        return True

    def change(self, change: Change) -> None:
        """Have a change wait for its frame. `post` hears when it is applied, if it has a ticket."""
        if change.slot == PRE:
            for place in self._places:
                place.lane.pre_changes.append(change)
                change = replace(change, ticket=0)  # one answer is enough
        for outlet in self._outlets():
            if outlet.slot == change.slot:
                outlet.ask(change)

    def set_limiter(self, on: bool, at: int | None = None, ticket: int = 0) -> None:
        """Whether wet is kept below full scale; its latency stays."""
        for outlet in self._outlets():
            outlet.ask(Change(outlet.slot, "limiter", on, at, ticket))
            ticket = 0  # one answer is enough

    def stream(self, groups: frozenset[str]) -> None:
        """Report every frame to `post`, with its tokens or latents if they are named."""
        self._groups = groups

    def _outlets(self) -> list[Outlet]:
        return [outlet for place in self._places for outlet in place.lane.outlets]

    def _report(self, lane: Lane) -> None:
        """What was applied, and the frame that was done last."""
        for change, slot, at in lane.applied:
            if change.ticket:
                self._post(Applied(change.ticket, change.name, slot, at, self._audible(lane, at)))
        lane.applied.clear()
        while lane.troubles:
            trouble = lane.troubles.pop(0)
            if self._told.setdefault(trouble, lane) is lane:  # every lane has these effects; one says it
                self._post(trouble)
        for outlet in lane.outlets:
            while outlet.troubles:
                self._post(outlet.troubles.pop(0))
        if not self._groups:
            return
        spec, frame = lane.codec.spec, lane.frames - 1
        for outlet in lane.outlets:
            if outlet.frame is not None:
                self._post(
                    Encoded(
                        slot=outlet.slot,
                        frame=frame,
                        audible=self._audible(lane, frame),
                        seconds=1.0 / spec.frame_rate,
                        bits=outlet.wire_bits,
                        tokens=outlet.frame.tokens if "tokens" in self._groups else None,
                        latent=outlet.frame.latent if "latents" in self._groups else None,
                    )
                )

    def _audible(self, lane: Lane, frame: int) -> int:
        """When a frame begins to be heard; decoded audio lies `lookahead` before the hop that completed it."""
        return self.timeline[Field.LATENCY] + max(lane.origin, lane.start_of(frame) - lane.lookahead)

    def snapshot(self) -> Telemetry:
        """What is known of this run."""
        frames, bitrate, coded, bad = [0, 0], [0.0, 0.0], [0.0, 0.0], 0
        loads = np.zeros(3)
        for place in self._places:
            lane = place.lane
            # lanes take turns on one thread, so their loads add up (percentiles: an upper bound)
            loads += place.load.percentiles()
            bad += lane.bad_samples
            for outlet in lane.outlets:
                frames[outlet.slot] = lane.frames
                bitrate[outlet.slot] = outlet.bits_a_frame * lane.codec.spec.frame_rate / 1000
                coded[outlet.slot] = outlet.coded_a_frame * lane.codec.spec.frame_rate / 1000
                bad += outlet.bad_samples
        return Telemetry(
            frames=(frames[0], frames[1]),
            bitrate=(bitrate[0], bitrate[1]),
            coded=(coded[0], coded[1]),
            load=(loads[0], loads[1], loads[2]),
            resyncs=self._resyncs,
            bad_samples=bad,
        )

    def slow_frames(self, least: int) -> list[float]:
        """Seconds that 99 of 100 frames took no longer than, for each lane; 0 with fewer frames than `least`."""
        spent = [(place.lane.codec.spec, place.load) for place in self._places]
        return [load.percentiles()[1] * spec.hop / spec.sample_rate * (load.count >= least) for spec, load in spent]

    def _be_patient(self) -> None:
        """A host begins to render, and has time for every effect; or it plays again, and has none."""
        self._waited_for = self.timeline[Field.OFFLINE]
        for place in self._places:
            for _, rack in place.lane.racks:
                set_patience(rack, PATIENCE_S if self._waited_for else LIVE_PATIENCE_S)

    def _begin(self, place: _Place, at: int) -> None:
        """Start a lane anew at input sample `at` or the next that both rates share; older output is void."""
        epoch = math.ceil(at / place.lane.seat) * place.lane.seat
        place.lane.reset()
        place.taken = place.lane.origin = epoch
        if epoch:
            for slot in place.written:
                self._tell_began(place.lane, slot, epoch)
        for slot in place.written:
            place.written[slot] = place.publish_from[slot] = epoch
            self._store_epoch(slot, epoch)
            self.timeline.store(WET_END[slot], epoch)

    def _store_epoch(self, slot: int, epoch: int) -> None:
        """Before the new end, which others read first; and what the last run came to, for who has not seen it."""
        timeline = self.timeline
        timeline.store(BEFORE[slot], timeline.load(EPOCH[slot]))
        timeline.store(CUT[slot], timeline.load(WET_END[slot]))
        timeline.store(EPOCH[slot], epoch)

    def _take_over(self, place: _Place) -> None:
        """Go on where the worker before ended, if that has yet to be played; else from now."""
        timeline, lane = self.timeline, place.lane
        ends = {slot: timeline.load(WET_END[slot]) for slot in place.written}
        dry_end = timeline.load(Field.DRY_END)
        # as far back as a worker may lie, less what comes in until its first step
        oldest = dry_end - self._capacity // 2 + self._capacity // 16
        start = max(0, min(ends.values()) - RUN_IN_HOPS * lane.hop, oldest)
        start = math.ceil(start / lane.seat) * lane.seat
        if min(ends.values()) < max(start, dry_end - timeline[Field.LATENCY]):
            self._begin(place, dry_end)
            return
        lane.reset()
        place.taken = lane.origin = start
        for slot, end in ends.items():
            place.written[slot], place.publish_from[slot] = place.taken, end
            self._store_epoch(slot, end)
            self._tell_began(lane, slot, end)

    def _tell_began(self, lane: Lane, slot: int, start: int) -> None:
        spec = lane.codec.spec
        frame = (start + lane.lookahead - lane.origin) * spec.sample_rate // (spec.hop * lane.rate)
        self._post(Began(slot, frame, start + self.timeline[Field.LATENCY]))

    def _write(self, place: _Place, slot: int, audio: Audio) -> None:
        start = place.written[slot]
        place.written[slot] += audio.shape[1]
        skip = min(max(0, place.publish_from[slot] - start), audio.shape[1])
        self.timeline.write(WET + slot, start + skip, audio[:, skip:])

    def _too_late(self, place: _Place) -> bool:
        """Half a ring behind, or already written over while it was read."""
        return self.timeline.load(Field.DRY_END) - place.taken > self._capacity // 2

    def _beat(self) -> None:
        self.timeline.store(Field.BEAT, time.monotonic_ns())

    def _tell(self) -> None:
        now = time.monotonic_ns()
        if now - self._told_ns > TELEMETRY_NS:
            self._told_ns = now
            publish(self.timeline, self.snapshot())

    def finish(self) -> None:
        """Leave the last telemetry, and say that no engine is here any more."""
        publish(self.timeline, self.snapshot())
        if self.timeline.load(Field.ENGINE) == self._engine:  # nobody has taken over
            self.timeline.store(Field.ENGINE, 0)
