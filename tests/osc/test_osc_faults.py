"""Messages that are wrong, hostile or make the server fail: each costs itself alone."""

from __future__ import annotations

import socket
import struct
import time

import numpy as np
import pytest

from realtime.engine.session_requests import SessionRequestQueue
from realtime.osc import commands
from realtime.osc.arguments import IMPULSE, Array, Char, Midi, Rgba, TimeTag
from realtime.osc.command_sets.command import Command
from realtime.osc.packet import Message, decode, encode, encode_bundle, slip
from realtime.parameters.table import PARAMETERS
from tests.support.mutate import mutations
from tests.support.osc_rig import Client, Rig, only, wait_until_synced

STRANGE = (
    None,
    IMPULSE,
    b"3",
    Rgba(1),
    Midi(1, 2, 3, 4),
    TimeTag(1),
    Char("c"),
    Array((1, 2)),
    1e300,
    2**62,
    "x" * 3000,
)


def errors(messages: list[Message]) -> list[str]:
    """Return the addresses that were refused."""
    return [message.args[0] for message in messages if message.address == "/verdigris/error"]


def test_a_ping_with_nil_is_refused_and_the_gain_beside_it_is_set(rig: Rig) -> None:
    rig.client.socket.send(
        encode_bundle(None, encode("/verdigris/ping", None), encode("/verdigris/monitor/gain", -6.0))
    )
    answers = rig.turn()
    assert errors(answers) == ["/verdigris/ping"]
    assert "argument 1 is nil (N)" in only(answers, "/verdigris/error")[1]
    assert rig.engine.parameters["gain"] == -6.0


@pytest.mark.parametrize("arg", [None, IMPULSE, b"\0\0\0\0", Rgba(0), Midi(0, 0, 0, 0), TimeTag(1)])
def test_types_that_are_no_number_are_refused_beside_messages_that_apply(rig: Rig, arg: object) -> None:
    rig.client.socket.send(
        encode_bundle(
            None,
            encode("/verdigris/monitor/wet", arg, arg),
            encode("/verdigris/set", "a.steps", arg),
            encode("/verdigris/subscribe", "meters", arg),
            encode("/verdigris/morph", arg, 0.5),
            encode("/verdigris/snapshot/store", 1, arg),
            encode("/verdigris/monitor/gain", -6.0),
        )
    )
    answers = rig.turn()
    assert len(errors(answers)) == 5
    assert rig.engine.parameters["gain"] == -6.0
    assert rig.server.counts()["failed"] == 0


def test_true_and_false_are_1_and_0_where_a_number_is_needed(rig: Rig) -> None:
    typed = b",T\0\0", b",F\0\0"
    for address, name, on, off in (
        ("/verdigris/monitor/mute", "mute", True, False),
        ("/verdigris/monitor/wet", "wet", 1.0, 0.0),
        ("/verdigris/a/seed", "a.seed", 1, 0),
        ("/verdigris/monitor/path", "monitor", "a", "dry"),
    ):
        for tags, value in zip(typed, (on, off), strict=True):
            rig.client.socket.send(encode(address)[:-4] + tags)
            rig.turn()
            assert rig.engine.parameters[name] == value, name


def test_an_impulse_alone_is_a_message_without_arguments(rig: Rig) -> None:
    rig.ask("/verdigris/panic", IMPULSE)
    assert rig.engine.parameters["monitor"] == "dry"
    assert only(rig.ask("/verdigris/monitor/gain", IMPULSE), "/verdigris/monitor/gain") == (0.0,)


@pytest.mark.parametrize("argument", STRANGE)
def test_a_button_may_send_anything_to_panic(rig: Rig, argument: object) -> None:
    assert errors(rig.ask("/verdigris/panic", argument)) == []
    assert rig.engine.parameters["monitor"] == "dry"


def test_a_bad_argument_in_a_bundle_costs_its_message_alone(rig: Rig) -> None:
    bad = b"/verdigris/a/seed\0\0\0" + b",c\0\0" + struct.pack(">I", 2**31)
    rig.client.socket.send(encode_bundle(None, bad, encode("/verdigris/monitor/gain", -6.0)))
    assert errors(rig.turn()) == ["/verdigris/a/seed"]
    assert rig.engine.parameters["gain"] == -6.0
    assert rig.server.counts()["bad_packets"] == 1


@pytest.mark.parametrize("name", ["7", "07", "007", "7.0"])
def test_an_element_is_found_by_its_number(rig: Rig, name: str) -> None:
    rig.ask(f"/verdigris/a/bend/bias/{name}", 1.5)
    assert rig.engine.parameters["a.bend.bias"][7] == 1.5
    assert only(rig.ask(f"/verdigris/a/bend/bias/{name}"), "/verdigris/a/bend/bias/07") == (1.5,)
    rig.ask(f"/verdigris/[ab]/bend/bias/{{{name.split('.')[0]},9}}", 2.0)
    assert [rig.engine.parameters["b.bend.bias"][i] for i in (6, 7, 8, 9)] == [0.0, 2.0, 0.0, 2.0]
    rig.ask("/verdigris/set", "a.bend.bias.7", 0.5)
    assert rig.engine.parameters["a.bend.bias"][7] == 0.5


