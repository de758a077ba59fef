"""Subset of WebSocket (RFC 6455) for OSCQuery's LISTEN: handshake, small unfragmented frames, ping
and close.
"""

from __future__ import annotations

import base64
import hashlib
import struct

GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # section 1.3
TEXT, BINARY, CLOSE, PING, PONG = 0x1, 0x2, 0x8, 0x9, 0xA
MAX_FRAME_BYTES = 1 << 16  # bytes of a frame from a client


class WebSocketError(ValueError):
    """The client violated the protocol, or this subset of it."""


def accept_key(key: str) -> str:
    """Return the value of Sec-WebSocket-Accept (section 4.2.2)."""
    return base64.b64encode(hashlib.sha1((key + GUID).encode(), usedforsecurity=False).digest()).decode()


def frame(kind: int, payload: bytes) -> bytes:
    """Encode one unfragmented, unmasked frame of a server."""
    size = len(payload)
    if size < 126:
        head = bytes([0x80 | kind, size])
    elif size < 1 << 16:
        head = bytes([0x80 | kind, 126]) + struct.pack(">H", size)
    else:
        head = bytes([0x80 | kind, 127]) + struct.pack(">Q", size)
    return head + payload


class FrameDecoder:
    """Decoder that splits a client's byte stream into frames. One thread."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[tuple[int, bytes]]:
        """Return kind and payload of the frames completed by these bytes.

        WebSocketError if a frame is fragmented, unmasked or too large.
        """
        self._rest += data
        found = []
        while len(self._rest) >= 2:
            first, second = self._rest[0], self._rest[1]
            size, at = second & 0x7F, 2
            if size >= 126:
                width = 2 if size == 126 else 8
                if len(self._rest) < 2 + width:
                    break
                size, at = int.from_bytes(self._rest[2 : 2 + width], "big"), 2 + width
            if not first & 0x80 or not second & 0x80 or size > MAX_FRAME_BYTES:
                raise WebSocketError("a frame that is fragmented, not masked, or too large")
            if len(self._rest) < at + 4 + size:
                break
            mask, body = self._rest[at : at + 4], self._rest[at + 4 : at + 4 + size]
            found.append((first & 0x0F, bytes(byte ^ mask[i % 4] for i, byte in enumerate(body))))
            self._rest = self._rest[at + 4 + size :]
        return found
