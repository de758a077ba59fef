"""The client beside an engine that is stepped by hand: discovery, mirrored values, changes and
rings.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from models.registry import FAMILIES
from realtime import client
from realtime.client import Client, ClientState, Event
from realtime.client.client import FILE_POLL_S
from realtime.client.frame_assembler import FrameAssembler
from realtime.client.model import EffectControl, FrameSurprise
from realtime.effects.effect import EMPTY, Racks
from realtime.osc.packet import Message, encode
from realtime.parameters.table import PARAMETERS, ParameterError
from realtime.timeline.layout import Field
from realtime.timeline.session_file import SessionFile
from tests.support.osc_rig import BLOCK, PATIENCE_S, RATE, Rig
from tests.support.small_codec import family, small_codec


class Desk:
    """A rig that is announced as a session, and a client of it on a clock of the test."""

    def __init__(self, *names: str, racks: Racks = EMPTY) -> None:
        self.file = SessionFile("clock", names)
        self.rig = Rig(*names, racks=racks)
        self.now = 0.0
        self.client = Client(clock=lambda: self.now)
        self.events: list[Event] = []

    def announce(self) -> None:
        self.file.update(state="playing", port=self.rig.server.port, timeline=str(self.rig.engine.timeline.path))

    def turn(self, times: int = 3) -> list[Event]:
        """Step both sides in turn; return the client's events."""
        got = []
        for _ in range(times):
            self.now += FILE_POLL_S
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
        """Turn until `done`: the server's subscriptions are sent by the real clock."""
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


@pytest.mark.parametrize(("old", "new"), [("GONE", client.ClientState.GONE), ("CodecFacts", client.CodecInfo)])
def test_names_of_the_first_version_work_with_a_warning(old: str, new: object) -> None:
    with pytest.warns(DeprecationWarning, match=f"realtime.client.{old} is now"):
        assert getattr(client, old) is new


