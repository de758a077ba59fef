"""Options of sockets that systems name differently."""

from __future__ import annotations

import socket
import sys
from typing import Any

if sys.platform == "win32":

    def claim_port(tcp: socket.socket) -> None:
        """Let no other program listen on the port that this socket will bind."""
        tcp.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)

else:

    def claim_port(tcp: socket.socket) -> None:
        """Let the socket bind a port that an ended program has left waiting."""
        tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)


if sys.platform == "linux":
    _SO_RXQ_OVFL = 40  # Python has no name for it

    def count_drops(udp: socket.socket) -> None:
        """Let `receive_datagram` tell the datagrams that the system has dropped, where it counts them."""
        udp.setsockopt(socket.SOL_SOCKET, _SO_RXQ_OVFL, 1)

    def receive_datagram(udp: socket.socket, size: int) -> tuple[bytes, Any, int | None]:
        """Return a datagram, its sender, and the number dropped so far (None: not told)."""
        data, ancillary, _, peer = udp.recvmsg(size, 64)
        for level, kind, value in ancillary:
            if (level, kind) == (socket.SOL_SOCKET, _SO_RXQ_OVFL):
                return data, peer, int.from_bytes(value[:4], sys.byteorder)
        return data, peer, None

else:

    def count_drops(udp: socket.socket) -> None:
        """Do nothing: this system does not tell the number of dropped datagrams."""

    def receive_datagram(udp: socket.socket, size: int) -> tuple[bytes, Any, int | None]:
        """Return a datagram, its sender, and the number dropped so far (None: not told)."""
        return *udp.recvfrom(size), None
