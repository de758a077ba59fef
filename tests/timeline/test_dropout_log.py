"""Log of dropouts: where dry or silence stood in for a slot, and what was heard, under forced overload."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from realtime.timeline.dropout_log import DropoutLog, HeardPath, Stretch, stands_in
from realtime.timeline.layout import FADE, GAIN_ONE, OPEN_STRETCH, STRETCH_END, STRETCHES, Field, Timeline
from realtime.timeline.playout import Playout, slot_dropouts
from tests.support.lockstep import noise
from tests.timeline.test_callback import FakeEngine, play

L = 700
VALUES: dict[str, Any] = {"monitor": "a", "mute": False, "bypass": False}


@pytest.fixture
def timeline() -> Iterator[Timeline]:
    made = Timeline.create(rate=8000, latency=L, max_block=300)
    made.header[Field.GAIN_DRY], made.header[Field.GAIN_A] = 0, GAIN_ONE
    yield made
    made.close()


class Overload:
    """Stream in which A or B has no output in chosen blocks of 100 samples; wet is dry inverted."""

    def __init__(self, timeline: Timeline) -> None:
        self.host, self.engine, self.position = Playout(timeline), FakeEngine(timeline), 0
        self.out: list[np.ndarray] = []
        self.input: list[np.ndarray] = []

    def run(self, blocks: int, *, late: str = "", now_ns: int = 0) -> None:
        for _ in range(blocks):
            block = noise(100, self.position)
            self.input.append(block)
            self.out.append(play(self.host, block, now_ns))
            self.position += 100
            for slot, name in enumerate("ab"):
                if name not in late:
                    self.engine.write(slot, 5000, flip=True)


def test_the_stretch_of_a_dropout_is_the_one_in_which_wet_is_not_played(timeline: Timeline) -> None:
    stream, log = Overload(timeline), DropoutLog(timeline)
    stream.run(30)
    assert log.poll() == log.open() == []
    stream.run(20, late="a")
    (open_one,) = log.open()
    stream.run(30)
    (stretch,) = log.poll()
    assert (stretch.slot, stretch.reason) == (0, "late")
    assert open_one.start == stretch.start
    x, y = np.concatenate(stream.input), np.concatenate(stream.out)[L:]
    wet = (y == -x[: len(y)]).all(axis=1)
    assert wet[: stretch.start].all()
    assert not wet[stretch.start : stretch.end].any()
    assert wet[stretch.end :].all()
    assert timeline[Field.FILL_SAMPLES_A] == timeline[Field.DROPPED_SAMPLES_A] == stretch.end - stretch.start
    assert slot_dropouts(timeline, 0) == {"late": 1, "stalled": 0, "died": 0}
    assert slot_dropouts(timeline, 1) == {"late": 0, "stalled": 0, "died": 0}


def test_a_stretch_has_the_worst_reason_of_its_own_slot(timeline: Timeline) -> None:
    stream, log = Overload(timeline), DropoutLog(timeline)
    stream.run(30)
    timeline.store(Field.HEARTBEAT_B, 10**10)
    stream.run(20, late="ab", now_ns=10**10)  # A's heartbeat is old, B's is not
    stream.run(30)
    assert {(s.slot, s.reason) for s in log.poll()} == {(0, "stalled"), (1, "late")}
    stream.run(20, late="a")
    timeline.store(Field.ATTACH_COUNT, 2)
    stream.run(1, late="a")
    stream.run(30)
    assert [(s.slot, s.reason) for s in log.poll()] == [(0, "died")]


def test_output_that_has_not_begun_is_a_stretch_and_no_dropout(timeline: Timeline) -> None:
    stream, log = Overload(timeline), DropoutLog(timeline)
    stream.run(20, late="ab")
    assert [(s.slot, s.start, s.reason) for s in log.open()] == [(0, 0, "start"), (1, 0, "start")]
    stream.run(30)
    assert {(s.start, s.reason) for s in log.poll()} == {(0, "start")}
    assert not sum(slot_dropouts(timeline, 0).values())
    assert timeline[Field.FILL_SAMPLES_A] > 0
    assert timeline[Field.DROPPED_SAMPLES_A] == 0


def test_a_stream_that_ends_in_a_dropout_logs_it(timeline: Timeline) -> None:
    stream, log = Overload(timeline), DropoutLog(timeline)
    stream.run(30)
    stream.run(20, late="b")
    stream.host.finish()
    (stretch,) = log.poll()
    assert (stretch.slot, stretch.end, stretch.reason) == (1, 5000 - L, "late")
    assert log.open() == []


def test_stretches_that_are_overwritten_before_they_are_read_are_counted(timeline: Timeline) -> None:
    stream, log, rare = Overload(timeline), DropoutLog(timeline), DropoutLog(timeline)
    found: list[Stretch] = []
    for _ in range(STRETCHES + 5):
        stream.run(20)
        stream.run(12, late="a")
        found += log.poll()
    stream.run(20)
    found += log.poll()
    assert (len(found), log.lost) == (STRETCHES + 5, 0)
    got = rare.poll()
    assert got == found[-len(got) :]
    assert len(got) + rare.lost == STRETCHES + 5 == timeline[STRETCH_END[0]]


def test_what_is_heard_names_the_slot_that_dry_or_silence_stands_in_for(timeline: Timeline) -> None:
    stream, heard = Overload(timeline), HeardPath(timeline)

    def poll(monitor: str, **values: object) -> str:
        stream.run(8, late=late)
        return heard.poll({**VALUES, "monitor": monitor, **values})

    late = ""
    stream.run(20)
    assert [poll(path) for path in ("dry", "a", "b", "delta", "ghost")] == ["dry", "a", "b", "delta", "ghost"]
    late = "a"
    stream.run(10, late=late)
    found = [poll(path) for path in ("dry", "a", "b", "delta", "ghost")]
    assert found == ["dry", "dry for a", "b", "dry for a", "dry for a"]
    assert [stands_in(state) for state in found] == [False, True, False, True, True]
    assert poll("a", mute=True) == "mute"
    assert poll("a", bypass=True) == "dry"
    timeline.header[Field.DROPOUT_FILL] = 1
    late = "ab"
    stream.run(20, late=late)
    assert poll("ghost") == "silence for a and b"
    late = ""
    stream.run(20)
    poll("a")
    assert poll("a") == "a"


def test_a_dropout_between_two_looks_is_not_missed(timeline: Timeline) -> None:
    stream, heard = Overload(timeline), HeardPath(timeline)
    stream.run(30)
    assert heard.poll(VALUES) == "a"
    stream.run(8, late="a")
    stream.run(60)
    assert timeline[OPEN_STRETCH[0][0]] == 0
    assert 0 < timeline[Field.FILL_SAMPLES_A] < 800 + 2 * FADE
    assert heard.poll(VALUES) == "dry for a"
    assert heard.poll(VALUES) == "a"
