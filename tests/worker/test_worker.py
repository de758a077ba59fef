"""Worker on a timeline: every wet sample at its own index, whatever happens to the worker."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from models.codec import DecoderControls
from models.load import load
from realtime.dsp.limiter import LOOKAHEAD
from realtime.timeline import telemetry
from realtime.timeline.layout import GAIN_ONE, HEARTBEAT, RUN_START, WET_END, Field, Timeline
from realtime.timeline.playout import Playout, dropouts, slot_dropouts
from realtime.timeline.ring_reader import RingReader
from realtime.worker.codec_lane import CodecLane
from realtime.worker.latency_budget import LatencyRequirement, plan
from realtime.worker.messages import LaneFailed, ParameterChange, Slot
from realtime.worker.scheduler import Worker
from tests.support.lockstep import NEVER_NS, lanes_of, noise, play, play_all, run_worker, wet_of

L = 3000


@pytest.fixture
def timeline() -> Iterator[Timeline]:
    made = Timeline.create(rate=48_000, latency=L, max_block=512, stall_ns=NEVER_NS)
    made.header[Field.GAIN_DRY], made.header[Field.GAIN_A] = 0, GAIN_ONE
    yield made
    made.close()


@pytest.mark.parametrize("blocks", [[32], [64], [100], [256], [441], [1024], [7, 700, 1, 333]], ids=str)
def test_wet_of_an_exact_codec_is_the_input_latency_samples_later(timeline: Timeline, blocks: list[int]) -> None:
    host = Playout(timeline)
    worker = Worker(timeline, lanes_of("pcm:hop=960,lookahead=77", "pcm:hop=1000"))
    x = noise(30_000)
    out = play_all(host, x, blocks, worker)
    assert np.array_equal(out[L + 256 :], x[256:-L])  # the first 256 fade in from dry, which is the same
    assert sum(dropouts(timeline).values()) == 0


@pytest.mark.parametrize("rate", [44_100, 96_000, 8_000])
def test_resampled_wet_is_at_its_own_index(rate: int) -> None:
    """Codec at 48 kHz, device at another rate: a slow sine returns in place, within 1e-4."""
    timeline = Timeline.create(rate=rate, latency=4 * L, max_block=512)
    try:
        host = Playout(timeline)
        lanes = [CodecLane(load("pcm:hop=960,lookahead=100,rate=48000"), [(0, "discrete")], rate)]
        worker = Worker(timeline, lanes)
        t = np.arange(rate) / rate
        x = np.repeat(0.5 * np.sin(2 * np.pi * 997 * t)[:, None], 2, axis=1).astype(np.float32)
        play_all(host, x, [441], worker)
        end = timeline[WET_END[0]]
        assert end > 0.9 * rate
        got = wet_of(timeline, 0, end - 4000, 4000)
        assert np.abs(got - x[end - 4000 : end]).max() < 1e-4
    finally:
        timeline.close()


def test_a_stalled_worker_restarts_at_the_present_and_shifts_nothing(timeline: Timeline) -> None:
    host = Playout(timeline)
    worker = Worker(timeline, lanes_of("pcm:hop=960,lookahead=77", "pcm:hop=1000"))
    x, tail = noise(300_000), [RingReader(timeline, "a"), RingReader(timeline, "b")]
    recorded: list[list[np.ndarray]] = [[], []]
    pieces = []
    for at, out in play(host, x, [256], None):
        pieces.append(out)
        if not 48_000 <= at < 144_000:  # two seconds, longer than the ring
            run_worker(worker)
        for slot in range(2):
            recorded[slot].append(tail[slot].read().T)
    out = np.concatenate(pieces)
    assert np.array_equal(out[L:], x[:-L])  # wet and dry are the same here: nothing is shifted, ever
    for slot in range(2):
        wet = np.concatenate(recorded[slot])
        there = (wet == x[: len(wet)]).all(axis=1)
        assert not wet[~there].any(), "samples that are not in place must be silence"
        assert 0.6 < there.mean() < 0.7
    assert dropouts(timeline) == {"late": 1, "stalled": 0, "died": 0, "xrun": 0}
    assert worker.snapshot().resyncs == 2  # each lane once


def test_a_replaced_worker_continues_from_now(timeline: Timeline) -> None:
    host = Playout(timeline)
    worker: Worker | None = Worker(timeline, lanes_of("pcm:hop=960", "pcm:hop=1000"))
    x, pieces = noise(200_000), []
    for at, out in play(host, x, [256], None):
        pieces.append(out)
        if 48_000 <= at < 60_000:
            worker = None  # killed without notice
        elif worker is None:
            worker = Worker(timeline, lanes_of("pcm:hop=960", "pcm:hop=1000"), attach_count=2)
            assert timeline[RUN_START[0]] >= at
        if worker:
            run_worker(worker)
    assert np.array_equal(np.concatenate(pieces)[L:], x[:-L])
    assert dropouts(timeline) == {"late": 0, "stalled": 0, "died": 1, "xrun": 0}


def test_a_worker_joins_a_new_stream_at_its_beginning(timeline: Timeline) -> None:
    worker = None
    for seed in range(3):
        host = Playout(timeline)  # the host restarts
        worker = worker or Worker(timeline, lanes_of("pcm:hop=960", "pcm"))
        x = noise(20_000, seed)
        assert np.array_equal(play_all(host, x, [256], worker)[L:], x[:-L])
        assert timeline[Field.STREAM_ACK] == timeline[Field.STREAM_ID] == seed + 1


def test_slots_of_one_codec_share_an_encode(timeline: Timeline) -> None:
    codec = load("pcm:hop=960")
    encodes = 0
    lane = CodecLane(codec, [(0, "discrete"), (1, "discrete")], 48_000)
    encode = lane.encoder.encode

    def counted(chunk):
        nonlocal encodes
        encodes += 1
        return encode(chunk)

    lane.encoder.encode = counted  # type: ignore[method-assign]
    host, worker = Playout(timeline), Worker(timeline, [lane])
    play_all(host, noise(9600), [480], worker)
    assert encodes == 10
    assert timeline[WET_END[0]] == timeline[WET_END[1]] == 9600 - LOOKAHEAD


def test_the_lane_that_waited_longest_goes_first(timeline: Timeline) -> None:
    host, worker = Playout(timeline), Worker(timeline, lanes_of("pcm:hop=4000", "pcm:hop=500"))
    play_all(host, noise(4000), [500], None)
    for written in (500, 1000, 1500, 2000, 2500, 3000, 3500):
        assert worker.step()
        assert (timeline[WET_END[0]], timeline[WET_END[1]]) == (0, written - LOOKAHEAD)


def test_not_a_number_from_a_device_becomes_silence_and_is_counted(timeline: Timeline) -> None:
    host, worker = Playout(timeline), Worker(timeline, lanes_of("pcm:hop=960", "pcm:hop=960"))
    x = noise(20_000)
    x[5000, 0], x[6000, 1] = np.nan, np.inf
    play_all(host, x, [256], worker)
    assert np.isfinite(timeline.rings[1:3]).all()
    assert worker.snapshot().bad_samples == 4  # two samples, in two lanes


def test_controls_reach_the_decoder_of_their_slot_at_the_next_frame(timeline: Timeline) -> None:
    lane = CodecLane(load("pcm:hop=960"), [(0, "discrete"), (1, "discrete")], 48_000)
    host, worker = Playout(timeline), Worker(timeline, [lane])
    for name, value in (("steps", 5), ("seed", 7)):
        worker.change(ParameterChange(1, name, value))
    play_all(host, noise(960), [480], worker)
    assert lane.chains[0].controls == DecoderControls()
    assert lane.chains[1].controls == replace(DecoderControls(), steps=5, seed=7)


def test_telemetry_reads_what_the_worker_published(timeline: Timeline) -> None:
    host, worker = Playout(timeline), Worker(timeline, lanes_of("pcm:hop=960", "opus:24"))
    play_all(host, noise(48_000), [480], worker)
    worker.finish()
    read = telemetry.read(timeline)
    assert read == worker.snapshot()
    assert read.frames == (50, 50)
    assert read.bitrate[1] == pytest.approx(24.0, abs=0.5)
    assert 0 < read.load[0] <= read.load[1] <= read.load[2]


def test_lanes_in_threads_compute_the_same_samples_as_in_turn() -> None:
    rings = []
    for threads in (False, True):
        timeline = Timeline.create(rate=48_000, latency=L, max_block=512)
        host, worker = Playout(timeline), Worker(timeline, lanes_of("opus:24", "pcm:hop=1000"))
        worker.change(ParameterChange(Slot.GLOBAL, "limiter", False, at=9000))
        if threads:
            worker.start()
        for at, _ in play(host, noise(40_000), [512], None if threads else worker):
            while threads and min(timeline.load(end) for end in WET_END) < at - 1000:
                worker.watch()
        worker.finish()
        assert timeline[Field.STREAM_ACK] == timeline[Field.STREAM_ID]
        rings.append(timeline.rings[1:3, :, :38_000].copy())
        timeline.close()
    assert np.array_equal(rings[0], rings[1])


def test_a_lane_that_fails_is_reported_and_the_other_goes_on(timeline: Timeline) -> None:
    lanes = lanes_of("pcm:hop=960", "pcm:hop=480")
    lanes[0].encoder = None  # type: ignore[assignment]
    events: list[object] = []
    host, worker = Playout(timeline), Worker(timeline, lanes, send=events.append)
    worker.start()
    x = noise(10_000)
    for at, _ in play(host, x, [500], None):
        while timeline.load(WET_END[1]) < at - 1000:
            worker.watch()
    while not any(isinstance(event, LaneFailed) for event in events):
        worker.watch()
    worker.finish()
    (failed,) = (event for event in events if isinstance(event, LaneFailed))
    assert failed.slots == (0,)
    assert "AttributeError" in failed.reason
    assert timeline[WET_END[0]] == 0


def test_a_lane_that_hangs_is_seen_by_its_own_heartbeat(timeline: Timeline) -> None:
    """A stops for good after two hops, B goes on: a stall of A alone, in B's time no dropout."""
    timeline.header[Field.STALL_NS] = 1
    host, worker = Playout(timeline), Worker(timeline, lanes_of("pcm:hop=960", "pcm:hop=480"))
    a, b = worker.runners
    for at, _ in play(host, noise(30_000), [256], None):
        for runner in (a, b) if at < 10_000 else (b,):
            while worker.prepare(runner):
                runner.compute()
            timeline.store(HEARTBEAT[1], 2**62)  # just now, to the nanosecond
    host.finish()
    assert slot_dropouts(timeline, 0) == {"late": 0, "stalled": 1, "died": 0}
    assert slot_dropouts(timeline, 1) == {"late": 0, "stalled": 0, "died": 0}
    assert timeline[Field.DROPPED_SAMPLES_A] > 15_000
    assert timeline[Field.DROPPED_SAMPLES_B] == 0


