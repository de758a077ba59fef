"""The insert in a DAW: Ardour, headless, plays one recording on two tracks, and the engine inverts
one of them.

The master bus is digital zero while the engine plays, and twice the dry track before it starts and
after it is killed: latency is compensated to the sample, and without an engine the track is aligned
dry. The transport never stops.
"""

from __future__ import annotations

import queue
import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support.devices.jackrig import RATE, Server, need_jack
from tests.support.insert.insert_process import Live, environment
from tests.support.insert.insert_rig import noise, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.rig, pytest.mark.timeout(240)]
SCRIPT = Path(__file__).parents[1].joinpath("support", "insert", "insert_null.lua")
SECONDS = 18
STRIPS = ("Master", "trk 1", "trk 2")
WET = 2 * RATE  # samples that must be zero
DOUBLED = 3 * RATE // 4  # samples that must be twice the dry track
TAPS = 1024  # samples by which a track's output may precede the master


class Desk:
    """A JACK client that plays noise into both tracks and records master and tracks, [T, 2] each."""

    def __init__(self, server: Server) -> None:
        import jack

        self._client = jack.Client("desk", servername=server.name, no_start_server=True)
        self._outs = [self._client.outports.register(f"out_{c}") for c in range(2)]
        self._ins = [self._client.inports.register(f"in_{c}") for c in range(2 * len(STRIPS))]
        self._play = noise(SECONDS * RATE + RATE, 1)
        self._recorded = np.zeros((len(self._ins), 90 * RATE), np.float32)
        self.at, self._playing_at = 0, -1
        self._client.set_process_callback(self._process)
        self._client.activate()

    def _process(self, count: int) -> None:
        start, end = self.at, self.at + count
        for row, port in zip(self._recorded, self._ins, strict=True):
            row[start:end] = port.get_array()
        for row, port in zip(self._play, self._outs, strict=True):
            piece = row[start - self._playing_at : end - self._playing_at] if self._playing_at >= 0 else row[:0]
            array = port.get_array()
            array[: len(piece)] = piece
            array[len(piece) :] = 0.0
        self.at = end

    def connect(self) -> None:
        for c in range(2):
            for track in STRIPS[1:]:
                self._client.connect(self._outs[c], f"ardour:{track}/audio_in {c + 1}")
            for number, strip in enumerate(STRIPS):
                self._client.connect(f"ardour:{strip}/audio_out {c + 1}", self._ins[2 * number + c])

    def play(self) -> None:
        self._playing_at = self.at

    def latest(self, samples: int) -> list[np.ndarray]:
        """Return the last samples of master, track 1 and track 2."""
        end = self.at
        return [self._recorded[2 * number : 2 * number + 2, end - samples : end] for number in range(len(STRIPS))]

    def wait(self, samples: int) -> None:
        until = self.at + samples
        wait_until(lambda: self.at >= until, f"{samples} samples of JACK", 60)

    def close(self) -> None:
        self._client.deactivate()
        self._client.close()


class Ardour:
    """The session of insert_null.lua, and its output."""

    def __init__(self, place: Path) -> None:
        home = place / "home"
        home.mkdir()
        command = ["ardour7-lua", str(SCRIPT), str(place / "session"), str(SECONDS)]
        self._process = subprocess.Popen(
            command,
            env={**environment(place), "HOME": str(home)},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._said: list[str] = []
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self._process.stdout
        for line in self._process.stdout:
            self._lines.put(line.strip())

    def wait_for(self, word: str) -> str:
        """Wait for the line with this beginning, and return it."""
        while True:
            try:
                self._said.append(self._lines.get(timeout=60))
            except queue.Empty:
                pytest.fail(f"Ardour never said {word}: {self._said}")
            if self._said[-1].startswith(word):
                return self._said[-1]

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    need_jack()
    if shutil.which("ardour7-lua") is None:
        pytest.skip("no ardour7-lua here: apt-get install ardour")
    with Server(256) as made:
        yield made


def is_double(heard: list[np.ndarray]) -> bool:
    """Return True if the master is twice the dry track, except for rounding by JACK and Ardour's
    ports.
    """
    master, _, dry = heard
    for lag in range(TAPS):
        if np.abs(master[:, lag : lag + 64] - 2 * dry[:, :64]).max() <= 1e-6:
            difference = master[:, lag:] - 2 * dry[:, : dry.shape[1] - lag]
            return bool(np.abs(dry).max() > 0.1 and np.abs(difference).max() <= 1e-6)
    return False


def is_null(heard: list[np.ndarray]) -> bool:
    master, turned, dry = heard
    return bool(np.abs(dry).max() > 0.1 and not master.any() and np.array_equal(turned, -dry))


def test_a_parallel_dry_track_nulls_to_digital_zero_and_is_doubled_without_the_engine(
    server: Server, tmp_path: Path
) -> None:
    with Live(tmp_path, "--a", "pcm:gain=-1", "--b", "off", "--seconds", "1"):
        pass  # new inserts reserve the latency it needs
    ardour = Ardour(tmp_path)
    desk: Any = None
    try:
        _, on_route, on_insert = ardour.wait_for("latency").split()
        assert int(on_route) == int(on_insert) < 4096
        desk = Desk(server)
        desk.connect()
        ardour.wait_for("recording")
        desk.play()
        ardour.wait_for("playing")
        desk.wait(DOUBLED)
        wait_until(lambda: is_double(desk.latest(DOUBLED)), "twice the dry track, without an engine", 5)
        live = Live(tmp_path, "--a", "pcm:gain=-1", "--b", "off")
        wait_until(lambda: is_null(desk.latest(WET)), "the null", 10)
        live.kill_all()
        desk.wait(DOUBLED)
        wait_until(lambda: is_double(desk.latest(DOUBLED)), "twice the dry track, after the kill", 5)
        live.close()
        ardour.wait_for("rolling")
    finally:
        ardour.close()
        if desk:
            desk.close()
