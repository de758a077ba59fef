"""`verdigris live` by the clock: what was planned is what is measured, to the sample."""

from __future__ import annotations

import contextlib
import json
import socket
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import soundfile

from benchmarks.latency import planned_and_measured
from realtime.cli import main
from realtime.demo import CLIP
from realtime.engine import Settings
from realtime.live import _Live
from realtime.orders import Order
from realtime.params import PARAMETERS
from realtime.session import Session


@pytest.mark.slow
@pytest.mark.rig
@pytest.mark.parametrize(("rate", "block"), [(48_000, 256), (44_100, 441), (96_000, "random"), (48_000, 32)])
def test_planned_latency_is_the_measured_one_to_the_sample(rate: int, block: int | str) -> None:
    planned, measured = planned_and_measured(rate, block, 2.0, "pcm:hop=960,rate=48000")
    assert measured == planned


@pytest.mark.slow
@pytest.mark.rig
def test_a_session_leaves_recordings_and_a_report(tmp_path: Path) -> None:
    arguments = ["live", "--seconds", "3", "--record", str(tmp_path), "--report", str(tmp_path / "report.json")]
    assert main([*arguments, "--a", "opus:6", "--b", "opus:24", "--monitor", "b"]) == 0
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["latency_samples"] == sum(report["latency_terms"].values())
    assert (report["codec_a"], report["codec_b"]) == ("opus:6:discrete", "opus:24:discrete")
    assert report["seconds"] == 3.0
    assert set(report["misses"]) == {"late", "stalled", "died", "xrun"}
    assert set(report["real_time_factor"]) == {"p50", "p99", "max"}
    assert report["bitrate_a"] == pytest.approx(6, abs=0.3)
    assert report["bitrate_b"] == pytest.approx(24, abs=0.5)
    lengths = {name: soundfile.info(tmp_path / f"{name}.wav").frames for name in ("input", "a", "b")}
    assert set(lengths.values()) == {3 * 48_000}
    assert soundfile.info(tmp_path / "monitor.wav").frames >= 3 * 48_000 + report["latency_samples"]


def test_live_by_the_file_driver_is_what_render_gives(tmp_path: Path) -> None:
    """Law 2 for the whole application: the stream's A and the rendered file are the same samples."""
    x = np.random.default_rng(0).uniform(-0.5, 0.5, (44_100, 2)).astype(np.float32)
    source = tmp_path / "in.wav"
    soundfile.write(source, x, 44_100, subtype="FLOAT")
    live = ["live", "--driver", "file", "--input", str(source), "--record", str(tmp_path), "--a", "opus:64"]
    assert main([*live, "--b", "off"]) == 0
    assert main(["render", str(source), str(tmp_path / "rendered.wav"), "--codec", "opus:64"]) == 0
    streamed, _ = soundfile.read(tmp_path / "a.wav", dtype="float32")
    rendered, _ = soundfile.read(tmp_path / "rendered.wav", dtype="float32")
    assert len(rendered) == len(x)
    assert len(streamed) == len(x)
    assert np.array_equal(streamed, rendered)


def test_the_file_driver_says_that_its_source_stays(capsys: pytest.CaptureFixture[str]) -> None:
    live = ["live", "--driver", "file", "--seconds", "0.1", "--input", str(CLIP), "--a", "pcm", "--b", "off"]
    assert main([*live, "--set", "source=other.wav"]) == 0
    assert "Pass it with --input" in capsys.readouterr().out


def test_a_codec_that_is_too_slow_is_no_matter_where_nobody_waits(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["live", "--driver", "file", "--seconds", "0.1", "--a", "pcm:hop=480,compute=0.02", "--b", "off"]) == 0
    said = capsys.readouterr().out
    assert "holes" not in said
    assert "0 misses" in said


def test_a_session_that_is_begun_again_first_lets_go_of_what_it_had_open() -> None:
    """A patch that plays as input is a process, and cards are played by one at a time."""
    done: list[str] = []
    session: Any = SimpleNamespace(osc=None, reopen=lambda changed: session, close=lambda: done.append("closed"))
    engine: Any = SimpleNamespace(
        timeline=SimpleNamespace(load=lambda field: 0),
        settings=SimpleNamespace(rate=48_000),
        values={"a.codec": "pcm", "b.codec": "off"},
        close=lambda: None,
    )
    with contextlib.ExitStack() as at_end:
        live = _Live(session, at_end)
        live._engines.append(engine)
        live._reopen = lambda *given: done.append("reopened")  # type: ignore[method-assign]
        live._begin_again(Order("restart", ({},)))
    assert done == ["closed", "reopened"]


@pytest.mark.parametrize(
    ("heard", "b", "then"),
    [("b", "off", "a"), ("ghost", "off", "a"), ("delta", "off", "delta"), ("b", "pcm", "b"), ("dry", "off", "dry")],
)
def test_what_is_heard_outlives_a_restart_but_for_a_slot_that_is_turned_off(heard: str, b: str, then: str) -> None:
    """Also where the session began with --monitor b: the flags of another stream do not refuse this one."""
    asked: list[dict[str, Any]] = []
    session = Session(Settings(48_000, 256, ("pcm", None), None), "clock", 256, None)
    before: Any = SimpleNamespace(values={"monitor": heard, "record.directory": "takes", "source": "input"})
    engine: Any = SimpleNamespace(values={"monitor": "a"}, table=PARAMETERS)
    engine.set = engine.values.__setitem__
    with contextlib.ExitStack() as at_end:
        live = _Live(session, at_end)
        live._begin = lambda session: engine  # type: ignore[method-assign]
        live._reopen(lambda changed: asked.append(dict(changed)) or session, {"b.codec": b}, before)  # type: ignore[func-returns-value]
    assert asked == [{"b.codec": b, "monitor": then}]
    assert engine.values["monitor"] == then


@pytest.mark.slow
@pytest.mark.rig
def test_a_session_is_played_by_osc_and_reports_a_port_that_is_taken(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        assert main(["live", "--seconds", "0.3", "--a", "pcm", "--b", "off", "--osc", str(taken.getsockname()[1])]) == 0
    assert "Pass --osc PORT" in capsys.readouterr().out
