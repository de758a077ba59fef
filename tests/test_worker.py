"""The worker on a timeline: every wet sample at its own index, whatever happens to the worker."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from models.codec import Controls
from models.load import load
from realtime import telemetry
from realtime.callback import HostSide, misses
from realtime.lane import Lane
from realtime.latency import Need, plan
from realtime.limiter import LOOKAHEAD
from realtime.news import Change
from realtime.tail import Tail
from realtime.timeline import EPOCH, GAIN_ONE, WET_END, Field, Timeline
from realtime.worker import Worker
from tests.lockstep import lanes_of, noise, play, play_all, run_worker, wet_of

L = 3000


@pytest.fixture
def timeline() -> Iterator[Timeline]:
    made = Timeline.create(rate=48_000, latency=L, max_block=512)
    made.header[Field.GAIN_DRY], made.header[Field.GAIN_A] = 0, GAIN_ONE
    yield made
    made.close()


@pytest.mark.parametrize("blocks", [[32], [64], [100], [256], [441], [1024], [7, 700, 1, 333]], ids=str)
def test_wet_of_an_exact_codec_is_the_input_latency_samples_later(timeline: Timeline, blocks: list[int]) -> None:
    host = HostSide(timeline)
    worker = Worker(timeline, lanes_of("pcm:hop=960,lookahead=77", "pcm:hop=1000"))
    x = noise(30_000)
    out = play_all(host, x, blocks, worker)
    assert np.array_equal(out[L + 256 :], x[256:-L])  # the first 256 fade in from dry, which is the same
    assert sum(misses(timeline).values()) == 0


@pytest.mark.parametrize("rate", [44_100, 96_000, 8_000])
def test_resampled_wet_lies_at_its_own_index(rate: int) -> None:
    """Codec at 48 kHz, device at another rate: a slow sine comes back in place, to the resamplers' accuracy."""
    timeline = Timeline.create(rate=rate, latency=4 * L, max_block=512)
    try:
        host = HostSide(timeline)
        lanes = [Lane(load("pcm:hop=960,lookahead=100,rate=48000"), [(0, "discrete")], rate)]
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


def test_a_stalled_worker_begins_anew_at_the_present_and_shifts_nothing(timeline: Timeline) -> None:
    host = HostSide(timeline)
    worker = Worker(timeline, lanes_of("pcm:hop=960,lookahead=77", "pcm:hop=1000"))
    x, tail = noise(300_000), [Tail(timeline, "a"), Tail(timeline, "b")]
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
        assert not wet[~there].any(), "what is not in place is silence"
        assert 0.6 < there.mean() < 0.7
    assert misses(timeline) == {"late": 1, "stalled": 0, "died": 0, "xrun": 0}
    assert worker.snapshot().resyncs == 2  # each lane once


def test_a_replaced_worker_goes_on_from_now(timeline: Timeline) -> None:
    host = HostSide(timeline)
    worker: Worker | None = Worker(timeline, lanes_of("pcm:hop=960", "pcm:hop=1000"))
    x, pieces = noise(200_000), []
    for at, out in play(host, x, [256], None):
        pieces.append(out)
        if 48_000 <= at < 60_000:
            worker = None  # killed, without a word
        elif worker is None:
            worker = Worker(timeline, lanes_of("pcm:hop=960", "pcm:hop=1000"), engine=2)
            assert timeline[EPOCH[0]] >= at
        if worker:
            run_worker(worker)
    assert np.array_equal(np.concatenate(pieces)[L:], x[:-L])
    assert misses(timeline) == {"late": 0, "stalled": 0, "died": 1, "xrun": 0}


def test_a_worker_takes_up_a_new_stream_at_its_beginning(timeline: Timeline) -> None:
    worker = None
    for seed in range(3):
        host = HostSide(timeline)  # the host starts anew
        worker = worker or Worker(timeline, lanes_of("pcm:hop=960", "pcm"))
        x = noise(20_000, seed)
        assert np.array_equal(play_all(host, x, [256], worker)[L:], x[:-L])
        assert timeline[Field.ACK] == timeline[Field.STREAM] == seed + 1


def test_slots_of_one_codec_share_an_encode(timeline: Timeline) -> None:
    codec = load("pcm:hop=960")
    encodes = 0
    lane = Lane(codec, [(0, "discrete"), (1, "discrete")], 48_000)
    encode = lane.encoder.encode

    def counted(chunk):
        nonlocal encodes
        encodes += 1
        return encode(chunk)

    lane.encoder.encode = counted  # type: ignore[method-assign]
    host, worker = HostSide(timeline), Worker(timeline, [lane])
    play_all(host, noise(9600), [480], worker)
    assert encodes == 10
    assert timeline[WET_END[0]] == timeline[WET_END[1]] == 9600 - LOOKAHEAD


def test_the_lane_that_waited_longest_goes_first(timeline: Timeline) -> None:
    host, worker = HostSide(timeline), Worker(timeline, lanes_of("pcm:hop=4000", "pcm:hop=500"))
    play_all(host, noise(4000), [500], None)
    for written in (500, 1000, 1500, 2000, 2500, 3000, 3500):
        assert worker.step()
        assert (timeline[WET_END[0]], timeline[WET_END[1]]) == (0, written - LOOKAHEAD)


