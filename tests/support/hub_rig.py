"""Substitute for the Hub on the loopback interface: redirects, declared sizes and hashes, and
faults.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Hub:
    """One file, and the behaviour of the server."""

    data: bytes
    url: str = ""
    status: int = 200  # other than 200: refuse with this status
    stops: list[int] = field(default_factory=list)  # bytes after which a response ends, one entry for each response
    silent: threading.Event | None = None  # send half of the file, then wait for this event
    ranges: bool = True  # answer range requests
    declares: str | None = None  # SHA-256 in X-Linked-ETag; None: the right one
    requests: list[dict[str, str]] = field(default_factory=list)  # headers of each request for the bytes


def _handler(hub: Hub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            """Keep quiet."""

        def do_GET(self) -> None:
            if hub.status != 200:
                self.send_error(hub.status)
            elif "/resolve/" in self.path:
                declared = hub.declares or hashlib.sha256(hub.data).hexdigest()
                self.send_response(302)
                self.send_header("Location", "/cdn" + self.path.replace("/resolve/", "/"))
                self.send_header("X-Linked-Size", str(len(hub.data)))
                self.send_header("X-Linked-ETag", f'"{declared}"')
                self.send_header("Content-Length", "0")
                self.end_headers()
            else:
                self._send_bytes()

        def _send_bytes(self) -> None:
            hub.requests.append(dict(self.headers.items()))
            given = self.headers.get("Range", "")
            start = int(given.removeprefix("bytes=").rstrip("-")) if given and hub.ranges else 0
            if start > len(hub.data):
                self.send_error(416)
                return
            body = hub.data[start:]
            self.send_response(206 if start else 200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if hub.silent:
                self.wfile.write(body[: len(body) // 2])
                self.wfile.flush()
                hub.silent.wait(30)
            else:
                self.wfile.write(body[: hub.stops.pop(0)] if hub.stops else body)
            self.close_connection = True

    return Handler


@contextmanager
def serving(data: bytes) -> Iterator[Hub]:
    """Serve one file under any path until the block ends."""
    hub = Hub(data)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(hub))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    hub.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield hub
    finally:
        if hub.silent:
            hub.silent.set()
        server.shutdown()
        server.server_close()
        thread.join()
