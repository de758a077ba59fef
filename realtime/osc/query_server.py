"""OSCQuery over HTTP and WebSocket, on this machine only, in threads of its own. It reads values and sets none.

A WebSocket client says {"COMMAND": "LISTEN", "DATA": address} and gets that address as OSC, in binary frames, with its
value of now and whenever it changes.
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

from realtime.osc import websocket
from realtime.osc.addresses import Space
from realtime.osc.packet import encode
from realtime.osc.query import ATTRIBUTES, find, host_info, tree
from realtime.params import PARAMETERS, Parameter

LOOK_S = 1 / 30
LISTENERS = 16


class QueryServer:
    """OSError from the constructor if the port cannot be had; 0 is any free one."""

    def __init__(
        self,
        values: Callable[[], dict[str, Any]],
        osc_port: int,
        port: int = 0,
        table: Callable[[], dict[str, Parameter]] = lambda: PARAMETERS,
    ) -> None:
        """`values` gives those of now, `table` their rows, in any thread."""
        owner = self

        class Handler(_Handler):
            server_side = owner

        self.values, self.osc_port, self.table = values, osc_port, table
        self.stopping = threading.Event()
        self.room = threading.BoundedSemaphore(LISTENERS)
        self._http = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._http.daemon_threads = True
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


class _Handler(BaseHTTPRequestHandler):
    server_side: QueryServer
    protocol_version = "HTTP/1.1"
    server_version = "Verdigris"
    timeout = 30  # s, for a client that does not go on

    def log_message(self, format: str, *args: Any) -> None:
        """The console is the player's."""

    def do_GET(self) -> None:
        """The tree, a node, one attribute of a node, HOST_INFO; or a WebSocket."""
        # a web page of elsewhere that got this machine's name for its own (DNS rebinding) says another host
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
        if not self.server_side.room.acquire(blocking=False):
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
            self.server_side.room.release()

    def _listen(self) -> None:
        frames, space = websocket.Frames(), Space(self.server_side.table())
        heard: dict[str, Any] = {}  # address: the value that was sent last
        while not self.server_side.stopping.is_set():
            if select.select([self.connection], [], [], LOOK_S)[0]:
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
                        _command(payload, space, heard)
            values = self.server_side.values()
            for address, before in heard.items():
                target = space.targets[address]
                value = values[target.parameter.name]
                value = value if target.index is None else value[target.index]
                if value != before:
                    heard[address] = value
                    self.connection.sendall(websocket.frame(websocket.BINARY, encode(address, value)))


def _command(payload: bytes, space: Space, heard: dict[str, Any]) -> None:
    """LISTEN or IGNORE; what is neither is passed over, as the proposal says."""
    try:
        asked = json.loads(payload)
        command, address = asked["COMMAND"], str(asked["DATA"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return
    if command == "LISTEN" and address in space.targets and not space.targets[address].run:
        heard.setdefault(address, None)
    elif command == "IGNORE":
        heard.pop(address, None)
