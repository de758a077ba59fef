"""Types of OSC arguments, and packets in which a part is bad."""

from __future__ import annotations

import math
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pythonosc.osc_message_builder import OscMessageBuilder

from realtime.osc.arguments import IMPULSE, Array, Char, Midi, Rgba, Symbol, TimeTag, plain
from realtime.osc.packet import (
    MAX_BUNDLE_DEPTH,
    MAX_PACKET_BYTES,
    Message,
    PacketError,
    SlipDecoder,
    decode,
    decode_parts,
    encode,
    encode_bundle,
    slip,
)
from realtime.parameters.table import ParameterError
from tests.support.mutate import mutations

BYTE = st.integers(0, 255)
TEXT = st.text(st.characters(min_codepoint=32, max_codepoint=0x2FF), max_size=20)
ONE = (
    st.integers(-(2**63), 2**63 - 1)
    | st.floats(width=32, allow_nan=False)
    | TEXT
    | TEXT.map(Symbol)
    | st.characters(codec="utf-8").map(Char)
    | st.binary(max_size=30)
    | st.sampled_from([None, IMPULSE])
    | st.integers(0, 2**64 - 1).map(TimeTag)
    | st.integers(0, 2**32 - 1).map(Rgba)
    | st.builds(Midi, BYTE, BYTE, BYTE, BYTE)
)
ANY = st.recursive(ONE, lambda inner: st.lists(inner, max_size=4).map(Array), max_leaves=12)


@given(st.lists(ANY, max_size=8))
def test_every_type_survives_a_round_trip(args: list[Any]) -> None:
    (message,) = decode(encode("/a/b", *args))
    assert message.args == tuple(args)
    assert [type(arg) for arg in message.args] == [type(arg) for arg in args]


@pytest.mark.parametrize(
    ("tag", "given", "ours"),
    [
        *(("i", 7, 7), ("h", 2**40, 2**40), ("f", 0.5, 0.5), ("s", "é", "é"), ("b", b"12345", b"12345")),
        *(("N", None, None), ("m", (1, 0x90, 60, 100), Midi(1, 0x90, 60, 100))),
        ("r", 0xFF00FF80, Rgba(0xFF00FF80)),
    ],
)
def test_bytes_are_those_of_python_osc(tag: str, given: Any, ours: Any) -> None:
    builder = OscMessageBuilder("/x")
    builder.add_arg(given, tag)
    assert builder.build().dgram == encode("/x", ours)


@pytest.mark.parametrize(
    ("tags", "body", "args"),
    [
        ("I", b"", (IMPULSE,)),
        ("c", struct.pack(">I", 0x41), (Char("A"),)),
        ("r", bytes([255, 0, 128, 64]), (Rgba(0xFF008040),)),
        ("m", bytes([1, 0x90, 60, 100]), (Midi(1, 0x90, 60, 100),)),
        ("t", struct.pack(">Q", 1), (TimeTag(1),)),
        ("S", b"abc\0", (Symbol("abc"),)),
        ("TFNI", b"", (True, False, None, IMPULSE)),
        ("i[f[s]]i", struct.pack(">if", 1, 0.5) + b"x\0\0\0" + struct.pack(">i", 2), (1, Array((0.5, Array("x"))), 2)),
        ("[]", b"", (Array(),)),
    ],
)
def test_the_full_table_of_types_is_read(tags: str, body: bytes, args: tuple[Any, ...]) -> None:
    padded = f",{tags}".encode()
    assert decode(b"/a\0\0" + padded + b"\0" * (4 - len(padded) % 4) + body)[0].args == args


def test_a_double_that_no_float_holds_is_written_as_a_double() -> None:
    assert decode(encode("/a", 1e300, -1e39, math.inf))[0].args == (1e300, -1e39, math.inf)


