"""Played by OSC: over real sockets, in the stream's own time, checked against what is heard."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import numpy as np
import pytest

from models.load import FAMILIES
from realtime.client.programs import Programs
from realtime.orders import Orders
from realtime.osc.listing import Listing
from realtime.osc.packet import Unslip, decode, encode, encode_bundle, slip
from realtime.osc.server import OscServer
from realtime.osc.transport import OscError
from realtime.params import PARAMETERS
from tests.osc_rig import BLOCK, RATE, T0, Marker, Rig, only, wait_until_synced

HOP = 1000


@pytest.fixture
def rig() -> Iterator[Rig]:
    made = Rig("pcm:hop=960", "pcm")
    yield made
    made.close()


@pytest.fixture
def marked(monkeypatch: pytest.MonkeyPatch) -> Iterator[Rig]:
    monkeypatch.setitem(FAMILIES, "marker", lambda rest, rate, precision: Marker(hop=HOP, name="marker"))
    made = Rig("marker", "pcm", latency=6000)
    yield made
    made.close()


def first_change(output: np.ndarray, start: int) -> int:
    """The first sample from `start` on that is not what the one before it was."""
    return start + int(np.flatnonzero(output[start:] != output[start - 1])[0])


def test_an_address_with_arguments_sets_and_without_answers(rig: Rig) -> None:
    assert only(rig.ask("/verdigris/monitor/path"), "/verdigris/monitor/path") == ("a",)
    rig.ask("/verdigris/monitor/path", "delta")
    assert rig.engine.values["monitor"] == "delta"
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
    assert rig.engine.values[name] == value
    assert type(rig.engine.values[name]) is type(value)


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
def test_what_is_refused_is_answered_once_with_reason_and_remedy(
    rig: Rig, address: str, given: object, reason: str
) -> None:
    before = dict(rig.engine.values)
    said, why, remedy = only(rig.ask(address, given), "/verdigris/error")
    assert said == address
    assert reason in why
    assert len(remedy) > 5
    assert rig.engine.values == before


@pytest.mark.parametrize(
    ("address", "given", "reason", "remedy"),
    [
        (
            "/verdigris/restart",
            (),
            "restart takes what is to change",
            "Pass name value ..., of a.codec, b.codec, driver",
        ),
        ("/verdigris/restart", ("rate",), "restart takes what is to change", "Pass name value ..."),
        ("/verdigris/restart", ("gain", 1), "parameter gain is not known", "Pass one of a.codec, b.codec, driver"),
        ("/verdigris/snapshot/store", ("",), "a snapshot has one name", "Pass a name or a number."),
        ("/verdigris/snapshot/store", (" ",), "a snapshot has one name", "Pass a name or a number."),
        ("/verdigris/codec", (), "no slot was given", "Pass one of a, b."),
        ("/verdigris/a/codec", ("off",), "slot A is never off", "Send /verdigris/restart b.codec off for one"),
        ("/verdigris/b/codec", ("off",), "slot B is turned off by a restart", "Send /verdigris/restart b.codec off."),
        ("/verdigris/subscribe", (), "no group was given", "Pass one of params, meters"),
    ],
)
def test_a_command_that_is_not_given_what_it_takes_says_what_it_does(
    rig: Rig, address: str, given: tuple[object, ...], reason: str, remedy: str
) -> None:
    said, why, what_to_do = only(rig.ask(address, *given), "/verdigris/error")
    assert said == address
    assert why.startswith(reason)
    assert what_to_do.startswith(remedy)


def test_what_is_dumped_on_the_console_cannot_play_with_the_terminal(rig: Rig) -> None:
    said: list[str] = []
    rig.server._say = said.append
    rig.ask("/verdigris/dump", 1)
    rig.ask("/verdigris/ping", "\x1b[2J\r\n", 1)
    assert said[-1].endswith(r"/verdigris/ping \x1b[2J\r\n 1")


@pytest.mark.parametrize("monitor", ["b", "ghost", 2, 4])
def test_what_is_of_slot_b_is_not_heard_where_that_is_off(monitor: object) -> None:
    rig = Rig("pcm")
    try:
        for message in (("/verdigris/monitor/path", monitor), ("/verdigris/set", "gain", -6.0, "monitor", monitor)):
            assert "slot B is off" in only(rig.ask(*message), "/verdigris/error")[1]
        assert (rig.engine.values["monitor"], rig.engine.values["gain"]) == ("a", 0.0)
    finally:
        rig.close()


def test_a_snapshot_of_slot_b_is_not_recalled_where_that_is_off() -> None:
    rig = Rig("pcm")
    try:
        rig.server.snapshots.store("two", {**rig.engine.values, "monitor": "b", "gain": -6.0})
        assert "monitor b: slot B is off" in only(rig.ask("/verdigris/snapshot/recall", "two"), "/verdigris/error")[1]
        assert (rig.engine.values["monitor"], rig.engine.values["gain"]) == ("a", 0.0)
    finally:
        rig.close()


def test_a_take_that_is_set_with_its_directory_goes_there_whatever_the_order(rig: Rig) -> None:
    rig.server._orders = Orders()
    rig.ask("/verdigris/set", "record", 1, "record.directory", "there")
    assert [order.what for order in rig.server._orders.take()] == ["record.directory", "record"]


def test_pairs_are_set_together_or_not_at_all(rig: Rig) -> None:
    rig.ask("/verdigris/set", "a.steps", 5, "b/seed", 7, "gain", -6.0)
    assert [rig.engine.values[n] for n in ("a.steps", "b.seed", "gain")] == [5, 7, -6.0]
    rig.ask("/verdigris/set", "a.steps", 6, "b.seed", -1)
    assert rig.engine.values["a.steps"] == 5


def test_a_pattern_sets_all_it_names(rig: Rig) -> None:
    rig.ask("/verdigris/[ab]/steps", 7)
    assert (rig.engine.values["a.steps"], rig.engine.values["b.steps"]) == (7, 7)
    answers = rig.ask("/verdigris/*/steps")
    assert sorted(m.address for m in answers if m.args == (7,)) == ["/verdigris/a/steps", "/verdigris/b/steps"]


def test_packets_that_are_no_osc_are_counted_and_answered_ten_times_a_second_at_most(rig: Rig) -> None:
    for _ in range(500):
        rig.client.socket.send(b"#bundle\0what")
    answers = rig.turn()
    assert rig.server.counts()["bad_packets"] == 500
    assert 10 <= len(answers) <= 15
    assert all(m.address == "/verdigris/error" for m in answers)


def test_a_gain_is_heard_from_the_sample_that_the_acknowledgement_names(rig: Rig) -> None:
    rig.play(60)
    name, frame, sample, seconds = only(rig.ask("/verdigris/monitor/gain", -6.0), "/verdigris/applied")
    rig.play(10)
    assert name == "gain"
    assert first_change(rig.output, 50 * BLOCK) == sample == 60 * BLOCK
    assert seconds == 0.0
    assert frame == (sample - rig.engine.plan.latency) // 960


def test_a_bundle_ahead_of_time_stalls_nothing_and_its_gain_lands_within_a_block_of_its_timetag(rig: Rig) -> None:
    rig.play(60)
    wanted = 60 * BLOCK + RATE // 4 + 17
    rig.client.socket.send(encode_bundle(T0 + wanted / RATE, encode("/verdigris/monitor/gain", -6.0)))
    rig.client.send("/verdigris/hello")
    assert only(rig.turn(), "/verdigris/hello")[0] == "verdigris"  # answered meanwhile
    assert rig.server.counts()["scheduled"] == 1
    answers = rig.play(RATE // 4 // BLOCK + 10)
    sample = only(answers, "/verdigris/applied")[2]
    assert first_change(rig.output, 50 * BLOCK) == sample
    assert abs(sample - wanted) <= BLOCK


def test_a_frame_parameter_is_heard_from_the_sample_that_the_acknowledgement_names(marked: Rig) -> None:
    marked.play(60)
    answers = marked.ask("/verdigris/a/seed", 300) + marked.play(60) + marked.settle()
    name, frame, sample, seconds = only(answers, "/verdigris/applied")
    assert name == "a.seed"
    assert sample == frame * HOP + marked.engine.plan.latency
    assert first_change(marked.output, marked.engine.plan.latency + 500) == sample
    assert 0 <= seconds < marked.engine.plan.latency / RATE


def test_a_scheduled_frame_parameter_holds_from_the_frame_that_contains_its_timetag(marked: Rig) -> None:
    marked.play(60)
    wanted = 60 * BLOCK + 12_345
    marked.client.socket.send(encode_bundle(T0 + wanted / RATE, encode("/verdigris/a/seed", 300)))
    answers = marked.play(120) + marked.settle()
    _, frame, sample, _ = only(answers, "/verdigris/applied")
    assert frame == wanted // HOP
    assert first_change(marked.output, marked.engine.plan.latency + 500) == sample == frame * HOP + 6000


def test_a_codec_change_is_done_and_heard_from_the_block_that_the_acknowledgement_names(marked: Rig) -> None:
    marked.engine.set("monitor", "b")
    marked.play(60)
    marked.ask("/verdigris/set", "b.codec", "marker", "b.seed", 300)
    answers, said = [], None
    for _ in range(5000):  # another thread loads it
        answers += marked.play(1)
        said = marked.engine.watch() or said
        if any(m.address == "/verdigris/applied" and m.args[0] == "b.codec" for m in answers):
            break
    answers += marked.play(60)
    assert said is not None
    assert only(answers, "/verdigris/done") == ("b.codec", "marker")
    applied = {m.args[0]: m.args for m in answers if m.address == "/verdigris/applied"}
    late = first_change(marked.output, 40 * BLOCK) - applied["b.codec"][2]
    assert 0 <= late < BLOCK  # the host side takes up another run where a block begins
    assert marked.engine.values["b.codec"] == "marker"


def test_a_codec_that_cannot_be_had_fails_with_the_reason(marked: Rig) -> None:
    marked.ask("/verdigris/b/codec", "nonsense")
    answers: list[object] = []
    for _ in range(5000):  # another thread loads it
        messages = marked.play(1)
        marked.engine.watch()
        if failed := [m.args for m in messages if m.address == "/verdigris/fail"]:
            answers = list(failed[0])
            break
    assert answers[0] == "b.codec"
    assert 'codec "nonsense" is unknown' in str(answers[1])
    assert marked.engine.values["b.codec"] == "pcm"


class FakePrograms(Programs):
    """What `verdigris devices --json` says, without running it."""

    def __init__(self, said: object, good: bool = True) -> None:
        super().__init__()
        self.started: list[tuple[str, ...]] = []
        self.said, self.good, self.over = said, good, False

    def start(self, *command: str) -> int:
        self.started.append(command)
        return 0

    def is_running(self, command: str) -> bool:
        return bool(self.started)

    def ended(self) -> list[tuple[tuple[str, ...], bool, object]]:
        return [(self.started.pop(), self.good, self.said)] if self.over else []


def test_the_cards_are_looked_for_by_another_process_and_told_when_it_is_done(rig: Rig) -> None:
    usb = {"name": "ALSA:USB", "host_api": "ALSA", "inputs": 2, "outputs": 4, "rates": [44_100, 48_000]}
    programs = FakePrograms([{**usb, "used_for_input": True}])
    rig.server.listing = Listing(programs)
    rig.server.facts = lambda: {"driver": "device", "name": "ALSA:USB → ALSA:HDMI"}
    assert rig.ask("/verdigris/devices") == []
    assert rig.ask("/verdigris/devices") == []
    assert programs.started == [("devices", "--json")], "one look for all who ask"
    programs.over = True
    first, second = rig.turn()
    assert first.args[:2] == (1, 2)
    facts = dict(zip(first.args[2::2], first.args[3::2], strict=True))
    assert facts == {**usb, "rates": "44100 48000", "used_for_input": 1, "playing": 1}
    assert second.args == (2, 2, "name", "ALSA:HDMI", "host_api", "ALSA", "playing", 1), "others find it busy"
    assert rig.turn() == []


def test_no_cards_and_no_sound_library_are_told_too(rig: Rig) -> None:
    for said, good, answer in (
        ([], True, ("/verdigris/devices", (0, 0))),
        ("no PortAudio library. Install it.", False, ("/verdigris/error", ("/verdigris/devices",))),
    ):
        programs = FakePrograms(said, good)
        programs.over = True
        rig.server.listing = Listing(programs)
        (told,) = rig.ask("/verdigris/devices")
        assert (told.address, told.args[: len(answer[1])]) == answer


def test_what_plays_is_told_when_somebody_asks_and_not_looked_up_before(rig: Rig) -> None:
    looked: list[int] = []
    rig.server.facts = lambda: looked.append(1) or {"driver": "clock"}  # type: ignore[func-returns-value]
    rig.turn()
    assert not looked
    rig.ask("/verdigris/device")
    assert looked


def test_a_late_bundle_applies_at_once_and_is_told_so(rig: Rig) -> None:
    rig.play(60)
    rig.client.socket.send(encode_bundle(T0 + 5000 / RATE, encode("/verdigris/monitor/gain", -6.0)))
    answers = rig.turn()
    assert only(answers, "/verdigris/late") == (5000, 60 * BLOCK)
    assert only(answers, "/verdigris/applied")[2] == 60 * BLOCK


def test_a_timetag_of_a_wrong_clock_is_told_and_applied_soon(rig: Rig) -> None:
    rig.play(60)
    rig.client.socket.send(encode_bundle(T0 + 3600.0, encode("/verdigris/monitor/gain", -6.0)))
    assert "s ahead" in only(rig.turn(), "/verdigris/error")[1]
    sample = only(rig.play(60), "/verdigris/applied")[2]
    assert abs(sample - 60 * BLOCK - 0.2 * RATE) <= BLOCK


def test_clear_forgets_and_panic_plays_dry(rig: Rig) -> None:
    rig.play(2)
    rig.client.socket.send(encode_bundle(T0 + 9.0, encode("/verdigris/monitor/path", "b")))
    rig.turn()
    assert only(rig.ask("/verdigris/clear"), "/verdigris/cleared") == (1,)
    rig.ask("/verdigris/panic")
    assert rig.engine.values["monitor"] == "dry"


def test_between_boundaries_the_last_value_wins_and_the_rest_is_counted(rig: Rig) -> None:
    for number in range(100):
        rig.client.send("/verdigris/a/seed", number)
    rig.client.send("/verdigris/sync", 5)
    assert only(rig.turn(), "/verdigris/synced") == (5,)
    assert rig.engine.values["a.seed"] == 99
    counts = rig.server.counts()
    assert (counts["received"], counts["coalesced"], counts["applied"]) == (101, 99, 1)


def test_reset_restores_every_default(rig: Rig) -> None:
    changed = {n: row for n, row in PARAMETERS.items() if row.when in ("block", "frame") and not row.local}
    for name, row in changed.items():
        other = row.choices[-1] if row.choices else row.high if row.low is not None else not row.default
        if name != "osc.reply_port":
            rig.ask(row.address, other)
            assert rig.engine.values[name] == row.parse(other), name
    rig.ask("/verdigris/reset")
    assert {n: rig.engine.values[n] for n in changed} == {n: row.default for n, row in changed.items()}


def test_a_snapshot_brings_back_what_was_stored(rig: Rig) -> None:
    rig.ask("/verdigris/set", "gain", -7.5, "a.steps", 5, "a.bend.bias.03", 1.5, "monitor", "b")
    before = dict(rig.engine.values)
    assert only(rig.ask("/verdigris/snapshot/store", 1), "/verdigris/done") == ("snapshot/store", "1")
    rig.ask("/verdigris/reset")
    assert rig.engine.values != before
    rig.ask("/verdigris/snapshot/recall", "1")
    assert rig.engine.values == before
    assert "no snapshot 2 (1)" in only(rig.ask("/verdigris/snapshot/recall", 2), "/verdigris/error")[1]


def test_a_morph_is_the_mean_of_its_corners_and_at_a_corner_is_that_corner(rig: Rig) -> None:
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
        values = rig.engine.values
        assert (values["gain"], values["a.steps"], values["a.bend.bias"][3]) == (gain, steps, bias)
    rig.client.socket.send(encode_bundle(T0 + 0.2, encode("/verdigris/morph", 1.0, 1.0)))
    rig.play(60)
    assert rig.engine.values["gain"] == -24


def test_parameters_are_subscribed_with_their_current_values_first(rig: Rig) -> None:
    first = rig.ask("/verdigris/subscribe", "params")
    assert {m.address for m in first} >= {row.address for row in PARAMETERS.values()}
    rig.server.streams.subscribe(
        rig.server._clients.hear(("udp", *rig.client.socket.getsockname()), 1e9), "params", 240
    )
    rig.client.read()
    rig.engine.set("gain", -20.0)  # by whomever
    rig.server.streams.tick(2e9)
    assert only(rig.client.read(), "/verdigris/monitor/gain") == (-20.0,)


def test_the_clock_tells_every_frame_and_when_it_is_heard(marked: Rig) -> None:
    marked.ask("/verdigris/subscribe", "clock")
    ticks = [m.args for m in marked.play(80) + marked.settle() if m.address == "/verdigris/clock"]
    assert len(ticks) >= 15
    first = ticks[0][0]
    assert ticks == [(i, 6000 + i * HOP, pytest.approx(HOP / RATE)) for i in range(first, first + len(ticks))]


def test_meters_and_status_stream_floats_and_ints_only(rig: Rig) -> None:
    rig.play(60)
    answers = rig.ask("/verdigris/subscribe", "meters") + rig.ask("/verdigris/subscribe", "status")
    meters = only(answers, "/verdigris/out/meters")
    assert meters == pytest.approx([20 * np.log10(0.25)] * 4, abs=0.1)
    assert all(isinstance(v, int | float) for v in only(answers, "/verdigris/out/status"))
    assert only(rig.ask("/verdigris/status"), "/verdigris/status")[:3] == (1, "pcm:hop=960:discrete", "pcm:discrete")


def test_tcp_on_the_same_port_answers_the_same(rig: Rig) -> None:
    with socket.create_connection(("127.0.0.1", rig.server.port), timeout=5) as peer:
        peer.sendall(slip(encode("/verdigris/a/steps", 6)) + slip(encode("/verdigris/a/steps")))
        unslip, got = Unslip(), []
        peer.settimeout(0.05)
        for _ in range(100):
            rig.turn()
            try:
                got += [m for p in unslip.feed(peer.recv(4096)) for m in decode(p)]
            except TimeoutError:
                continue
            if got:
                break
        assert (got[0].address, got[0].args) == ("/verdigris/a/steps", (6,))
        peer.sendall(b"x" * 200_000)
    for _ in range(50):
        rig.turn()
    assert rig.server.counts()["bad_packets"] == 1


def test_a_browser_that_is_made_to_send_osc_in_a_request_is_hung_up_on(rig: Rig) -> None:
    with socket.create_connection(("127.0.0.1", rig.server.port), timeout=5) as peer:
        peer.sendall(b"POST / HTTP/1.1\r\nHost: x\r\n\r\n" + slip(encode("/verdigris/a/steps", 6)))
        for _ in range(20):
            rig.turn()
        assert rig.engine.values["a.steps"] == 2
        assert rig.server.counts()["bad_packets"] == 1


def test_a_fixed_reply_port_is_answered_there(rig: Rig) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as fixed:
        fixed.bind(("127.0.0.1", 0))
        fixed.settimeout(5)
        rig.ask("/verdigris/osc/reply_port", fixed.getsockname()[1])
        rig.client.send("/verdigris/hello")
        rig.server.step()
        addresses = [decode(fixed.recv(4096))[0].address for _ in range(1)]
        assert addresses == ["/verdigris/hello"]


def test_a_busy_port_is_reported(rig: Rig) -> None:
    with pytest.raises(OscError, match="Pass --osc PORT"):
        OscServer(rig.engine, rig.server.port)


def test_ten_thousand_messages_are_received_whole_and_the_last_value_wins(rig: Rig) -> None:
    """The server in its thread, asked every 100 messages whether it is there: how fast, test_osc_flood.py measures."""
    rig.server.start()
    for number in range(10_000):
        rig.client.send("/verdigris/a/seed", number)
        if number % 100 == 99:
            wait_until_synced(rig.client, number)
    counts = rig.server.counts()
    assert counts["kernel_drops"] == 0
    assert counts["received"] == 10_000 + 100
    assert rig.engine.values["a.seed"] == 9999
    assert counts["coalesced"] + counts["applied"] == 10_000