def misses_of_a_worker_that_takes(compute: int, latency: int, block: int) -> int:
    """Return the dropouts of a worker that takes `compute` samples for each frame.

    Time is that of the stream: it starts when the block that completes the frame is handed over.
    """
    timeline = Timeline.create(rate=48_000, latency=latency, max_block=block, slots=1)
    try:
        host, worker = Playout(timeline), Worker(timeline, lanes_of("pcm:hop=960,lookahead=77"))
        done_at: list[int] = []
        out = np.empty((block, 2), np.float32)
        for handed_over in range(block, 200_000, block):
            while done_at and done_at[0] <= handed_over:
                done_at.pop(0)
                worker.step()
            host.process(noise(block), out)
            if handed_over // 960 > (handed_over - block) // 960:
                done_at.append(handed_over + compute)
        host.finish()
        return sum(dropouts(timeline).values())
    finally:
        timeline.close()


@pytest.mark.parametrize("block", [32, 441, 512])
def test_planned_latency_is_just_enough_for_a_worker_as_slow_as_planned(block: int) -> None:
    compute = 700
    need = LatencyRequirement(
        0, 0, hop=960, lookahead=77, resampler=0, limiter=LOOKAHEAD, compute_s=compute / 48_000 / 1.25
    )
    planned = plan([need], rate=48_000, block=block)
    assert planned.terms["compute"] == compute
    seen_at_once = planned.latency - planned.terms["poll"]  # this worker does not poll
    assert misses_of_a_worker_that_takes(compute, seen_at_once, block) == 0
    assert misses_of_a_worker_that_takes(compute, seen_at_once - 2 * block, block) > 0


