"""OSC over real sockets: setting, asking, refusals, snapshots and subscriptions."""

from __future__ import annotations

import numpy as np
import pytest

from realtime.engine.session_requests import SessionRequestQueue
from realtime.osc.packet import encode, encode_bundle
from realtime.parameters.table import PARAMETERS
from tests.support.osc_rig import T0, Rig, only


def test_an_address_with_arguments_sets_and_without_answers(rig: Rig) -> None:
    assert only(rig.ask("/verdigris/monitor/path"), "/verdigris/monitor/path") == ("a",)
    rig.ask("/verdigris/monitor/path", "delta")
    assert rig.engine.parameters["monitor"] == "delta"
    assert only(rig.ask("/verdigris/monitor/path"), "/verdigris/monitor/path") == ("delta",)


@pytest.mark.parametrize(
    ("address", "given", "name", "value"),
    [
        ("/verdigris/a/steps", 3.0, "a.steps", 3),
        ("/verdigris/a/steps", "4", "a.steps", 4),
        ("/verdigris/monitor/gain", -3, "gain", -3.0),
        ("/verdigris/monitor/gain", 99.0, "gain", 12.0),
        ("/verdigris/monitor/path", 2, "monitor", "b"),
        ("/verdigris/a/bend/levels", 3, "a.bend.levels", "3"),
        ("/verdigris/a/bend/levels", 0, "a.bend.levels", "off"),
        ("/verdigris/limiter", 0.0, "limiter", False),
        ("/verdigris/limiter", False, "limiter", False),
    ],
)
def test_numbers_are_coerced_where_nothing_is_lost_and_clamped_where_the_table_says(
    rig: Rig, address: str, given: object, name: str, value: object
) -> None:
    rig.ask(address, given)
    assert rig.engine.parameters[name] == value
    assert type(rig.engine.parameters[name]) is type(value)


@pytest.mark.parametrize(
    ("address", "given", "reason"),
    [
        ("/verdigris/a/steps", 2.5, 'a.steps "2.5" is not allowed'),
        ("/verdigris/a/steps", 9, 'a.steps "9" is not allowed'),
        ("/verdigris/monitor/path", "c", 'monitor "c" is not allowed'),
        ("/verdigris/monitor/gain", float("nan"), 'gain "nan" is not allowed'),
        ("/verdigris/rate", 44_100, "fixed while a stream runs"),
        ("/verdigris/no/such", 1, "no such address"),
        ("/verdigris/set", "gain", "do not pair up"),
        ("/verdigris/subscribe", "everything", "group everything is not known"),
    ],
)
def test_a_refused_message_is_answered_once_with_reason_and_remedy(
    rig: Rig, address: str, given: object, reason: str
) -> None:
    before = dict(rig.engine.parameters)
    said, why, remedy = only(rig.ask(address, given), "/verdigris/error")
    assert said == address
    assert reason in why
    assert len(remedy) > 5
    assert rig.engine.parameters == before


@pytest.mark.parametrize(
    ("address", "given", "reason", "remedy"),
    [
        (
            "/verdigris/restart",
            (),
            "restart takes names and values",
            "Pass name value ..., of a.codec, b.codec, driver",
        ),
        ("/verdigris/restart", ("rate",), "restart takes names and values", "Pass name value ..."),
        ("/verdigris/restart", ("gain", 1), "parameter gain is not known", "Pass one of a.codec, b.codec, driver"),
        ("/verdigris/snapshot/store", ("",), "a snapshot takes one name", "Pass a name or a number."),
        ("/verdigris/snapshot/store", (" ",), "a snapshot takes one name", "Pass a name or a number."),
        ("/verdigris/codec", (), "no slot was given", "Pass one of a, b."),
        ("/verdigris/a/codec", ("off",), "slot A is never off", "Send /verdigris/restart b.codec off for one"),
        ("/verdigris/b/codec", ("off",), "slot B is turned off by a restart", "Send /verdigris/restart b.codec off."),
        ("/verdigris/subscribe", (), "no group was given", "Pass one of params, meters"),
    ],
)
def test_a_command_with_wrong_arguments_names_the_right_ones(
    rig: Rig, address: str, given: tuple[object, ...], reason: str, remedy: str
) -> None:
    said, why, what_to_do = only(rig.ask(address, *given), "/verdigris/error")
    assert said == address
    assert why.startswith(reason)
    assert what_to_do.startswith(remedy)


