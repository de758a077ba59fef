"""Live sessions by the clock and file drivers: planned latency equals measured latency to the
sample.
"""

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
from realtime.cli.main import main
from realtime.demo import CLIP
from realtime.effects.effect import EMPTY
from realtime.engine.engine_settings import Settings
from realtime.engine.parameter_store import ParameterStore
from realtime.engine.session_requests import SessionRequest
from realtime.parameters.table import PARAMETERS
from realtime.session.config import SessionConfig
from realtime.session.live_session import LiveSession, monitor_after_restart


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


def test_live_by_the_file_driver_equals_render(tmp_path: Path) -> None:
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


def test_a_slow_codec_causes_no_warning_with_the_file_driver(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["live", "--driver", "file", "--seconds", "0.1", "--a", "pcm:hop=480,compute=0.02", "--b", "off"]) == 0
    said = [line for line in capsys.readouterr().out.splitlines() if "dropouts" in line]
    counts = [line for line in said if " hearing A " in line]  # of a session that takes seconds: one every five
    assert all("late 0 stalled 0 died 0 xrun 0" in line for line in counts)
    assert len(said) == len(counts) + 1, "the summary is the only other line about them"
    assert "0 dropouts" in said[-1]


def engine_with(values: dict[str, Any]) -> Any:
    """Return an engine that plays nothing, as far as a session knows it."""
    engine: Any = SimpleNamespace(
        timeline=SimpleNamespace(load=lambda field: 0),
        settings=SimpleNamespace(rate=48_000),
        parameters=ParameterStore({"a.codec": "pcm", "b.codec": "off", "source": "input"} | values),
        racks=EMPTY,
        table=PARAMETERS,
        close=lambda: None,
    )
    engine.set = engine.parameters.set
    return engine


def test_a_restarted_session_first_closes_its_driver_and_source() -> None:
    """A patch that plays as input is a process, and cards are played by one at a time."""
    done: list[str] = []
    device: Any = SimpleNamespace(stop=lambda: done.append("closed"), parameters={})
    session = SessionConfig(
        Settings(48_000, 256, ("pcm", None), None), "clock", 256, None, device=device, reopen=lambda changed: session
    )

    def start(settings: Settings, prestarted_worker: object) -> Any:
        done.append("started")
        return engine_with({"monitor": "a", "record.directory": "takes", "source.loop": True})

    with contextlib.ExitStack() as at_end:
        live = LiveSession(session, at_end, start)
        live.start_stream(session)
        live.restart(SessionRequest("restart", ({},)))
        assert done == ["started", "closed", "started"]


@pytest.mark.parametrize(
    ("before", "codec_b", "after"),
    [("b", "off", "a"), ("ghost", "off", "a"), ("delta", "off", "delta"), ("b", "pcm", "b"), ("dry", "off", "dry")],
)
def test_the_monitor_is_kept_in_a_restart_unless_its_slot_is_turned_off(before: str, codec_b: str, after: str) -> None:
    assert monitor_after_restart(before, codec_b) == after


@pytest.mark.parametrize(("played", "after"), [("b", "a"), ("delta", "delta")])
def test_a_restart_opens_and_plays_with_the_monitor_that_is_left(played: str, after: str) -> None:
    """Flags of the first stream, such as --monitor b, do not refuse the next one."""
    asked: list[dict[str, Any]] = []
    session = SessionConfig(
        Settings(48_000, 256, ("pcm", None), None),
        "clock",
        256,
        None,
        reopen=lambda changed: asked.append(dict(changed)) or session,  # type: ignore[func-returns-value]
    )
    monitors = iter([played, "a"])
    engines: list[Any] = []

    def start(settings: Settings, prestarted_worker: object) -> Any:
        engines.append(engine_with({"monitor": next(monitors), "record.directory": "takes", "source.loop": True}))
        return engines[-1]

    with contextlib.ExitStack() as at_end:
        live = LiveSession(session, at_end, start)
        live.start_stream(session)
        live.restart(SessionRequest("restart", ({"b.codec": "off"},)))
    assert asked == [{"a.codec": "pcm", "b.codec": "off", "racks": EMPTY, "monitor": after}]
    assert engines[-1].parameters["monitor"] == after


@pytest.mark.slow
@pytest.mark.rig
def test_a_session_is_played_by_osc_and_reports_a_port_that_is_taken(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        assert main(["live", "--seconds", "0.3", "--a", "pcm", "--b", "off", "--osc", str(taken.getsockname()[1])]) == 0
    assert "Pass --osc PORT" in capsys.readouterr().out
