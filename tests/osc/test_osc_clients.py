"""Third-party OSC programs as clients, run by scripts beside audio in real time."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from realtime.drivers.clock import ClockDriver
from realtime.engine.engine_settings import Settings
from realtime.engine.start import start_engine
from realtime.osc.server import OscServer
from realtime.timeline.ring_reader import RingReader

pytestmark = [pytest.mark.slow, pytest.mark.rig]
RATE, BLOCK = 48_000, 256


class Constant:
    def read(self, count: int) -> np.ndarray:
        return np.full((2, count), 0.25, np.float32)


class Stage:
    """Stream of a constant, and its recorded output."""

    def __init__(self) -> None:
        self.engine = start_engine(Settings(RATE, BLOCK, ("pcm:hop=960", None), ("pcm", None)))
        self.server = OscServer(self.engine, 0)
        self.driver = ClockDriver(self.engine.host, Constant(), BLOCK)
        self._tail = RingReader(self.engine.timeline, "monitor")
        self._heard: list[np.ndarray] = []
        self.server.start()
        self.driver.start()

    def run(self, command: list[str], seconds: float = 40.0, extra: dict[str, str] | None = None) -> str:
        """Run a program and return its output; record the stream meanwhile."""
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env={**os.environ, **(extra or {})}
        ) as child:
            deadline = time.monotonic() + seconds
            while child.poll() is None and time.monotonic() < deadline:
                self.follow(0.05)
            child.kill()
            assert child.stdout is not None
            return child.stdout.read()

    def follow(self, seconds: float) -> None:
        self.engine.supervise()
        self._heard.append(self._tail.read()[0])
        time.sleep(seconds)

    @property
    def changes(self) -> np.ndarray:
        """Samples at which the level changes after a block without a change."""
        heard = np.concatenate(self._heard)
        moved = np.flatnonzero(np.diff(heard)) + 1
        return moved[np.diff(moved, prepend=-BLOCK) >= BLOCK]

    def close(self) -> None:
        self.driver.stop()
        self.server.stop()
        self.engine.close()


@pytest.fixture
def stage() -> Iterator[Stage]:
    made = Stage()
    yield made
    made.close()


def needs(program: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(shutil.which(program) is None, reason=f"{program} is not installed")


SCLANG = """
var v = NetAddr("127.0.0.1", PORT);
OSCFunc({ |m| ("HELLO" + m[1]).postln }, '/verdigris/hello');
OSCFunc({ |m| ("GAIN" + m[1]).postln }, '/verdigris/monitor/gain');
OSCFunc({ |m| ("APPLIED" + m[1] + m[3]).postln }, '/verdigris/applied');
OSCFunc({ |m| ("CLOCK" + m[1]).postln }, '/verdigris/clock').oneShot;
fork {
    1.0.wait;
    v.sendMsg("/verdigris/hello");
    v.sendMsg("/verdigris/monitor/gain", -3.0);
    v.sendMsg("/verdigris/monitor/gain");
    v.sendMsg("/verdigris/subscribe", "clock");
    v.sendMsg("/verdigris/set", "a.steps", 4, "b.seed", 5);
    0.5.wait;
    v.sendBundle(1.0, ["/verdigris/monitor/gain", -12.0], ["/verdigris/a/seed", 9]);
    "SENT".postln;
    2.0.wait;
    0.exit;
};
"""


@needs("sclang")
def test_supercollider_sets_gets_subscribes_and_schedules(stage: Stage, tmp_path: Path) -> None:
    script = tmp_path / "play.scd"
    script.write_text(SCLANG.replace("PORT", str(stage.server.port)))
    home = {"HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path)}
    qt = {"QT_QPA_PLATFORM": "offscreen", "QTWEBENGINE_CHROMIUM_FLAGS": "--no-sandbox"}
    output = stage.run(["sclang", str(script)], extra=home | qt)
    stage.follow(0.3)
    stage.follow(0.0)
    lines = output.splitlines()
    assert "HELLO verdigris" in lines, output[-2000:]
    assert "GAIN -3.0" in lines
    assert any(line.startswith("CLOCK") for line in lines)
    assert (
        stage.engine.parameters["a.steps"],
        stage.engine.parameters["b.seed"],
        stage.engine.parameters["a.seed"],
    ) == (4, 5, 9)
    applied = [line.split() for line in lines if line.startswith("APPLIED")]
    gains = [int(sample) for _, name, sample in applied if name == "gain"]
    assert len(gains) == 2
    assert set(gains) <= set(stage.changes.tolist()), (gains, stage.changes)
    assert gains[1] - gains[0] == pytest.approx(1.5 * RATE, abs=0.1 * RATE)  # 0.5 s later, 1 s ahead
    assert stage.server.counts()["late"] == 0


@needs("oscsend")
@needs("oscdump")
def test_liblo_sets_and_is_answered_at_a_fixed_port(stage: Stage) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    to = f"osc.udp://127.0.0.1:{stage.server.port}"
    with subprocess.Popen(["oscdump", "-L", str(port)], stdout=subprocess.PIPE, text=True) as dump:
        time.sleep(0.5)
        for message in (
            ["/verdigris/osc/reply_port", "i", str(port)],
            ["/verdigris/monitor/gain", "f", "-6"],
            ["/verdigris/[ab]/steps", "i", "3"],
            ["/verdigris/monitor/gain"],
            ["/verdigris/nothing", "s", "x"],
        ):
            stage.run(["oscsend", to, *message])
        for _ in range(10):
            stage.follow(0.05)
        dump.terminate()
        assert dump.stdout is not None
        output = dump.stdout.read()
    assert "/verdigris/monitor/gain f -6.0" in output
    assert "/verdigris/error" in output
    assert (stage.engine.parameters["a.steps"], stage.engine.parameters["b.steps"]) == (3, 3)
    applied = [line.split() for line in output.splitlines() if '/verdigris/applied siifs "gain"' in line]
    assert all(fields[-1] == '"/verdigris/monitor/gain"' for fields in applied)
    samples = [int(fields[-3]) for fields in applied]
    assert samples
    assert set(samples) <= set(stage.changes.tolist())


PATCH = """#N canvas 0 0 600 400 12;
#X obj 10 10 loadbang;
#X obj 10 40 t b b b b b;
#X msg 10 300 connect 127.0.0.1 SEND;
#X obj 10 340 netsend -u -b;
#X msg 200 100 -6;
#X obj 200 130 oscformat verdigris monitor gain;
#X obj 200 160 list prepend send;
#X obj 200 190 list trim;
#X msg 400 100 RECEIVE;
#X obj 400 130 oscformat verdigris osc reply_port;
#X obj 400 160 list prepend send;
#X obj 400 190 list trim;
#X obj 10 220 netreceive -u -b RECEIVE;
#X obj 10 250 oscparse;
#X obj 10 280 print GOT;
#X obj 300 60 delay 500;
#X obj 300 30 delay 1500;
#X msg 450 60 \\; pd quit;
#X connect 0 0 1 0;
#X connect 1 4 2 0;
#X connect 2 0 3 0;
#X connect 1 3 8 0;
#X connect 8 0 9 0;
#X connect 9 0 10 0;
#X connect 10 0 11 0;
#X connect 11 0 3 0;
#X connect 1 2 15 0;
#X connect 15 0 4 0;
#X connect 4 0 5 0;
#X connect 5 0 6 0;
#X connect 6 0 7 0;
#X connect 7 0 3 0;
#X connect 12 0 13 0;
#X connect 13 0 14 0;
#X connect 1 1 16 0;
#X connect 16 0 17 0;
"""


@needs("pd")
def test_pure_data_sets_and_is_acknowledged(stage: Stage, tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    patch = tmp_path / "play.pd"
    patch.write_text(PATCH.replace("SEND", str(stage.server.port)).replace("RECEIVE", str(port)))
    output = stage.run(["pd", "-nogui", "-noaudio", "-nomidi", "-stderr", "-noprefs", str(patch)], 15.0)
    stage.follow(0.1)
    stage.follow(0.0)
    assert stage.engine.parameters["gain"] == -6.0, output
    applied = [line.split() for line in output.splitlines() if "verdigris applied gain" in line]
    assert applied, output
    assert abs(float(applied[0][6]) - stage.changes[-1]) <= 64  # Pd's numbers are float32
