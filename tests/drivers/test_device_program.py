"""The command line on a sound card: live, doctor and devices."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.conftest import ROOT
from tests.support.devices.device_rig import application
from tests.support.devices.jackrig import RATE, Cable, Meter, Server

pytestmark = [
    pytest.mark.slow,
    pytest.mark.rig,
    pytest.mark.timeout(180),
    pytest.mark.usefixtures("jack", "own_settings"),
]


def test_doctor_measures_the_round_trip_through_a_cable_to_the_sample() -> None:
    """The cable from the program's output to its input takes one period."""
    with Server(256) as server, application("doctor", "--loopback", "--json") as program:
        plug = Cable(server)
        try:
            while program.poll() is None:
                plug.connect()
                time.sleep(0.005)
        finally:
            plug.close()
        assert program.stdout
        output = program.stdout.read()
        measured = json.loads(output)
        assert measured["measured_samples"] == server.period
        assert measured["level_db"] == pytest.approx(0, abs=0.1)
    with Server(256):
        with application("doctor", "--loopback") as program:  # no cable
            output, _ = program.communicate(timeout=60)
        assert "nothing of what JACK:system played came back" in output


def test_a_file_is_played_through_the_card_to_its_end(tmp_path: Path) -> None:
    x = np.random.default_rng(0).uniform(-0.5, 0.5, (10 * RATE, 2)).astype(np.float32)
    source, report = tmp_path / "in.wav", tmp_path / "report.json"
    soundfile.write(source, x, RATE, subtype="FLOAT")
    arguments = ["--driver", "device", "--input", str(source), "--monitor", "dry", "--report", str(report)]
    with Server(256, inputs=0) as server, application("live", *arguments) as program:
        assert program.stdout
        next(line for line in program.stdout if line.startswith("JACK:system"))  # probed, and about to play
        meter = Meter(server)
        try:
            meter.connect(inputs=False)
            record, disturbed = meter.pass_through(np.zeros((3 * RATE, 2), np.float32))
        finally:
            meter.close()
        output, _ = program.communicate(timeout=60)
    assert program.returncode == 0, output
    assert json.loads(report.read_text())["seconds"] == 10.0
    heard = record[-RATE:]  # at full level by then; its position in x follows from the record
    first = int(np.flatnonzero((x == heard[0]).all(axis=1))[0])
    assert np.array_equal(heard, x[first : first + RATE]) or disturbed


def refusal(*arguments: str) -> str:
    """Return the one line with which `live` ends."""
    with application("live", "--driver", "device", *arguments) as program:
        output, _ = program.communicate(timeout=60)
    assert program.returncode == 1, output
    lines = output.strip().splitlines()
    assert len(lines) == 1, output
    return lines[0]


def test_an_unavailable_device_is_one_line_with_alternatives_and_a_remedy() -> None:
    with Server(256):
        line = refusal("--output-device", "Scarlett")
        assert re.search('no output "Scarlett"; there are: (ALSA:jack, )?JACK:system', line)
        line = refusal("--rate", "44100")
        assert "rate 44100 not offered by JACK:system (48000). Pass --rate 48000" in line
        line = refusal("--input-channels", "3,4")
        assert "input channels 3,4 of JACK:system: it has 1 to 2" in line
    with Server(256, inputs=0):
        assert re.search(r"no input: none of the cards \((ALSA:jack, )?JACK:system\) has input channels", refusal())
        assert "JACK:system has no input channels" in refusal("--input-device", "system")


def test_without_any_card_the_error_is_one_line_and_the_default_is_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JACK_DEFAULT_SERVER", f"verdigris-nobody-{os.getpid()}")
    monkeypatch.setenv("JACK_NO_START_SERVER", "1")
    line = refusal()
    if "no sound card" not in line:
        pytest.skip("this machine has a sound card")
    assert "Plug one in or start a JACK server" in line
    with application("live", "--seconds", "0.5") as program:
        output, _ = program.communicate(timeout=60)
    assert program.returncode == 0
    assert output.startswith("playing by the clock, without a sound card: no sound card")


def test_without_the_portaudio_library_it_is_one_line() -> None:
    program = (
        "import ctypes.util as u; u.find_library = lambda name: None; "
        "import realtime.cli.main as c; c.main(['devices'])"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60)
    (line,) = done.stderr.splitlines()
    assert "no PortAudio library" in line
    assert "apt-get install libportaudio2" in line


def test_devices_lists_the_card_by_its_stable_name() -> None:
    with Server(256):
        with application("devices", "--json") as program:
            output, _ = program.communicate(timeout=60)
        (card,) = [card for card in json.loads(output) if card["host_api"].startswith("JACK")]
    assert card == {
        "name": "JACK:system",
        "host_api": "JACK Audio Connection Kit",
        "inputs": 2,
        "outputs": 2,
        "rates": [48_000],
        "default_rate": 48_000,
        "used_for_input": True,
        "used_for_output": True,
    }