@pytest.mark.parametrize(
    ("tags", "body"),
    [
        *((tag, b"\0" * 3) for tag in "ifhdtrmcb"),
        *(("b", struct.pack(">i", size)) for size in (-1, 5, 2**31 - 1)),
        *(("c", struct.pack(">I", code)) for code in (0x110000, 2**32 - 1)),
        *(
            ("[i", b"\0" * 4),
            ("i]", b"\0" * 4),
            ("[" * 40 + "]" * 40, b""),
            ("q", b"\0" * 8),
            ("s", b"abcd"),
            ("\xff", b""),
        ),
    ],
)
def test_a_bad_message_in_a_bundle_is_dropped_alone_and_named(tags: str, body: bytes) -> None:
    padded = b"," + tags.encode("latin-1")
    bad = b"/bad\0\0\0\0" + padded + b"\0" * (4 - len(padded) % 4) + body + b"\0" * (-len(body) % 4)
    bad = bad[: len(bad) - 4] if tags in list("ifrmcb") and len(body) == 3 else bad
    messages, faults = decode_parts(encode_bundle(None, encode("/one", 1), bad, encode("/two", 2)))
    assert [message.address for message in messages] == ["/one", "/two"]
    assert [fault.address for fault in faults] == ["/bad"]


def test_an_element_of_a_bad_size_costs_itself_and_one_that_has_no_end_the_rest() -> None:
    head = b"#bundle\0" + struct.pack(">Q", 1)
    one, two = (struct.pack(">i", len(data)) + data for data in (encode("/one"), encode("/two")))
    messages, faults = decode_parts(head + one + struct.pack(">i", 6) + b"/a\0\0,\0" + two)
    assert ([m.address for m in messages], len(faults)) == (["/one", "/two"], 1)
    messages, faults = decode_parts(head + one + struct.pack(">i", 0) + two)
    assert ([m.address for m in messages], len(faults)) == (["/one", "/two"], 1)
    for size in (-4, 1000, 2**31 - 1):
        messages, faults = decode_parts(head + one + struct.pack(">i", size) + two)
        assert ([m.address for m in messages], len(faults)) == (["/one"], 1)
        assert "the rest of it is lost" in faults[0].reason


def test_a_bundle_nested_too_deep_is_dropped_and_its_neighbours_are_kept() -> None:
    deep = encode("/deep")
    for _ in range(MAX_BUNDLE_DEPTH):
        deep = encode_bundle(None, deep)
    messages, faults = decode_parts(encode_bundle(None, encode("/one"), deep, encode("/two")))
    assert [message.address for message in messages] == ["/one", "/two"]
    assert "deep" in faults[0].reason


def test_packets_above_the_size_of_a_datagram_are_refused() -> None:
    with pytest.raises(PacketError, match="more than"):
        decode(encode("/a", b"x" * MAX_PACKET_BYTES))
    with pytest.raises(PacketError, match="without an end"):
        SlipDecoder().feed(b"x" * (2 * MAX_PACKET_BYTES + 1) + slip(b"y"))


def test_plain_values_are_numbers_text_and_lists_of_them() -> None:
    assert plain((True, False, 3, 0.5, "x", Symbol("y"), Char("z"))) == (1, 0, 3, 0.5, "x", "y", "z")
    assert plain((Array((True, Array((2,)))),)) == ([1, [2]],)
    assert plain((IMPULSE,)) == ()


@pytest.mark.parametrize("arg", [None, b"3", TimeTag(1), Rgba(1), Midi(0, 0, 0, 0)])
@pytest.mark.parametrize("wrap", [lambda arg: (1, arg), lambda arg: (1, Array((arg,)))])
def test_other_types_are_no_plain_values(arg: object, wrap: Any) -> None:
    with pytest.raises(ParameterError, match=r"argument 2 is .*Pass a number or text"):
        plain(wrap(arg))


@pytest.mark.parametrize("count", [500, pytest.param(20_000, marks=[pytest.mark.slow])])
def test_mutated_packets_give_messages_and_faults_and_never_an_exception(count: int) -> None:
    everything = (1, 2**40, 0.5, 1e300, "text", Symbol("s"), Char("c"), b"blob", None, IMPULSE, TimeTag(9), Rgba(1))
    good = encode_bundle(
        1.5,
        encode("/verdigris/set", "gain", 1.5, "a.steps", 3),
        encode("/every", *everything, Midi(1, 2, 3, 4), Array((1, Array(("x",))))),
        encode_bundle(None, encode("/x", 1), encode_bundle(2.0, encode("/y", 0.25))),
    )
    faulty = 0
    for data in mutations(good, count, seed=11):
        messages, faults = decode_parts(data)
        faulty += bool(faults)
        assert messages or faults or data.startswith(b"#bundle\0")
        assert all(isinstance(message, Message) and message.address.startswith("/") for message in messages)
    assert faulty > count / 2
