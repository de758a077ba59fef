"""OSCQuery server (HTTP and WebSocket) on loopback, in threads of its own.

It reads values and sets none.

A WebSocket client sends {"COMMAND": "LISTEN", "DATA": address} and receives OSC messages of that
address in binary frames: the current value, and every change.
"""

from __future__ import annotations

import contextlib
import json
import select
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

from realtime.osc.address_space import AddressSpace
from realtime.osc.oscquery import websocket
from realtime.osc.oscquery.tree import ATTRIBUTES, find, host_info, tree
from realtime.osc.packet import encode
from realtime.parameters.table import PARAMETERS, Parameter

VALUE_POLL_S = 1 / 30
MAX_LISTENERS = 16
MAX_CONNECTIONS = 64  # at a time


class QueryServer:
    """OSCQuery server of a stream.

    OSError from the constructor if the port is not available; port 0: any free one.
    """

    def __init__(
        self,
        values: Callable[[], dict[str, Any]],
        osc_port: int,
        port: int = 0,
        table: Callable[[], dict[str, Parameter]] = lambda: PARAMETERS,
    ) -> None:
        """Bind the port.

        `values` and `table` return the current values and their rows; called from any thread.
        """
        owner = self

        class Handler(_Handler):
            server_side = owner

        self.values, self.osc_port, self.table = values, osc_port, table
        self.stopping = threading.Event()
        self.listener_slots = threading.BoundedSemaphore(MAX_LISTENERS)
        self._http = _HttpServer(("127.0.0.1", port), Handler)
        self.port: int = self._http.server_address[1]
        self._thread = threading.Thread(
            target=self._http.serve_forever, args=(0.05,), name="verdigris-oscquery", daemon=True
        )

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self.stopping.set()
        if self._thread.is_alive():
            self._http.shutdown()
            self._thread.join()
        self._http.server_close()


class _HttpServer(ThreadingHTTPServer):
    """HTTP server with a thread for each of at most MAX_CONNECTIONS; a client's error ends only its own."""

    daemon_threads = True

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        self._free = threading.BoundedSemaphore(MAX_CONNECTIONS)
        super().__init__(address, handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Handle a connection in a thread; close it if there are too many."""
        if not self._free.acquire(blocking=False):
            self.shutdown_request(request)
            return
        try:
            super().process_request(request, client_address)
        except BaseException:  # no thread could be started
            self._free.release()
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Handle a connection, and free its place."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Print no traceback: a client that disconnects is no error, and the console is the session's."""


class _Handler(BaseHTTPRequestHandler):
    server_side: QueryServer
    protocol_version = "HTTP/1.1"
    server_version = "Verdigris"
    timeout = 30  # s, for a client that stops sending

    def log_message(self, format: str, *args: Any) -> None:
        """Print nothing: the console belongs to the session."""

    def do_GET(self) -> None:
        """Answer the tree, a node, an attribute of a node or HOST_INFO; or open a WebSocket."""
        # a web page that points its own name to this machine (DNS rebinding) sends that name
        if self.headers.get("Host", "").partition(":")[0] not in ("127.0.0.1", "localhost", ""):
            self._answer(403, b"")
            return
        if self.headers.get("Upgrade", "").lower() == "websocket":
            self._websocket()
            return
        url = urlsplit(self.path)
        if url.query == "HOST_INFO":
            self._json(host_info(self.server_side.osc_port, self.server_side.port))
            return
        node = find(tree(self.server_side.values(), self.server_side.table()), unquote(url.path))
        if node is None:
            self._answer(404, b"")
        elif not url.query:
            self._json(node)
        elif url.query not in ATTRIBUTES:
            self._answer(400, b"")
        elif url.query not in node:
            self._answer(204, b"")
        else:
            self._json({url.query: node[url.query]})

    def _json(self, node: dict[str, Any]) -> None:
        self._answer(200, json.dumps(node).encode())

    def _answer(self, code: int, body: bytes) -> None:
        self.send_response(code)
        if code != 204:
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _websocket(self) -> None:
        self.close_connection = True
        if not self.server_side.listener_slots.acquire(blocking=False):
            self._answer(503, b"")
            return
        try:
            self.send_response(101)
            self.send_header("Upgrade", "websocket")
            self.send_header("Connection", "Upgrade")
            self.send_header("Sec-WebSocket-Accept", websocket.accept_key(self.headers.get("Sec-WebSocket-Key", "")))
            self.end_headers()
            self.wfile.flush()
            with contextlib.suppress(OSError, websocket.WebSocketError):
                self._listen()
        finally:
            self.server_side.listener_slots.release()

    def _listen(self) -> None:
        frames, space = websocket.FrameDecoder(), AddressSpace(self.server_side.table())
        listened: dict[str, Any] = {}  # address: last value sent
        while not self.server_side.stopping.is_set():
            if select.select([self.connection], [], [], VALUE_POLL_S)[0]:
                data = self.connection.recv(4096)
                if not data:
                    return
                for kind, payload in frames.feed(data):
                    if kind == websocket.CLOSE:
                        self.connection.sendall(websocket.frame(websocket.CLOSE, payload[:2]))
                        return
                    if kind == websocket.PING:
                        self.connection.sendall(websocket.frame(websocket.PONG, payload))
                    if kind == websocket.TEXT:
                        _command(payload, space, listened)
            values = self.server_side.values()
            for address, before in listened.items():
                target = space.targets[address]
                value = values[target.parameter.name]
                value = value if target.index is None else value[target.index]
                if value != before:
                    listened[address] = value
                    self.connection.sendall(websocket.frame(websocket.BINARY, encode(address, value)))


def _command(payload: bytes, space: AddressSpace, listened: dict[str, Any]) -> None:
    """Apply LISTEN or IGNORE; the proposal asks to ignore all other commands."""
    try:
        request = json.loads(payload)
        command, address = request["COMMAND"], str(request["DATA"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return
    if command == "LISTEN" and address in space.targets and not space.targets[address].is_range:
        listened.setdefault(address, None)
    elif command == "IGNORE":
        listened.pop(address, None)
