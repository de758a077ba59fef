"""The client, beside an engine that is turned by hand: what it finds, mirrors, sets and sees."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from models.load import FAMILIES
from realtime.client import GONE, LOADING, PLAYING, WARMING, Client, Event
from realtime.client.facts import EffectControl
from realtime.params import PARAMETERS, ParameterError
from realtime.rack.effect import EMPTY, Racks
from realtime.sessions import SessionFile
from realtime.timeline import Field
from tests.osc_rig import BLOCK, PATIENCE_S, RATE, Rig
from tests.small_codec import small_codec


class Desk:
    """A rig that says that it is a session, and a client of it."""

    def __init__(self, *names: str, racks: Racks = EMPTY) -> None:
        self.file = SessionFile("clock", names)
        self.rig = Rig(*names, racks=racks)
        self.client = Client()
        self.events: list[Event] = []

    def announce(self) -> None:
        self.file.update(state="playing", port=self.rig.server.port, timeline=str(self.rig.engine.timeline.path))

    def turn(self, times: int = 3) -> list[Event]:
        """Both sides, in turn; what the client says."""
        got = []
        for _ in range(times):
            self.client._look_at = 0.0  # by turns, not by the clock
            got += self.client.poll()
            self.rig.turn()
        self.events += got
        return got

    def play(self, blocks: int) -> list[Event]:
        got = []
        for _ in range(blocks):
            self.rig.play(1)
            got += self.turn(1)
        return got

    def until(self, done: Callable[[], bool]) -> list[Event]:
        """Turn until that is so: what goes out so many times a second goes by the clock."""
        got, deadline = [], time.monotonic() + PATIENCE_S
        while not done():
            assert time.monotonic() < deadline
            got += self.turn(1)
        return got

    def close(self) -> None:
        self.client.close()
        self.rig.close()
        self.file.close()


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    made = Desk("pcm:hop=960", "pcm")
    made.announce()
    yield made
    made.close()


def kinds(events: list[Event], kind: str) -> list[tuple[object, ...]]:
    return [event.args for event in events if event.kind == kind]


def test_importing_the_client_loads_nothing_heavy() -> None:
    code = "import sys, realtime.client; print(*sorted({n.partition('.')[0] for n in sys.modules}))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"torch", "numba", "sounddevice", "soundfile", "av", "rich"} & set(loaded)


def test_states_follow_the_session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    client = Client()
    client.poll()
    assert client.state == "absent"
    client.close()
    desk = Desk("pcm:hop=960")
    desk.turn()
    assert desk.client.state == LOADING
    desk.announce()
    desk.turn()
    assert desk.client.state == WARMING
    desk.play(desk.rig.engine.plan.latency // BLOCK + 2)
    assert desk.client.state == PLAYING
    desk.rig.server.stop()
    desk.file.close()
    desk.client.poll()
    desk.client.poll()
    assert desk.client.state == GONE
    assert kinds(desk.events, "state") == [(LOADING,), (WARMING,), (PLAYING,)]
    assert desk.client.values["rate"] == RATE  # what was last known stays
    desk.client.close()
    desk.rig.engine.close()


def test_controls_of_effects_are_rows_of_the_table_and_are_set_like_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    script = tmp_path / "drive.py"
    script.write_text("CONTROLS = {'drive': (0.1, 0.1, 0.7)}\ndef process(block, params): return block\n")
    desk = Desk("pcm:hop=960", racks=Racks(("gain",), ((f"py:{script}",), ())))
    try:
        desk.announce()
        client, engine = desk.client, desk.rig.engine
        assert ("effects",) in kinds(desk.turn(), "facts")
        assert client.effects == {"pre.1": "gain", "a.post.1": f"py:{script}"}
        assert client.table == engine.table
        assert client.values["a.post.1.drive"] == pytest.approx(0.1)
        for value in (0.7, 0.1):  # its ends, which are other numbers in float32
            client.set("a.post.1.drive", value)
            desk.turn()
            assert engine.values["a.post.1.drive"] == pytest.approx(value)
            desk.until(lambda value=value: client.values["a.post.1.drive"] == pytest.approx(value))  # type: ignore[misc]
        engine.set("pre.1.db", -6.0)  # by whomever
        desk.until(lambda: client.values["pre.1.db"] == -6.0)
        with pytest.raises(ParameterError, match=r"Pass a number from 0\.1 to 0\.7"):
            client.set("a.post.1.drive", "loud")
        assert ("effects",) not in kinds(desk.turn(), "facts")
    finally:
        desk.close()


def test_whole_numbers_of_an_effect_are_told_whole() -> None:
    """Those of an LV2 plug-in's seed, say: as many digits as there are."""
    told = EffectControl.of(("pre.1.seed", "lv2:urn:x", "int", 123_456_789, 0, -1, 2**31 - 1, "seed"))
    assert (told.value, told.row.kind, told.row.low, told.row.high) == (123_456_789, int, -1, 2**31 - 1)


