"""The timeline: rings by absolute sample, a file with one owner, counters that publish what they count."""

from __future__ import annotations

import multiprocessing
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime.timeline import (
    DRY,
    HEADER_BYTES,
    MAGIC,
    TELEMETRY_BYTES,
    VERSION,
    Field,
    Timeline,
    TimelineError,
    capacity_for,
    remove_abandoned,
    runtime_directory,
)


@pytest.fixture
def timeline() -> Iterator[Timeline]:
    made = Timeline.create(rate=8000, latency=700, max_block=64)
    yield made
    made.close()


def test_capacity_is_a_power_of_two_and_at_least_twice_the_latency() -> None:
    for latency in (1, 700, 4096, 72_001):
        capacity = capacity_for(latency, 8000, 64)
        assert capacity >= max(2 * latency, 8000)
        assert capacity & (capacity - 1) == 0


@given(start=st.integers(0, 2**40), size=st.integers(0, 9000))
def test_what_is_written_at_a_sample_is_read_there(start: int, size: int) -> None:
    timeline = Timeline.create(rate=8000, latency=700, max_block=64)
    try:
        audio = np.arange(2 * size, dtype=np.float32).reshape(2, size)[:, : timeline[Field.CAPACITY]]
        timeline.write(DRY, start, audio)
        back = np.empty_like(audio)
        timeline.read(DRY, start, back)
        assert np.array_equal(back, audio)
    finally:
        timeline.close()


def test_another_side_sees_the_same_samples_and_counters(timeline: Timeline) -> None:
    other = Timeline.attach(timeline.path)
    timeline.rings[1, 0, 5] = 0.25
    timeline.store(Field.DRY_END, 7)
    assert other.rings[1, 0, 5] == 0.25
    assert other.load(Field.DRY_END) == 7
    other.close()
    assert timeline.path.exists()  # only the owner removes it


def test_the_file_is_the_users_own_and_gone_when_closed(timeline: Timeline) -> None:
    assert stat.S_IMODE(timeline.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(timeline.path.parent.stat().st_mode) == 0o700
    timeline_two = Timeline.create(rate=8000, latency=1, max_block=1)
    path = timeline_two.path
    timeline_two.close()
    assert not path.exists()


def test_timelines_without_an_owner_are_removed_and_owned_ones_kept(timeline: Timeline) -> None:
    abandoned = timeline.path.with_name("abandoned.timeline")
    abandoned.write_bytes(b"x")
    assert remove_abandoned(timeline.path.parent) == [abandoned]
    assert timeline.path.exists()


@pytest.mark.parametrize(
    ("offset", "value"),
    [(Field.MAGIC, 1), (Field.VERSION, VERSION + 1), (Field.SIZE, 5)],
    ids=["magic", "version", "size"],
)
def test_a_file_of_another_kind_is_refused(timeline: Timeline, offset: Field, value: int) -> None:
    timeline.header[offset] = value
    with pytest.raises(TimelineError, match=f"is not a timeline of version {VERSION}"):
        Timeline.attach(timeline.path)


def test_a_file_that_is_missing_or_too_short_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TimelineError, match="no timeline at"):
        Timeline.attach(tmp_path / "none")
    (tmp_path / "short").write_bytes(b"x" * 100)
    with pytest.raises(TimelineError, match="too short"):
        Timeline.attach(tmp_path / "short")


def test_the_header_is_where_the_plug_in_expects_it() -> None:
    """Byte offsets are a protocol between processes; changing one needs a new VERSION."""
    assert (MAGIC, VERSION, HEADER_BYTES, TELEMETRY_BYTES) == (0x5645524449475249, 2, 4096, 4096)
    assert {f.name: 8 * f for f in Field} == {
        "MAGIC": 0, "VERSION": 8, "SIZE": 16, "CHANNELS": 24, "CAPACITY": 32, "RATE": 40, "LATENCY": 48,
        "MAX_BLOCK": 56, "FADE": 64, "SLOTS": 72, "STALL_NS": 80,
        "DRY_END": 128, "STREAM": 256, "OFFLINE": 264,
        "PLAYED_END": 384, "BLOCKS": 392, "LATE": 400, "STALLED": 408, "DIED": 416, "MISSED": 424, "HOLE": 432,
        "XRUNS": 440, "MAX_NS": 448, "BLOCK": 456,
        "ACK": 512, "ENGINE": 640, "BEAT": 648, "EPOCH_A": 768, "WET_END_A": 776, "BEFORE_A": 784,
        "CUT_A": 792, "EPOCH_B": 896, "WET_END_B": 904, "BEFORE_B": 912, "CUT_B": 920,
        "GAIN_DRY": 1024, "GAIN_A": 1032, "GAIN_B": 1040, "FILL": 1048, "EVENT_END": 1152, "PARAM": 1280,
        "CLAIM": 1408, "NEEDED": 1416, "EVENT": 2048,
    }  # fmt: skip


def test_fields_of_different_writers_share_no_cache_line() -> None:
    writers = {
        "host": range(16, 64),
        "engine": range(64, 128),
        "control": range(128, 144),
        "macros": range(144, 176),
        "claim": range(176, 192),
    }
    for fields in writers.values():
        assert fields.start % 16 == 0  # 128 bytes


def test_a_runtime_directory_of_someone_else_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    runtime_directory()
    monkeypatch.setattr(os, "getuid", lambda: 12345)
    with pytest.raises(TimelineError, match="belongs to another user"):
        runtime_directory()


def _count_up(path: Path, total: int) -> None:
    timeline = Timeline.attach(path)
    capacity, at = timeline[Field.CAPACITY], 0
    while at < total:
        if at + 64 - timeline.load(Field.WET_END_A) > capacity:  # the reader's place
            continue
        timeline.write(DRY, at, np.arange(at, at + 64, dtype=np.float32)[None].repeat(2, axis=0))
        at += 64
        timeline.store(Field.DRY_END, at)
    timeline.close()


def test_samples_between_two_processes_arrive_whole_and_in_order(timeline: Timeline) -> None:
    total = 200_000
    writer = multiprocessing.get_context("spawn").Process(target=_count_up, args=(timeline.path, total))
    writer.start()
    at = 0
    while at < total:
        end = timeline.load(Field.DRY_END)
        out = np.empty((2, end - at), np.float32)
        timeline.read(DRY, at, out)
        assert np.array_equal(out, np.arange(at, end, dtype=np.float32)[None].repeat(2, axis=0))
        at = end
        timeline.store(Field.WET_END_A, at)
    writer.join()