def test_a_worker_that_takes_over_in_time_leaves_no_dropout(timeline: Timeline) -> None:
    """Codecs with other hops: at the seam a fade, before and after it wet in place."""
    timeline.header[Field.DROPOUT_FILL] = 1  # silence, so that the seam can be seen
    host = Playout(timeline)
    worker = Worker(timeline, lanes_of("pcm:hop=960", "pcm:hop=480"))
    x, pieces, seam = noise(60_000), [], 0
    for at, out in play(host, x, [256], None):
        pieces.append(out)
        if not seam and at > 30_000:
            seam = timeline[WET_END[0]]
            worker = Worker(timeline, lanes_of("pcm:hop=700,lookahead=90", "pcm:hop=480"), attach_count=2)
            assert timeline[RUN_START[0]] == seam
        run_worker(worker)
    played = np.concatenate(pieces)[L:]
    same = (played == x[: len(played)]).all(axis=1)
    assert same[256 : seam - 256].all()
    assert not same[seam - 200 : seam + 200].any()
    assert same[seam + 256 + 256 :].all()  # the new run is adopted at a block
    assert sum(dropouts(timeline).values()) == 0
    assert timeline[Field.DROPPED_SAMPLES] == 0


@pytest.mark.parametrize("rate", [48_000, 44_100])
def test_a_worker_with_a_long_hop_takes_over_in_time(rate: int) -> None:
    """CoDiCodec's shape: two hops of preroll are half a ring; blocks precede the first step."""
    timeline = Timeline.create(rate=rate, latency=40_000, max_block=512)
    try:
        host = Playout(timeline)
        names = ("pcm:hop=32768,lookahead=1024,rate=48000", "pcm")
        worker: Worker | None = Worker(timeline, lanes_of(*names, rate=rate))
        seam = 0
        for at, _ in play(host, noise(300_000), [512], None):
            if not seam and at > 150_000:
                seam = at
                worker = Worker(timeline, lanes_of(*names, rate=rate), attach_count=2)
            elif worker:
                run_worker(worker)
        assert sum(dropouts(timeline).values()) == 0
        assert worker is not None
        assert worker.snapshot().resyncs == 0
    finally:
        timeline.close()


def test_readers_of_telemetry_survive_a_worker_that_died_while_writing(timeline: Timeline) -> None:
    written = telemetry.Telemetry(frames=(3, 4))
    telemetry.publish(timeline, written)
    timeline.telemetry[:8].view(np.int64)[0] += 1  # killed in the middle
    assert telemetry.read(timeline) == written
    telemetry.publish(timeline, replace(written, frames=(5, 6)))
    assert telemetry.read(timeline).frames == (5, 6)
    assert timeline.telemetry[:8].view(np.int64)[0] % 2 == 0
