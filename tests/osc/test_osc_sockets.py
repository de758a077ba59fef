"""OSC over UDP and TCP sockets: bad packets, fixed reply ports, busy ports, floods."""

from __future__ import annotations

import socket

import pytest

from realtime.osc.packet import SlipDecoder, decode, encode, slip
from realtime.osc.server import OscServer
from realtime.osc.transport import OscError
from tests.support.osc_rig import Rig, wait_until_synced


def test_packets_that_are_not_osc_are_counted_and_answered_at_most_ten_times_a_second(rig: Rig) -> None:
    for _ in range(500):
        rig.client.socket.send(b"#bundle\0what")
    answers = rig.turn()
    assert rig.server.counts()["bad_packets"] == 500
    assert 10 <= len(answers) <= 15
    assert all(m.address == "/verdigris/error" for m in answers)


def test_tcp_on_the_same_port_answers_the_same(rig: Rig) -> None:
    with socket.create_connection(("127.0.0.1", rig.server.port), timeout=5) as peer:
        peer.sendall(slip(encode("/verdigris/a/steps", 6)) + slip(encode("/verdigris/a/steps")))
        slip_decoder, got = SlipDecoder(), []
        peer.settimeout(0.05)
        for _ in range(100):
            rig.turn()
            try:
                got += [m for p in slip_decoder.feed(peer.recv(4096)) for m in decode(p)]
            except TimeoutError:
                continue
            if got:
                break
        assert (got[0].address, got[0].args) == ("/verdigris/a/steps", (6,))
        peer.sendall(b"x" * 200_000)
    for _ in range(50):
        rig.turn()
    assert rig.server.counts()["bad_packets"] == 1


def test_osc_inside_an_http_request_is_refused(rig: Rig) -> None:
    with socket.create_connection(("127.0.0.1", rig.server.port), timeout=5) as peer:
        peer.sendall(b"POST / HTTP/1.1\r\nHost: x\r\n\r\n" + slip(encode("/verdigris/a/steps", 6)))
        for _ in range(20):
            rig.turn()
        assert rig.engine.parameters["a.steps"] == 2
        assert rig.server.counts()["bad_packets"] == 1


def test_replies_go_to_a_fixed_reply_port(rig: Rig) -> None:
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
    """The server runs in its thread, with a sync every 100 messages; test_osc_flood.py measures the
    rate.
    """
    rig.server.start()
    for number in range(10_000):
        rig.client.send("/verdigris/a/seed", number)
        if number % 100 == 99:
            wait_until_synced(rig.client, number)
    counts = rig.server.counts()
    assert counts["kernel_drops"] == 0
    assert counts["received"] == 10_000 + 100
    assert rig.engine.parameters["a.seed"] == 9999
    assert counts["coalesced"] + counts["applied"] == 10_000