def test_a_long_row_of_zeros_is_fast(rig: Rig) -> None:
    started = time.perf_counter()
    for address in ("/verdigris/a/bend/bias/" + "0" * 60_000 + "x", "/verdigris/" + "0" * 230 + "x", "/" + "[0" * 120):
        assert len(errors(rig.ask(address, 1.0))) == 1
    assert time.perf_counter() - started < 5.0


@pytest.mark.parametrize("recalled", [3, 3.0, "3", "3.0"])
def test_a_snapshot_is_recalled_by_its_number(rig: Rig, recalled: object) -> None:
    rig.ask("/verdigris/monitor/gain", -6.0)
    assert only(rig.ask("/verdigris/snapshot/store", 3), "/verdigris/done") == ("snapshot/store", "3")
    rig.ask("/verdigris/reset", "/verdigris/monitor/gain")
    assert rig.engine.parameters["gain"] == 0.0
    assert errors(rig.ask("/verdigris/snapshot/recall", recalled)) == []
    assert rig.engine.parameters["gain"] == -6.0


@pytest.mark.parametrize(
    ("address", "args", "suggested"),
    [
        ("/verdigris/monitor/gian", (1.0,), "/verdigris/monitor/gain"),
        ("/verdigris/monitor/Gain", (1.0,), "/verdigris/monitor/gain"),
        ("/verdigris/gain", (1.0,), "/verdigris/"),
        ("/verdigris/snapshot/stor", (3,), "/verdigris/snapshot/store"),
        ("/verdigris/panik", (), "/verdigris/panic"),
        ("/verdigris/a/bend/bias/64", (1.0,), "Pass 00 to 63."),
        ("/verdigris/set", ("a.step", 3), "a.steps"),
    ],
)
def test_an_unknown_address_or_name_suggests_the_nearest(
    rig: Rig, address: str, args: tuple[object, ...], suggested: str
) -> None:
    said, _, remedy = only(rig.ask(address, *args), "/verdigris/error")
    assert said == address
    assert suggested in remedy


def test_every_acknowledgement_has_the_address_that_sets_the_parameter(rig: Rig) -> None:
    for name in ("monitor", "gain", "wet", "bypass", "mute", "match", "fill", "adapt"):
        row = PARAMETERS[name]
        value = row.choices[0] if row.choices else 1
        assert only(rig.ask("/verdigris/set", name, value), "/verdigris/applied")[::4] == (name, row.address)
        assert only(rig.ask(row.address, value), "/verdigris/applied")[::4] == (name, row.address)


