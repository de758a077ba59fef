"""OSCQuery: the tree lists the parameter table, HTTP answers follow the proposal, LISTEN follows a
value.
"""

from __future__ import annotations

import base64
import contextlib
import json
import socket
import struct
import sys
import time
import types
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime.osc.address_space import AddressSpace
from realtime.osc.commands import COMMANDS
from realtime.osc.discovery import Announcement
from realtime.osc.oscquery import websocket
from realtime.osc.oscquery.query_server import QueryServer
from realtime.osc.oscquery.tree import find, tree
from realtime.osc.packet import decode
from realtime.parameters.table import PARAMETERS
from realtime.worker import codec_catalogue

DEFAULTS = {name: row.default for name, row in PARAMETERS.items()}


def leaves(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if node["ACCESS"]:
        yield node
    for child in node.get("CONTENTS", {}).values():
        yield from leaves(child)


def test_the_tree_lists_exactly_the_table_and_the_commands() -> None:
    listed = {node["FULL_PATH"] for node in leaves(tree(DEFAULTS))}
    addresses = {address for address, target in AddressSpace(PARAMETERS).targets.items() if not target.is_range}
    assert listed == addresses | set(COMMANDS)


def test_every_node_has_as_many_values_and_ranges_as_type_tags() -> None:
    for node in leaves(tree(DEFAULTS)):
        for attribute in ("VALUE", "RANGE", "CLIPMODE", "UNIT"):
            assert len(node.get(attribute, node.get("TYPE", ""))) == len(node.get("TYPE", ""))


def test_the_codecs_that_a_slot_can_play_are_those_of_the_catalogue() -> None:
    node = find(tree(DEFAULTS), "/verdigris/b/codec")
    assert node is not None
    (offered,) = node["RANGE"]
    assert offered["VALS"] == [name for row in codec_catalogue.rows() for name in row["names"]]


@pytest.fixture
def served() -> Iterator[tuple[QueryServer, dict[str, Any]]]:
    values = dict(DEFAULTS)
    server = QueryServer(lambda: values, 9130)
    server.start()
    yield server, values
    server.stop()


def get(server: QueryServer, path: str, host: str = "") -> tuple[int, Any]:
    request = urllib.request.Request(f"http://127.0.0.1:{server.port}{path}", headers={"Host": host} if host else {})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            body = answer.read()
            return answer.status, json.loads(body) if body else None
    except urllib.error.HTTPError as error:
        error.close()
        return error.code, None


def test_http_answers_nodes_attributes_and_host_info(served: tuple[QueryServer, dict[str, Any]]) -> None:
    server, _ = served
    assert get(server, "/")[1]["CONTENTS"].keys() == {"verdigris"}
    gain = get(server, "/verdigris/monitor/gain")[1]
    assert gain["FULL_PATH"] == "/verdigris/monitor/gain"
    assert (gain["TYPE"], gain["VALUE"], gain["RANGE"], gain["UNIT"]) == ("f", [0.0], [{"MIN": -60, "MAX": 12}], ["dB"])
    assert (gain["ACCESS"], gain["CLIPMODE"], gain["DESCRIPTION"]) == (3, ["both"], "output gain")
    assert get(server, "/verdigris/monitor/path?VALUE") == (200, {"VALUE": ["a"]})
    assert get(server, "/verdigris/rate?ACCESS") == (200, {"ACCESS": 1})
    info = get(server, "/?HOST_INFO")[1]
    assert (info["OSC_PORT"], info["OSC_TRANSPORT"], info["WS_PORT"]) == (9130, "UDP", server.port)
    assert info["EXTENSIONS"]["LISTEN"]


@pytest.mark.parametrize(
    ("path", "code"), [("/no/such", 404), ("/verdigris/monitor/gain?WHAT", 400), ("/verdigris/monitor?VALUE", 204)]
)
def test_missing_nodes_and_attributes_have_the_status_codes_of_the_proposal(
    served: tuple[QueryServer, dict[str, Any]], path: str, code: int
) -> None:
    assert get(served[0], path)[0] == code


def test_another_host_s_name_is_refused(served: tuple[QueryServer, dict[str, Any]]) -> None:
    assert get(served[0], "/", "evil.example:80")[0] == get(served[0], "/", "evil.example")[0] == 403


def masked(kind: int, payload: bytes) -> bytes:
    return (
        bytes([0x80 | kind, 0x80 | len(payload)]) + b"\1\2\3\4" + bytes(b ^ (1 + i % 4) for i, b in enumerate(payload))
    )


def read_binary(peer: socket.socket, rest: bytearray) -> list[tuple[str, Any]]:
    """Read the next short, unmasked frame of a server."""
    while len(rest) < 2 or len(rest) < 2 + rest[1]:
        rest += peer.recv(4096)
    assert rest[0] == 0x80 | websocket.BINARY
    payload = bytes(rest[2 : 2 + rest[1]])
    del rest[: 2 + len(payload)]
    return [(m.address, m.args) for m in decode(payload)]


def test_listen_sends_the_current_value_and_every_change_until_ignore(
    served: tuple[QueryServer, dict[str, Any]],
) -> None:
    server, values = served
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as peer:
        key = base64.b64encode(bytes(16)).decode()
        peer.sendall(
            f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        rest = bytearray()
        while b"\r\n\r\n" not in rest:
            rest += peer.recv(4096)
        assert b"101" in rest
        assert websocket.accept_key(key).encode() in rest
        del rest[: rest.index(b"\r\n\r\n") + 4]
        for address in ("/verdigris/a/bend/bias/07", "/no/such"):
            peer.sendall(masked(websocket.TEXT, json.dumps({"COMMAND": "LISTEN", "DATA": address}).encode()))
        assert read_binary(peer, rest) == [("/verdigris/a/bend/bias/07", (0.0,))]
        values["a.bend.bias"] = (0.5,) * 64
        assert read_binary(peer, rest) == [("/verdigris/a/bend/bias/07", (0.5,))]
        peer.sendall(masked(websocket.TEXT, b"nonsense") + masked(websocket.CLOSE, b"\x03\xe8"))
        while rest[:1] != bytes([0x80 | websocket.CLOSE]):
            rest += peer.recv(4096)


def test_the_handshake_is_the_standard_s_own_example() -> None:
    assert websocket.accept_key("dGhlIHNhbXBsZSBub25jZQ==") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


@given(st.lists(st.binary(max_size=60), max_size=4), st.integers(1, 9))
def test_frames_are_decoded_for_any_split_of_the_stream(payloads: list[bytes], cut: int) -> None:
    stream, frames = b"".join(masked(websocket.TEXT, p) for p in payloads), websocket.FrameDecoder()
    got = [f for i in range(0, len(stream), cut) for f in frames.feed(stream[i : i + cut])]
    assert [payload for _, payload in got] == payloads


def test_without_zeroconf_nothing_is_announced_and_with_it_both_services_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "zeroconf", None)
    assert not Announcement(9130, 9131).made
    calls: list[Any] = []
    fake = types.SimpleNamespace(
        Zeroconf=lambda interfaces: types.SimpleNamespace(
            register_service=calls.append, unregister_all_services=lambda: None, close=lambda: calls.append("closed")
        ),
        ServiceInfo=lambda kind, name, port, addresses: (kind, port),
    )
    monkeypatch.setitem(sys.modules, "zeroconf", fake)
    made = Announcement(9130, 9131)
    made.close()
    assert calls == [("_osc._udp.local.", 9130), ("_oscjson._tcp.local.", 9131), "closed"]


def test_clients_that_hang_up_or_flood_print_nothing_and_leave_it_running(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("realtime.osc.oscquery.query_server.MAX_CONNECTIONS", 4)
    server = QueryServer(dict, 9130)
    server.start()
    try:
        for _ in range(20):
            with socket.create_connection(("127.0.0.1", server.port), timeout=5) as peer:
                peer.sendall(b"GET / HTTP/1.1\r\n\r\n")
                peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        idle = [socket.create_connection(("127.0.0.1", server.port), timeout=5) for _ in range(12)]
        for peer in idle:
            peer.close()
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError):
                with urllib.request.urlopen(f"http://127.0.0.1:{server.port}/?HOST_INFO", timeout=5) as answer:
                    assert answer.status == 200
                    break
            time.sleep(0.01)
        else:
            pytest.fail("no answer within 30 s")
    finally:
        server.stop()
    assert capfd.readouterr().err == ""
