"""Compiled playout: equal to the numpy reference bit for bit, and free of jumps and shifts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from realtime.timeline.layout import (
    FADE,
    GAIN_ONE,
    HEARTBEAT,
    PREV_RUN_END,
    PREV_RUN_START,
    RUN_START,
    WET,
    WET_END,
    Field,
    Timeline,
)
from realtime.timeline.playout import Playout, dropouts, process
from tests.support.host_reference import HostReference

L = 700
MAX_BLOCK = 300
SECOND_NS = 1_000_000_000


@pytest.fixture
def timeline() -> Iterator[Timeline]:
    made = Timeline.create(rate=8000, latency=L, max_block=MAX_BLOCK)
    yield made
    made.close()


class FakeEngine:
    """Worker that writes a polarity flip of dry, or noise, to wet."""

    def __init__(self, timeline: Timeline, seed: int = 0) -> None:
        self.timeline, self.rng = timeline, np.random.default_rng(seed)
        self.at = [0, 0]
        timeline.store(Field.STREAM_ACK, timeline[Field.STREAM_ID])
        timeline.store(Field.ATTACH_COUNT, 1)

    def apply(self, name: str, values: list[Any], now_ns: int) -> None:
        """Do what an `event` says; blocks and the passing of time are for playout."""
        if name in ("wet", "restart", "take_over"):
            getattr(self, "write" if name == "wet" else name)(*values)
        elif name == "gains":
            set_monitor(self.timeline, *values)
        elif name == "fill":
            self.timeline.header[Field.DROPOUT_FILL] = values[0]
        elif name == "engine":
            self.timeline.store(Field.ATTACH_COUNT, values[0])
        elif name == "beat":
            self.timeline.store(Field.HEARTBEAT_NS, now_ns)
            self.timeline.store(HEARTBEAT[now_ns % 2], now_ns)

    def restart(self, slot: int) -> None:
        """Start a run now, like a worker that fell behind or was replaced."""
        self.at[slot] = max(self.timeline[Field.DRY_END], self.at[slot])
        self._say_what_was(slot)
        self.timeline.store(RUN_START[slot], self.at[slot])
        self.timeline.store(WET_END[slot], self.at[slot])

    def take_over(self, slot: int) -> None:
        """Start a run where the last one ends."""
        self._say_what_was(slot)
        self.timeline.store(RUN_START[slot], self.at[slot])

    def _say_what_was(self, slot: int) -> None:
        self.timeline.store(PREV_RUN_START[slot], self.timeline[RUN_START[slot]])
        self.timeline.store(PREV_RUN_END[slot], self.timeline[WET_END[slot]])

    def write(self, slot: int, count: int, *, flip: bool = False) -> None:
        count = min(count, self.timeline[Field.DRY_END] - self.at[slot])
        audio = np.empty((2, count), np.float32)
        if flip:
            self.timeline.read(0, self.at[slot], audio)
            audio = -audio
        else:
            audio[:] = self.rng.standard_normal(audio.shape)
        self.timeline.write(WET + slot, self.at[slot], audio)
        self.at[slot] += count
        self.timeline.store(WET_END[slot], self.at[slot])


def play(host: Playout, inp: np.ndarray, now_ns: int = 0) -> np.ndarray:
    out = np.empty_like(inp)
    process(inp, out, now_ns, host.header, host.rings, host.state)
    return out


def set_monitor(timeline: Timeline, dry: float, a: float, b: float) -> None:
    for field, gain in zip((Field.GAIN_DRY, Field.GAIN_A, Field.GAIN_B), (dry, a, b), strict=True):
        timeline.header[field] = round(gain * GAIN_ONE)


def noise(size: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((size, 2)).astype(np.float32)


gain = st.sampled_from([0.0, 1.0, -1.0, 0.37, -0.81])
event = st.one_of(
    st.tuples(st.just("block"), st.integers(1, 2 * MAX_BLOCK)),
    st.tuples(st.just("wet"), st.integers(0, 1), st.integers(0, 900)),
    st.tuples(st.just("restart"), st.integers(0, 1)),
    st.tuples(st.just("take_over"), st.integers(0, 1)),
    st.tuples(st.just("gains"), gain, gain, gain),
    st.tuples(st.just("fill"), st.integers(0, 1)),
    st.tuples(st.just("engine"), st.integers(0, 3)),
    st.tuples(
        st.just("beat"),
    ),
    st.tuples(st.just("time"), st.integers(0, SECOND_NS)),
)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(events=st.lists(event, max_size=60), slots=st.integers(1, 3))
def test_compiled_playout_and_reference_agree_bit_for_bit(events: list[tuple], slots: int) -> None:
    pair = [Timeline.create(rate=2000, latency=L, max_block=MAX_BLOCK, slots=slots) for _ in range(2)]
    try:
        host, reference = Playout(pair[0]), HostReference(pair[1])
        engines = [FakeEngine(t) for t in pair]
        rng, now = np.random.default_rng(1), 0
        for name, *values in events:
            if name == "block":
                inp = rng.standard_normal((values[0], 2)).astype(np.float32)
                got, expected = play(host, inp, now), reference.process(inp, now)
                assert np.array_equal(got.view(np.int32), expected.view(np.int32))
            elif name == "time":
                now += values[0]
            for engine in engines:
                engine.apply(name, values, now)
        host.finish()
        reference.finish()
        assert np.array_equal(pair[0].header, pair[1].header)
        assert np.array_equal(pair[0].rings, pair[1].rings)
    finally:
        for timeline in pair:
            timeline.close()


def test_dry_is_the_input_latency_samples_later_bit_for_bit(timeline: Timeline) -> None:
    host, x = Playout(timeline), noise(5000)
    out = np.concatenate([play(host, x[i : i + 170]) for i in range(0, 5000, 170)])
    assert np.array_equal(out[L:], x[:-L])
    assert not out[:L].any()


@pytest.mark.parametrize("block", [1, 100, 255, 300])
def test_a_stream_is_wet_from_its_first_sample(timeline: Timeline, block: int) -> None:
    set_monitor(timeline, 0, 1, 0)
    host, engine, x = Playout(timeline), FakeEngine(timeline), noise(3000)
    pieces = []
    for i in range(0, 3000, block):
        pieces.append(play(host, x[i : i + block]))
        engine.write(0, 5000, flip=True)
    out = np.concatenate(pieces)
    assert not out[:L].any()
    assert np.array_equal(out[L:], -x[:-L])


def test_delta_of_an_exact_codec_is_digital_silence(timeline: Timeline) -> None:
    set_monitor(timeline, 1, -1, 0)
    host, x, engine = Playout(timeline), noise(5000), FakeEngine(timeline)
    for i in range(0, 5000, 100):
        out = play(host, x[i : i + 100])
        if i != 2000:  # and through a dropout: dry - dry
            audio = x[engine.at[0] : i + 100].T
            timeline.write(WET, engine.at[0], audio)
            engine.at[0] = i + 100
            timeline.store(WET_END[0], i + 100)
        assert not out.any()


def test_a_dropout_is_faded_to_dry_and_back_without_a_step(timeline: Timeline) -> None:
    """Wet is a polarity flip, the hardest case: a cut would step by twice the signal."""
    set_monitor(timeline, 0, 1, 0)
    timeline.header[Field.SLOTS] = 1
    host, engine = Playout(timeline), FakeEngine(timeline)
    x = np.repeat(np.sin(2 * np.pi * 20 * np.arange(20000) / 8000)[:, None], 2, axis=1).astype(np.float32)
    pieces = []
    for i in range(0, 20000, 100):
        pieces.append(play(host, x[i : i + 100]))
        if not 8000 <= i < 12000:
            engine.write(0, 20000, flip=True)
    out = np.concatenate(pieces)
    own_step = np.abs(np.diff(x[:, 0])).max()
    assert np.abs(np.diff(out[:, 0])).max() <= own_step + 2 / FADE
    assert np.array_equal(out[9500 + L : 11000 + L], x[9500:11000])  # in the dropout: dry
    assert np.array_equal(out[13000 + L :], -x[13000 : 20000 - L])  # after it: wet, at its own index
    assert dropouts(timeline)["late"] == 1


def test_a_dropout_is_counted_once_and_by_its_worst_kind(timeline: Timeline) -> None:
    host, engine = Playout(timeline), FakeEngine(timeline)

    def run(blocks: int, *, engine_works: bool = True, now_ns: int = 0) -> None:
        for _ in range(blocks):
            play(host, noise(100), now_ns)
            if engine_works:
                engine.write(0, 5000)
                engine.write(1, 5000)

    run(30)
    run(30, engine_works=False)
    run(30)
    assert dropouts(timeline) == {"late": 1, "stalled": 0, "died": 0, "xrun": 0}
    run(30, engine_works=False, now_ns=2 * SECOND_NS)
    run(30)
    assert dropouts(timeline) == {"late": 1, "stalled": 1, "died": 0, "xrun": 0}
    run(30, engine_works=False, now_ns=2 * SECOND_NS)
    timeline.store(Field.ATTACH_COUNT, 2)
    run(1, engine_works=False)
    run(30)
    assert dropouts(timeline) == {"late": 1, "stalled": 1, "died": 1, "xrun": 0}


def test_a_run_that_begins_where_the_last_one_ended_causes_no_dropout(timeline: Timeline) -> None:
    host, engine = Playout(timeline), FakeEngine(timeline)
    for number in range(60):
        play(host, noise(100))
        if number == 30:
            engine.take_over(0)
            engine.take_over(1)
        engine.write(0, 5000)
        engine.write(1, 5000)
    host.finish()
    assert sum(dropouts(timeline).values()) == 0
    assert timeline[Field.DROPPED_SAMPLES] == 0


def test_the_last_samples_of_a_run_are_played_though_the_next_run_has_begun(timeline: Timeline) -> None:
    host, engine = Playout(timeline), FakeEngine(timeline)
    for number in range(60):
        play(host, noise(100))
        engine.write(0, 5000)
        engine.write(1, 5000)
        if number == 30:  # both within one block
            engine.take_over(0)
            engine.take_over(1)
    host.finish()
    assert sum(dropouts(timeline).values()) == 0
    assert timeline[Field.DROPPED_SAMPLES] == 0


def test_the_beginning_of_a_stream_is_not_a_dropout(timeline: Timeline) -> None:
    host = Playout(timeline)
    FakeEngine(timeline)
    for _ in range(50):
        play(host, noise(100))
    host.finish()
    assert sum(dropouts(timeline).values()) == 0


def test_switching_paths_never_jumps_more_than_the_signal(timeline: Timeline) -> None:
    host, engine = Playout(timeline), FakeEngine(timeline)
    x = np.repeat(0.5 * np.sin(2 * np.pi * 20 * np.arange(20000) / 8000)[:, None], 2, axis=1).astype(np.float32)
    pieces = []
    for i in range(0, 20000, 100):
        step = i // 900 % 4
        set_monitor(timeline, *[(1, 0, 0), (0, 1, 0), (1, -1, 0), (0, 0, 1)][step])
        pieces.append(play(host, x[i : i + 100]))
        engine.write(0, 20000, flip=True)
        engine.write(1, 20000, flip=True)
    out = np.concatenate(pieces)
    # from dry to its negative by one gain step a sample, for each of two gains
    assert np.abs(np.diff(out[:, 0])).max() <= 2 * np.abs(np.diff(x[:, 0])).max() + 2 * 0.5 / FADE


def test_wet_is_absent_until_the_worker_has_acknowledged_the_new_stream(timeline: Timeline) -> None:
    set_monitor(timeline, 0, 1, 0)
    host, engine = Playout(timeline), FakeEngine(timeline)
    for _ in range(30):
        play(host, noise(100))
        engine.write(0, 5000)
    host = Playout(timeline)  # the host restarts; the worker has not noticed, and its old output is still there
    x = noise(3000, 5)
    out = np.concatenate([play(host, x[i : i + 100]) for i in range(0, 3000, 100)])
    assert np.array_equal(out[L:], x[:-L])


@pytest.mark.parametrize("block", [1, 299, 300, 301, 5000])
def test_blocks_larger_than_planned_are_played_in_pieces(timeline: Timeline, block: int) -> None:
    host, x = Playout(timeline), noise(12000)
    out = np.concatenate([play(host, x[i : i + block]) for i in range(0, 12000, block)])
    assert np.array_equal(out[L:], x[:-L])


def test_dry_keeps_the_sign_of_zero_and_is_untouched_by_nan_in_wet(timeline: Timeline) -> None:
    host = Playout(timeline)
    timeline.rings[1:3] = np.nan
    timeline.store(Field.STREAM_ACK, timeline[Field.STREAM_ID])
    for slot in range(2):
        timeline.store(WET_END[slot], 10**6)
    minus_zero = np.full((2000, 2), -0.0, np.float32)
    out = play(host, minus_zero)
    assert np.array_equal(out[L:].view(np.int32), minus_zero[L:].view(np.int32))
