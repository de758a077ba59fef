"""Client and engine in two processes: session commands, and what each sees when the other is
killed.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from realtime.cli.main import main
from realtime.client import Client, ClientState, Event
from tests.support.devices.jackrig import Server, need_jack
from tests.support.lockstep import noise

pytestmark = [pytest.mark.slow, pytest.mark.rig]
PATIENCE_S = 60.0


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    made = Client()
    yield made
    made.end_engine(patience_s=0.0)
    made.close()


def until(client: Client, done: Callable[[], bool]) -> list[Event]:
    got, deadline = [], time.monotonic() + PATIENCE_S
    while not done():
        assert time.monotonic() < deadline, client.state
        got += client.poll()
        time.sleep(0.01)
    return got


def playing(client: Client, *flags: str) -> int:
    """Start an engine, and wait until it plays; its pid.

    Its latency outlasts a stall of this machine.
    """
    engine = ("--driver", "clock", "--a", "pcm", "--b", "off", "--latency", "9600", "--osc", "0")
    pid = client.start_engine(*engine, *flags)
    until(client, lambda: client.state == ClientState.PLAYING)
    return pid


def answer(client: Client, what: str) -> Event:
    """Wait for done or fail."""
    got: list[Event] = []
    deadline = time.monotonic() + PATIENCE_S
    while not got:
        assert time.monotonic() < deadline, client.state
        got = [event for event in client.poll() if event.kind in ("done", "fail") and event.args[0] == what]
        time.sleep(0.01)
    return got[0]


def heard(client: Client, seconds: float) -> None:
    """Wait until so much more has been heard."""
    assert client.rings
    end = client.rings.now + seconds * client.rate
    until(client, lambda: bool(client.rings and client.rings.now >= end))


def read(path: Path) -> np.ndarray:
    samples: np.ndarray = soundfile.read(path, dtype="float32")[0]
    return samples


def test_takes_are_recorded_while_it_plays_and_none_over_another(client: Client, tmp_path: Path) -> None:
    playing(client)
    client.set("record.directory", str(tmp_path / "rec"))
    assert answer(client, "record.directory").kind == "done"
    kept = []
    for place in ("rec", "rec/take-2"):
        client.set("record", True)
        assert answer(client, "record").args == ("record", str(tmp_path / place))
        until(client, lambda: client.values["record"])
        heard(client, 0.5)
        client.set("record", False)
        assert answer(client, "record") == Event("done", ("record", str(tmp_path / place)))
        kept.append({name: read(tmp_path / place / f"{name}.wav") for name in ("input", "a", "monitor")})
        dry, a, monitor = kept[-1].values()
        assert len(dry) >= 0.5 * client.rate
        np.testing.assert_array_equal(dry, a)
        np.testing.assert_array_equal(monitor[client.latency.samples :], a)
        assert np.abs(a).max() > 0.01
    np.testing.assert_array_equal(read(tmp_path / "rec" / "a.wav"), kept[0]["a"])
    until(client, lambda: not client.values["record"])


def test_a_file_takes_the_place_of_the_input_and_gives_it_back(client: Client, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "level.wav", np.full((48_000, 2), 0.25, np.float32), 48_000, subtype="FLOAT")
    playing(client)
    rings = client.rings
    assert rings
    begun = rings.now
    client.set("source", str(tmp_path / "level.wav"))
    assert answer(client, "source") == Event("done", ("source", str(tmp_path / "level.wav")))
    heard(client, 0.8)
    np.testing.assert_array_equal(rings.read("monitor", rings.now - 2000, 2000), np.float32(0.25))
    client.set("source", "input")
    assert answer(client, "source").kind == "done"
    heard(client, 0.3)
    assert np.ptp(rings.read("dry", rings.now - 2000, 2000)) > 0
    assert rings.now - begun < 10 * client.rate
    client.set("source", str(tmp_path / "nothing.wav"))
    assert "cannot be read" in answer(client, "source").args[1]
    assert client.misses == dict.fromkeys(client.misses, 0) | {"xrun": client.misses["xrun"]}


def test_with_a_card_a_file_takes_the_place_of_the_input_and_a_restart_brings_it_back(
    client: Client, tmp_path: Path
) -> None:
    need_jack()
    soundfile.write(tmp_path / "level.wav", np.full((48_000, 2), 0.25, np.float32), 48_000, subtype="FLOAT")
    with Server():
        client.start_engine("--driver", "device", "--a", "pcm", "--b", "off", "--osc", "0")
        until(client, lambda: client.state == ClientState.PLAYING)
        client.set("source", str(tmp_path / "level.wav"))
        assert answer(client, "source").kind == "done"
        heard(client, 1.5)
        rings = client.rings
        assert rings
        sound = rings.read("monitor", rings.now - 60_000, 60_000)
        np.testing.assert_array_equal(sound[:, -4000:], np.float32(0.25))
        assert np.abs(np.diff(sound)).max() <= 0.25 / 256 + 1e-6  # what was there before is silence: no click between
        client.send("/verdigris/restart", "latency", 12_000)
        assert answer(client, "restart").kind == "done"
        until(client, lambda: client.state == ClientState.PLAYING and client.latency.samples == 12_000)
        until(client, lambda: client.values["source"] == str(tmp_path / "level.wav"))
        client.set("source", "input")
        assert answer(client, "source").kind == "done"
        heard(client, 1.5)
        assert client.rings
        np.testing.assert_array_equal(client.rings.read("monitor", client.rings.now - 4000, 4000), 0.0)
        client.end_engine()


def test_a_capture_loops_the_sound_just_heard(client: Client) -> None:
    playing(client)
    heard(client, 0.7)
    client.send("/verdigris/capture", 0.25)
    done = answer(client, "capture")
    assert done.kind == "done"
    length = round(float(done.args[1]) * client.rate)
    assert abs(length - client.rate // 4) <= 256
    until(client, lambda: client.values["source"] == "capture")
    assert client.values["a.lock"] == length // client.codecs["a"].spec.hop
    heard(client, 0.8)
    assert client.rings
    sound = client.rings.read("monitor", client.rings.now - 2 * length, 2 * length)
    np.testing.assert_array_equal(sound[:, :length], sound[:, length:])
    assert np.abs(sound).max() > 0.01
    client.send("/verdigris/capture", 20)
    assert "were heard so far" in answer(client, "capture").args[1]


@pytest.mark.timeout(300)
def test_a_tape_is_played_live(client: Client, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "in.wav", 0.1 * noise(48_000), 48_000, subtype="FLOAT")
    render = ["render", str(tmp_path / "in.wav"), str(tmp_path / "out.wav"), "--codec", "nano", "--path", "discrete"]
    assert main([*render, "--tokens", str(tmp_path / "noise.tape")]) == 0
    playing(client)
    client.set("source", str(tmp_path / "noise.tape"))
    assert answer(client, "source").kind == "done"
    heard(client, 0.8)
    assert client.rings
    got = client.rings.read("dry", client.rings.now - 8000, 8000)
    whole = read(tmp_path / "out.wav").T
    starts = np.flatnonzero(np.abs(whole[0] - got[0, 0]) < 1e-5)
    assert any(np.allclose(whole[:, i : i + 8000], got, atol=1e-4) for i in starts if i + 8000 <= whole.shape[1])


def test_a_session_restarts_at_another_rate_and_its_clients_stay(client: Client) -> None:
    pid = playing(client)
    assert client.session
    port = client.session.port
    client.set("gain", -12.0)
    until(client, lambda: client.values["gain"] == -12.0)
    client.send("/verdigris/restart", "rate", 44_100, "block", 128, "a.codec", "pcm:hop=480")
    assert answer(client, "restart").kind == "done"
    until(client, lambda: client.state == ClientState.PLAYING and client.rate == 44_100)
    assert (client.session.pid, client.session.port) == (pid, port)
    until(client, lambda: (client.values["rate"], client.values["block"]) == (44_100, 128))
    assert client.values["a.codec"] == "pcm:hop=480"
    assert client.values["gain"] == -12.0
    client.send("/verdigris/restart", "a.codec", "nothing-of-the-kind")
    refused = answer(client, "restart")
    assert refused.kind == "fail"
    assert "nothing-of-the-kind" in refused.args[1]
    until(client, lambda: client.state == ClientState.PLAYING)
    assert client.rate == 44_100
    heard(client, 0.2)
    assert client.rings
    now = client.rings.now
    a, sounded = (client.rings.read(name, now - 4000, 4000) for name in ("a", "monitor"))
    np.testing.assert_allclose(sounded, a * 10 ** (-12 / 20), atol=1e-5)
    assert np.abs(a).max() > 0.01


def test_three_restarts_at_once_are_answered_three_times(client: Client) -> None:
    playing(client)
    for rate in (44_100, 32_000, 22_050):
        client.send("/verdigris/restart", "rate", rate)
    answers: list[Event] = []
    deadline = time.monotonic() + PATIENCE_S
    while len(answers) < 3:
        assert time.monotonic() < deadline, answers
        answers += [event for event in client.poll() if event.kind in ("done", "fail") and event.args[0] == "restart"]
        time.sleep(0.01)
    assert answers[-1].kind == "done"
    assert "rate 22050" in answers[-1].args[1]
    assert all(a.kind == "done" or "a later restart supersedes it" in a.args[1] for a in answers)
    until(client, lambda: client.state == ClientState.PLAYING and client.rate == 22_050)


def test_the_seconds_of_a_session_include_those_before_a_restart(client: Client) -> None:
    playing(client, "--seconds", "8")
    heard(client, 3.0)
    first, ends = client.rings, [0]
    client.send("/verdigris/restart", "rate", client.rate)
    assert answer(client, "restart").kind == "done"

    def over() -> bool:
        if client.rings not in (None, first):
            ends.append(client.rings.now)
        return client.state == ClientState.GONE

    until(client, over)
    assert 0 < ends[-1] <= 5 * client.rate  # of the second stream; 8 s if counted anew


def test_a_session_ends_on_quit(client: Client) -> None:
    playing(client)
    client.send("/verdigris/restart", "rate", client.rate)
    assert answer(client, "restart").kind == "done"
    until(client, lambda: client.state == ClientState.PLAYING)
    client.quit_engine()
    assert answer(client, "engine").kind == "done"
    until(client, lambda: client.state == ClientState.GONE)


POLLING = "import time; from realtime.client import Client; c = Client()\nwhile True: c.poll(); time.sleep(1 / 30)"


def test_a_client_that_polls_and_is_killed_changes_no_sample(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    live = [sys.executable, "-m", "realtime.cli.main", "live", "--driver", "clock", "--seconds", "4", "--osc", "0"]
    live += ["--a", "opus:24", "--b", "opus:24", "--monitor", "delta", "--latency", "9600"]

    def take(name: str, watched: bool) -> np.ndarray:
        engine = subprocess.Popen([*live, "--record", str(tmp_path / name)], stdout=subprocess.DEVNULL)
        if watched:
            watcher = subprocess.Popen([sys.executable, "-c", POLLING])
            client, deadline = Client(frames=False), time.monotonic() + PATIENCE_S
            while not (client.rings and client.rings.now > 48_000) and time.monotonic() < deadline:
                client.poll()
                time.sleep(0.01)
            watcher.kill()
            watcher.wait()
            client.close()
        assert engine.wait(PATIENCE_S) == 0
        return read(tmp_path / name / "monitor.wav")

    for number in range(3):  # again after a stall longer than the latency: either take has a dropout then
        alone, watched = (take(f"{name}-{number}", name == "watched") for name in ("alone", "watched"))
        if np.array_equal(alone, watched):
            break
    np.testing.assert_array_equal(alone, watched)


def test_a_killed_engine_is_gone_within_a_second_and_the_next_one_is_followed(client: Client) -> None:
    took: list[float] = []
    for _ in range(3):  # the machine may stall during one kill
        pid = playing(client)
        assert client.session
        assert client.session.pid == pid
        os.kill(pid, signal.SIGKILL)
        killed = time.monotonic()
        until(client, lambda: client.state == ClientState.GONE)
        took.append(time.monotonic() - killed)
    assert min(took) < 1.0


def test_an_engine_can_be_ended_while_it_loads(client: Client) -> None:
    client.start_engine("--driver", "clock", "--a", "pcm:compute=5", "--b", "off", "--osc", "0")
    until(client, lambda: client.session is not None)
    client.quit_engine()
    got = until(client, lambda: client.session is None)
    while not [event for event in got if event.kind in ("done", "fail")]:
        got += client.poll()
    assert [event.args for event in got if event.kind == "fail"] == [("engine", "stopped")]
