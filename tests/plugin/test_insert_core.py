"""The plug-in's C: equal to the compiled playout and to the numpy reference, and generated from the
same tables.
"""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime.plugin import generate, reserved_latency
from realtime.timeline.layout import Field, Timeline, runtime_directory
from realtime.timeline.monitor_mix import PATHS, PLUGIN_MIX_PARAMETERS, monitor_gains
from realtime.timeline.playout import Playout
from tests.support.host_reference import HostReference
from tests.support.insert.insert_rig import NativePlayout, library
from tests.timeline.test_callback import MAX_BLOCK, FakeEngine, event, play

L = 700


@settings(max_examples=150)
@given(events=st.lists(event, max_size=60), slots=st.integers(0, 3))
def test_c_numba_and_the_numpy_reference_agree_to_the_bit(events: list[tuple], slots: int) -> None:
    library()
    three = [Timeline.create(rate=2000, latency=L, max_block=MAX_BLOCK, slots=slots) for _ in range(3)]
    try:
        native, host, reference = NativePlayout(three[0]), Playout(three[1]), HostReference(three[2])
        engines = [FakeEngine(timeline) for timeline in three]
        rng, now = np.random.default_rng(1), 0
        for name, *values in events:
            if name == "block":
                inp = rng.standard_normal((values[0], 2)).astype(np.float32)
                got = native.process(inp, now)
                for other in (play(host, inp, now), reference.process(inp, now)):
                    assert np.array_equal(got.view(np.int32), other.view(np.int32))
            elif name == "time":
                now += values[0]
            for engine in engines:
                engine.apply(name, values, now)
        for side in (native, host, reference):
            side.finish()
        for timeline in three[1:]:
            assert np.array_equal(three[0].header, timeline.header)
            assert np.array_equal(three[0].rings, timeline.rings)
    finally:
        for timeline in three:
            timeline.close()


def test_the_generated_files_are_up_to_date() -> None:
    remedy = "python -m realtime.plugin.generate"
    assert (generate.HERE / "native" / "table.h").read_text() == generate.header(), remedy
    assert (generate.HERE / "bundle" / "insert.ttl").read_text() == generate.turtle(), remedy


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Set a runtime and a configuration directory of the test's own."""
    (tmp_path / "run").mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return tmp_path


def insert_file() -> Path:
    (found,) = runtime_directory().glob("insert-*.timeline")
    return found


@pytest.mark.parametrize("base", ["run", "nowhere", ""])
def test_an_insert_is_created_where_the_engine_looks(places: Path, monkeypatch: pytest.MonkeyPatch, base: str) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(places / base) if base else "")
    before = set(runtime_directory().glob("insert-*.timeline"))
    insert = library().insert_new()
    assert library().insert_activate(insert, 48_000.0, 0, 0)
    assert len(set(runtime_directory().glob("insert-*.timeline")) - before) == 1
    library().insert_free(insert)
    assert set(runtime_directory().glob("insert-*.timeline")) == before


@settings(max_examples=200)
@given(
    monitor=st.integers(0, 3), gain=st.floats(-60, 12, width=32), wet=st.floats(0, 1, width=32), bypass=st.booleans()
)
def test_the_plug_ins_mix_equals_the_engines(monitor: int, gain: float, wet: float, bypass: bool) -> None:
    insert = library().insert_new()
    assert library().insert_activate(insert, 8_000.0, 0, 0)
    try:
        for port, value in enumerate((monitor, gain, wet, bypass)):
            library().insert_set(insert, port, value)
        header = ctypes.cast(ctypes.cast(insert, ctypes.POINTER(ctypes.c_void_p))[0], ctypes.POINTER(ctypes.c_int64))
        got = tuple(header[field] for field in (Field.GAIN_DRY, Field.GAIN_A, Field.GAIN_B))
        assert got == monitor_gains(list(PATHS)[monitor], gain, wet, bypass)
    finally:
        library().insert_free(insert)


def test_wet_0_is_dry_and_wet_1_is_the_path() -> None:
    for monitor, path in PATHS.items():
        one = monitor_gains("dry", -3.7, 1.0, False)[0]
        assert monitor_gains(monitor, -3.7, 0.0, False) == (one, 0, 0)
        assert monitor_gains(monitor, -3.7, 1.0, False) == tuple(gain * one for gain in path)
    assert PLUGIN_MIX_PARAMETERS == ("monitor", "gain", "wet", "bypass")


def test_the_latency_of_a_new_insert_is_that_of_the_last_plan(places: Path) -> None:
    assert library().reserved_latency(48_000) == reserved_latency.DEFAULT_SAMPLES
    config = places / "config" / "verdigris"
    config.mkdir(parents=True)
    for text, rate, expected in (("2088 48000\n", 48_000, 2088), ("2088 48000", 44_100, 1919), ("?", 96_000, 16_384)):
        (config / reserved_latency.FILE).write_text(text)
        assert library().reserved_latency(rate) == expected


def test_only_its_user_can_read_an_insert(places: Path) -> None:
    insert = library().insert_new()
    assert library().insert_activate(insert, 44_100.0, 512, 64)
    timeline = Timeline.attach(insert_file())
    assert os.stat(timeline.path).st_mode & 0o777 == 0o600
    assert [timeline[f] for f in (Field.RATE, Field.MAX_BLOCK, Field.BLOCK, Field.SLOTS)] == [44_100, 512, 64, 0]
    timeline.close()
    library().insert_free(insert)
