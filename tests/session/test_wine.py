"""The program under a real Windows Python by Wine, driven from Linux.

VERDIGRIS_WINPY names the wrapper that `.ci/windows` sets up. Wine is not Windows: these tests show
that the interfaces that are used work, not the timing of a sound card.
"""

from __future__ import annotations

import json
import os
import pickle
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from models.codec import DecoderControls
from models.load import load
from realtime.demo import CLIP
from realtime.osc.packet import Message, decode, encode, encode_bundle
from realtime.timeline.session_file import SessionRecord
from tests.conftest import ROOT

WINPY = os.environ.get("VERDIGRIS_WINPY", "")
PATIENCE_S = 300.0
pytestmark = [
    *(pytest.mark.slow, pytest.mark.rig, pytest.mark.timeout(900)),
    pytest.mark.skipif(not WINPY, reason="no Windows Python: .ci/windows sets one up"),
]


def windows(path: Path) -> str:
    """Return a path as Wine shows it to Windows programs."""
    return "Z:" + str(path).replace("/", "\\")


class Wine:
    """A Windows process of the program, and its output."""

    def __init__(self, place: Path, *arguments: str) -> None:
        self.place = place
        self.said: list[str] = []
        # the wrapper unsets XDG variables, so the program sets them itself
        folders = {"XDG_RUNTIME_DIR": windows(place / "run"), "XDG_CONFIG_HOME": windows(place / "config")}
        start = (
            f"import os, sys; os.environ.update({folders!r}); sys.argv[0] = 'verdigris'; "
            "from realtime.cli.main import main; sys.exit(main())"
        )
        for folder in ("run", "config"):
            (place / folder).mkdir(exist_ok=True)
        self.process = subprocess.Popen(
            [WINPY, "-u", "-c", start, *arguments],
            env={**os.environ, "PYTHONPATH": windows(ROOT)},
            cwd=place,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            self.said.append(line.rstrip())

    def wait(self) -> str:
        """Return the output of a process that ends by itself, with success."""
        assert self.process.wait(PATIENCE_S) == 0, self.said
        return "\n".join(self.said)

    def until(self, pattern: str) -> re.Match[str]:
        """Wait for a line that matches."""
        deadline = time.perf_counter() + PATIENCE_S
        while True:
            for line in list(self.said):
                if found := re.search(pattern, line):
                    return found
            assert self.process.poll() is None, self.said
            assert time.perf_counter() < deadline, self.said
            time.sleep(0.05)

    def pids(self, text: str) -> list[int]:
        """Return the Linux numbers of this session's Windows processes whose command contains a text."""
        found = []
        for command in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                pid = int(command.parent.name)
                if os.getsid(pid) == self.process.pid and text.encode() in command.read_bytes():
                    found.append(pid)
            except OSError:
                continue
        return found

    def kill(self) -> None:
        """End every process of this session at once."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def close(self) -> None:
        """End what still runs, and the pipe."""
        if self.process.poll() is None:
            self.kill()
        self._reader.join(10)
        if self.process.stdout:
            self.process.stdout.close()


@pytest.fixture
def wines() -> Iterator[list[Wine]]:
    """Provide a list of processes that are ended after the test."""
    made: list[Wine] = []
    yield made
    for one in made:
        one.close()


LIVE = ("live", "--driver", "clock", "--monitor", "dry", "--osc", "0")


def is_exact(place: Path) -> bool:
    """Return True if monitor.wav is input.wav, later by the latency of the report."""
    latency = json.loads((place / "report.json").read_text())["latency_samples"]
    given, _ = soundfile.read(place / "input.wav", dtype="float32")
    played, _ = soundfile.read(place / "monitor.wav", dtype="float32")
    count = min(len(given), len(played) - latency)
    return count > 9 * 48_000 and bool(np.array_equal(played[latency : latency + count], given[:count]))


@pytest.mark.parametrize("codecs", [("nano:discrete", "swift"), ("opus:24", "swift:6")], ids=lambda pair: pair[0])
def test_ten_seconds_record_dry_to_the_bit_at_the_planned_latency(
    codecs: tuple[str, str], tmp_path: Path, wines: list[Wine]
) -> None:
    take, (a, b) = tmp_path / "take", codecs
    flags = ("--seconds", "10", "--a", a, "--b", b, "--record", "take", "--report", "take/report.json")
    wines.append(Wine(tmp_path, *LIVE, *flags))
    said = wines[0].wait()
    assert re.search(r"latency \d+ samples", said)
    assert is_exact(take)
    assert float(np.abs(soundfile.read(take / "b.wav")[0]).max()) > 0.01
    assert list((tmp_path / "run" / "verdigris").iterdir()) == []


def ask(port: int, packet: bytes, address: str) -> Message:
    """Send a packet until an answer with this address comes."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.connect(("127.0.0.1", port))
        client.settimeout(2.0)
        deadline = time.perf_counter() + 60
        while time.perf_counter() < deadline:
            client.send(packet)
            try:
                for message in decode(client.recv(1 << 16)):
                    if message.address == address:
                        return message
            except OSError:
                continue
    raise AssertionError(f"no answer {address}")


def test_osc_and_a_killed_worker_and_a_killed_engine(tmp_path: Path, wines: list[Wine]) -> None:
    live = Wine(tmp_path, *LIVE, "--a", "opus:24", "--b", "off")
    wines.append(live)
    port = int(live.until(r"OSC on port (\d+)")[1])
    live.until("hearing DRY")
    assert ask(port, encode("/verdigris/hello"), "/verdigris/hello").args[0] == "verdigris"
    ask(port, encode("/verdigris/monitor/gain", -6.0), "/verdigris/applied")
    bundle = encode_bundle(None, encode("/verdigris/monitor/gain", -3.0), encode("/verdigris/monitor/gain"))
    assert ask(port, bundle, "/verdigris/monitor/gain").args[0] in (-3.0, -6.0)

    workers = live.pids("spawn_main")
    assert workers
    for pid in workers:
        os.kill(pid, signal.SIGKILL)
    live.until("the worker is back")
    live.kill()

    (session,) = (tmp_path / "run" / "verdigris").glob("*.session")
    stale = SessionRecord(**{**json.loads(session.read_text()), "codecs": ()})
    assert stale.port == port
    another = Wine(tmp_path, *LIVE, "--seconds", "3", "--a", "opus:24", "--b", "off")
    wines.append(another)
    another.wait()
    assert list((tmp_path / "run" / "verdigris").iterdir()) == []


def test_the_window_takes_its_own_picture(tmp_path: Path, wines: list[Wine]) -> None:
    wines.append(Wine(tmp_path, "gui", "--screenshot", "window.png", "--demo"))
    wines[0].wait()
    assert (tmp_path / "window.png").stat().st_size > 50_000


def test_nano_makes_the_tape_of_linux_and_its_samples(tmp_path: Path, wines: list[Wine]) -> None:
    clip, _ = soundfile.read(CLIP, dtype="float32", frames=3 * 48_000)
    soundfile.write(tmp_path / "clip.wav", clip, 48_000, subtype="FLOAT")
    render = ("render", "clip.wav", "{}.wav", "--codec", "nano", "--path", "discrete", "--tokens", "{}.tape")
    wines.append(Wine(tmp_path, *(part.format("windows") for part in render)))
    wines[0].wait()
    linux = [sys.executable, "-m", "realtime.cli.main", *(part.format("linux") for part in render)]
    subprocess.run(linux, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=True, capture_output=True)
    assert (tmp_path / "windows.tape").read_bytes() == (tmp_path / "linux.tape").read_bytes()
    here, there = (soundfile.read(tmp_path / f"{name}.wav", dtype="float32")[0] for name in ("linux", "windows"))
    assert float(np.abs(here - there).max()) < 1e-5


EXE = """
import os, subprocess, sys
folders = {"XDG_RUNTIME_DIR": "run", "XDG_CONFIG_HOME": "config", "PYTHONPATH": "prefix/Lib/site-packages"}
os.environ.update({name: os.path.abspath(folder) for name, folder in folders.items()})
sys.exit(subprocess.call([os.path.abspath("prefix/Scripts/verdigris.exe"), *sys.argv[1:]]))
"""


def test_the_program_of_a_wheel_plays(tmp_path: Path) -> None:
    """Install a wheel of this tree by pip into a folder of its own; its verdigris.exe records a session."""
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    if not wheel.name.endswith("-any.whl"):  # made here, without zig: the same but for the plug-in of this system
        wheel = wheel.rename(tmp_path / f"{wheel.name.rsplit('-', 1)[0]}-any.whl")
    switches = ("--no-deps", "--no-index", "--no-compile", "--ignore-installed", "--prefix", "prefix")
    install = [WINPY, "-m", "pip", "install", *switches, windows(wheel)]
    subprocess.run(install, cwd=tmp_path, check=True, capture_output=True, timeout=PATIENCE_S)
    live = ("live", "--driver", "clock", "--seconds", "3", "--a", "swift", "--b", "off", "--osc", "off")
    command = [WINPY, "-c", EXE, *live, "--record", "take", "--report", "report.json"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE_S)
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads((tmp_path / "report.json").read_text())["codec_a"].startswith("swift")
    assert (tmp_path / "take" / "a.wav").stat().st_size > 3 * 48_000
    assert (tmp_path / "prefix" / "Lib" / "site-packages" / "realtime" / "demo").is_dir()


OPUS = """
import pickle, sys
import numpy as np
from dataclasses import replace
from models.codec import DecoderControls
from models.load import load
codec = load("opus:6")
encoder, decoder = codec.open_encoder(), codec.open_decoder("discrete")
theirs, audio = pickle.load(open("linux.pickle", "rb"))
frames = [encoder.encode(chunk) for chunk in audio]
played = [decoder.decode(replace(f, payload=p), DecoderControls()) for f, p in zip(frames, theirs)]
pickle.dump(([f.payload for f in frames], np.concatenate(played, axis=1)), open("windows.pickle", "wb"))
"""


def test_opus_packets_of_linux_decode_to_the_same_samples_and_only_the_encoders_choices_differ(tmp_path: Path) -> None:
    """RFC 6716 fixes the decoder alone. The two builds of libopus round differently in the encoder."""
    clip, _ = soundfile.read(CLIP, dtype="float32", frames=4 * 48_000)
    audio = np.split(np.ascontiguousarray(clip.T), len(clip) // 960, axis=1)
    codec = load("opus:6")
    encoder, decoder = codec.open_encoder(), codec.open_decoder("discrete")
    frames = [encoder.encode(np.ascontiguousarray(chunk)) for chunk in audio]
    played = np.concatenate([decoder.decode(frame, DecoderControls()) for frame in frames], axis=1)
    (tmp_path / "linux.pickle").write_bytes(pickle.dumps(([f.payload for f in frames], audio)))
    environment = {**os.environ, "PYTHONPATH": windows(ROOT)}
    subprocess.run([WINPY, "-c", OPUS], cwd=tmp_path, env=environment, check=True, timeout=PATIENCE_S)
    packets, theirs = pickle.loads((tmp_path / "windows.pickle").read_bytes())
    assert np.array_equal(theirs, played)
    assert [len(packet) for packet in packets] == [len(frame.payload) for frame in frames]
