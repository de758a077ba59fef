"""Sockets: UDP and TCP on one port number, read and written by one thread without blocking writes.

The kernel's count of dropped datagrams is read with each datagram (Linux). Replies to a TCP client
that does not read are dropped. A TCP client that does not send SLIP is disconnected.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import time
from collections.abc import Hashable, Iterator

from realtime.osc.packet import MAX_PACKET_BYTES, PacketError, SlipDecoder, slip
from realtime.system.platform import sockets

RECEIVE_BUFFER = 1 << 20  # bytes; with the default a burst of 15 000 messages lost all but 640
SEND_BUFFER = 1 << 20  # bytes that may wait for a TCP client
MAX_PACKETS_PER_STEP = 2000  # so that a flood does not stop the clock
MAX_STEP_S = 0.05  # as MAX_PACKETS_PER_STEP, for packets that take long
MAX_CONNECTIONS = 32


class OscError(Exception):
    """The server cannot be opened; the message says why."""


class TcpClient:
    """TCP connection of a client."""

    def __init__(self, peer: socket.socket) -> None:
        self.socket, self.slip_decoder, self.unsent = peer, SlipDecoder(), bytearray()
        self.recognised = False  # True once a packet began as OSC does


class Transport:
    """UDP and TCP sockets of a server.

    One thread calls all methods but the constructor, `wake` and `close`.
    """

    def __init__(self, host: str, port: int) -> None:
        """Bind both sockets; port 0: any free one.

        OscError without UDP; `tcp_problem` is the reason without TCP.
        """
        self.kernel_drops = self.unsent = 0
        self.tcp_problem = ""
        self._selector = selectors.DefaultSelector()
        self.connections: dict[Hashable, TcpClient] = {}
        self._udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        sockets.count_drops(self._udp)
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
        sockets.claim_port(self._tcp)
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
        """Make `receive` return. Any thread."""
        with contextlib.suppress(OSError):
            self._wake.send(b"\0")

    def receive(self, timeout: float) -> Iterator[tuple[Hashable, bytes | PacketError]]:
        """Yield client key and packet of all that was received; wait up to `timeout` seconds for
        the first.
        """
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
        ends = time.perf_counter() + MAX_STEP_S
        for _ in range(MAX_PACKETS_PER_STEP):
            if time.perf_counter() > ends:
                return
            try:
                data, peer, dropped = sockets.receive_datagram(self._udp, MAX_PACKET_BYTES + 1)
                if dropped is not None:
                    self.kernel_drops = dropped
            except OSError:  # no more datagrams; on Windows also: an earlier reply was not delivered
                return
            yield ("udp", *peer), data

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            peer, name = self._tcp.accept()
            if len(self.connections) >= MAX_CONNECTIONS:
                peer.close()
                return
            peer.setblocking(False)
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            key = ("tcp", *name)
            self.connections[key] = TcpClient(peer)
            self._selector.register(peer, selectors.EVENT_READ, key)

    def _receive_tcp(self, key: Hashable) -> Iterator[tuple[Hashable, bytes | PacketError]]:
        connection = self.connections.get(key)
        if connection is None:
            return
        try:
            data = connection.socket.recv(1 << 16)
            packets = connection.slip_decoder.feed(data)
        except (BlockingIOError, InterruptedError):
            return
        except PacketError as error:
            yield key, error
            self.disconnect(key)
            return
        except OSError:
            data, packets = b"", []
        for packet in packets:
            if not connection.recognised and packet[:1] not in (b"/", b"#"):
                # a web page can make the browser send HTTP here, with OSC in its body
                yield key, PacketError("the first packet is not OSC")
                self.disconnect(key)
                return
            connection.recognised = True
            yield key, packet
        if not data:
            self.disconnect(key)

    def send(self, key: Hashable, packet: bytes, reply_port: int = 0) -> bool:
        """Send a packet to a client and return True; drop and count it if the client cannot take it now."""
        connection = self.connections.get(key)
        if connection:
            framed = slip(packet)
            if len(connection.unsent) + len(framed) > SEND_BUFFER:
                self.unsent += 1
                return False
            connection.unsent += framed
            self._flush(key)
        elif isinstance(key, tuple) and key[0] == "udp":
            try:
                self._udp.sendto(packet, (key[1], reply_port or key[2]))
            except OSError:
                self.unsent += 1
                return False
        return True

    def _flush(self, key: Hashable) -> None:
        connection = self.connections.get(key)
        if connection is None:
            return
        try:
            sent = connection.socket.send(connection.unsent)
            del connection.unsent[:sent]
        except (BlockingIOError, InterruptedError):
            pass
        except OSError:
            self.disconnect(key)
            return
        wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if connection.unsent else 0)
        self._selector.modify(connection.socket, wanted, key)

    def disconnect(self, key: Hashable) -> None:
        connection = self.connections.pop(key, None)
        if connection:
            self._selector.unregister(connection.socket)
            connection.socket.close()

    def close(self) -> None:
        for key in list(self.connections):
            self.disconnect(key)
        self._selector.close()
        for end in (self._udp, self._tcp, self._wake, self._wake_end):
            end.close()