def test_facts_come_of_themselves(desk: Desk) -> None:
    desk.turn()
    client, engine = desk.client, desk.rig.engine
    assert client.codecs["a"].name == engine.playing[0].codec
    assert client.codecs["a"].spec == engine.playing[0].spec
    assert client.latency.samples == engine.plan.latency == sum(client.latency.terms.values())
    assert client.latency.terms == engine.plan.terms
    assert client.rate == RATE
    assert client.misses == {"late": 0, "stalled": 0, "died": 0, "xrun": 0}


def test_values_are_those_of_the_engine_with_their_types(desk: Desk) -> None:
    desk.turn()
    for name, value in desk.rig.engine.values.items():
        assert desk.client.values[name] == (pytest.approx(value) if PARAMETERS[name].kind is float else value), name
        assert type(desk.client.values[name]) is type(value)


def test_what_is_set_is_heard_of_when_the_engine_has_it(desk: Desk) -> None:
    desk.turn()
    desk.client.set("monitor", "delta")
    desk.client.set("a.bend.bias.03", 0.5)
    desk.client.set("limiter", False)
    assert desk.client.values["monitor"] == "a"
    events = desk.until(lambda: desk.client.values["limiter"] is False)
    assert desk.rig.engine.values["monitor"] == desk.client.values["monitor"] == "delta"
    assert desk.rig.engine.values["limiter"] is False
    assert desk.client.values["a.bend.bias"][3] == 0.5
    assert ("monitor", "delta") in kinds(events, "value")


def test_a_value_that_is_not_allowed_is_refused_here(desk: Desk) -> None:
    for name, value in [("monitor", "c"), ("a.steps", 9), ("nothing", 1), ("a.bend.bias.03", "x"), ("a.steps.1", 1)]:
        with pytest.raises(ParameterError):
            desk.client.set(name, value)


def test_what_is_sent_and_refused_is_said(desk: Desk) -> None:
    desk.turn()
    desk.client.send("/verdigris/no/such", 1)
    (error,) = kinds(desk.turn(), "error")
    assert error[0] == "/verdigris/no/such"
    desk.client.send("/verdigris/sync", 5)
    assert ("/verdigris/synced", (5,)) in kinds(desk.turn(), "message")


def test_rings_are_on_the_clock_of_what_is_heard(desk: Desk) -> None:
    rng = np.random.default_rng(0)
    desk.turn()
    rig, rings = desk.rig, desk.client.rings
    assert rings
    assert rings.now == -rings.latency
    for _ in range(40):
        rig.play(1, level=float(rng.uniform(-0.5, 0.5)))
    assert rings.now == rig.engine.timeline.load(Field.PLAYED_END) - rings.latency
    start, count = rings.now - 2000, 2000
    dry, a = rings.read("dry", start, count), rings.read("a", start, count)
    np.testing.assert_array_equal(dry, a)  # pcm
    np.testing.assert_array_equal(rings.read("heard", start, count), a)  # what is heard is A
    np.testing.assert_array_equal(rings.read("heard", rings.now, 10), np.zeros((2, 10)))
    np.testing.assert_array_equal(rings.read("dry", -10, 10), np.zeros((2, 10)))
    assert np.abs(dry).max() > 0


def test_frames_come_whole_and_on_the_same_clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setitem(FAMILIES, "tiny", lambda rest, rate, precision: small_codec())
    desk = Desk("tiny", "pcm")
    desk.announce()
    desk.turn()
    desk.play(40)
    frames = desk.client.frames("a")

    def enough() -> bool:
        frames.extend(desk.client.frames("a"))
        return len(frames) > 3

    desk.until(enough)
    spec = desk.rig.engine.playing[0].spec
    assert [frame.number for frame in frames] == list(range(len(frames)))
    for frame in frames:
        assert frame.tokens.shape == (spec.tokens,)
        assert frame.latent is not None
        assert frame.latent.shape == spec.latent
    hops = np.diff([frame.start for frame in frames[1:]])
    np.testing.assert_array_equal(hops, np.full(len(hops), spec.hop))
    desk.client.frames("a")
    assert desk.client.frames("a") == []
    assert [frame.tokens.size for frame in desk.client.frames("b")][:1] == [0]
    desk.close()
