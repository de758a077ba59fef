"""Engines that are killed or stopped while a host plays a sine: dry in time, aligned and without
clicks, then wet again.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.support.insert.insert_process import ROOT, Live, environment
from tests.support.insert.insert_rig import Inserts, Lv2Host, insert_files, private_inserts

pytestmark = [pytest.mark.slow, pytest.mark.rig, pytest.mark.timeout(180)]
RATE, BLOCK, HERTZ = 48_000, 256, 220.0
SECONDS = 150
BACK_S = 20.0


class Playing:
    """A host that plays a sine in real time and keeps its output; it waits for nothing."""

    def __init__(self, host: Lv2Host) -> None:
        self._host, self._began = host, time.monotonic()
        phase = 2 * np.pi * HERTZ * np.arange(SECONDS * RATE) / RATE
        self.x = np.repeat(0.5 * np.sin(phase)[None], 2, axis=0).astype(np.float32)
        self.out = np.zeros_like(self.x)
        host.run(self.x[:, :0])  # an empty block, so that it reports its latency
        self.at, self.latency = 0, int(host["latency"])

    def block(self) -> None:
        ahead = self.at / RATE - (time.monotonic() - self._began)
        time.sleep(max(0.0, ahead))
        if ahead < -0.1:
            self._began -= ahead  # time was lost: do not catch up
        end = self.at + BLOCK
        self.out[:, self.at : end] = self._host.run(self.x[:, self.at : end])
        self.at = end

    def play(self, samples: int) -> None:
        for _ in range(-(-samples // BLOCK)):
            self.block()

    def until(self, sign: int, size: int = 1024) -> None:
        """Wait until so many samples are exactly wet (-1) or dry (1)."""
        deadline = self.at + BACK_S * RATE
        self.play(size)
        while not self.heard(self.at - size, self.at, sign):
            assert self.at < deadline, f"{sign} does not come back"
            self.block()

    def heard(self, start: int, end: int, sign: int) -> bool:
        return np.array_equal(self.out[:, start:end], sign * self.x[:, start - self.latency : end - self.latency])

    @property
    def largest_step(self) -> float:
        """Return the largest step of the output, relative to that of the sine."""
        return float(np.abs(np.diff(self.out[:, self.latency : self.at])).max() / np.abs(np.diff(self.x)).max())


@pytest.fixture
def inserts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Inserts]:
    with private_inserts(tmp_path, monkeypatch) as made:
        yield made


class Standby:
    """Loaded workers that wait for their start."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._started: list[subprocess.Popen[str]] = []
        self._next = self._load()

    def _load(self) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "tests.support.insert.insert_worker", str(self._path)]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        self._started.append(
            subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        )
        return self._started[-1]

    def attach(self) -> subprocess.Popen[str]:
        found = self._next
        assert found.stdin
        found.stdin.write("go\n")
        found.stdin.flush()
        self._next = self._load()
        return found

    def close(self) -> None:
        for process in self._started:
            process.kill()
            process.communicate()


def test_20_random_kills_and_stops_are_dry_within_l_and_a_block_without_clicks(inserts: Inserts) -> None:
    host = inserts(RATE).activate()
    playing, standby, rng = Playing(host), Standby(insert_files()[0]), np.random.default_rng()
    try:
        worker = standby.attach()
        for number in range(20):
            playing.until(-1)
            playing.play(int(rng.integers(1, 5000)))
            stopped = number % 2
            worker.send_signal(signal.SIGSTOP if stopped else signal.SIGKILL)
            died = playing.at
            playing.play(playing.latency + 3000)
            assert playing.heard(died + playing.latency + BLOCK, playing.at, 1), f"{number}: not dry in time"
            if stopped:
                worker.send_signal(signal.SIGCONT)
            else:
                worker = standby.attach()
        playing.until(-1)
        assert playing.largest_step <= 1.1
    finally:
        standby.close()


def test_the_instrument_recovers_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that dies is replaced; after the death of an engine the host plays dry until the
    next one starts.
    """
    for name, value in environment(tmp_path).items():
        monkeypatch.setenv(name, value)
    with Live(tmp_path, "--a", "pcm:gain=-1", "--b", "off") as live:
        host = Lv2Host(RATE, nominal=BLOCK).activate()
        playing = Playing(host)
        playing.until(-1)
        (worker,) = live.workers()
        os.kill(worker, signal.SIGKILL)
        died = playing.at
        playing.play(playing.latency + 3000)
        assert playing.heard(died + playing.latency + BLOCK, died + playing.latency + 2000, 1)
        playing.until(-1)
        live.wait_for("the worker is back")
        live.kill_all()
        died = playing.at
        playing.play(playing.latency + 3000)
        assert playing.heard(died + playing.latency + BLOCK, playing.at, 1)
    with Live(tmp_path, "--a", "pcm:gain=-1", "--b", "off"):
        playing.until(-1)
        second = Lv2Host(RATE, nominal=BLOCK).activate()  # several at once
        other = Playing(second)
        other.until(-1)
        playing.until(-1)
    other.until(1)
    playing.until(1)
    assert max(playing.largest_step, other.largest_step) <= 1.1
    host.close()
    second.close()