def test_dumped_messages_have_no_control_characters(rig: Rig) -> None:
    rig.ask("/verdigris/dump", 1)
    rig.ask("/verdigris/ping", "\x1b[2J\r\n", 1)
    assert rig.console[-1].endswith(r"/verdigris/ping \x1b[2J\r\n 1")


@pytest.mark.parametrize("monitor", ["b", "ghost", 2, 4])
def test_paths_of_slot_b_are_refused_while_it_is_off(monitor: object) -> None:
    rig = Rig("pcm")
    try:
        for message in (("/verdigris/monitor/path", monitor), ("/verdigris/set", "gain", -6.0, "monitor", monitor)):
            assert "slot B is off" in only(rig.ask(*message), "/verdigris/error")[1]
        assert (rig.engine.parameters["monitor"], rig.engine.parameters["gain"]) == ("a", 0.0)
    finally:
        rig.close()


def test_a_snapshot_that_monitors_slot_b_is_refused_while_it_is_off() -> None:
    rig = Rig("pcm")
    try:
        rig.server.snapshots.store("two", {**rig.engine.parameters, "monitor": "b", "gain": -6.0})
        assert "monitor b: slot B is off" in only(rig.ask("/verdigris/snapshot/recall", "two"), "/verdigris/error")[1]
        assert (rig.engine.parameters["monitor"], rig.engine.parameters["gain"]) == ("a", 0.0)
    finally:
        rig.close()


def test_a_take_goes_to_the_directory_set_with_it_in_any_order() -> None:
    requests = SessionRequestQueue()
    rig = Rig("pcm", requests=requests)
    try:
        rig.ask("/verdigris/set", "record", 1, "record.directory", "there")
        assert [request.name for request in requests.drain()] == ["record.directory", "record"]
    finally:
        rig.close()


def test_pairs_are_set_together_or_not_at_all(rig: Rig) -> None:
    rig.ask("/verdigris/set", "a.steps", 5, "b/seed", 7, "gain", -6.0)
    assert [rig.engine.parameters[n] for n in ("a.steps", "b.seed", "gain")] == [5, 7, -6.0]
    rig.ask("/verdigris/set", "a.steps", 6, "b.seed", -1)
    assert rig.engine.parameters["a.steps"] == 5


def test_a_pattern_sets_all_matching_parameters(rig: Rig) -> None:
    rig.ask("/verdigris/[ab]/steps", 7)
    assert (rig.engine.parameters["a.steps"], rig.engine.parameters["b.steps"]) == (7, 7)
    answers = rig.ask("/verdigris/*/steps")
    assert sorted(m.address for m in answers if m.args == (7,)) == ["/verdigris/a/steps", "/verdigris/b/steps"]


def test_reset_restores_every_default(rig: Rig) -> None:
    changed = {n: row for n, row in PARAMETERS.items() if row.changes_live and not row.local}
    for name, row in changed.items():
        number = row.high if row.low is not None else not row.default
        other = row.choices[-1] if row.choices else "mosh" if row.kind is str else number
        if name != "osc.reply_port":
            rig.ask(row.address, other)
            assert rig.engine.parameters[name] == row.parse(other), name
    rig.ask("/verdigris/reset")
    assert {n: rig.engine.parameters[n] for n in changed} == {n: row.default for n, row in changed.items()}


