"""`demo` and `gui` beside a program that wants every core: they start, say what they changed, and
end with exit code 0.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from realtime.client import Client, ClientState
from tests.conftest import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.rig, pytest.mark.timeout(600)]
RESERVED = 24_000  # samples that the window asks for; the tour asks for more


@pytest.fixture
def busy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Occupy every core with a loop, and use a runtime directory of this test's own."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("PYTHONUNBUFFERED", "1")
    hogs = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(os.cpu_count() or 1)]
    yield
    for hog in hogs:
        hog.kill()
        hog.wait()


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "realtime.cli.main", *arguments]


@pytest.mark.usefixtures("busy")
def test_the_demo_visits_each_stop_and_says_what_it_raised() -> None:
    done = subprocess.run(command("demo", "--once", "--seconds", "1"), capture_output=True, text=True, timeout=500)
    assert (done.returncode, done.stderr) == (0, ""), done
    stops = re.findall(r"^(\d)/(\d) ", done.stdout, re.MULTILINE)
    assert [int(number) for number, _ in stops] == list(range(1, int(stops[0][1]) + 1))
    assert "no latency is enough" not in done.stdout.partition("Opus:")[2].partition("5/6")[0]
    raised = re.search(r"latency raised to (\d+) ms", done.stdout)
    assert raised is None or int(raised[1]) >= 1000 * RESERVED // 48_000


@pytest.mark.usefixtures("busy")
def test_the_window_with_its_demo_plays_says_the_latency_and_ends_with_0(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QT_QPA_PLATFORM", "offscreen")
    window = subprocess.Popen(command("gui", "--demo"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    client = Client()
    try:
        deadline = time.monotonic() + 400
        while client.state != ClientState.PLAYING:
            client.poll()
            assert window.poll() is None, window.communicate()
            assert time.monotonic() < deadline, "it does not play"
            time.sleep(0.05)
        assert client.latency.samples >= RESERVED
    finally:
        client.close()
        window.send_signal(signal.SIGINT)
        out, err = window.communicate(timeout=120)
    assert (window.returncode, err) == (0, ""), out


@pytest.mark.usefixtures("busy")
def test_a_screenshot_of_the_demo_is_taken(tmp_path: Path) -> None:
    picture = tmp_path / "window.png"
    done = subprocess.run(
        command("gui", "--demo", "--screenshot", str(picture)), capture_output=True, text=True, timeout=500
    )
    assert (done.returncode, done.stderr) == (0, ""), done
    assert picture.read_bytes().startswith(b"\x89PNG")
