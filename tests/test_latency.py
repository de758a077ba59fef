"""The planner: named terms that add up, over the slots and their computing in turn."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.codec import CodecError
from realtime.cli import main
from realtime.latency import COMPUTE_MARGIN, MIN_COMPUTE_S, SPARE, LatencyError, Need, plan, sharing


def need(slot: int = 0, lane: int = 0, hop: int = 960, compute_s: float = 0.01) -> Need:
    return Need(slot, lane, hop=hop, lookahead=312, resampler=0, limiter=64, compute_s=compute_s)


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


def test_slots_of_one_lane_are_computed_once_and_of_two_in_turn() -> None:
    one = plan([need(0, 0), need(1, 0)], rate=48_000, block=256)
    two = plan([need(0, 0), need(1, 1)], rate=48_000, block=256)
    assert one.terms["compute"] == 600
    assert two.terms["compute"] == 1200


def test_frames_that_pile_up_behind_a_slow_lane_are_counted() -> None:
    quick, slow = need(0, 0, hop=480, compute_s=0.001), need(1, 1, hop=480, compute_s=0.1)
    planned = plan([quick, slow], rate=48_000, block=256)
    # of the two, the quick one waits: 100 ms for the other, in which ten more of its own frames come in
    assert planned.terms["compute"] == pytest.approx(48_000 * COMPUTE_MARGIN * (0.1 + 11 * 0.001), abs=1)


def test_a_light_codec_is_still_given_the_time_a_shared_core_takes() -> None:
    assert plan([need(compute_s=1e-6)], rate=48_000, block=256).terms["compute"] == MIN_COMPUTE_S * 48_000


@given(st.floats(0, 10), st.floats(0, 10), st.floats(0.001, 2))
def test_what_computes_for_long_is_spared_for_up_to_a_part_of_its_hop(one: float, other: float, hop_s: float) -> None:
    less, more = sorted((one, other))
    assert 0 <= sharing(less, hop_s) <= sharing(more, hop_s) <= hop_s
    assert sharing(MIN_COMPUTE_S, hop_s) == 0
    assert sharing(10.0, hop_s) == hop_s
    assert sharing(0.5 * hop_s, hop_s) <= SPARE * hop_s


def test_more_latency_can_be_reserved_and_less_is_refused_with_what_it_takes() -> None:
    needed = plan([need()], rate=48_000, block=256).latency
    reserved = plan([need()], rate=48_000, block=256, latency=9999)
    assert reserved.latency == 9999
    assert reserved.terms["reserve"] == 9999 - needed
    with pytest.raises(LatencyError, match=f"less than the {needed}"):
        plan([need()], rate=48_000, block=256, latency=needed - 1)


def test_a_plan_that_fails_ends_the_effects_it_has_opened(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(*given: object) -> None:
        raise CodecError("a frame cannot be computed. Pass another codec.")

    closed: list[str] = []
    lanes = [SimpleNamespace(close=lambda name=name: closed.append(name)) for name in "ab"]
    for name, stand_in in (("open_lanes", lambda request: lanes), ("tune_lanes", print), ("warm_up", fails)):
        monkeypatch.setattr(f"realtime.commands.{name}", stand_in)
    assert main(["plan", "--a", "pcm", "--b", "opus:6"]) == 1
    assert "a frame cannot be computed" in capsys.readouterr().err
    assert sorted(closed) == ["a", "b"]
