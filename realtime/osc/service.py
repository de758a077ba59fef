"""OSC, OSCQuery and their announcement, together: what a session starts and stops."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from typing import Any

from realtime.config import config_directory
from realtime.engine import Engine
from realtime.orders import Orders
from realtime.osc.announce import Announcement
from realtime.osc.query_server import QueryServer
from realtime.osc.server import OscServer
from realtime.osc.transport import OscError


class OscService:
    """A port that is taken is said, and any other one serves; without OSCQuery it goes on, and says so."""

    def __init__(
        self,
        engine: Engine,
        port: int,
        *,
        device: str,
        facts: Callable[[], Mapping[str, Any]],
        say: Callable[[str], None],
        orders: Orders | None = None,
    ) -> None:
        """As of OscServer. OscError if there is no port at all."""
        place = config_directory()
        try:
            self.osc = OscServer(engine, port, device=device, facts=facts, orders=orders, place=place, say=say)
        except OscError as error:
            say(str(error))
            self.osc = OscServer(engine, 0, device=device, facts=facts, orders=orders, place=place, say=say)
        self.query: QueryServer | None = None
        self._announcement: Announcement | None = None
        for query_port in (self.osc.port + 1, 0):  # the next one, else any
            with contextlib.suppress(OSError, OverflowError):
                self.query = QueryServer(
                    lambda: self.osc.engine.values, self.osc.port, query_port, lambda: self.osc.engine.table
                )
                break
        self.osc.start()
        said = f"OSC on port {self.osc.port} of this machine (UDP and TCP)"
        if self.query:
            self.query.start()
            said += f", OSCQuery at http://127.0.0.1:{self.query.port}"
            with contextlib.suppress(OSError):  # no network to announce it on
                self._announcement = Announcement(self.osc.port, self.query.port)
        say(said)

    def attach(self, engine: Engine, device: str) -> None:
        """Go on with another stream."""
        self.osc.device = device
        self.osc.attach(engine)

    def stop(self) -> None:
        if self._announcement:
            self._announcement.close()
        if self.query:
            self.query.stop()
        self.osc.stop()