def test_a_snapshot_restores_the_stored_values(rig: Rig) -> None:
    rig.ask("/verdigris/set", "gain", -7.5, "a.steps", 5, "a.bend.bias.03", 1.5, "monitor", "b")
    before = dict(rig.engine.parameters)
    assert only(rig.ask("/verdigris/snapshot/store", 1), "/verdigris/done") == ("snapshot/store", "1")
    rig.ask("/verdigris/reset")
    assert rig.engine.parameters != before
    rig.ask("/verdigris/snapshot/recall", "1")
    assert rig.engine.parameters == before
    assert "no snapshot 2 (1)" in only(rig.ask("/verdigris/snapshot/recall", 2), "/verdigris/error")[1]


def test_a_morph_interpolates_its_corners_and_equals_a_corner_there(rig: Rig) -> None:
    for name, gain, steps, bias in (
        ("a", 0.0, 1, 0.0),
        ("b", -8.0, 2, 1.0),
        ("c", -16.0, 3, 2.0),
        ("d", -24.0, 4, 3.0),
    ):
        rig.ask("/verdigris/set", "gain", gain, "a.steps", steps, "a.bend.bias.03", bias)
        rig.ask("/verdigris/snapshot/store", name)
    assert "without corners" in only(rig.ask("/verdigris/morph", 0.5, 0.5), "/verdigris/error")[1]
    rig.ask("/verdigris/morph/corners", "a", "b", "c", "d")
    for x, y, gain, steps, bias in (
        (0, 0, 0, 1, 0),
        (1, 0, -8, 2, 1),
        (0, 1, -16, 3, 2),
        (1, 1, -24, 4, 3),
        (0.5, 0.25, -8, 2, 1),
    ):
        rig.ask("/verdigris/morph", x, y)
        values = rig.engine.parameters
        assert (values["gain"], values["a.steps"], values["a.bend.bias"][3]) == (gain, steps, bias)
    rig.client.socket.send(encode_bundle(T0 + 0.2, encode("/verdigris/morph", 1.0, 1.0)))
    rig.play(60)
    assert rig.engine.parameters["gain"] == -24


def test_parameters_are_subscribed_with_their_current_values_first(rig: Rig) -> None:
    first = rig.ask("/verdigris/subscribe", "params")
    assert {m.address for m in first} >= {row.address for row in PARAMETERS.values()}
    rig.server.publisher.subscribe(
        rig.server.clients.touch(("udp", *rig.client.socket.getsockname()), 1e9), "params", 240
    )
    rig.client.read()
    rig.engine.set("gain", -20.0)  # by another client
    rig.server.publisher.tick(2e9)
    assert only(rig.client.read(), "/verdigris/monitor/gain") == (-20.0,)


def test_meters_and_status_stream_floats_and_ints_only(rig: Rig) -> None:
    rig.play(60)
    answers = rig.ask("/verdigris/subscribe", "meters") + rig.ask("/verdigris/subscribe", "status")
    meters = only(answers, "/verdigris/out/meters")
    assert meters == pytest.approx([20 * np.log10(0.25)] * 4, abs=0.1)
    assert all(isinstance(v, int | float) for v in only(answers, "/verdigris/out/status"))
    assert only(rig.ask("/verdigris/status"), "/verdigris/status")[:3] == (1, "pcm:hop=960:discrete", "pcm:discrete")


def test_how_predictable_the_player_is_arrives_for_each_frame() -> None:
    rig = Rig("swift")
    try:
        rig.ask("/verdigris/subscribe", "surprise")
        rig.play(60)
        found = [m.args for m in [*rig.settle(), *rig.play(30)] if m.address == "/verdigris/out/surprise"]
        assert found
        assert all(slot == 0 and bits >= 0 for slot, _, _, bits in found)
        assert [frame for _, frame, _, _ in found] == list(range(found[0][1], found[0][1] + len(found)))
    finally:
        rig.close()
