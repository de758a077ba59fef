"""The rack: aligned whatever is in it, the same stream as offline, and none of its effects trusted."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.codec import Audio
from models.load import load
from realtime.effects.effect import BLOCK, EffectError
from realtime.effects.gain import Gain
from realtime.effects.rack import Rack, RackEffect
from realtime.timeline.layout import Field, Timeline
from realtime.timeline.playout import Playout, dropouts
from realtime.worker.codec_lane import CodecLane
from realtime.worker.lane_setup import requirements_of
from realtime.worker.latency_budget import plan
from realtime.worker.messages import ChangeApplied, ParameterChange, Slot, SlotWarning
from realtime.worker.scheduler import Worker
from tests.support.failing_effects import Failing, Late, crash, rack_of
from tests.support.lockstep import noise, play_all

RATE = 48_000


def sound(samples: int) -> Audio:
    """[2, samples]."""
    return np.ascontiguousarray(noise(samples).T)


def through(rack: Rack, audio: Audio, sizes: Iterator[int]) -> Audio:
    made, at = [], 0
    while at < audio.shape[1]:
        size = next(sizes)
        made.append(rack.process(audio[:, at : at + size]))
        at += size
    return np.concatenate(made, axis=1)


@given(
    latencies=st.lists(st.integers(0, 200), min_size=1, max_size=3),
    sizes=st.lists(st.integers(1, 700), min_size=1, max_size=8),
)
def test_what_comes_out_lies_where_it_was_whatever_the_blocks(latencies: list[int], sizes: list[int]) -> None:
    rack, x = rack_of(*(Late(latency) for latency in latencies)), sound(4000)
    y = through(rack, x, iter(sizes * 4000))
    assert np.array_equal(y, x[:, : y.shape[1]])
    assert x.shape[1] - y.shape[1] <= rack.lag == sum(latencies) + BLOCK - 1


@given(latency=st.integers(0, 200), given_before=st.integers(0, 500), count=st.integers(1, 500))
def test_wanted_is_the_fewest_samples_that_bring_so_many_out(latency: int, given_before: int, count: int) -> None:
    enough, one_less = rack_of(Late(latency)), rack_of(Late(latency))
    for rack in (enough, one_less):
        rack.process(sound(given_before))
    wanted = enough.samples_needed(count)
    before = max(0, given_before // BLOCK * BLOCK - latency)
    came = enough.process(sound(max(0, wanted))).shape[1]
    assert came >= count
    assert one_less.process(sound(max(0, wanted - 1))).shape[1] < count
    assert before + came <= given_before + wanted


def test_an_empty_rack_is_not_there() -> None:
    rack, x = Rack(), sound(100)
    assert rack.process(x) is x
    assert rack.lag == 0
    assert rack.samples_needed(17) == 17


FAILURES: dict[str, tuple[Callable[[Audio], Audio | None], str]] = {
    "crashes": (crash, "crashed (SIGSEGV)"),
    "gives nothing": (lambda made: made[:, :0], f"returned 0 of {BLOCK} samples"),
    "gives less": (lambda made: made[:, 1:], f"returned {BLOCK - 1} of {BLOCK} samples"),
    "gives a channel": (lambda made: made[:1], f"returned {BLOCK} of {BLOCK} samples"),
    "gives no number": (lambda made: made * np.float32(np.nan), "returned samples that are not finite"),
}


@pytest.mark.parametrize(("fail", "said"), FAILURES.values(), ids=FAILURES)
def test_a_failing_effect_is_bypassed_in_place_and_named(fail: Callable[[Audio], Audio | None], said: str) -> None:
    effect = Failing(fail, 10 * BLOCK, latency=100, factor=-1.0)
    rack, x = rack_of(Late(30), effect), sound(40 * BLOCK)
    y = through(rack, x, iter([BLOCK] * 40))
    wet = 10 * BLOCK - 130
    assert np.array_equal(y[:, :wet], -x[:, :wet])
    assert np.array_equal(y[:, wet + BLOCK :], x[:, wet + BLOCK : y.shape[1]])
    assert rack.remarks() == [(f"effect 2: {said}; bypassed. Set its bypass to off to try again", 2)]
    assert rack.remarks() == []
    assert effect.closed


def test_a_failure_makes_no_step_in_a_smooth_sound() -> None:
    t = np.arange(40 * BLOCK)
    x = np.repeat(np.sin(2 * np.pi * 220 / RATE * t)[None], 2, axis=0).astype(np.float32)
    y = through(rack_of(Failing(crash, 10 * BLOCK, factor=-1.0)), x, iter([BLOCK] * 40))
    assert np.abs(np.diff(y)).max() < np.abs(np.diff(x)).max() + 2.0 / (BLOCK - 1) + 1e-3


def test_bypass_is_aligned_and_without_a_step() -> None:
    rack, x = rack_of(Late(100, factor=-1.0)), np.ones((2, 30 * BLOCK), np.float32)
    pieces = [rack.process(x[:, : 10 * BLOCK])]
    for value in (True, False):
        rack.set("1.bypass", value)
        pieces.append(rack.process(x[:, : 10 * BLOCK]))
    y = np.concatenate(pieces, axis=1)[0]
    assert y[500] == -1.0
    assert y[1000] == 1.0
    assert y[-1] == -1.0
    assert np.abs(np.diff(y)).max() <= 2.0 / (BLOCK - 1) + 1e-6


def test_taking_the_bypass_off_tries_what_failed_again() -> None:
    effect = Failing(crash, 2 * BLOCK, factor=-1.0)
    rack, x = rack_of(effect), sound(4 * BLOCK)
    rack.process(x)
    resets = effect.resets
    effect.good = 10**9
    rack.set("1.bypass", False)
    assert effect.resets == resets + 1
    assert np.array_equal(rack.process(x)[:, BLOCK:], -x[:, BLOCK:])
    assert rack.effects[0].failed == ""


def test_a_reset_does_not_bring_back_what_failed() -> None:
    effect = Failing(crash, 0, factor=-1.0)
    rack, x = rack_of(effect), sound(2 * BLOCK)
    rack.process(x)
    resets = effect.resets
    rack.reset()
    assert effect.resets == resets
    assert np.array_equal(rack.process(x), x)


def test_gain_is_exact_at_zero_and_decibels_elsewhere() -> None:
    rack, x = Rack([RackEffect("gain", Gain(), 2)]), sound(10 * BLOCK)
    assert np.array_equal(rack.process(x), x)
    rack.set("1.db", -20.0)
    assert np.allclose(rack.process(x)[:, BLOCK:], 0.1 * x[:, BLOCK:], atol=1e-7)


def test_controls_of_what_is_not_there_are_let_pass() -> None:
    rack = rack_of(Late())
    for name in ("0.factor", "2.factor", "x.factor", "factor"):
        rack.set(name, 3.0)
    x = sound(BLOCK)
    assert np.array_equal(rack.process(x), x)


def lane_of(codec: str, pre: Rack | None = None, post: Rack | None = None, rate: int = RATE) -> CodecLane:
    return CodecLane(load(codec, rate=rate), [(0, "discrete")], rate, pre=pre, post={0: post} if post else {})


@given(
    pre=st.integers(0, 300),
    post=st.integers(0, 300),
    sizes=st.lists(st.integers(1, 3000), min_size=1, max_size=6),
)
def test_a_lane_with_effects_is_aligned_however_it_is_fed(pre: int, post: int, sizes: list[int]) -> None:
    lane, x = lane_of("pcm:hop=999,lookahead=50", rack_of(Late(pre)), rack_of(Late(post))), sound(20_000)
    made, at, turn = [], 0, 0
    while at < x.shape[1]:
        size = sizes[turn % len(sizes)]
        made += [audio for _, audio in lane.process(x[:, at : at + size])]
        at, turn = at + size, turn + 1
    y = np.concatenate(made, axis=1)
    assert np.array_equal(y, x[:, : y.shape[1]])


def test_effects_lie_around_the_codec_and_dry_stays_untouched() -> None:
    timeline = Timeline.create(rate=RATE, latency=4000, max_block=256, slots=1)
    try:
        timeline.header[Field.GAIN_DRY], timeline.header[Field.GAIN_A] = 1 << 20, -(1 << 20)  # delta
        lane = lane_of("pcm:hop=960", rack_of(Late(64, 0.5)), rack_of(Late(10, 0.5)))
        x = noise(30_000)
        y = play_all(Playout(timeline), x, [256], Worker(timeline, [lane]))
        assert np.allclose(y[4000 + 256 :], 0.75 * x[256 : len(y) - 4000], atol=1e-6)
    finally:
        timeline.close()


def holes(latency: int, block: int) -> int:
    """The worker takes no time, and the effects have 100 and 64 samples of latency."""
    timeline = Timeline.create(rate=RATE, latency=latency, max_block=block, slots=1)
    try:
        worker = Worker(timeline, [lane_of("pcm:hop=960,lookahead=77", rack_of(Late(100)), rack_of(Late(64)))])
        host = Playout(timeline)
        play_all(host, noise(100_000), [block], worker)
        host.finish()
        return sum(dropouts(timeline).values())
    finally:
        timeline.close()


@pytest.mark.parametrize("block", [32, 441])
def test_planned_latency_has_room_for_what_effects_keep_back_and_hardly_more(block: int) -> None:
    lane = lane_of("pcm:hop=960,lookahead=77", rack_of(Late(100)), rack_of(Late(64)))
    planned = plan(requirements_of([lane], [0.0]).needs, rate=RATE, block=block)
    assert planned.terms["rack"] == 100 + 64 + 2 * (BLOCK - 1)
    at_once = planned.latency - planned.terms["poll"] - planned.terms["compute"]  # this worker takes no time
    assert holes(at_once, block) == 0
    assert holes(at_once - 100, block) > 0


def test_an_effect_that_fails_before_two_codecs_is_named_once_and_leaves_no_hole() -> None:
    timeline = Timeline.create(rate=RATE, latency=4000, max_block=256)
    try:
        timeline.header[Field.GAIN_DRY], timeline.header[Field.GAIN_A] = 0, 1 << 20
        lanes = [
            CodecLane(load(name), [(slot, "discrete")], RATE, pre=rack_of(Failing(crash, 9600)))
            for slot, name in enumerate(("pcm:hop=960", "pcm:hop=480"))
        ]
        events: list[object] = []
        x = 0.3 * noise(40_000)
        y = play_all(Playout(timeline), x, [256], Worker(timeline, lanes, send=events.append))[4000:]
        same = (y == x[: len(y)]).all(axis=1)
        assert same[256:9600].all()
        assert same[9600 + BLOCK :].all()
        assert sum(dropouts(timeline).values()) == 0
        assert [e for e in events if isinstance(e, SlotWarning)] == [
            SlotWarning(Slot.PRE, "effect 1: crashed (SIGSEGV); bypassed. Set its bypass to off to try again", 1)
        ]
    finally:
        timeline.close()


def test_controls_change_with_the_frame_that_holds_their_sample() -> None:
    timeline = Timeline.create(rate=RATE, latency=4000, max_block=256, slots=1)
    try:
        lane = lane_of("pcm:hop=960", rack_of(Late()), rack_of(Late()))
        events: list[object] = []
        host, worker = Playout(timeline), Worker(timeline, [lane], send=events.append)
        worker.step()  # takes up the stream, whose samples are meant
        worker.change(ParameterChange(Slot.PRE, "1.factor", 0.5, at=9600, ticket=7))
        worker.change(ParameterChange(0, "post.1.factor", 0.5, at=19_200, ticket=8))
        timeline.header[Field.GAIN_DRY], timeline.header[Field.GAIN_A] = 0, 1 << 20
        x = noise(40_000)
        y = play_all(host, x, [256], worker)[4000:]
        for start, end, factor in ((256, 9600, 1.0), (9600, 19_200, 0.5), (19_200, len(y), 0.25)):
            assert np.array_equal(y[start:end], np.float32(factor) * x[start:end])
        assert [(e.ticket, e.frame, e.audible) for e in events if isinstance(e, ChangeApplied)] == [
            (7, 10, 9600 + 4000),
            (8, 20, 19_200 + 4000),
        ]
    finally:
        timeline.close()


def test_a_lane_closes_its_effects() -> None:
    pre, post = Late(), Late()
    lane_of("pcm", rack_of(pre), rack_of(post)).close()
    assert pre.closed
    assert post.closed


def test_a_rack_is_opened_whole_or_not_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    from realtime.effects import factory

    opened: list[Late] = []

    def open_effect(spec: str, *_: object) -> Late:
        if spec == "bad":
            raise EffectError("bad: no")
        opened.append(Late())
        return opened[-1]

    monkeypatch.setattr(factory, "open_effect", open_effect)
    with pytest.raises(EffectError, match="bad"):
        factory.open_rack(["good", "bad", "never"], RATE, 2, 1.0)
    assert [effect.closed for effect in opened] == [True]