def test_a_command_that_fails_is_answered_and_counted_and_its_neighbours_apply(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError("of ours")

    broken = Command("/verdigris/hello", "", "", "", fail)
    monkeypatch.setitem(commands.COMMANDS, "/verdigris/hello", broken)
    for _ in range(3):
        rig.client.socket.send(encode_bundle(None, encode("/verdigris/hello"), encode("/verdigris/monitor/gain", -6.0)))
    answers = rig.turn()
    assert errors(answers) == ["/verdigris/hello"] * 3
    assert rig.engine.parameters["gain"] == -6.0
    assert rig.server.counts()["failed"] == 3
    assert [line for line in rig.console if "ZeroDivisionError" in line] == [
        "OSC: ZeroDivisionError: of ours. Please report this."
    ]


def test_every_part_of_a_turn_may_fail_and_the_others_go_on(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("of ours")

    def silent(line: str) -> None:
        raise BrokenPipeError("no console")

    server = rig.server
    monkeypatch.setattr(server, "_say", silent)
    for owner, name in ((server.publisher, "tick"), (server.device_list, "finished"), (server.clients, "expire")):
        monkeypatch.setattr(owner, name, fail)
    rig.ask("/verdigris/dump", 1)
    answers = rig.ask("/verdigris/monitor/gain", -6.0)
    assert only(answers, "/verdigris/applied")[0] == "gain"
    assert server.counts()["failed"] >= 3


def test_an_edit_without_a_session_fails_alone(rig: Rig) -> None:
    answers = rig.ask("/verdigris/set", "record", 1, "gain", -6.0)
    name, reason = only(answers, "/verdigris/fail")
    assert name == "record"
    assert "needs a live session" in reason
    assert rig.engine.parameters["gain"] == -6.0


def test_a_codec_change_that_a_restart_overtakes_is_answered(rig: Rig) -> None:
    rig.engine.swap = lambda *args, **options: None  # type: ignore[method-assign]
    rig.client.send("/verdigris/b/codec", "pcm:hop=480")
    rig.server.step()
    rig.server.attach(rig.engine)
    assert only(rig.client.read(), "/verdigris/fail")[0] == "b.codec"


def test_answers_that_wait_are_sent_before_the_port_closes() -> None:
    requests = SessionRequestQueue()
    rig = Rig("pcm", requests=requests)
    try:
        rig.ask("/verdigris/quit")
        (request,) = requests.drain()
        request.done()
    finally:
        rig.server.stop()
    assert only(rig.client.read(), "/verdigris/done") == ("quit", "")
    rig.close()


def test_restart_learn_bind_and_reset_take_addresses_for_names() -> None:
    requests = SessionRequestQueue()
    rig = Rig("pcm", requests=requests)
    try:
        rig.ask("/verdigris/restart", "/verdigris/rate", 44_100, "a/codec", "pcm")
        (request,) = requests.drain()
        assert request.args == ({"rate": 44_100, "a.codec": "pcm"},)
        rig.ask("/verdigris/bind", "/fader/1", "/verdigris/monitor/wet")
        rig.ask("/fader/1", 0.25)
        assert rig.engine.parameters["wet"] == 0.25
        assert errors(rig.ask("/fader/1", None)) == ["/fader/1"]
        rig.ask("/verdigris/reset", "monitor/wet")
        assert rig.engine.parameters["wet"] == 1.0
    finally:
        rig.close()


def test_every_address_takes_every_type_without_a_failure(rig: Rig) -> None:
    addresses = [*commands.COMMANDS, *(row.address for row in PARAMETERS.values()), "/verdigris/a/bend/biasn", "/fader"]
    for address in addresses:
        if address in ("/verdigris/devices", "/verdigris/a/codec", "/verdigris/b/codec", "/verdigris/osc/reply_port"):
            continue  # starts another process, or sends the answers elsewhere
        rig.client.socket.send(
            encode_bundle(None, *(encode(address, *args) for one in STRANGE for args in ((one,), (one, one), (1, one))))
        )
        rig.server.step()
        rig.client.read()
    assert rig.server.counts()["failed"] == 0, rig.console
    assert only(rig.ask("/verdigris/sync", 1), "/verdigris/synced") == (1,)


@pytest.mark.parametrize("count", [300, pytest.param(20_000, marks=[pytest.mark.slow, pytest.mark.timeout(1800)])])
def test_mutated_packets_never_make_the_server_fail(rig: Rig, count: int) -> None:
    good = encode_bundle(
        None,
        encode("/verdigris/set", "gain", 1.5, "a.steps", 3, "a.bend.bias.7", 0.5),
        encode("/verdigris/[ab]/bend/bias/0[0-7]", 0.25),
        encode("/verdigris/ping", *STRANGE[:8]),
        encode("/verdigris/snapshot/store", 3.0),
        encode("/verdigris/snapshot/recall", "3"),
        encode("/verdigris/subscribe", "meters", 30.0),
        encode_bundle(None, encode("/verdigris/morph", 0.5, 0.5), encode("/verdigris/learn", "gain")),
    )
    for number, data in enumerate(mutations(good, count, seed=13)):
        rig.client.socket.send(data)
        if number % 20 == 19:
            step_until_idle(rig)
    step_until_idle(rig)
    assert rig.server.counts()["failed"] == 0, rig.console
    assert only(rig.ask("/verdigris/sync", 1), "/verdigris/synced") == (1,)


def step_until_idle(rig: Rig) -> None:
    """Step the server until nothing is left to receive: a step takes a bounded time, so a slow machine needs more."""
    before = None
    while (counts := rig.server.counts()) != before:
        before = counts
        rig.server.step()
        rig.client.read()


def test_broken_tcp_clients_do_not_end_the_server(rig: Rig) -> None:
    rig.server.start()
    rng = np.random.default_rng(17)
    for number in range(60):
        with socket.create_connection(("127.0.0.1", rig.server.port), timeout=5) as peer:
            junk = rng.bytes(int(rng.integers(1, 5000)))
            framed = slip(encode("/verdigris/hello")) + b"\xc0/" + junk + b"\xc0\xdb\xc0\xc0\xdb\xdb\xdc"
            with_fault = (junk, framed, b"\xc0" * 5000, b"/" * 200_000)[number % 4]
            try:
                peer.sendall(with_fault)
                if number % 3 == 0:  # closed by a reset
                    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            except OSError:
                continue  # the server has closed it already
    wait_until_synced(rig.client, 1)
    assert rig.server.counts()["failed"] == 0, rig.console


def test_a_flood_of_heavy_bundles_leaves_the_clock_running(rig: Rig) -> None:
    heavy = encode_bundle(None, *[encode("/verdigris/[ab]/bend/bias/*", 0.5)] * 60)
    for _ in range(200):
        rig.client.socket.send(heavy)
    started = time.perf_counter()
    rig.server.step()
    first = time.perf_counter() - started
    other = Client(rig.server.port)
    wait_until = time.perf_counter() + 60
    other.send("/verdigris/hello")
    answers: list[Message] = []
    while not answers and time.perf_counter() < wait_until:
        rig.server.step()
        answers = other.read()
    other.socket.close()
    assert answers
    assert first < 3.0
    assert decode(heavy)
