"""OSC arguments: every type of OSC 1.0 and 1.1, read and written; and the rule for plain values.

    i h     int                 f d   float              s   str         S   Symbol     c   Char
    T F     True, False         N     None               I   IMPULSE     b   bytes      [ ] Array
    t       TimeTag             r     Rgba               m   Midi

`plain` is applied before any handler: T is 1, F is 0, and an impulse alone stands for no argument;
other impulses, nil, blobs, time tags, colours and MIDI are neither numbers nor text, and are refused.

Open Sound Control 1.0, "OSC Type Tag String"; 1.1 (Freed and Schmeder, NIME 2009) for I as impulse.
"""

from __future__ import annotations

import enum
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from realtime.parameters.table import ParameterError

MAX_ARRAY_DEPTH = 16  # nested arrays
MAX_FLOAT32 = 3.4028234663852886e38
_EMPTY = {"T": True, "F": False, "N": None}


class ArgumentError(ValueError):
    """Arguments that are not OSC; the message names the fault."""


class Impulse(enum.Enum):
    """Type of the only impulse, IMPULSE."""

    IMPULSE = "impulse"


IMPULSE = Impulse.IMPULSE


class Symbol(str):
    """Text of type S."""

    __slots__ = ()


class Char(str):
    """Text of one character, of type c."""

    __slots__ = ()


class Array(tuple[Any, ...]):
    """Arguments between [ and ]."""

    __slots__ = ()


@dataclass(frozen=True)
class TimeTag:
    """Time tag, of type t: an NTP time in units of 2⁻³² s; 1 means immediately."""

    ntp: int


@dataclass(frozen=True)
class Rgba:
    """Colour, of type r: 32 bits, red first."""

    value: int


@dataclass(frozen=True)
class Midi:
    """MIDI message, of type m: port, status and two data bytes."""

    port: int
    status: int
    data1: int
    data2: int


_NAMES = {
    type(None): "nil (N)",
    Impulse: "an impulse (I)",
    bytes: "a blob (b)",
    TimeTag: "a time tag (t)",
    Rgba: "a colour (r)",
    Midi: "MIDI (m)",
}


def plain(args: Sequence[Any]) -> tuple[Any, ...]:
    """Return arguments as numbers, text and lists of them; ParameterError if one is neither."""
    if len(args) == 1 and args[0] is IMPULSE:
        return ()
    return tuple(_plain(arg, place) for place, arg in enumerate(args, 1))


def _plain(arg: Any, place: int) -> Any:
    if isinstance(arg, bool):
        return int(arg)
    if isinstance(arg, tuple | list):
        return [_plain(item, place) for item in arg]
    if type(arg) in _NAMES:
        raise ParameterError(f"argument {place} is {_NAMES[type(arg)]}. Pass a number or text.")
    return arg


def read(tags: str, data: bytes, at: int) -> tuple[Any, ...]:
    """Return the arguments of type tags (without the comma) that begin at a byte of `data`.

    ArgumentError if a tag is unknown, an array is not closed, or data is missing.
    """
    open_arrays: list[list[Any]] = [[]]
    for tag in tags:
        if tag == "[":
            if len(open_arrays) > MAX_ARRAY_DEPTH:
                raise ArgumentError(f"arrays nested more than {MAX_ARRAY_DEPTH} deep")
            open_arrays.append([])
        elif tag == "]":
            if len(open_arrays) == 1:
                raise ArgumentError("] without [")
            closed = Array(open_arrays.pop())
            open_arrays[-1].append(closed)
        else:
            value, at = _read_one(tag, data, at)
            open_arrays[-1].append(value)
    if len(open_arrays) > 1:
        raise ArgumentError("[ without ]")
    return tuple(open_arrays[0])


