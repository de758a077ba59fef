"""OSC packets: bytes to messages and back, and SLIP framing for TCP.

Open Sound Control 1.0 (https://opensoundcontrol.stanford.edu/spec-1_0.html); SLIP with END at both ends as in 1.1.
python-osc parses the messages. Bundles are walked here: its own walk never ends on an element of negative size, passes
over elements it does not know, and puts timetags in an order of its own.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

from pythonosc.osc_message import OscMessage

LARGEST = 65_507  # bytes of a datagram
DEPTH = 16  # of bundles in bundles
KNOWN_TAGS = frozenset("ifsbhtdTFNrm[]")
NTP_EPOCH = 2_208_988_800  # 1900 to 1970, s
_END, _ESC, _ESC_END, _ESC_ESC = b"\xc0", b"\xdb", b"\xdb\xdc", b"\xdb\xdd"


class PacketError(ValueError):
    """Bytes that are no OSC; the message says what is wrong with them."""


@dataclass(frozen=True)
class Message:
    """One message. `time` is when it is meant for, Unix seconds; None: at once."""

    address: str
    args: tuple[Any, ...]
    time: float | None = None


def decode(data: bytes) -> list[Message]:
    """The messages of a packet in the order they stand in it, or PacketError; all or nothing."""
    if data.startswith(b"/"):
        return [_message(data, None)]
    found: list[Message] = []
    _bundle(data, DEPTH, found)
    return found


def _bundle(data: bytes, depth: int, found: list[Message]) -> None:
    if not data.startswith(b"#bundle\0") or len(data) < 16:
        raise PacketError("neither a message nor a bundle: it begins with neither / nor #bundle")
    if depth == 0:
        raise PacketError(f"bundles lie more than {DEPTH} deep")
    seconds, fraction = struct.unpack_from(">II", data, 8)
    time = None if (seconds, fraction) == (0, 1) else seconds - NTP_EPOCH + fraction / 2**32
    at = 16
    while at < len(data):
        size = int.from_bytes(data[at : at + 4], "big", signed=True)
        element = data[at + 4 : at + 4 + size]
        if size <= 0 or size % 4 or len(element) != size:
            raise PacketError(f"an element of {size} bytes at byte {at} of a bundle of {len(data)}")
        if element.startswith(b"/"):
            found.append(_message(element, time))
        else:
            _bundle(element, depth - 1, found)
        at += 4 + size


def _message(data: bytes, time: float | None) -> Message:
    address_end = data.find(b"\0")
    tags_start = (address_end // 4 + 1) * 4
    if address_end >= 0 and len(data) > tags_start:
        tags = data[tags_start : data.find(b"\0", tags_start)]
        if not tags.startswith(b",") or not KNOWN_TAGS.issuperset(tags[1:].decode("latin-1")):
            raise PacketError(f"type tags {tags[:40]!r}")
    try:
        parsed = OscMessage(data)
        return Message(parsed.address, tuple(parsed), time)
    except Exception as error:  # whatever the library trips over, the packet is to blame
        raise PacketError(f"a message that cannot be read ({error})") from error


def encode(address: str, *args: object) -> bytes:
    """A message: bool and int as i (h where they need it), float as f, str as s, and lists of those in line."""
    tags, body = [","], bytearray()
    for arg in _flat(args):
        if isinstance(arg, bool | int):
            fits = -(2**31) <= arg < 2**31
            tags.append("i" if fits else "h")
            body += struct.pack(">i" if fits else ">q", arg)
        elif isinstance(arg, str):
            tags.append("s")
            body += _string(arg)
        else:
            tags.append("f")
            body += struct.pack(">f", arg)
    return _string(address) + _string("".join(tags)) + bytes(body)


def encode_bundle(time: float | None, *elements: bytes) -> bytes:
    """A bundle for Unix time `time`; None: at once."""
    whole = int(time or 0)
    stamp = (0, 1) if time is None else (whole + NTP_EPOCH, int((time - whole) * 2**32))
    return b"#bundle\0" + struct.pack(">II", *stamp) + b"".join(struct.pack(">i", len(e)) + e for e in elements)


def _flat(args: tuple[object, ...]) -> list[Any]:
    return [item for arg in args for item in (arg if isinstance(arg, list | tuple) else (arg,))]


def _string(text: str) -> bytes:
    raw = text.encode("utf-8", "replace").replace(b"\0", b"")
    return raw + b"\0" * (4 - len(raw) % 4)


def slip(packet: bytes) -> bytes:
    """A packet as TCP carries it."""
    return _END + packet.replace(_ESC, _ESC_ESC).replace(_END, _ESC_END) + _END


class Unslip:
    """Packets from a TCP stream, however it is cut."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[bytes]:
        """The packets that are complete now. PacketError if one grows too long: the stream makes no sense then."""
        *done, self._rest = (self._rest + data).split(_END)
        if len(self._rest) > 2 * LARGEST:
            raise PacketError(f"more than {LARGEST} bytes without an end. Frame packets by SLIP")
        return [piece.replace(_ESC_END, _END).replace(_ESC_ESC, _ESC) for piece in done if piece]
