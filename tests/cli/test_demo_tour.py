"""The tour: where it stops, what it sets, what it says of the wire; and once with an engine."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from realtime.cli import demo_tour
from realtime.cli.demo_tour import STOPS, Tour, on_the_wire
from realtime.client import Client, ClientState, Event, Latency
from realtime.demo import CLIP
from realtime.parameters.table import PARAMETERS, parse
from realtime.timeline.telemetry import Telemetry


class Obedient:
    """A client whose engine does at once whatever it is told."""

    def __init__(self) -> None:
        self.state, self.rate, self.telemetry = ClientState.PLAYING, 48_000, Telemetry(bitrate=(24.0, 5.189))
        self.values = {name: row.default for name, row in PARAMETERS.items()}
        self.latency = Latency(samples=demo_tour.LATENCY, ms=750.0)
        self.set_to: list[tuple[str, Any]] = []

    def set(self, name: str, value: Any) -> None:
        self.values[name] = parse(name, value)
        self.set_to.append((name, value))


def toured(client: Obedient, **options: Any) -> list[str]:
    lines: list[str] = []
    trip = Tour(cast(Client, client), lines.append, Path("clip.ogg"), rounds=1, seconds=0.001, **options)
    while trip.step():
        pass
    return lines


def test_every_stop_is_played_and_printed_in_turn_and_leaves_no_setting_behind() -> None:
    client = Obedient()
    lines = toured(client)
    heard = [value for name, value in client.set_to if name == "monitor"]
    assert heard == [stop.path for stop in STOPS] == ["dry", "a", "b", "b", "delta", "a"]
    assert [line for line in lines if not line.startswith(" ")] == [
        f"{n}/{len(STOPS)} {stop.title}: {stop.words}" for n, stop in enumerate(STOPS, 1)
    ]
    assert client.values["a.bend.freeze.on"] is False
    assert client.values["mute"] is False
    assert client.values["source"] == str(Path("clip.ogg").absolute())


def test_a_latency_that_had_to_be_raised_is_announced() -> None:
    client = Obedient()
    client.latency = Latency(samples=2 * demo_tour.LATENCY, ms=1500.0)
    assert toured(client)[0] == "latency raised to 1500 ms: these codecs need it on this machine"


def test_the_bitrate_is_measured_and_compared_with_pcm() -> None:
    client = cast(Client, Obedient())
    assert on_the_wire(client, "dry") == "1,536,000 bits = 192,000 bytes per second, as PCM"
    assert on_the_wire(client, "a") == "24,000 bits = 3,000 bytes per second; PCM is 64 times as much"
    assert on_the_wire(client, "b") == "5,189 bits = 649 bytes per second; PCM is 296 times as much"


def test_a_codec_that_is_not_available_is_reported_and_the_tour_goes_on() -> None:
    client = Obedient()
    lines: list[str] = []
    client.values |= {"b.codec": "off", "source": "clip.ogg"}
    client.set = lambda name, value: None  # type: ignore[method-assign]
    trip = Tour(cast(Client, client), lines.append, Path("clip.ogg"), rounds=1, seconds=0.001)
    for _ in range(10):
        trip.step()
    trip.on_event(Event("fail", ("b.codec", "slot B is off")))
    for _ in range(10):
        trip.step()
    assert "    not available: slot B is off" in lines


def test_an_input_that_cannot_be_played_ends_the_tour_before_its_first_stop() -> None:
    client, lines = Obedient(), list[str]()
    client.set = lambda name, value: None  # type: ignore[method-assign]
    trip = Tour(cast(Client, client), lines.append, Path("nothere.wav"), rounds=1, seconds=0.001)
    assert trip.step()
    trip.on_event(Event("fail", ("source", "nothere.wav: cannot be read")))
    assert not trip.step()
    assert (trip.error, lines) == ("nothere.wav: cannot be read", [])


@pytest.mark.slow
@pytest.mark.rig
@pytest.mark.timeout(300)
def test_a_tour_with_an_engine_measures_what_each_codec_sends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setattr(demo_tour, "FLAGS", (*demo_tour.FLAGS, "--driver", "clock"))
    lines: list[str] = []
    clip = CLIP.with_name("drums_arovane_CC0.ogg")
    assert demo_tour.run(clip, rounds=1, seconds=3.0, show=lines.append) == ""
    told = [int(line.split()[0].replace(",", "")) for line in lines if line.startswith("    ") and "bits" in line]
    pcm, continuous, discrete, opus, *_ = told
    assert (pcm, continuous) == (1_536_000, 24_000)
    assert discrete == pytest.approx(5189, abs=2)
    assert opus == pytest.approx(6000, rel=0.3)
