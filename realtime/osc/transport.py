"""The sockets: UDP and TCP on one port number, read and written by one thread, never waiting to write.

Datagrams are read with the kernel's count of those it dropped (Linux). A TCP client that does not read has its
replies dropped, and is hung up on when it sends what is no SLIP.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import struct
import sys
from collections.abc import Hashable, Iterator

from realtime.osc.packet import LARGEST, PacketError, Unslip, slip

RECEIVE_BUFFER = 1 << 20  # bytes; with the default a burst of 15 000 messages lost all but 640
SEND_ROOM = 1 << 20  # bytes that may wait for a TCP client
AT_ONCE = 2000  # packets in one turn, so that a flood does not stop the clock
SO_RXQ_OVFL = 40  # Linux; Python has no name for it
CONNECTIONS = 32


class OscError(Exception):
    """A server that cannot be had."""


class Connection:
    """A TCP client."""

    def __init__(self, peer: socket.socket) -> None:
        self.socket, self.unslip, self.unsent = peer, Unslip(), bytearray()
        self.greeted = False  # it has sent something that begins as OSC does


class Transport:
    """Packets in and out. One thread, but for the constructor and `close`."""

    def __init__(self, host: str, port: int) -> None:
        """OscError if the UDP port cannot be had; without TCP `tcp_problem` says why. Port 0: any free one."""
        self.kernel_drops = self.unsent = 0
        self.tcp_problem = ""
        self._selector = selectors.DefaultSelector()
        self._connections: dict[Hashable, Connection] = {}
        self._udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        self._counts_drops = sys.platform == "linux"
        if self._counts_drops:
            self._udp.setsockopt(socket.SOL_SOCKET, SO_RXQ_OVFL, 1)
        try:
            self._udp.bind((host, port))
        except (OSError, OverflowError) as error:
            self._udp.close()
            self._selector.close()
            raise OscError(f"OSC cannot use port {port} of {host} ({error}). Pass --osc PORT or --osc off.") from error
        self.port: int = self._udp.getsockname()[1]
        self._udp.setblocking(False)
        self._selector.register(self._udp, selectors.EVENT_READ)
        self._tcp = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self._tcp.bind((host, self.port))
            self._tcp.listen()
            self._tcp.setblocking(False)
            self._selector.register(self._tcp, selectors.EVENT_READ)
        except OSError as error:
            self.tcp_problem = f"OSC by TCP cannot use port {self.port} of {host} ({error}); UDP works"
        self._wake, self._wake_end = socket.socketpair()
        self._wake_end.setblocking(False)
        self._selector.register(self._wake_end, selectors.EVENT_READ)

    def wake(self) -> None:
        """Have `receive` return. Any thread."""
        with contextlib.suppress(OSError):
            self._wake.send(b"\0")

    def receive(self, timeout: float) -> Iterator[tuple[Hashable, bytes | PacketError]]:
        """What has come, and who sent it; waits up to `timeout` seconds for the first."""
        for key, mask in self._selector.select(timeout):
            if key.fileobj is self._udp:
                yield from self._receive_udp()
            elif key.fileobj is self._tcp:
                self._accept()
            elif key.fileobj is self._wake_end:
                with contextlib.suppress(OSError):
                    self._wake_end.recv(4096)
            else:
                if mask & selectors.EVENT_WRITE:
                    self._flush(key.data)
                if mask & selectors.EVENT_READ:
                    yield from self._receive_tcp(key.data)

    def _receive_udp(self) -> Iterator[tuple[Hashable, bytes]]:
        for _ in range(AT_ONCE):
            try:
                if self._counts_drops:
                    data, ancillary, _, peer = self._udp.recvmsg(LARGEST + 1, 64)
                    for level, kind, value in ancillary:
                        if (level, kind) == (socket.SOL_SOCKET, SO_RXQ_OVFL):
                            self.kernel_drops = struct.unpack("=I", value[:4])[0]
                else:
                    data, peer = self._udp.recvfrom(LARGEST + 1)
            except OSError:  # nothing more; on Windows also: an answer of ours found nobody
                return
            yield ("udp", *peer), data

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            peer, name = self._tcp.accept()
            if len(self._connections) >= CONNECTIONS:
                peer.close()
                return
            peer.setblocking(False)
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            key = ("tcp", *name)
            self._connections[key] = Connection(peer)
            self._selector.register(peer, selectors.EVENT_READ, key)

    def _receive_tcp(self, key: Hashable) -> Iterator[tuple[Hashable, bytes | PacketError]]:
        connection = self._connections.get(key)
        if connection is None:
            return
        try:
            data = connection.socket.recv(1 << 16)
            packets = connection.unslip.feed(data)
        except (BlockingIOError, InterruptedError):
            return
        except PacketError as error:
            yield key, error
            self.hang_up(key)
            return
        except OSError:
            data, packets = b"", []
        for packet in packets:
            if not connection.greeted and packet[:1] not in (b"/", b"#"):
                # a web page may have this machine's browser send HTTP here, with OSC of its own in the body
                yield key, PacketError("what is said first is no OSC")
                self.hang_up(key)
                return
            connection.greeted = True
            yield key, packet
        if not data:
            self.hang_up(key)

    def send(self, key: Hashable, packet: bytes, reply_port: int = 0) -> None:
        """To a client, or nowhere if it cannot take it now; those are counted."""
        connection = self._connections.get(key)
        if connection:
            framed = slip(packet)
            if len(connection.unsent) + len(framed) > SEND_ROOM:
                self.unsent += 1
                return
            connection.unsent += framed
            self._flush(key)
        elif isinstance(key, tuple) and key[0] == "udp":
            try:
                self._udp.sendto(packet, (key[1], reply_port or key[2]))
            except OSError:
                self.unsent += 1

    def _flush(self, key: Hashable) -> None:
        connection = self._connections.get(key)
        if connection is None:
            return
        try:
            sent = connection.socket.send(connection.unsent)
            del connection.unsent[:sent]
        except (BlockingIOError, InterruptedError):
            pass
        except OSError:
            self.hang_up(key)
            return
        wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if connection.unsent else 0)
        self._selector.modify(connection.socket, wanted, key)

    def connected(self, key: Hashable) -> bool:
        """Whether a client can still be reached, as far as one can know."""
        return key in self._connections or (isinstance(key, tuple) and key[0] == "udp")

    def hang_up(self, key: Hashable) -> None:
        connection = self._connections.pop(key, None)
        if connection:
            self._selector.unregister(connection.socket)
            connection.socket.close()

    def close(self) -> None:
        for key in list(self._connections):
            self.hang_up(key)
        self._selector.close()
        for end in (self._udp, self._tcp, self._wake, self._wake_end):
            end.close()
