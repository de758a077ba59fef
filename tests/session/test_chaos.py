"""Chaos: everything around a session fails, again and again. It plays on, dry is bit-exact, and each
loss is in the report.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from realtime.client import Client, ClientState, Event
from realtime.system.platform.machine import SYSTEM
from realtime.timeline.layout import Field, Timeline
from realtime.timeline.ring_reader import RingReader
from tests.conftest import ROOT

if SYSTEM != "linux":
    pytest.skip("looks into /proc, stops processes by signals", allow_module_level=True)
RATE = 48_000
resource = pytest.importorskip("resource")
STILL = 60  # looks of 50 ms in a row without new sound
CODECS = ["pcm", "opus:6", "opus:24", "mp3:128", "pcm:hop=64,lookahead=32", "nothing", "pcm:hop=60000"]
CRASHING = """import os
CONTROLS = {"crash": (0.0, 0.0, 1.0)}
def process(block, params):
    if params["crash"] > 0.5:
        os._exit(3)
    return block
"""


class DryWatch:
    """Compares what is played with the input, sample by sample, while the stream goes on."""

    def __init__(self, path: Path) -> None:
        self.timeline = Timeline.attach(path)
        self.compared = self.different = 0
        self.still = self._still_now = 0  # most looks in a row without new sound
        self.missed = 0  # times that this process was stopped for longer than the rings last
        self._begin()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    def _begin(self) -> None:
        start = self.timeline.load(Field.DRY_END)
        self._dry = RingReader(self.timeline, "dry", start)
        self._played = RingReader(self.timeline, "monitor", start + self.timeline[Field.LATENCY])
        self._kept = np.zeros((2, 0), np.float32)  # input that has not been played yet

    def close(self) -> None:
        self._stop.set()
        self._thread.join()
        self.timeline.close()

    def _run(self) -> None:
        while not self._stop.wait(0.05):
            self._kept = np.concatenate([self._kept, self._dry.read()], axis=1)
            played = self._played.read()
            if self._dry.lost or self._played.lost:
                self.missed += 1
                self._begin()
                continue
            count = min(played.shape[1], self._kept.shape[1])
            assert count == played.shape[1]
            self.different += int((played != self._kept[:, :count]).any(axis=0).sum())
            self.compared += count
            self._still_now = 0 if count else self._still_now + 1
            self.still = max(self.still, self._still_now)
            self._kept = self._kept[:, count:]


class Chaos:
    """One session and all that happens to it. Each method is one misfortune."""

    def __init__(self, place: Path, seed: int) -> None:
        self.place, self.random, self.fails = place, random.Random(seed), list[tuple[object, ...]]()
        self.errors = list[tuple[object, ...]]()
        self.killed = 0
        (place / "crash.py").write_text(CRASHING)
        self.report = place / "report.json"
        command = [
            *(sys.executable, "-m", "realtime.cli.main", "live", "--driver", "clock", "--osc", "0"),
            *("--a", "pcm", "--b", "opus:24", "--monitor", "dry", "--latency", "24000"),
            *("--post-a", f"py:{place / 'crash.py'}", "--report", str(self.report)),
        ]  # fmt: skip
        self.environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        self.session = subprocess.Popen(
            command, cwd=place, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=self.environment
        )
        self.client = Client(pid=self.session.pid, frames=False)
        self.until(lambda: self.client.state == ClientState.PLAYING, 400)  # it may load beside other programs
        assert self.client.rings
        self.dry = DryWatch(Path(self.client.rings.path))

    def until(self, look: Callable[[], object], seconds: float = 60.0) -> None:
        """Poll until `look`. Time in which all processes were stopped is not waited."""
        waited, now = 0.0, time.monotonic()
        while not look():
            self.poll()
            assert self.session.poll() is None, self.session.communicate()
            assert waited < seconds, (self.client.state, self.errors[-3:], self.fails[-3:])
            time.sleep(0.02)
            before, now = now, time.monotonic()
            waited += min(now - before, 1.0)

    def poll(self) -> list[Event]:
        events = self.client.poll()
        self.fails += [event.args for event in events if event.kind == "fail"]
        self.errors += [event.args for event in events if event.kind == "error"]
        return events

    def wait(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        self.until(lambda: time.monotonic() > end, seconds + 60)

    # misfortunes

    def overwrite_the_source(self) -> None:
        path = self.place / f"source-{self.random.randrange(3)}.wav"
        noise = np.random.default_rng(0).uniform(-0.5, 0.5, (RATE // 2, 2)).astype(np.float32)
        soundfile.write(path, noise, self.random.choice([RATE, 44_100]), subtype="FLOAT")
        self.client.set("source", str(path))
        self.until(lambda: self.client.values["source"] == str(path))
        how = self.random.choice(["truncate", "nan", "garbage", "remove"])
        if how == "truncate":
            os.truncate(path, 0)
        elif how == "nan":
            with path.open("r+b") as file:
                file.seek(60)
                file.write(np.full(2 * RATE, np.nan, np.float32).tobytes())
        elif how == "garbage":
            path.write_bytes(os.urandom(1000))
        else:
            path.unlink()
        self.until(lambda: self.client.values["source"] == "input")
        self.until(lambda: any(fail[0] == "source" and str(path) in str(fail[1]) for fail in self.fails))

    def crash_the_effect(self) -> None:
        self.client.set("a.post.1.bypass", False)
        self.client.set("a.post.1.crash", 1.0)
        self.wait(0.5)
        self.client.set("a.post.1.crash", 0.0)

    def flood(self) -> None:
        port = self.client.session.port if self.client.session else 0
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as flood:
            for number in range(3000):
                good = b"/verdigris/a/gain\0\0\0,f\0\0" + os.urandom(4)
                flood.sendto(os.urandom(64) if number % 3 else good, ("127.0.0.1", port))

    def fill_the_disk(self) -> None:
        self.client.set("record.directory", str(self.place / "takes"))
        self.client.set("record", True)
        self.until(lambda: self.client.values["record"])
        soft, hard = resource.prlimit(self.session.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(self.session.pid, resource.RLIMIT_FSIZE, (1000, hard))
        try:
            self.until(lambda: not self.client.values["record"])
        finally:
            resource.prlimit(self.session.pid, resource.RLIMIT_FSIZE, (soft, hard))

    def swap(self) -> None:
        self.client.set(f"{self.random.choice('ab')}.codec", self.random.choice(CODECS))

    def kill_a_worker(self) -> None:
        pid = self.session.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        workers = [child for child in map(int, children) if b"spawn_main" in _command_line(child)]
        if workers:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.random.choice(workers), signal.SIGKILL)
                self.killed += 1

    def kill_a_window(self) -> None:
        script = "import time\nfrom realtime.client import Client\nc = Client()\nwhile True: c.poll(); time.sleep(0.01)"
        window = subprocess.Popen([sys.executable, "-c", script], env=self.environment)
        self.wait(1.0)
        window.kill()
        window.wait()

    def close_the_console(self) -> None:
        if self.session.stdout:
            self.session.stdout.close()

    def send_nonsense(self) -> None:
        for address, *args in (
            ("/verdigris/snapshot/recall", "none"),
            ("/verdigris/capture", 1e9),
            ("/verdigris/capture", 0.5),
            ("/verdigris/restart", "rate"),
            ("/verdigris/source", "/dev/null"),
            ("/verdigris/record/directory", "/proc/takes"),
        ):
            self.client.send(address, *args)


def _command_line(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return tmp_path


@pytest.mark.parametrize(
    "seconds",
    [
        pytest.param(60, marks=[pytest.mark.slow, pytest.mark.rig, pytest.mark.timeout(300)]),
        pytest.param(600, marks=[pytest.mark.soak, pytest.mark.timeout(2400)]),
    ],
)
def test_a_session_survives_everything_around_it(place: Path, seconds: int) -> None:
    chaos = Chaos(place, seconds)
    try:
        run(chaos, seconds)
    finally:
        chaos.dry.close()
        chaos.client.close()
        with chaos.session:  # closes the pipes and waits
            chaos.session.kill()


def run(chaos: Chaos, seconds: int) -> None:
    misfortunes = [
        chaos.overwrite_the_source,
        chaos.crash_the_effect,
        chaos.flood,
        chaos.fill_the_disk,
        chaos.swap,
        chaos.kill_a_worker,
        chaos.kill_a_window,
        chaos.send_nonsense,
    ]
    rounds = 0
    while chaos.dry.compared < seconds * RATE or not rounds:  # of sound: a busy machine loses time by the clock
        chaos.random.shuffle(misfortunes)
        for misfortune in misfortunes:
            assert chaos.dry.alive, "what is played is no longer what came in"
            misfortune()
            chaos.wait(chaos.random.uniform(0.1, 0.8))
        chaos.close_the_console()
        rounds += 1
    chaos.wait(1.0)
    assert chaos.session.poll() is None
    assert chaos.dry.missed <= rounds
    assert chaos.dry.still < STILL, "the sound stood still"
    assert chaos.dry.different == 0, "what is played is the input, bit for bit, at its latency"
    chaos.client.quit_engine()
    assert chaos.session.wait(60) == 0, chaos.session.stderr and chaos.session.stderr.read()
    report = json.loads(chaos.report.read_text())
    parts = {failure["part"] for failure in report["failures"]}
    assert parts >= {"source", "record", "effect", "codecs", "console"}
    assert report["restarts"] >= 1
    kept = [(failure["part"], failure["reason"]) for failure in report["failures"]]
    losses = [fail[:2] for fail in chaos.fails if fail[0] in ("effect", "codecs", "console")]
    losses += [fail[:2] for fail in chaos.fails if fail[0] == "source" and "plays again" in str(fail[1])]
    assert losses
    assert not [loss for loss in losses if loss not in kept], "each loss is in the report"
