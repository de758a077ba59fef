"""Announce OSC and OSCQuery by DNS-SD if the package zeroconf (an extra, LGPL) is installed.

The announced address is loopback, so only programs on this machine find the services.
"""

from __future__ import annotations

import socket
from types import ModuleType
from typing import Any


class Announcement:
    """Announcement of both services until `close`; does nothing without the package."""

    def __init__(self, osc_port: int, query_port: int) -> None:
        self._zeroconf: Any = None
        module = _module()
        if module is None:
            return
        self._zeroconf = module.Zeroconf(interfaces=["127.0.0.1"])
        for kind, port in (("_osc._udp", osc_port), ("_oscjson._tcp", query_port)):
            service = f"{kind}.local."
            info = module.ServiceInfo(
                service, f"Verdigris {osc_port}.{service}", port=port, addresses=[socket.inet_aton("127.0.0.1")]
            )
            self._zeroconf.register_service(info)

    @property
    def made(self) -> bool:
        return self._zeroconf is not None

    def close(self) -> None:
        if self._zeroconf is not None:
            self._zeroconf.unregister_all_services()
            self._zeroconf.close()


def _module() -> ModuleType | None:
    try:
        import zeroconf
    except ImportError:
        return None
    found: ModuleType = zeroconf
    return found
