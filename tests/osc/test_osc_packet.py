"""OSC packets: well-formed ones survive a round trip, all others are refused."""

from __future__ import annotations

import math
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pythonosc.osc_message_builder import OscMessageBuilder

from realtime.osc.packet import NTP_EPOCH, Message, PacketError, SlipDecoder, decode, encode, encode_bundle, slip

TEXT = st.text(st.characters(min_codepoint=32, max_codepoint=0x2FF), max_size=20)
ARGUMENTS = st.lists(st.integers(-(2**62), 2**62) | st.floats(width=32, allow_nan=False) | TEXT, max_size=8)


@given(ARGUMENTS)
def test_decoding_inverts_encoding(args: list[object]) -> None:
    assert decode(encode("/a/b", *args)) == [Message("/a/b", tuple(args))]


@given(st.lists(st.integers(-(2**31), 2**31 - 1) | TEXT, max_size=8))
def test_our_bytes_are_those_of_python_osc(args: list[int | str]) -> None:
    builder = OscMessageBuilder("/verdigris/x")
    for arg in args:
        builder.add_arg(arg, "i" if isinstance(arg, int) else "s")
    assert builder.build().dgram == encode("/verdigris/x", *args)


def test_the_specification_s_own_example_decodes() -> None:
    data = bytes.fromhex("2f666f6f000000002c69697366660000000003e8ffffffff68656c6c6f0000003f9df3b640b5b22d")
    (message,) = decode(data)
    assert message.address == "/foo"
    assert message.args[:3] == (1000, -1, "hello")
    assert message.args[3:] == pytest.approx((1.234, 5.678))


@pytest.mark.parametrize(
    ("tag", "body", "value"),
    [
        ("T", b"", True),
        ("F", b"", False),
        ("N", b"", None),
        ("d", struct.pack(">d", 0.5), 0.5),
        ("h", struct.pack(">q", 2**40), 2**40),
    ],
)
def test_lenient_types_are_read(tag: str, body: bytes, value: object) -> None:
    assert decode(b"/a\0\0," + tag.encode() + b"\0\0" + body)[0].args == (value,)


def test_bundles_keep_their_order_and_each_its_own_time() -> None:
    inner = encode_bundle(NTP_EPOCH + 7.5 - NTP_EPOCH, encode("/c", 3))
    got = decode(encode_bundle(None, encode("/b", 2), inner, encode("/a", 1)))
    assert [(m.address, m.time) for m in got] == [("/b", None), ("/c", 7.5), ("/a", None)]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"junk",
        b"#bundle\0",
        b"#bundle\0" + bytes(8) + struct.pack(">i", -4) + bytes(4),  # python-osc loops forever on this one
        b"#bundle\0" + bytes(8) + struct.pack(">i", 1000) + b"/a\0\0",
        b"#bundle\0" + bytes(8) + struct.pack(">i", 4) + b"what",
        b"/a\0\0,q\0\0",
        b"/a\0\0ii\0\0",
        b"/a\0\0,[\0\0",
        b"/a\0\0,b\0\0" + struct.pack(">i", 2**31 - 1),
        b"/a\0\0,s\0\0\xff\xfe\0\0",
        b"/no end",
    ],
)
def test_malformed_packets_are_refused(data: bytes) -> None:
    with pytest.raises(PacketError):
        decode(data)


def test_bundles_nested_without_end_are_refused() -> None:
    data = encode("/a")
    for _ in range(1000):
        data = encode_bundle(None, data)
    with pytest.raises(PacketError, match="deep"):
        decode(data)


def test_twenty_thousand_random_and_mutated_packets_raise_only_packet_error() -> None:
    rng = np.random.default_rng(0)
    good = encode_bundle(1.5, encode("/verdigris/set", "gain", 1.5, "a.steps", 3), encode_bundle(None, encode("/x", 1)))
    refused = 0
    for turn in range(20_000):
        if turn % 2:
            data = rng.bytes(int(rng.integers(0, 80)))
        else:
            raw = bytearray(good)
            for place in rng.integers(0, len(raw), int(rng.integers(1, 6))):
                raw[place] = int(rng.integers(256))
            data = bytes(raw[: int(rng.integers(1, len(raw) + 1))])
        try:
            decode(data)
        except PacketError:
            refused += 1
    assert refused > 15_000


@given(st.lists(st.binary(min_size=1, max_size=50), max_size=6), st.lists(st.integers(1, 9), min_size=1, max_size=9))
def test_slip_restores_the_packets_for_any_split_of_the_stream(packets: list[bytes], cuts: list[int]) -> None:
    stream, slip_decoder, got, at, turn = b"".join(map(slip, packets)), SlipDecoder(), [], 0, 0
    while at < len(stream):
        got += slip_decoder.feed(stream[at : at + cuts[turn % len(cuts)]])
        at, turn = at + cuts[turn % len(cuts)], turn + 1
    assert got == packets


def test_a_stream_without_ends_is_refused() -> None:
    slip_decoder = SlipDecoder()
    slip_decoder.feed(b"x" * 100_000)
    with pytest.raises(PacketError):
        slip_decoder.feed(b"x" * 100_000)


def test_nan_survives_a_round_trip() -> None:
    assert math.isnan(decode(encode("/a", math.nan))[0].args[0])
