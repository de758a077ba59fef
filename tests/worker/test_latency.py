"""Latency planner: named terms that add up, over slots whose lanes compute at the same time."""

from __future__ import annotations

import itertools
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.codec import CodecError
from realtime.cli.main import main
from realtime.engine.swap import check_latency
from realtime.worker import codec_lane
from realtime.worker.lane_setup import requirements_of
from realtime.worker.latency_budget import (
    COMPUTE_MARGIN,
    MAX_MARGIN_HOPS,
    MIN_COMPUTE_S,
    LatencyError,
    LatencyRequirement,
    contention_margin,
    plan,
    raised_message,
)
from tests.support.lockstep import lanes_of


def need(slot: int = 0, lane: int = 0, hop: int = 960, compute_s: float = 0.01) -> LatencyRequirement:
    return LatencyRequirement(slot, lane, hop=hop, lookahead=312, resampler=0, limiter=64, compute_s=compute_s)


def test_latency_is_the_sum_of_its_terms() -> None:
    planned = plan([need()], rate=48_000, block=256)
    assert planned.latency == sum(planned.terms.values())
    assert planned.terms == {
        "hop": 960, "lookahead": 312, "resampler": 0, "rack": 0, "limiter": 64,
        "compute": 600, "poll": 96, "block": 256, "fade": 256,
    }  # fmt: skip
    assert planned.milliseconds == pytest.approx(planned.latency / 48)


def test_the_slot_that_needs_most_decides() -> None:
    small, large = need(0, 0, hop=960), need(1, 1, hop=32_768)
    assert plan([small, large], rate=48_000, block=256).terms["hop"] == 32_768


def test_slots_of_one_lane_are_computed_once_and_two_lanes_may_share_a_core() -> None:
    one = plan([need(0, 0), need(1, 0)], rate=48_000, block=256)
    two = plan([need(0, 0), need(1, 1)], rate=48_000, block=256)
    assert one.terms["compute"] == 600
    assert two.terms["compute"] == 1200


def test_a_quick_lane_shares_a_core_with_a_slow_one_and_does_not_wait_for_its_frames() -> None:
    quick, slow = need(0, 0, hop=480, compute_s=0.004), need(1, 1, hop=480, compute_s=0.1)
    assert plan([quick], rate=48_000, block=256).terms["compute"] == 240
    quick_beside = plan([quick, need(1, 1, hop=1, compute_s=0.1)], rate=48_000, block=256)
    assert plan([quick, slow], rate=48_000, block=256).terms["compute"] == pytest.approx(
        48_000 * COMPUTE_MARGIN * (0.1 + 0.004), abs=1
    )  # the slow lane decides; it loses at most the other one's frame
    assert quick_beside.terms["hop"] == 1 or quick_beside.terms["compute"] == 480


def test_a_light_codec_is_still_given_the_time_a_shared_core_takes() -> None:
    assert plan([need(compute_s=1e-6)], rate=48_000, block=256).terms["compute"] == MIN_COMPUTE_S * 48_000


@given(st.floats(0, 10), st.floats(0, 10), st.floats(0.001, 2))
def test_the_margin_for_contention_grows_with_compute_and_is_at_most_a_hop(
    one: float, other: float, hop_s: float
) -> None:
    less, more = sorted((one, other))
    assert 0 <= contention_margin(less, hop_s) <= contention_margin(more, hop_s) <= hop_s
    assert contention_margin(MIN_COMPUTE_S, hop_s) == 0
    assert contention_margin(10.0, hop_s) == hop_s
    assert contention_margin(0.5 * hop_s, hop_s) <= MAX_MARGIN_HOPS * hop_s


def test_at_least_a_latency_is_reserved_and_raised_where_codecs_need_more() -> None:
    needed = plan([need()], rate=48_000, block=256).latency
    reserved = plan([need()], rate=48_000, block=256, latency=9999)
    assert reserved.latency == 9999
    assert reserved.terms["reserve"] == 9999 - needed
    raised = plan([need()], rate=48_000, block=256, latency=needed - 1)
    assert raised.latency == needed
    assert f"raised from {needed - 1} samples" in raised_message(needed - 1, raised)
    assert raised_message(0, raised) == raised_message(9999, reserved) == ""


def test_a_fixed_latency_that_is_too_short_is_refused_with_the_minimum() -> None:
    needed = plan([need()], rate=48_000, block=256).latency
    assert plan([need()], rate=48_000, block=256, latency=needed, fixed=True).latency == needed
    with pytest.raises(LatencyError, match=f"need a latency of {needed} samples") as refused:
        plan([need()], rate=48_000, block=256, latency=needed - 1, fixed=True)
    assert refused.value.needed == needed


def test_a_plan_that_fails_ends_the_effects_it_has_opened(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(*given: object) -> None:
        raise CodecError("a frame cannot be computed. Pass another codec.")

    closed: list[str] = []
    lanes = [SimpleNamespace(close=lambda name=name: closed.append(name)) for name in "ab"]
    for name, stand_in in (("open_lanes", lambda request: lanes), ("autotune", print), ("warm_up", fails)):
        monkeypatch.setattr(f"realtime.worker.lane_setup.{name}", stand_in)
    assert main(["plan", "--a", "pcm", "--b", "opus:6"]) == 1
    assert "a frame cannot be computed" in capsys.readouterr().err
    assert sorted(closed) == ["a", "b"]


def test_single_slow_frames_of_the_warm_up_need_latency_but_are_no_load(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside other programs one frame of Opus may take longer than it lasts. It keeps up all the same."""
    (lane,) = lanes_of("opus:24")
    clock, frames = SimpleNamespace(now=0.0), itertools.count()

    def process(block: object) -> None:
        clock.now += 0.03 if next(frames) == 4 else 1e-3

    monkeypatch.setattr(lane, "process", process)
    monkeypatch.setattr(codec_lane, "time", SimpleNamespace(perf_counter=lambda: clock.now))
    slowest = lane.warm_up()
    ready = requirements_of([lane], [slowest])
    assert slowest == pytest.approx(0.03)
    assert ready.load == pytest.approx(0.05)
    check_latency(ready.needs, 48_000, 256, 24_000)
    with pytest.raises(LatencyError, match="Restart with latency"):
        check_latency(ready.needs, 48_000, 256, 1000)
