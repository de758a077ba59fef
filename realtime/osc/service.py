"""OSC server, OSCQuery server and their announcement, started and stopped together by a session."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from realtime.engine.engine import Engine
from realtime.engine.session_requests import SessionRequestQueue
from realtime.osc.discovery import Announcement
from realtime.osc.oscquery.query_server import QueryServer
from realtime.osc.server import OscServer
from realtime.osc.transport import OscError
from realtime.system.platform.folders import config_directory


class OscService:
    """Both servers of a stream.

    If the OSC port is taken, any free port is used; OSCQuery is optional.
    """

    def __init__(
        self,
        engine: Engine,
        port: int,
        *,
        device: str,
        device_facts: Callable[[], Mapping[str, Any]],
        say: Callable[[str], None],
        requests: SessionRequestQueue | None = None,
    ) -> None:
        """Start both servers; the arguments are those of OscServer.

        OscError if no port is available.
        """
        start = partial(
            OscServer,
            engine,
            device=device,
            device_facts=device_facts,
            requests=requests,
            directory=config_directory(),
            say=say,
        )
        try:
            self.osc = start(port)
        except OscError as error:
            say(str(error))
            self.osc = start(0)
        self.query: QueryServer | None = None
        self._announcement: Announcement | None = None
        for query_port in (self.osc.port + 1, 0):  # the next port, else any free one
            with contextlib.suppress(OSError, OverflowError):
                self.query = QueryServer(
                    lambda: self.osc.engine.parameters.snapshot(),
                    self.osc.port,
                    query_port,
                    lambda: self.osc.engine.table,
                )
                break
        self.osc.start()
        line = f"OSC on port {self.osc.port} of this machine (UDP and TCP)"
        if self.query:
            self.query.start()
            line += f", OSCQuery at http://127.0.0.1:{self.query.port}"
            with contextlib.suppress(OSError):  # no network to announce on
                self._announcement = Announcement(self.osc.port, self.query.port)
        say(line)

    def attach(self, engine: Engine, device: str) -> None:
        """Continue with another stream."""
        self.osc.device = device
        self.osc.attach(engine)

    def stop(self) -> None:
        if self._announcement:
            self._announcement.close()
        if self.query:
            self.query.stop()
        self.osc.stop()
