"""Two devices with two clocks through PortAudio: ALSA, fed at a chosen pace, as input, and a JACK
server as output.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from realtime.drivers.portaudio import clock_model
from realtime.drivers.portaudio.selection import DeviceChoice
from realtime.osc.packet import Message
from realtime.osc.server import OscServer
from tests.conftest import ROOT
from tests.support.devices.fifocard import FifoCard
from tests.support.devices.instrument import Instrument, wait
from tests.support.devices.jackrig import RATE, Meter, Server, need_jack
from tests.support.osc_rig import Client

pytestmark = [pytest.mark.slow, pytest.mark.rig, pytest.mark.timeout(120)]
PPM = 500.0
FREQUENCY = 1000.0
WINDOW = RATE // 2


def frequency(x: np.ndarray) -> float:
    """Return the frequency of a sine, by the phase of its two halves."""
    half = len(x) // 2
    turn = np.exp(-2j * np.pi * FREQUENCY / RATE * np.arange(len(x)))
    first, second = (np.sum((x * turn)[part] * np.hanning(half)) for part in (slice(half), slice(half, 2 * half)))
    return FREQUENCY + float(np.angle(second / first)) / (2 * np.pi) * RATE / half


def is_its_own(pitches: list[float], facts: dict[str, Any]) -> bool:
    """Return True if pitch and reported drift are the device's own. A stall of the machine that
    costs the server part of a block shifts its clock by less than a detectable loss, so this may
    take as long as the clock model's memory.
    """
    if len(pitches) < 3 or facts["drift_ppm"] != pytest.approx(PPM, abs=100):
        return False
    return bool(np.median(pitches) == pytest.approx(FREQUENCY * (1 + 1e-6 * PPM), abs=0.1))


def test_a_fast_input_device_keeps_its_pitch_without_clicks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without correction one sample in 2000 would be dropped, 24 clicks a second, and the pitch
    would be the output's.
    """
    need_jack()
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    fifo = FifoCard(tmp_path, lambda n: 0.25 * np.sin(2 * np.pi * FREQUENCY / RATE * n), RATE, PPM)
    monkeypatch.setenv("ALSA_CONFIG_PATH", str(fifo.conf))
    try:
        with Server(256) as server:
            instrument = Instrument("pcm", choice=DeviceChoice("ALSA:fifo", "JACK:system"))
            meter = Meter(server)
            try:
                found = instrument.driver.info
                assert found.name == "ALSA:fifo → JACK:system"
                assert found.bridge_samples > 0
                assert f"and {found.bridge_samples} samples" in str(found)
                assert "between two clocks" in str(found)
                meter.connect(inputs=False)
                time.sleep(6.0)
                pitches: list[float] = []
                facts, patience = instrument.driver.facts, time.monotonic() + clock_model.MEMORY_S
                while not is_its_own(pitches[-5:], facts) and time.monotonic() < patience:
                    record, disturbed = meter.pass_through(np.zeros((WINDOW, 2), np.float32))
                    smooth = np.abs(np.diff(record[:, 0])).max() < 1.02 * 0.25 * 2 * np.pi * FREQUENCY / RATE
                    if not disturbed and smooth and np.abs(record[-RATE // 100 :]).max() > 0.2:
                        pitches.append(frequency(record[:, 0]))
                    facts = instrument.driver.facts
            finally:
                meter.close()
                instrument.close()
    finally:
        fifo.close()
    print(f"{len(pitches)} clean windows, {pitches}, {facts}")
    if len(pitches) < 3:
        pytest.skip(f"this machine stalls too much: {facts['xruns']}")
    assert is_its_own(pitches[-5:], facts)
    assert facts["device_latency_samples"] is None or facts["device_latency_samples"] > found.bridge_samples


def test_a_device_plugged_in_while_another_plays_is_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    need_jack()
    fifo = FifoCard(tmp_path, np.zeros_like, RATE, 0.0)
    plugged, before = fifo.conf.read_text(), tmp_path / "before.conf"
    before.write_text(plugged.splitlines()[0] + "\n")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("ALSA_CONFIG_PATH", str(before))
    try:
        with Server(256):
            instrument = Instrument()
            driver = instrument.driver
            osc = OscServer(instrument.engine, 0, device_facts=lambda: {**driver.facts, "driver": "device"})
            client = Client(osc.port)
            osc.start()

            def cards() -> dict[str, int]:
                """Return by device name whether it plays."""
                client.send("/verdigris/devices")
                answers: list[Message] = []

                def all_there() -> bool:
                    answers.extend(client.read())
                    return bool(answers) and len(answers) == answers[0].args[1]

                wait(all_there)
                facts = [dict(zip(answer.args[2::2], answer.args[3::2], strict=True)) for answer in answers]
                return {card["name"]: card["playing"] for card in facts}

            try:
                there = cards()
                assert there["JACK:system"] == 1
                assert "ALSA:fifo" not in there
                before.write_text(plugged)
                assert cards() == {**there, "ALSA:fifo": 0}
                assert driver.running
                assert driver.losses == 0
            finally:
                client.socket.close()
                osc.stop()
                instrument.close()
    finally:
        fifo.close()


SHIM = """
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
int snd_pcm_open(void **pcm, const char *name, int stream, int mode) {  /* after so many openings somebody holds it */
    static int opened;
    if (!strcmp(name, "fifo") && ++opened > atoi(getenv("OPENINGS"))) return -EBUSY;
    int (*real)(void **, const char *, int, int) = dlsym(dlopen("libasound.so.2", RTLD_NOW), "snd_pcm_open");
    return real(pcm, name, stream, mode);
}
"""


@pytest.mark.parametrize(
    ("openings", "words"),
    [
        (2, "ALSA:fifo is busy: another program holds it. Close that, or choose another of: verdigris devices"),
        (0, "A card that another program holds is not seen: close that program."),
    ],
    ids=["between listing and opening", "before"],
)
def test_a_device_held_by_another_program_is_one_line_with_a_remedy(tmp_path: Path, openings: int, words: str) -> None:
    """ALSA answers EBUSY to each opening of the device, except the first two, with which PortAudio
    lists it.
    """
    if shutil.which("cc") is None:
        pytest.skip("no C compiler here, to have ALSA refuse a card")
    fifo = FifoCard(tmp_path, np.zeros_like, RATE, 0.0)
    (tmp_path / "shim.c").write_text(SHIM)
    subprocess.run(["cc", "-shared", "-fPIC", "-o", "shim.so", "shim.c", "-ldl"], cwd=tmp_path, check=True)
    busy = {"LD_PRELOAD": str(tmp_path / "shim.so"), "OPENINGS": str(openings), "ALSA_CONFIG_PATH": str(fifo.conf)}
    arguments = ["live", "--driver", "device", "--input-device", "fifo", "--output-device", "fifo"]
    try:
        done = subprocess.run(
            [sys.executable, "-m", "realtime.cli.main", *arguments],
            cwd=ROOT,
            env={**os.environ, **busy},
            capture_output=True,
            text=True,
            timeout=60,
        )
    finally:
        fifo.close()
    assert done.returncode == 1
    (clock_model,) = done.stderr.splitlines()
    assert words in clock_model
