"""Overload guard: fewer steps when compute is short, more when there is room, and advice."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from models.registry import FAMILIES
from realtime.engine.engine_settings import Settings
from realtime.engine.overload_guard import OverloadGuard, has_steps, headroom
from realtime.engine.parameter_store import ParameterStore
from realtime.timeline.layout import WET_END, Field, Timeline
from realtime.timeline.telemetry import Telemetry


class FakeEngine:
    """Engine that drops samples while the load of its steps and slots exceeds `able`."""

    def __init__(self, timeline: Timeline, able: float) -> None:
        self.timeline, self.able, self.auto_quality = timeline, able, True
        self.settings = Settings(8000, 256, ("net", None), ("net", None))
        self.parameters = ParameterStore({"b.codec": "net", "a.steps": 2, "b.steps": 2})
        spec = SimpleNamespace(paths=("continuous", "discrete"), time_ordered=False, books=0)
        self.playing = [SimpleNamespace(slot=slot, spec=spec) for slot in range(2)]
        self.b, self.shown_load = "net", 0.0
        self.done: list[str] = []

    def set(self, name: str, value: Any) -> None:
        self.parameters.set(name, value)
        self.done.append(f"{name}={value}")

    def swap(self, slot: int, codec: str, path: str | None) -> None:
        self.b = codec
        self.done.append(f"swap {codec}")

    def snapshot(self) -> Telemetry:
        load = self.shown_load or self.load
        return Telemetry(load=(load, load, load))

    @property
    def load(self) -> float:
        steps = [self.parameters[f"{slot}.steps"] for slot in "ab"]
        return float(steps[0] + (steps[1] if self.b == "net" else 0))

    def run(self, load: OverloadGuard, start: float, seconds: float) -> list[str]:
        """Poll a guard once a second; return its messages."""
        messages = []
        for second in range(int(seconds)):
            if self.load > self.able:
                self.timeline.header[Field.DROPPED_SAMPLES] += 1000
            if message := load.poll(start + second * 1.01):
                messages.append(message)
        return messages


@pytest.fixture
def timeline() -> Iterator[Timeline]:
    made = Timeline.create(rate=8000, latency=1000, max_block=256)
    made.store(Field.ATTACH_COUNT, 1)
    yield made
    made.close()


def watch(engine: FakeEngine) -> OverloadGuard:
    return OverloadGuard(engine)  # type: ignore[arg-type]


def test_short_compute_takes_steps_first_then_bypasses_slot_b(timeline: Timeline) -> None:
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


def test_steps_are_undone_in_the_opposite_order_when_there_is_room(timeline: Timeline) -> None:
    engine = FakeEngine(timeline, able=1)
    load = watch(engine)
    engine.run(load, 100, 20)
    engine.able, engine.done = 100, []
    messages = engine.run(load, 200, 60)
    assert engine.done == ["swap net", "b.steps=2", "a.steps=2"]
    assert len(messages) == 3


def test_a_step_up_that_fails_is_tried_more_and_more_seldom(timeline: Timeline) -> None:
    engine = FakeEngine(timeline, able=3)
    engine.run(watch(engine), 100, 400)
    assert 3 <= engine.done.count("a.steps=2") <= 5, "after 10, 20, 40, 80, 160 s; not 30 times"


def test_one_bad_second_changes_nothing_and_a_dead_worker_is_not_a_slow_one(timeline: Timeline) -> None:
    engine = FakeEngine(timeline, able=100)
    load = watch(engine)
    for second in range(0, 40, 4):
        timeline.header[Field.DROPPED_SAMPLES] += 500
        assert engine.run(load, 100 + second, 4) == []
    engine.able = 0
    timeline.store(Field.ATTACH_COUNT, 0)
    assert engine.run(load, 200, 20) == []
    assert engine.done == []


def test_without_permission_it_gives_advice_at_intervals(timeline: Timeline) -> None:
    engine = FakeEngine(timeline, able=1)
    engine.auto_quality = False
    (first, second) = engine.run(watch(engine), 100, 45)
    assert "compute is short (4.00 × RT" in first
    assert "a.steps=1" in first
    assert "--latency" not in first, "no latency is enough for 4 × RT"
    assert second
    assert engine.done == []


def test_a_slot_that_is_short_gives_way_and_the_other_one_does_not(timeline: Timeline) -> None:
    engine = FakeEngine(timeline, able=1)
    engine.parameters.set("b.steps", 3)  # more than A has
    load = watch(engine)
    messages = []
    for second in range(12):
        if engine.parameters["a.steps"] > 1:
            timeline.header[Field.DROPPED_SAMPLES] += 1000
            timeline.header[Field.DROPPED_SAMPLES_A] += 1000
        messages += [message for message in [load.poll(100 + second * 1.01)] if message]
    assert engine.done == ["a.steps=1"]
    assert messages[0].startswith("compute is short in slot A (")


def test_slot_b_is_not_bypassed_for_a_slot_a_that_cannot_keep_up(timeline: Timeline) -> None:
    engine = FakeEngine(timeline, able=1)
    engine.parameters.set("a.steps", 1)
    engine.parameters.set("b.steps", 1)
    load = watch(engine)
    for second in range(12):
        timeline.header[Field.DROPPED_SAMPLES] += 1000
        timeline.header[Field.DROPPED_SAMPLES_A] += 1000
        load.poll(100 + second * 1.01)
    assert engine.done == []


def advice(engine: FakeEngine) -> str:
    engine.auto_quality = False
    return engine.run(watch(engine), 100, 3)[0]


def test_more_latency_is_advised_only_where_it_helps(timeline: Timeline) -> None:
    engine = FakeEngine(timeline, able=1)
    engine.shown_load = 0.7
    assert "--latency 2000 (250.0 ms)" in advice(engine)
    timeline.header[Field.LATENCY] = 843_150
    assert "--latency" not in advice(engine)


def test_steps_are_advised_only_for_a_codec_that_has_them(timeline: Timeline) -> None:
    engine = FakeEngine(timeline, able=1)
    for playing in engine.playing:
        playing.spec.books = 8
    says = advice(engine)
    assert "steps" not in says
    assert "Take a smaller codec or one slot (--b off)." in says
    engine.playing = engine.playing[:1]
    assert advice(engine).endswith("Take a smaller codec.")


def test_a_codec_without_steps_is_not_given_fewer(timeline: Timeline) -> None:
    engine = FakeEngine(timeline, able=1)
    engine.playing[0].spec = SimpleNamespace(paths=("discrete",), time_ordered=True, books=0)
    engine.run(watch(engine), 100, 5)
    assert engine.done == ["b.steps=1"]


@pytest.mark.parametrize("family", [name for name, family in FAMILIES.items() if family.live])
def test_only_denoisers_have_steps(family: str) -> None:
    spec = FAMILIES[family].spec()
    assert spec
    assert has_steps(spec) == (family in ("nano", "codicodec"))


def test_headroom_is_that_of_the_slot_with_fewest_samples_ready(timeline: Timeline) -> None:
    assert headroom(timeline) is None
    timeline.store(Field.PLAYED_END, 5000)
    for slot, end in enumerate((4700, 4500)):
        timeline.store(WET_END[slot], end)
    assert headroom(timeline) == 500
    load = OverloadGuard(SimpleNamespace(timeline=timeline, auto_quality=False))  # type: ignore[arg-type]
    load.poll(0.0)
    timeline.store(Field.PLAYED_END, 5100)
    load.poll(0.01)
    assert load.lowest_headroom == 400