def _read_one(tag: str, data: bytes, at: int) -> tuple[Any, int]:
    """Return a value and the place after it."""
    if tag in _EMPTY:
        return _EMPTY[tag], at
    if tag == "I":
        return IMPULSE, at
    if tag in "sS":
        text, at = read_string(data, at)
        return (Symbol(text) if tag == "S" else text), at
    try:
        if tag in "ifhd":
            return struct.unpack_from(f">{'q' if tag == 'h' else tag}", data, at)[0], at + (8 if tag in "hd" else 4)
        if tag == "t":
            return TimeTag(struct.unpack_from(">Q", data, at)[0]), at + 8
        if tag == "r":
            return Rgba(struct.unpack_from(">I", data, at)[0]), at + 4
        if tag == "m":
            return Midi(*struct.unpack_from("4B", data, at)), at + 4
        if tag == "c":
            return Char(chr(struct.unpack_from(">I", data, at)[0])), at + 4
        if tag == "b":
            size = struct.unpack_from(">i", data, at)[0]
            blob = data[at + 4 : at + 4 + max(size, 0)]
            if size < 0 or len(blob) != size:
                raise ArgumentError(f"a blob of {size} bytes in {len(data)}")
            return blob, at + 4 + -(-size // 4) * 4
    except struct.error:
        raise ArgumentError(f"type {tag} without its value: {len(data)} bytes are too few") from None
    except (ValueError, OverflowError) as error:
        raise ArgumentError(str(error)) from None
    raise ArgumentError(f"type tag {tag!r} is unknown")


def read_string(data: bytes, at: int) -> tuple[str, int]:
    """Return a string and the place after its padding; ArgumentError without its end, or not UTF-8."""
    end = data.find(b"\0", at)
    if end < 0:
        raise ArgumentError("a string without its end")
    try:
        return data[at:end].decode("utf-8"), (end // 4 + 1) * 4
    except UnicodeDecodeError:
        raise ArgumentError(f"a string that is not UTF-8: {data[at:end][:40]!r}") from None


def write(args: Sequence[Any]) -> tuple[str, bytes]:
    """Return type tags (without the comma) and data of arguments.

    bool and int are i (h above 32 bits), floats f (d above its range); lists and tuples that are no
    Array are flattened. TypeError or ValueError for a value that OSC cannot send.
    """
    tags: list[str] = []
    body = bytearray()
    for arg in args:
        if isinstance(arg, list | tuple):
            inner, data = write(arg)
            tags.append(f"[{inner}]" if isinstance(arg, Array) else inner)
            body += data
        else:
            tag, data = _write_one(arg)
            tags.append(tag)
            body += data
    return "".join(tags), bytes(body)


def _write_one(arg: Any) -> tuple[str, bytes]:
    if isinstance(arg, int):
        if -(2**31) <= arg < 2**31:
            return "i", struct.pack(">i", arg)
        if -(2**63) <= arg < 2**63:
            return "h", struct.pack(">q", arg)
        return "d", struct.pack(">d", arg)
    if isinstance(arg, Char):
        return "c", struct.pack(">I", ord(arg))
    if isinstance(arg, str):
        return ("S" if isinstance(arg, Symbol) else "s"), write_string(arg)
    if arg is None:
        return "N", b""
    if arg is IMPULSE:
        return "I", b""
    if isinstance(arg, bytes):
        return "b", struct.pack(">i", len(arg)) + arg + b"\0" * (-len(arg) % 4)
    if isinstance(arg, TimeTag):
        return "t", struct.pack(">Q", arg.ntp)
    if isinstance(arg, Rgba):
        return "r", struct.pack(">I", arg.value)
    if isinstance(arg, Midi):
        return "m", bytes((arg.port, arg.status, arg.data1, arg.data2))
    number = float(arg)
    wide = MAX_FLOAT32 < abs(number) < float("inf")
    return ("d", struct.pack(">d", number)) if wide else ("f", struct.pack(">f", number))


def write_string(text: str) -> bytes:
    """Return text as an OSC string, padded to 4 bytes."""
    raw = text.encode("utf-8", "replace").replace(b"\0", b"")
    return raw + b"\0" * (4 - len(raw) % 4)