def test_states_follow_the_session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    client = Client()
    client.poll()
    assert client.state == "absent"
    client.close()
    desk = Desk("pcm:hop=960")
    assert kinds(desk.turn(), "state") == [(ClientState.LOADING,)]
    desk.announce()
    assert kinds(desk.turn(), "state") == [(ClientState.WARMING_UP,)]
    assert kinds(desk.play(desk.rig.engine.plan.latency // BLOCK + 2), "state") == [(ClientState.PLAYING,)]
    desk.rig.server.stop()
    desk.file.close()
    desk.client.poll()
    desk.client.poll()
    assert desk.client.state == ClientState.GONE
    assert desk.client.values["rate"] == RATE  # the last values stay
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
        for value in (0.7, 0.1):  # both bounds, which are different numbers in float32
            client.set("a.post.1.drive", value)
            desk.turn()
            assert engine.parameters["a.post.1.drive"] == pytest.approx(value)
            desk.until(lambda value=value: client.values["a.post.1.drive"] == pytest.approx(value))  # type: ignore[misc]
        engine.set("pre.1.db", -6.0)  # by another client
        desk.until(lambda: client.values["pre.1.db"] == -6.0)
        with pytest.raises(ParameterError, match=r"Pass a number from 0\.1 to 0\.7"):
            client.set("a.post.1.drive", "loud")
        assert ("effects",) not in kinds(desk.turn(), "facts")
    finally:
        desk.close()


def test_whole_numbers_of_an_effect_keep_all_their_digits() -> None:
    """The seed of an LV2 plug-in is an example."""
    control = EffectControl.from_reply(("pre.1.seed", "lv2:urn:x", "int", 123_456_789, 0, -1, 2**31 - 1, "seed"))
    assert (control.value, control.row.kind) == (123_456_789, int)
    assert (control.row.low, control.row.high) == (-1, 2**31 - 1)


def test_facts_arrive_without_a_request(desk: Desk) -> None:
    desk.turn()
    client, engine = desk.client, desk.rig.engine
    assert client.codecs["a"].name == engine.playing[0].codec
    assert client.codecs["a"].spec == engine.playing[0].spec
    assert client.latency.samples == engine.plan.latency == sum(client.latency.terms.values())
    assert client.latency.terms == engine.plan.terms
    assert set(client.latency.slots) == {"ab"[playing.slot] for playing in engine.playing}
    assert {sum(terms.values()) for terms in client.latency.slots.values()} == {engine.plan.latency}
    assert client.rate == RATE
    assert client.misses == {"late": 0, "stalled": 0, "died": 0, "xrun": 0}


def test_values_are_those_of_the_engine_with_their_types(desk: Desk) -> None:
    desk.turn()
    for name, value in desk.rig.engine.parameters.items():
        assert desk.client.values[name] == (pytest.approx(value) if PARAMETERS[name].kind is float else value), name
        assert type(desk.client.values[name]) is type(value)


def test_a_value_is_mirrored_when_the_engine_has_it(desk: Desk) -> None:
    desk.turn()
    desk.client.set("monitor", "delta")
    desk.client.set("a.bend.bias.03", 0.5)
    desk.client.set("limiter", False)
    assert desk.client.values["monitor"] == "a"
    events = desk.until(lambda: desk.client.values["limiter"] is False)
    assert desk.rig.engine.parameters["monitor"] == desk.client.values["monitor"] == "delta"
    assert desk.rig.engine.parameters["limiter"] is False
    assert desk.client.values["a.bend.bias"][3] == 0.5
    assert ("monitor", "delta") in kinds(events, "value")


def test_the_client_refuses_a_value_that_is_not_allowed(desk: Desk) -> None:
    for name, value in [("monitor", "c"), ("a.steps", 9), ("nothing", 1), ("a.bend.bias.03", "x"), ("a.steps.1", 1)]:
        with pytest.raises(ParameterError):
            desk.client.set(name, value)


def test_a_refused_message_is_an_event(desk: Desk) -> None:
    desk.turn()
    desk.client.send("/verdigris/no/such", 1)
    (error,) = kinds(desk.turn(), "error")
    assert error[0] == "/verdigris/no/such"
    desk.client.send("/verdigris/sync", 5)
    assert ("/verdigris/synced", (5,)) in kinds(desk.turn(), "message")


def test_a_client_that_stood_still_for_a_minute_still_sees_changes(desk: Desk) -> None:
    """A window that was not drawn for 10 s, or a session that was stopped, lost its subscriptions."""
    desk.turn()
    server = desk.rig.server
    for tenth in range(600):
        server.clients.expire(time.perf_counter() + tenth / 10, server.transport.connections)
    desk.client.set("monitor", "delta")
    desk.until(lambda: desk.client.values["monitor"] == "delta")


def test_a_request_that_is_lost_with_its_connection_is_reported_and_can_be_sent_again(desk: Desk) -> None:
    desk.turn(12)
    server = desk.rig.server
    desk.client.set("gain", -3.0)
    desk.until(lambda: desk.client.values["gain"] == -3.0)
    desk.turn(12)  # a ping later the session is known to have read it
    (connection,) = server.transport.connections
    desk.client.set("monitor", "delta")
    desk.client.send("/verdigris/capture", 1.0)
    server.transport.disconnect(connection)
    events, deadline = desk.client.poll(), time.monotonic() + PATIENCE_S
    while not kinds(events, "error"):  # the end of the connection takes a moment to arrive
        assert time.monotonic() < deadline
        events += desk.client.poll()
    assert [address for address, *_ in kinds(events, "error")] == ["/verdigris/monitor/path", "/verdigris/capture"]
    assert desk.rig.engine.parameters["monitor"] == "a"
    desk.until(lambda: bool(server.transport.connections))
    desk.client.set("monitor", "delta")
    desk.until(lambda: desk.client.values["monitor"] == "delta")
    assert desk.rig.engine.parameters["monitor"] == "delta"


def test_a_request_to_a_session_without_a_port_yet_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    client = Client()
    client.set("monitor", "delta")
    assert client.poll() == []  # no session
    file = SessionFile("clock", ("pcm",))
    client._poll_file_at = 0.0
    client.poll()
    client.set("monitor", "delta")
    (error,) = kinds(client.poll(), "error")
    assert error[0] == "/verdigris/monitor/path"
    client.close()
    file.close()


def test_rings_are_on_the_clock_of_the_input(desk: Desk) -> None:
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
    np.testing.assert_array_equal(rings.read("monitor", start, count), a)  # A is monitored
    np.testing.assert_array_equal(rings.read("monitor", rings.now, 10), np.zeros((2, 10)))
    np.testing.assert_array_equal(rings.read("dry", -10, 10), np.zeros((2, 10)))
    assert np.abs(dry).max() > 0


def test_frames_are_complete_and_on_the_same_clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setitem(FAMILIES, "tiny", family("tiny", lambda: small_codec()))
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


def test_messages_that_do_not_fit_cost_themselves_alone() -> None:
    desk = Desk("pcm")
    try:
        desk.announce()
        desk.until(lambda: desk.client.session is not None and bool(desk.client.codecs))
        (session,) = desk.rig.server.transport.connections
        for address in desk.client.answers:
            for args in ((), (None,), ("slot",), (1, "x", b"y"), ("slot", "a", "name", 5, "latent_dims", None)):
                desk.rig.server.transport.send(session, encode(address, *args))
        desk.rig.server.transport.send(session, encode("/verdigris/monitor/gain", -6.0))
        desk.until(lambda: desk.client.values["gain"] == -6.0)
        assert any(
            "does not fit" in event.args[1] for event in desk.events if event.kind == "error" and len(event.args) > 1
        )
    finally:
        desk.client.close()
        desk.rig.close()
        desk.file.close()


def test_how_predictable_frames_were_is_on_the_clock_of_the_rings() -> None:
    frames = FrameAssembler()
    for number, bits in enumerate((9.5, 4.25)):
        audible = (2**31 + 5000 + 1280 * number) % 2**31
        assert frames.add(Message("/verdigris/out/surprise", (1, number, audible, bits)), {}, 2**31 + 9000, 4000)
    assert frames.take_surprise("b") == [FrameSurprise(2**31 + 1000, 9.5), FrameSurprise(2**31 + 2280, 4.25)]
    assert frames.take_surprise("b") == frames.take_surprise("a") == []
