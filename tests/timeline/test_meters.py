"""Peak meters: the newest sound of each ring that is audible now."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from realtime.timeline.layout import DRY, MONITOR, Field, Timeline
from realtime.timeline.peak_meter import FLOOR_DB, METER_S, peak_db

RATE, LATENCY = 8000, 1000
COUNT = int(METER_S * RATE)


@pytest.fixture
def timeline() -> Iterator[Timeline]:
    made = Timeline.create(rate=RATE, latency=LATENCY, max_block=256)
    yield made
    made.close()


def level(timeline: Timeline, ring: int, start: int, amplitude: float) -> None:
    timeline.write(ring, start, np.full((2, COUNT), amplitude, np.float32))


def test_dry_is_measured_latency_samples_before_the_monitor(timeline: Timeline) -> None:
    level(timeline, MONITOR, 4000 - COUNT, 0.5)
    level(timeline, DRY, 4000 - LATENCY - COUNT, 0.25)
    level(timeline, DRY, 4000 - COUNT, 1.0)  # not audible yet
    timeline.store(Field.PLAYED_END, 4000)
    assert peak_db(timeline, LATENCY, "monitor") == pytest.approx(-6.02, abs=0.01)
    assert peak_db(timeline, LATENCY, "dry") == pytest.approx(-12.04, abs=0.01)


def test_silence_and_a_stream_that_has_just_begun_are_at_the_floor(timeline: Timeline) -> None:
    assert peak_db(timeline, LATENCY, "a") == FLOOR_DB
    timeline.store(Field.PLAYED_END, 4000)
    assert peak_db(timeline, LATENCY, "a") == FLOOR_DB
