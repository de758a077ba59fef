"""OSC over TCP to a session of this machine, never waiting."""

from __future__ import annotations

import socket

from realtime.osc.packet import Message, PacketError, Unslip, decode, encode, slip

CONNECT_S = 0.05  # loopback answers at once, or not at all
ROOM = 1 << 20  # bytes that may wait to be sent
READ = 1 << 20  # bytes taken in at once


class Connection:
    """OSError if nobody listens there."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=CONNECT_S)
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._unslip, self._unsent = Unslip(), bytearray()

    def send(self, address: str, *args: object) -> None:
        """Send it, as soon as the other end takes it. OSError if that is gone, or takes nothing."""
        self._unsent += slip(encode(address, *args))
        if len(self._unsent) > ROOM:
            raise OSError("the session takes no messages")
        self.flush()

    def flush(self) -> None:
        """Send what waits, as far as it goes."""
        try:
            while self._unsent:
                del self._unsent[: self._socket.send(self._unsent)]
        except (BlockingIOError, InterruptedError):
            pass

    def read(self) -> list[Message]:
        """What has come. OSError if the other end is gone, and all before it was read."""
        self.flush()
        try:
            data = self._socket.recv(READ)
        except (BlockingIOError, InterruptedError):
            return []
        if not data:
            raise OSError("the session has hung up")
        try:
            return [message for packet in self._unslip.feed(data) for message in decode(packet)]
        except PacketError as error:
            raise OSError(f"the session sends what is no OSC ({error})") from error

    def close(self) -> None:
        self._socket.close()
