"""Non-blocking OSC over TCP to a session on this machine, which knows what the session has read."""

from __future__ import annotations

import socket
from collections import deque

from realtime.osc.packet import Message, PacketError, SlipDecoder, decode, encode, slip

CONNECT_S = 0.05  # loopback answers at once, or not at all
SEND_BUFFER = 1 << 20  # bytes that may wait to be sent
READ_SIZE = 1 << 20  # bytes in one read


class Connection:
    """TCP connection to an OSC server.

    OSError from the constructor if nothing listens on the port. One thread.
    """

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=CONNECT_S)
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._slip, self._unsent = SlipDecoder(), bytearray()
        self._pings = 0
        self._requests: deque[tuple[int, str]] = deque()  # pings sent before it, address

    def send(self, address: str, *args: object) -> None:
        """Queue a message and send as much as the socket takes.

        OSError if the session is gone or does not read.
        """
        self._unsent += slip(encode(address, *args))
        if len(self._unsent) > SEND_BUFFER:
            raise OSError("the session does not read its messages")
        self.flush()

    def request(self, address: str, *args: object) -> None:
        """Send a message as `send` does; `unread` has its address until a later ping is answered."""
        self._requests.append((self._pings, address))
        self.send(address, *args)

    def ping(self) -> None:
        """Ask for a pong: the session reads all messages in order. OSError as from `send`."""
        self._pings += 1
        self.send("/verdigris/ping", self._pings)

    def on_pong(self, number: int) -> None:
        """Note that the session has read what was sent before a ping."""
        while self._requests and self._requests[0][0] < number:
            self._requests.popleft()

    @property
    def unread(self) -> list[str]:
        """Addresses of requests that the session may not have read."""
        return list(dict.fromkeys(address for _, address in self._requests))

    def flush(self) -> None:
        """Send queued bytes until the socket would block."""
        try:
            while self._unsent:
                del self._unsent[: self._socket.send(self._unsent)]
        except (BlockingIOError, InterruptedError):
            pass

    def read(self) -> list[Message]:
        """Return the messages received.

        OSError if the session has closed and everything before that was read.
        """
        self.flush()
        try:
            data = self._socket.recv(READ_SIZE)
        except (BlockingIOError, InterruptedError):
            return []
        if not data:
            raise OSError("the session closed the connection")
        try:
            return [message for packet in self._slip.feed(data) for message in decode(packet)]
        except PacketError as error:
            raise OSError(f"the session sent a packet that is not OSC ({error})") from error

    def close(self) -> None:
        self._socket.close()