def test_not_a_number_from_a_device_becomes_silence_and_is_counted(timeline: Timeline) -> None:
    host, worker = HostSide(timeline), Worker(timeline, lanes_of("pcm:hop=960", "pcm:hop=960"))
    x = noise(20_000)
    x[5000, 0], x[6000, 1] = np.nan, np.inf
    play_all(host, x, [256], worker)
    assert np.isfinite(timeline.rings[1:3]).all()
    assert worker.snapshot().bad_samples == 4  # two samples, in two lanes


def test_controls_reach_the_decoder_of_their_slot_at_the_next_frame(timeline: Timeline) -> None:
    lane = Lane(load("pcm:hop=960"), [(0, "discrete"), (1, "discrete")], 48_000)
    host, worker = HostSide(timeline), Worker(timeline, [lane])
    for name, value in (("steps", 5), ("seed", 7)):
        worker.change(Change(1, name, value))
    play_all(host, noise(960), [480], worker)
    assert lane.outlets[0].controls == Controls()
    assert lane.outlets[1].controls == replace(Controls(), steps=5, seed=7)


def test_telemetry_reads_what_the_worker_published(timeline: Timeline) -> None:
    host, worker = HostSide(timeline), Worker(timeline, lanes_of("pcm:hop=960", "opus:24"))
    play_all(host, noise(48_000), [480], worker)
    worker.finish()
    told = telemetry.read(timeline)
    assert told == worker.snapshot()
    assert told.frames == (50, 50)
    assert told.bitrate[1] == pytest.approx(24.0, abs=0.5)
    assert 0 < told.load[0] <= told.load[1] <= told.load[2]


def misses_of_a_worker_that_takes(compute: int, latency: int, block: int) -> int:
    """In the stream's own time: a frame is done `compute` samples after the block that completed it was handed over."""
    timeline = Timeline.create(rate=48_000, latency=latency, max_block=block, slots=1)
    try:
        host, worker = HostSide(timeline), Worker(timeline, lanes_of("pcm:hop=960,lookahead=77"))
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
        return sum(misses(timeline).values())
    finally:
        timeline.close()


@pytest.mark.parametrize("block", [32, 441, 512])
def test_planned_latency_is_just_enough_for_a_worker_as_slow_as_planned(block: int) -> None:
    compute = 700
    need = Need(0, 0, hop=960, lookahead=77, resampler=0, limiter=LOOKAHEAD, compute_s=compute / 48_000 / 1.25)
    planned = plan([need], rate=48_000, block=block)
    assert planned.terms["compute"] == compute
    seen_at_once = planned.latency - planned.terms["poll"]  # this worker does not poll
    assert misses_of_a_worker_that_takes(compute, seen_at_once, block) == 0
    assert misses_of_a_worker_that_takes(compute, seen_at_once - 2 * block, block) > 0


def test_a_worker_that_takes_over_in_time_leaves_no_hole(timeline: Timeline) -> None:
    """Codecs of other hops, the second resampled: at the seam a fade through dry, before and after it wet in place."""
    timeline.header[Field.FILL] = 1  # silence, so that the seam can be seen
    host = HostSide(timeline)
    worker = Worker(timeline, lanes_of("pcm:hop=960", "pcm:hop=480"))
    x, pieces, seam = noise(60_000), [], 0
    for at, out in play(host, x, [256], None):
        pieces.append(out)
        if not seam and at > 30_000:
            seam = timeline[WET_END[0]]
            worker = Worker(timeline, lanes_of("pcm:hop=700,lookahead=90", "pcm:hop=480"), engine=2)
            assert timeline[EPOCH[0]] == seam
        run_worker(worker)
    played = np.concatenate(pieces)[L:]
    same = (played == x[: len(played)]).all(axis=1)
    assert same[256 : seam - 256].all()
    assert not same[seam - 200 : seam + 200].any()
    assert same[seam + 256 + 256 :].all()  # the new run is taken up at a block
    assert sum(misses(timeline).values()) == 0
    assert timeline[Field.MISSED] == 0


@pytest.mark.parametrize("rate", [48_000, 44_100])
def test_a_long_hop_is_taken_over_as_well(rate: int) -> None:
    """CoDiCodec's shape: two hops of run-in are half a ring, and blocks come in before the first step."""
    timeline = Timeline.create(rate=rate, latency=40_000, max_block=512)
    try:
        host = HostSide(timeline)
        names = ("pcm:hop=32768,lookahead=1024,rate=48000", "pcm")
        worker: Worker | None = Worker(timeline, lanes_of(*names, rate=rate))
        seam = 0
        for at, _ in play(host, noise(300_000), [512], None):
            if not seam and at > 150_000:
                seam = at
                worker = Worker(timeline, lanes_of(*names, rate=rate), engine=2)
            elif worker:
                run_worker(worker)
        assert sum(misses(timeline).values()) == 0
        assert worker is not None
        assert worker.snapshot().resyncs == 0
    finally:
        timeline.close()


def test_readers_of_telemetry_survive_a_worker_that_died_while_writing(timeline: Timeline) -> None:
    told = telemetry.Telemetry(frames=(3, 4))
    telemetry.publish(timeline, told)
    timeline.telemetry[:8].view(np.int64)[0] += 1  # killed in the middle
    assert telemetry.read(timeline) == told
    telemetry.publish(timeline, replace(told, frames=(5, 6)))
    assert telemetry.read(timeline).frames == (5, 6)
    assert timeline.telemetry[:8].view(np.int64)[0] % 2 == 0
