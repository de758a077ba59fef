"""The insert in a micro-host of LV2, with a worker stepped by hand: latency, alignment, state,
automation.
"""

from __future__ import annotations

import itertools
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.load import load
from realtime.plugin import build
from realtime.plugin.insert_timeline import Insert
from realtime.timeline.layout import SLOTS, Field, Timeline, TimelineError
from realtime.worker.codec_lane import CodecLane
from realtime.worker.host_automation import Automation
from realtime.worker.messages import ParameterChange
from tests.support.insert.insert_rig import (
    Engine,
    Inserts,
    L,
    Lv2Host,
    insert_files,
    noise,
    play,
    private_inserts,
    random_sizes,
    reserve,
)


@pytest.fixture
def inserts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Inserts]:
    with private_inserts(tmp_path, monkeypatch) as made:
        yield made


def test_the_declarations_equal_those_of_the_lv2_headers() -> None:
    if build.compiler() is None or not Path("/usr/include/lv2/core/lv2.h").exists():
        pytest.skip("no C compiler or LV2 headers here: apt-get install gcc lv2-dev")
    check = Path(__file__).parents[1].joinpath("support", "insert", "lv2_abi_check.c")
    done = subprocess.run(
        ["cc", "-std=c11", "-fsyntax-only", "-Wall", "-Wextra", "-Werror", str(check)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_the_bundle_is_valid() -> None:
    if shutil.which("lv2_validate") is None:
        pytest.skip("no lv2_validate here: apt-get install lv2-dev sordi")
    files = map(str, sorted(build.BUNDLE.glob("*.ttl")))
    done = subprocess.run(["lv2_validate", *files], capture_output=True, text=True)
    assert "Found 0 errors" in done.stdout + done.stderr


@pytest.mark.parametrize("latency", [1024, 2048, 16_384])
@pytest.mark.parametrize("rate", [44_100, 48_000, 96_000])
def test_reported_latency_is_that_of_dry_and_of_wet(inserts: Inserts, latency: int, rate: int) -> None:
    reserve(latency, rate)
    host, x = inserts(rate).activate(), noise(40_000)
    out = host.play(x, 256)
    assert host["latency"] == latency
    assert np.array_equal(out[:, latency:], x[:, :-latency])
    host.activate()
    engine = Engine("pcm:gain=-1", rate=rate)
    out = play(host, engine, x, itertools.repeat(256))
    assert host["latency"] == latency
    assert not out[:, :latency].any()
    assert np.array_equal(out[:, latency:], -x[:, :-latency])
    engine.close()


@pytest.mark.parametrize("sizes", [1, 32, 64, 100, 441, 1024, "random"], ids=str)
def test_any_block_size_is_exact(inserts: Inserts, sizes: int | str) -> None:
    host = inserts().activate()
    engine, x = Engine("pcm:gain=-1"), noise(9000 if sizes == 1 else 30_000)
    out = play(host, engine, x, random_sizes() if isinstance(sizes, str) else itertools.repeat(sizes))
    assert np.array_equal(out[:, L:], -x[:, :-L])
    engine.close()


@settings(max_examples=30)
@given(steps=st.lists(st.booleans(), min_size=40, max_size=200), sizes=st.lists(st.integers(1, 900), min_size=5))
def test_late_compute_causes_dropouts_and_shifts_nothing(steps: list[bool], sizes: list[int]) -> None:
    host, block = Lv2Host().activate(), itertools.cycle(sizes)
    engine, x = Engine("pcm:gain=-1"), noise(200 * 900)
    pieces: list[np.ndarray] = []
    for work in steps:
        done = sum(piece.shape[1] for piece in pieces)
        pieces.append(host.run(x[:, done : done + next(block)]))
        if work:
            engine.worker.step()
    out = np.concatenate(pieces, axis=1)
    latency = int(host["latency"])
    there, past = out[:, latency:], x[:, : max(0, out.shape[1] - latency)]
    # on the ramp between them every sample is a mix of dry and wet of its own index, never of another
    assert (np.abs(there) <= np.abs(past)).all()
    wet, dry = there == -past, there == past
    assert (wet | dry | (np.abs(there) < np.abs(past))).all()
    engine.close()
    host.close()


def test_a_new_activation_plays_nothing_of_the_stream_before(inserts: Inserts) -> None:
    host = inserts().activate()
    engine = Engine("pcm:gain=-1")
    play(host, engine, noise(20_000), itertools.repeat(256))
    host.activate()
    x = noise(20_000, 5)
    out = host.play(x, 256)
    assert np.array_equal(out[:, L:], x[:, :-L])
    engine.close()


def test_an_insert_is_restored_with_its_identity_and_latency(inserts: Inserts) -> None:
    host = inserts().activate()
    (before,), state = insert_files(), host.save()
    inserts.close(host)
    assert insert_files() == []
    reserve(9999)
    again = inserts(state=state)
    assert again.restored
    again.activate().run(noise(64))
    assert insert_files() == [before]
    assert again["latency"] == L


def test_a_copied_insert_gets_an_identity_of_its_own(inserts: Inserts) -> None:
    host = inserts().activate()
    inserts(state=host.save()).activate()
    assert len(insert_files()) == 2


def test_a_latency_is_scaled_with_the_rate(inserts: Inserts) -> None:
    state = inserts(48_000).activate().save()
    host = inserts(96_000, state=state).activate()
    host.run(noise(16))
    assert host["latency"] == 2 * L


@pytest.mark.parametrize("text", [b"\0", b"2 x\0", b"1 0123 5 5\0", b"1 " + b"g" * 32 + b" 2048 48000\0", b"no end"])
def test_an_invalid_state_changes_nothing(inserts: Inserts, text: bytes) -> None:
    host = inserts(state=text)
    assert not host.restored
    host.activate().run(noise(16))
    assert host["latency"] == L


def test_a_higher_latency_applies_from_the_next_activation(inserts: Inserts) -> None:
    host = inserts().activate()
    insert = Insert(insert_files()[0])
    insert.report_required_latency(5000)
    host.run(noise(16))
    assert host["latency"] == L
    host.activate().run(noise(16))
    assert host["latency"] == 5000
    assert insert.owner_gone
    insert.close()


def test_the_engine_sees_rate_block_and_the_end_of_the_host(inserts: Inserts) -> None:
    host = inserts(44_100, max_block=8192, nominal=512).activate()
    insert = Insert(insert_files()[0])
    assert (insert.rate, insert.block, insert.latency) == (44_100, 512, 1882)
    host.run(noise(700))
    assert (insert.block, insert.owner_gone) == (700, False)
    inserts.close(host)
    assert insert.owner_gone
    insert.close()


def test_another_version_is_refused_with_a_message(inserts: Inserts) -> None:
    inserts().activate()
    (path,) = insert_files()
    timeline = Timeline.attach(path)
    timeline.header[Field.VERSION] += 1
    with pytest.raises(TimelineError, match="Use the same version of verdigris on both sides"):
        Insert(path)
    timeline.close()


def test_the_plug_in_itself_applies_wet_monitor_and_bypass(inserts: Inserts) -> None:
    host = inserts().activate()
    engine, x = Engine("pcm:gain=-1", "pcm"), noise(60_000)
    for name, values, expected in (
        ("dry", {"monitor": 0}, x),
        ("b", {"monitor": 2}, x),
        ("delta", {"monitor": 3}, 2 * x),
        ("half", {"monitor": 1, "wet": 0.5}, 0 * x),
        ("off", {"enabled": 0}, x),
        ("on", {"enabled": 1, "wet": 1}, -x),
    ):
        host.set(**values)
        host.activate()
        out = play(host, engine, x, itertools.repeat(500))
        assert np.array_equal(out[:, L:], expected[:, :-L]), name
    engine.close()


def test_automation_applies_from_the_frame_that_contains_its_sample(inserts: Inserts) -> None:
    """For any blocks and any lateness of the worker, the result equals a lane with changes at the
    same samples.
    """
    x, hop = noise(30_000), 960
    moves = [(4100, 4), (9003, 1), (9500, 3), (20_000, 2)]  # sample, frames to hold
    lane = CodecLane(load(f"pcm:hop={hop}"), [(0, "discrete")], 48_000)
    for at, frames in moves:
        lane.chains[0].enqueue(ParameterChange(0, "bend.hold.frames", frames, at))
    expected = np.concatenate([audio for _, audio in lane.process(x)], axis=1)
    host = inserts().activate()
    engine, at = Engine(f"pcm:hop={hop}"), 0
    pieces = []
    for until, frames in [*moves, (x.shape[1], 0)]:
        pieces.append(play(host, engine, x[:, at:until], itertools.repeat(333)))
        host.set(bend_hold_frames=frames)
        at = until
    out = np.concatenate(pieces, axis=1)
    assert np.array_equal(out[:, L:], expected[:, : out.shape[1] - L])
    engine.close()


def test_a_late_worker_gets_the_current_values(inserts: Inserts) -> None:
    host = inserts().activate()
    for number in range(400):  # more than the ring keeps
        host.set(bend_noise=number / 100, bend_levels=number % 6)
        host.run(noise(32))
    timeline = Timeline.attach(insert_files()[0])
    found = {name: value for name, value, _ in Automation(timeline).read()}
    assert found["bend.noise"] == pytest.approx(3.99)
    assert (found["bend.levels"], found["bend.hold.frames"]) == ("5", 1)
    timeline.close()


def test_the_engine_receives_what_the_host_has_set(inserts: Inserts) -> None:
    host = inserts().activate()
    insert = Insert(insert_files()[0])
    first = insert.parameter_changes()
    assert first["monitor"] == "a"
    assert all(first[f"{slot}.bend.hold.frames"] == 1 for slot in SLOTS)
    host.set(monitor=3, bend_freeze_on=1, enabled=0)
    host.run(noise(16))
    assert insert.parameter_changes() == {
        "monitor": "delta",
        "bypass": True,
        "a.bend.freeze.on": True,
        "b.bend.freeze.on": True,
    }
    assert insert.parameter_changes() == {}
    insert.close()


def test_values_out_of_range_are_clipped(inserts: Inserts) -> None:
    host, x = inserts().activate(), noise(10_000)
    host.set(monitor=float("nan"), gain=float("-inf"), wet=7.0)
    out = host.play(x, 256)
    assert np.allclose(out[:, L + 300 :], x[:, 300:-L] * 0.001, atol=1e-6)
