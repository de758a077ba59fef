"""Timeline: rings addressed by absolute sample, one owner per file, counters for samples."""

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

from realtime.timeline.layout import (
    DRY,
    HEADER_BYTES,
    MAGIC,
    TELEMETRY_BYTES,
    VERSION,
    Field,
    Timeline,
    TimelineError,
    capacity_for,
    remove_stale,
    runtime_directory,
)
from tests.support.systems import needs_posix


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
def test_audio_written_at_a_sample_is_read_there(start: int, size: int) -> None:
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


@needs_posix("the rights of files")
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
    assert remove_stale(timeline.path.parent) == [abandoned]
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
    with pytest.raises(TimelineError, match="cannot be opened"):
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
        "DRY_END": 128, "STREAM_ID": 256, "OFFLINE": 264,
        "PLAYED_END": 384, "BLOCKS": 392, "LATE": 400, "STALLED": 408, "DIED": 416,
        "DROPPED_SAMPLES": 424, "OPEN_DROPOUT": 432, "XRUNS": 440, "MAX_NS": 448, "BLOCK": 456,
        "STREAM_ACK": 512, "ATTACH_COUNT": 640, "HEARTBEAT_NS": 648, "RUN_START_A": 768, "WET_END_A": 776,
        "PREV_RUN_START_A": 784, "PREV_RUN_END_A": 792, "HEARTBEAT_A": 800,
        "RUN_START_B": 896, "WET_END_B": 904, "PREV_RUN_START_B": 912, "PREV_RUN_END_B": 920, "HEARTBEAT_B": 928,
        "GAIN_DRY": 1024, "GAIN_A": 1032, "GAIN_B": 1040, "DROPOUT_FILL": 1048, "EVENT_END": 1152, "PARAM": 1280,
        "SERVER_HEARTBEAT_NS": 1408, "REQUIRED_LATENCY": 1416,
        "LATE_A": 1536, "STALLED_A": 1544, "DIED_A": 1552, "DROPPED_SAMPLES_A": 1560, "FILL_SAMPLES_A": 1568,
        "OPEN_STRETCH_A": 1576, "OPEN_START_A": 1584, "STRETCH_END_A": 1592, "STRETCH_A": 1600,
        "LATE_B": 1792, "STALLED_B": 1800, "DIED_B": 1808, "DROPPED_SAMPLES_B": 1816, "FILL_SAMPLES_B": 1824,
        "OPEN_STRETCH_B": 1832, "OPEN_START_B": 1840, "STRETCH_END_B": 1848, "STRETCH_B": 1856, "EVENT": 2048,
    }  # fmt: skip


def test_fields_of_different_writers_share_no_cache_line() -> None:
    writers = {
        "host": range(16, 64),
        "engine": range(64, 128),
        "control": range(128, 144),
        "macros": range(144, 176),
        "claim": range(176, 192),
        "stretches": range(192, 256),
    }
    for fields in writers.values():
        assert fields.start % 16 == 0  # 128 bytes


@needs_posix("numbers of users")
def test_a_runtime_directory_of_another_user_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
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


def test_samples_from_another_process_arrive_complete_and_in_order(timeline: Timeline) -> None:
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
