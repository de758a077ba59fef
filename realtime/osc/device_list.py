"""List of sound devices for a client that asks while a stream plays.

PortAudio finds new devices only after a restart, which would end every stream. Therefore another
process lists them (`verdigris devices`). Devices of this session are added, as they may be busy for
that process.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from realtime.osc.clients import Client
from realtime.system.cli_subprocess import CliProcesses

DEVICES_COMMAND = ("devices", "--json")


class DeviceList:
    """Pending request for the list, and the clients that wait for it.

    One thread; no call blocks.
    """

    def __init__(self, processes: CliProcesses | None = None) -> None:
        self._processes = processes or CliProcesses()
        self._waiting: list[Client] = []

    def request(self, client: Client) -> None:
        """Request the list for a client; requests while the process runs share its answer."""
        if not self._processes.is_running(DEVICES_COMMAND[0]):
            self._processes.start(*DEVICES_COMMAND)
        if client not in self._waiting:
            self._waiting.append(client)

    def finished(self, driver: Callable[[], Mapping[str, Any]]) -> list[tuple[Client, list[dict[str, Any]] | str]]:
        """Return each waiting client with the devices, or the reason for none; [] while the process
        runs.

        `driver` returns the facts of this session's driver.
        """
        if not self._waiting:
            return []
        for _, succeeded, output in self._processes.ended():
            clients, self._waiting = self._waiting, []
            return [(client, device_facts(output, driver()) if succeeded else str(output)) for client in clients]
        return []


def device_facts(devices: list[dict[str, Any]], driver: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return each device as plain names and values; `playing` is 1 for those of this session."""
    used = str(driver.get("name", "")).split(" → ") if driver.get("driver") == "device" else []
    known = [device["name"] for device in devices]
    busy = [{"name": name, "host_api": name.partition(":")[0]} for name in used if name not in known]
    return [
        {
            **{name: int(value) if isinstance(value, bool) else value for name, value in device.items()},
            **({"rates": " ".join(map(str, device["rates"]))} if "rates" in device else {}),
            "playing": int(device["name"] in used),
        }
        for device in [*devices, *busy]
    ]
