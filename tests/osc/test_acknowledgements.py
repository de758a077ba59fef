"""Acknowledgements name the sample from which a change is heard; timetags are kept."""

from __future__ import annotations

import numpy as np
import pytest

from realtime.osc.packet import encode, encode_bundle
from tests.support.osc_rig import BLOCK, RATE, T0, Rig, only

HOP = 1000


def first_change(output: np.ndarray, start: int) -> int:
    """Return the first sample from `start` on that differs from the one before it."""
    return start + int(np.flatnonzero(output[start:] != output[start - 1])[0])


def test_a_gain_is_heard_from_the_sample_that_the_acknowledgement_names(rig: Rig) -> None:
    rig.play(60)
    name, frame, sample, seconds, address = only(rig.ask("/verdigris/monitor/gain", -6.0), "/verdigris/applied")
    rig.play(10)
    assert (name, address) == ("gain", "/verdigris/monitor/gain")
    assert first_change(rig.output, 50 * BLOCK) == sample == 60 * BLOCK
    assert seconds == 0.0
    assert frame == (sample - rig.engine.plan.latency) // 960


def test_a_bundle_ahead_of_time_stalls_nothing_and_its_gain_lands_within_a_block_of_its_timetag(rig: Rig) -> None:
    rig.play(60)
    wanted = 60 * BLOCK + RATE // 4 + 17
    rig.client.socket.send(encode_bundle(T0 + wanted / RATE, encode("/verdigris/monitor/gain", -6.0)))
    rig.client.send("/verdigris/hello")
    assert only(rig.turn(), "/verdigris/hello")[0] == "verdigris"  # answered meanwhile
    assert rig.server.counts()["scheduled"] == 1
    answers = rig.play(RATE // 4 // BLOCK + 10)
    sample = only(answers, "/verdigris/applied")[2]
    assert first_change(rig.output, 50 * BLOCK) == sample
    assert abs(sample - wanted) <= BLOCK


def test_a_frame_parameter_is_heard_from_the_sample_that_the_acknowledgement_names(marked: Rig) -> None:
    marked.play(60)
    answers = marked.ask("/verdigris/a/seed", 300) + marked.play(60) + marked.settle()
    name, frame, sample, seconds, address = only(answers, "/verdigris/applied")
    assert (name, address) == ("a.seed", "/verdigris/a/seed")
    assert sample == frame * HOP + marked.engine.plan.latency
    assert first_change(marked.output, marked.engine.plan.latency + 500) == sample
    assert 0 <= seconds < marked.engine.plan.latency / RATE


def test_a_scheduled_frame_parameter_holds_from_the_frame_that_contains_its_timetag(marked: Rig) -> None:
    marked.play(60)
    wanted = 60 * BLOCK + 12_345
    marked.client.socket.send(encode_bundle(T0 + wanted / RATE, encode("/verdigris/a/seed", 300)))
    answers = marked.play(120) + marked.settle()
    _, frame, sample, *_ = only(answers, "/verdigris/applied")
    assert frame == wanted // HOP
    assert first_change(marked.output, marked.engine.plan.latency + 500) == sample == frame * HOP + 6000


def test_a_codec_change_is_done_and_heard_from_the_block_that_the_acknowledgement_names(marked: Rig) -> None:
    marked.engine.set("monitor", "b")
    marked.play(60)
    marked.ask("/verdigris/set", "b.codec", "marker", "b.seed", 300)
    answers, said = [], None
    for _ in range(5000):  # another thread loads it
        answers += marked.play(1)
        said = marked.engine.supervise() or said
        if any(m.address == "/verdigris/applied" and m.args[0] == "b.codec" for m in answers):
            break
    answers += marked.play(60)
    assert said is not None
    assert only(answers, "/verdigris/done") == ("b.codec", "marker")
    applied = {m.args[0]: m.args for m in answers if m.address == "/verdigris/applied"}
    late = first_change(marked.output, 40 * BLOCK) - applied["b.codec"][2]
    assert 0 <= late < BLOCK  # the host side takes up another run where a block begins
    assert marked.engine.parameters["b.codec"] == "marker"


def test_an_unknown_codec_fails_with_the_reason(marked: Rig) -> None:
    marked.ask("/verdigris/b/codec", "nonsense")
    answers: list[object] = []
    for _ in range(5000):  # another thread loads it
        messages = marked.play(1)
        marked.engine.supervise()
        if failed := [m.args for m in messages if m.address == "/verdigris/fail"]:
            answers = list(failed[0])
            break
    assert answers[0] == "b.codec"
    assert 'codec "nonsense" is unknown' in str(answers[1])
    assert marked.engine.parameters["b.codec"] == "pcm"


def test_a_late_bundle_applies_at_once_and_is_answered(rig: Rig) -> None:
    rig.play(60)
    rig.client.socket.send(encode_bundle(T0 + 5000 / RATE, encode("/verdigris/monitor/gain", -6.0)))
    answers = rig.turn()
    assert only(answers, "/verdigris/late") == (5000, 60 * BLOCK)
    assert only(answers, "/verdigris/applied")[2] == 60 * BLOCK


def test_a_timetag_of_a_wrong_clock_is_answered_and_applied_soon(rig: Rig) -> None:
    rig.play(60)
    rig.client.socket.send(encode_bundle(T0 + 3600.0, encode("/verdigris/monitor/gain", -6.0)))
    assert "s ahead" in only(rig.turn(), "/verdigris/error")[1]
    sample = only(rig.play(60), "/verdigris/applied")[2]
    assert abs(sample - 60 * BLOCK - 0.2 * RATE) <= BLOCK


def test_clear_drops_scheduled_messages_and_panic_plays_dry(rig: Rig) -> None:
    rig.play(2)
    rig.client.socket.send(encode_bundle(T0 + 9.0, encode("/verdigris/monitor/path", "b")))
    rig.turn()
    assert only(rig.ask("/verdigris/clear"), "/verdigris/cleared") == (1,)
    rig.ask("/verdigris/panic")
    assert rig.engine.parameters["monitor"] == "dry"


def test_between_boundaries_the_last_value_wins_and_the_rest_is_counted(rig: Rig) -> None:
    for number in range(100):
        rig.client.send("/verdigris/a/seed", number)
    rig.client.send("/verdigris/sync", 5)
    assert only(rig.turn(), "/verdigris/synced") == (5,)
    assert rig.engine.parameters["a.seed"] == 99
    counts = rig.server.counts()
    assert (counts["received"], counts["coalesced"], counts["applied"]) == (101, 99, 1)


def test_the_clock_has_every_frame_and_its_audible_sample(marked: Rig) -> None:
    marked.ask("/verdigris/subscribe", "clock")
    ticks = [m.args for m in marked.play(80) + marked.settle() if m.address == "/verdigris/clock"]
    assert len(ticks) >= 15
    first = ticks[0][0]
    assert ticks == [(i, 6000 + i * HOP, pytest.approx(HOP / RATE)) for i in range(first, first + len(ticks))]
