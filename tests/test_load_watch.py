"""Stepping down when compute is short, up again when there is room, and saying what to change."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from realtime.engine import Settings
from realtime.load import Load, headroom
from realtime.telemetry import Telemetry
from realtime.timeline import WET_END, Field, Timeline


class FakeEngine:
    """Too slow while the load of its steps and slots is above `able`."""

    def __init__(self, timeline: Timeline, able: float) -> None:
        self.timeline, self.able, self.adapt = timeline, able, True
        self.settings = Settings(8000, 256, ("net", None), ("net", None))
        self.values = {"b.codec": "net"}
        self.controls: dict[int, dict[str, Any]] = {}
        self.b = "net"
        self.done: list[str] = []

    def set(self, name: str, value: Any) -> None:
        self.controls["ab".index(name[0])] = {"steps": value}
        self.done.append(f"{name}={value}")

    def swap(self, slot: int, codec: str, path: str | None) -> None:
        self.b = codec
        self.done.append(f"swap {codec}")

    def snapshot(self) -> Telemetry:
        return Telemetry(load=(self.load, self.load, self.load))

    @property
    def load(self) -> float:
        steps = [self.controls.get(slot, {}).get("steps", 2) for slot in range(2)]
        return float(steps[0] + (steps[1] if self.b == "net" else 0))

    def run(self, load: Load, start: float, seconds: float) -> list[str]:
        """Second by second; what was said."""
        said = []
        for second in range(int(seconds)):
            if self.load > self.able:
                self.timeline.header[Field.MISSED] += 1000
            if message := load.poll(start + second * 1.01):
                said.append(message)
        return said


@pytest.fixture
def timeline() -> Iterator[Timeline]:
    made = Timeline.create(rate=8000, latency=1000, max_block=256)
    made.store(Field.ENGINE, 1)
    yield made
    made.close()


def watch(engine: FakeEngine) -> Load:
    return Load(engine)  # type: ignore[arg-type]


def test_short_compute_takes_steps_first_then_lets_slot_b_rest(timeline: Timeline) -> None:
    engine = FakeEngine(timeline, able=1)
    load = watch(engine)
    engine.run(load, 100, 16)
    assert engine.done == ["a.steps=1", "b.steps=1", "swap pcm"]
    assert load.steps_down == 3
    assert engine.load == 1


def test_no_more_is_taken_than_is_needed(timeline: Timeline) -> None:
    engine = FakeEngine(timeline, able=3)
    engine.run(watch(engine), 100, 9)
    assert engine.done == ["a.steps=1"]


def test_it_comes_back_up_when_there_is_room_in_the_opposite_order(timeline: Timeline) -> None:
    engine = FakeEngine(timeline, able=1)
    load = watch(engine)
    engine.run(load, 100, 20)
    engine.able, engine.done = 100, []
    said = engine.run(load, 200, 60)
    assert engine.done == ["swap net", "b.steps=2", "a.steps=2"]
    assert len(said) == 3


def test_a_way_up_that_fails_is_tried_more_and_more_seldom(timeline: Timeline) -> None:
    engine = FakeEngine(timeline, able=3)
    engine.run(watch(engine), 100, 400)
    assert 3 <= engine.done.count("a.steps=2") <= 5, "after 10, 20, 40, 80, 160 s; not 30 times"


def test_one_bad_second_changes_nothing_and_a_dead_worker_is_no_slow_one(timeline: Timeline) -> None:
    engine = FakeEngine(timeline, able=100)
    load = watch(engine)
    for second in range(0, 40, 4):
        timeline.header[Field.MISSED] += 500
        assert engine.run(load, 100 + second, 4) == []
    engine.able = 0
    timeline.store(Field.ENGINE, 0)
    assert engine.run(load, 200, 20) == []
    assert engine.done == []


def test_without_leave_it_says_what_to_change_and_not_all_the_time(timeline: Timeline) -> None:
    engine = FakeEngine(timeline, able=1)
    engine.adapt = False
    (first, second) = engine.run(watch(engine), 100, 45)
    assert "compute is short (4.00 × RT" in first
    assert "a.steps=1" in first
    assert "--latency 2000" in first
    assert second
    assert engine.done == []


def test_headroom_is_what_waits_in_the_emptier_slot(timeline: Timeline) -> None:
    assert headroom(timeline) is None
    timeline.store(Field.PLAYED_END, 5000)
    for slot, end in enumerate((4700, 4500)):
        timeline.store(WET_END[slot], end)
    assert headroom(timeline) == 500
    load = Load(SimpleNamespace(timeline=timeline, adapt=False))  # type: ignore[arg-type]
    load.poll(0.0)
    timeline.store(Field.PLAYED_END, 5100)
    load.poll(0.01)
    assert load.lowest_headroom == 400
