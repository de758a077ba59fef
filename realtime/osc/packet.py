"""OSC packets: decoding, encoding, and SLIP framing for TCP.

Open Sound Control 1.0 (https://opensoundcontrol.stanford.edu/spec-1_0.html); SLIP with END at both
ends as in 1.1. A bad message in a bundle costs itself alone.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

from realtime.osc.arguments import ArgumentError, read, read_string, write, write_string

MAX_PACKET_BYTES = 65_507  # bytes of a datagram
MAX_BUNDLE_DEPTH = 16  # nested bundles
NTP_EPOCH = 2_208_988_800  # 1900 to 1970, s
_END, _ESC, _ESC_END, _ESC_ESC = b"\xc0", b"\xdb", b"\xdb\xdc", b"\xdb\xdd"


class PacketError(ValueError):
    """Bytes that are not OSC; the message names the fault."""


@dataclass(frozen=True)
class Message:
    """OSC message. `time` is its timetag in Unix seconds; None: immediately."""

    address: str
    args: tuple[Any, ...]
    time: float | None = None


@dataclass(frozen=True)
class Fault:
    """Part of a packet that is not OSC; `address` is "?" if it has none."""

    address: str
    reason: str


def decode(data: bytes) -> list[Message]:
    """Return the messages of a packet in order; PacketError if any part of it is malformed."""
    found, faults = decode_parts(data)
    if faults:
        raise PacketError(faults[0].reason)
    return found


def decode_parts(data: bytes) -> tuple[list[Message], list[Fault]]:
    """Return the messages of a packet in order, and the faults of all other parts."""
    found: list[Message] = []
    faults: list[Fault] = []
    if len(data) > MAX_PACKET_BYTES:
        faults.append(Fault("?", f"a packet of more than {MAX_PACKET_BYTES} bytes"))
    else:
        _element(data, None, MAX_BUNDLE_DEPTH, found, faults)
    return found, faults


def _element(data: bytes, time: float | None, depth: int, found: list[Message], faults: list[Fault]) -> None:
    """Read a message or a bundle."""
    if data.startswith(b"/"):
        try:
            found.append(_message(data, time))
        except ArgumentError as error:
            faults.append(Fault(_address(data), f"a message that cannot be read: {error}"))
    elif not data.startswith(b"#bundle\0") or len(data) < 16:
        faults.append(Fault("?", "neither a message nor a bundle: it begins with neither / nor #bundle"))
    elif depth == 0:
        faults.append(Fault("?", f"bundles nested more than {MAX_BUNDLE_DEPTH} deep"))
    else:
        _bundle(data, depth, found, faults)


def _bundle(data: bytes, depth: int, found: list[Message], faults: list[Fault]) -> None:
    seconds, fraction = struct.unpack_from(">II", data, 8)
    time = None if (seconds, fraction) == (0, 1) else seconds - NTP_EPOCH + fraction / 2**32
    at = 16
    while at < len(data):
        size = int.from_bytes(data[at : at + 4], "big", signed=True)
        element = data[at + 4 : at + 4 + max(size, 0)]
        if size < 0 or len(element) != size:
            reason = f"an element of {size} bytes at byte {at} of a bundle of {len(data)}; the rest of it is lost"
            faults.append(Fault(_address(data[at + 4 :]), reason))
            return
        if size == 0 or size % 4:
            faults.append(Fault(_address(element), f"an element of {size} bytes at byte {at}, not a multiple of 4"))
        else:
            _element(element, time, depth - 1, found, faults)
        at += 4 + size


def _message(data: bytes, time: float | None) -> Message:
    address, at = read_string(data, 0)
    if at >= len(data):
        return Message(address, (), time)  # without type tags, as old programs send
    if data[at : at + 1] != b",":
        raise ArgumentError(f"type tags {data[at : at + 40]!r}")
    tags, at = read_string(data, at)
    return Message(address, read(tags[1:], data, at), time)


def _address(data: bytes) -> str:
    """Return the address of a message that cannot be read, "?" if it is not readable either."""
    text = data[:256].partition(b"\0")[0].decode("utf-8", "replace")
    return text if text.startswith("/") and text.isprintable() else "?"


def encode(address: str, *args: object) -> bytes:
    """Encode a message; `arguments.write` says which types its arguments get."""
    tags, body = write(args)
    return write_string(address) + write_string("," + tags) + body


def encode_bundle(time: float | None, *elements: bytes) -> bytes:
    """Encode a bundle with the timetag `time` in Unix seconds; None: immediately."""
    whole = int(time or 0)
    stamp = (0, 1) if time is None else (whole + NTP_EPOCH, int((time - whole) * 2**32))
    return b"#bundle\0" + struct.pack(">II", *stamp) + b"".join(struct.pack(">i", len(e)) + e for e in elements)


def slip(packet: bytes) -> bytes:
    """Frame a packet for TCP (SLIP, RFC 1055)."""
    return _END + packet.replace(_ESC, _ESC_ESC).replace(_END, _ESC_END) + _END


class SlipDecoder:
    """Decoder that splits a TCP stream into packets. One thread."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[bytes]:
        """Return the packets completed by these bytes; PacketError if one is too long to be OSC."""
        *done, self._rest = (self._rest + data).split(_END)
        if max(map(len, (*done, self._rest))) > 2 * MAX_PACKET_BYTES:
            raise PacketError(f"more than {MAX_PACKET_BYTES} bytes without an end. Frame packets by SLIP")
        return [piece.replace(_ESC_END, _END).replace(_ESC_ESC, _ESC) for piece in done if piece]
