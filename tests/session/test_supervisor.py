"""Boundary around the parts of a session: reported once, fallen back, and the session goes on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

from realtime.session.supervisor import REPEAT_S, Supervisor
from realtime.system.atomic_file import FileError
from realtime.system.console_stream import ConsoleStream
from tests.conftest import ROOT

LIVE = ["live", "--driver", "clock", "--a", "pcm", "--b", "off", "--osc", "0", "--seconds", "3"]


def fail(error: Exception) -> None:
    raise error


def test_an_error_is_reported_everywhere_and_its_part_falls_back() -> None:
    sent: list[tuple[str, str]] = []
    done: list[str] = []
    supervisor = Supervisor(lambda *given: sent.append(given))
    with supervisor.part("record", lambda: done.append("no recording")):
        fail(FileError("rec: the disk is full."))
    assert sent == [("record", "rec: the disk is full.")]
    assert done == ["no recording"]
    assert [(f["part"], f["reason"]) for f in supervisor.failures] == sent


def test_an_error_of_the_fallback_is_reported_as_well() -> None:
    supervisor = Supervisor()
    with supervisor.part("source", lambda: fail(ZeroDivisionError("y"))):
        fail(KeyError("x"))
    assert [f["reason"].partition(":")[0] for f in supervisor.failures] == ["KeyError", "ZeroDivisionError"]


def test_a_part_that_fails_at_every_poll_is_reported_seldom() -> None:
    now = [0.0]
    supervisor = Supervisor(now=lambda: now[0])
    for now[0] in (0.0, 0.05, REPEAT_S - 1, REPEAT_S + 1):
        with supervisor.part("device"):
            fail(FileError("gone"))
    with supervisor.part("device"):
        fail(FileError("another"))
    assert [f["seconds"] for f in supervisor.failures] == [0.0, REPEAT_S + 1, REPEAT_S + 1]
    supervisor.report("device", "another")
    assert len(supervisor.failures) == 4, "each event is reported"


def test_an_announcement_that_fails_ends_nothing() -> None:
    def announce(part: str, reason: str) -> None:
        raise OSError("no network")

    supervisor = Supervisor(announce)
    supervisor.report("a", "b")
    assert len(supervisor.failures) == 1


def test_a_stopped_reader_of_the_console_delays_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("realtime.system.console_stream.drop_console", lambda reason: None)
    read, write = os.pipe()
    with os.fdopen(read), os.fdopen(write, "w") as pipe:
        console = ConsoleStream(pipe)
        began = time.monotonic()
        for _ in range(2000):
            console.write("x" * 1000)
        assert time.monotonic() - began < 1.0
        console.finish()
        assert isinstance(console.error, TimeoutError)
    console.finish()  # the pipe is closed: its thread ends here, not in another test


def test_a_console_on_a_full_disk_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    dropped: list[object] = []
    monkeypatch.setattr("realtime.system.console_stream.drop_console", dropped.append)
    with Path("/dev/full").open("w") as full:
        console = ConsoleStream(full)
        console.write("a line\n")
        console.finish()
        console.write("another\n")
    assert isinstance(console.error, OSError)
    assert dropped == ["No space left on device"]


@pytest.mark.slow
@pytest.mark.parametrize("console", ["{} | head -1", "{} > /dev/full", "{} | sleep 30", "{} >&-"])
def test_the_stream_goes_on_without_a_console(tmp_path: Path, console: str) -> None:
    report = tmp_path / "report.json"
    program = " ".join([sys.executable, "-m", "realtime.cli.main", *LIVE, "--report", str(report)])
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "XDG_RUNTIME_DIR": str(tmp_path)}
    command = f"set -o pipefail; {console.format(program)}"
    done = subprocess.run(
        ["bash", "-c", command], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=100
    )
    assert "Traceback" not in done.stderr
    assert done.returncode == 0, done.stderr
    assert '"seconds": 3.0' in report.read_text()


@pytest.mark.slow
@pytest.mark.parametrize("how", ["truncate", "nan", "remove"])
def test_an_input_that_fails_while_it_plays_becomes_silence(tmp_path: Path, how: str) -> None:
    path, report = tmp_path / "in.wav", tmp_path / "report.json"
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, (6 * 48_000, 2)).astype(np.float32)
    soundfile.write(path, noise, 48_000, subtype="FLOAT")
    live = [part for part in LIVE if part not in ("--seconds", "3")]
    program = [sys.executable, "-m", "realtime.cli.main", *live, "--input", str(path), "--report", str(report)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "XDG_RUNTIME_DIR": str(tmp_path), "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(
        program, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert process.stdout
    while not process.stdout.readline().startswith("OSC on port"):
        pass
    time.sleep(1.0)
    if how == "truncate":
        os.truncate(path, 0)
    elif how == "remove":
        path.unlink()  # an open file is played to its end
    else:
        with path.open("r+b") as file:
            file.seek(path.stat().st_size // 2)
            file.write(np.full(48_000, np.nan, np.float32).tobytes())
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 0, out
    written = json.loads(report.read_text())
    assert [failure["part"] for failure in written["failures"]] == ([] if how == "remove" else ["source"])
    assert how == "remove" or "The input is silent from here on." in out
    assert written["seconds"] == pytest.approx(6.0, abs=0.01)
