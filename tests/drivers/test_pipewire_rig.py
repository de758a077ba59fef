"""The instrument on PipeWire, with a private server (pipewire_rig.py): through ALSA and through
JACK, while the server is restarted, and while it comes back with other devices.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from realtime.drivers.portaudio.selection import DeviceChoice, store_choice
from realtime.timeline.layout import Field
from tests.conftest import ROOT
from tests.support.devices.instrument import Instrument, wait
from tests.support.devices.pipewire_rig import PipeWire, need_pipewire
from tests.support.machine_speed import within

pytestmark = [pytest.mark.slow, pytest.mark.rig, pytest.mark.timeout(180)]
BACK_S = 3.0


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[PipeWire]:
    need_pipewire()
    with PipeWire(tmp_path, monkeypatch) as started:
        yield started


@contextmanager
def playing(choice: DeviceChoice) -> Iterator[Instrument]:
    instrument = Instrument(choice=choice)
    try:
        instrument.faded_in()
        yield instrument
    finally:
        instrument.close()


def verdigris(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "realtime.cli.main", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment, timeout=120, check=True)


def advances(instrument: Instrument) -> Callable[[], bool]:
    """Return a function that tells whether sound has been played since this call."""
    timeline = instrument.engine.timeline
    before = timeline.load(Field.PLAYED_END)
    return lambda: timeline.load(Field.PLAYED_END) > before


def announced(instrument: Instrument) -> list[str]:
    return [message for message in instrument.messages if " is gone" in message or " is back" in message]


def test_jack_of_pipewire_is_offered_without_pw_jack(server: PipeWire) -> None:
    listed = json.loads(verdigris("devices", "--json").stdout)
    assert {"JACK:sinkA", "JACK:sourceA", "ALSA:pipewire"} <= {card["name"] for card in listed}


@pytest.mark.parametrize("card", ["ALSA:pipewire", "JACK:sinkA"])
def test_live_plays_through_pipewire_without_a_dropout(server: PipeWire, tmp_path: Path, card: str) -> None:
    """A stall of the machine costs an xrun, so a disturbed session is repeated."""
    report = tmp_path / "report.json"
    arguments = ["live", "--output-device", card, "--input-device", card, "--a", "pcm", "--b", "opus:24", "--osc"]
    arguments += ["off", "--block", "1024", "--latency", "24000", "--seconds", "6", "--report", str(report)]
    for _ in range(4):
        out = verdigris(*arguments).stdout
        found = json.loads(report.read_text())
        if not any(found["misses"].values()):
            break
    assert found["misses"] == {"late": 0, "stalled": 0, "died": 0, "xrun": 0}
    assert found["device"]["name"] == card
    assert found["seconds"] == pytest.approx(6.0, abs=0.1)
    assert found["device"]["device_latency_samples"] is not None
    assert "as reported" in out
    if card.startswith("JACK"):
        assert found["device"]["block"] == 1024


def test_the_block_that_is_asked_for_is_that_of_pipewires_jack(server: PipeWire) -> None:
    out = verdigris("live", "--output-device", "JACK:sinkA", "--block", "256", "--seconds", "1", "--osc", "off").stdout
    assert "blocks of 256; its own latency on top: 0 samples" in out


@pytest.mark.parametrize("card", ["ALSA:pipewire", "JACK:sinkA"])
def test_a_server_that_is_restarted_three_times_is_announced_once_each_way(server: PipeWire, card: str) -> None:
    with playing(DeviceChoice(card, card)) as instrument:
        for count in range(1, 4):
            server.restart()
            up = time.perf_counter()
            wait(lambda count=count: len(announced(instrument)) == 2 * count, 60)  # type: ignore[misc]
            came = time.perf_counter() - up
            wait(advances(instrument), 5)
            within(came, BACK_S, "until the sound is back after PipeWire")
            time.sleep(3.0)
        found = announced(instrument)
        assert [" is gone" in message for message in found] == [True, False] * 3
        assert found[1::2] == [f"{card} is back, playing"] * 3
        assert instrument.driver.losses == 3


def test_a_server_that_is_back_with_other_devices_is_followed_if_none_was_named(server: PipeWire) -> None:
    store_choice(DeviceChoice("JACK:sinkA", "JACK:sinkA"))  # only remembered
    with playing(DeviceChoice()) as instrument:
        assert instrument.driver.info.selection_reason == "as last time"
        server.name_nodes("sinkB", "sourceB")
        server.restart()
        instrument.said("JACK:sinkA is back as JACK:sink")
        wait(advances(instrument), 5)
        assert instrument.driver.facts["name"].startswith("JACK:s")
        assert "JACK:sinkB" in instrument.driver.parameters["device.output"]


def test_a_named_device_is_waited_for_when_the_server_is_back_with_others(server: PipeWire) -> None:
    with playing(DeviceChoice("JACK:sinkA", "JACK:sinkA")) as instrument:
        server.name_nodes("sinkB", "sourceB")
        server.restart()
        instrument.said("is gone")
        still = advances(instrument)
        time.sleep(4.0)
        assert not still()
        server.name_nodes("sinkA", "sourceA")
        server.restart()
        instrument.said("JACK:sinkA is back, playing")
        assert len(announced(instrument)) == 2


def test_seconds_count_by_the_clock_while_the_server_is_gone(server: PipeWire) -> None:
    arguments = ["live", "--output-device", "ALSA:pipewire", "--a", "pcm", "--b", "off", "--osc", "off"]
    command = [sys.executable, "-u", "-m", "realtime.cli.main", *arguments, "--seconds", "6"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=ROOT, env=environment
    ) as program:
        assert program.stdout
        lines = []
        for line in program.stdout:
            lines.append(line)
            if line.startswith("ALSA:pipewire (as given)"):
                began = time.perf_counter()
                time.sleep(2.0)
                server.stop()
        code, took = program.wait(60), time.perf_counter() - began
    assert code == 0, lines
    assert sum("is gone" in line for line in lines) == 1
    assert not any("Expression" in line for line in lines), "what ALSA prints is kept from the console"
    assert took > 5.0
    within(took, 10.0, "until a session of 6 s has ended without its card")


def test_a_remembered_device_that_is_not_there_is_announced_and_the_default_taken(server: PipeWire) -> None:
    store_choice(DeviceChoice("JACK:unplugged", "JACK:unplugged"))
    out = verdigris("live", "--a", "pcm", "--b", "off", "--seconds", "1", "--osc", "off")
    assert "JACK:unplugged of last time is not there" in out.stdout + out.stderr
    assert "ALSA:default" in out.stdout
