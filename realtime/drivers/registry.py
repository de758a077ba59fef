"""Registry of drivers. To add a driver, write its module and add one entry to DRIVERS.

The module defines `open_driver(options: DriverOptions) -> OpenDriver` (see `realtime/drivers/driver.py`). It is
imported when it is opened, so that the table of parameters can list the names without loading any
driver.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from realtime.drivers.driver import DriverOptions, OpenDriver


@dataclass(frozen=True)
class DriverEntry:
    """Name of the module, and what has to be known before it is imported."""

    module: str
    help: str
    has_devices: bool = False  # opens hardware, which the user may choose by name and channel
    offline: bool = False  # waits for the worker instead of playing in real time
    live: bool = True  # a running session can change to it, by the parameter `driver`


DRIVERS = {
    "device": DriverEntry(
        "realtime.drivers.portaudio.device_driver", "a sound card, through PortAudio", has_devices=True
    ),
    "clock": DriverEntry("realtime.drivers.clock", "real time without a sound card"),
    "file": DriverEntry("realtime.drivers.offline", "as fast as the codecs compute", offline=True, live=False),
}


def open_driver(name: str, options: DriverOptions) -> OpenDriver:
    """Import the driver's module and open the driver.

    Raises KeyError for an unknown name, DriverError if it fails.
    """
    opened: OpenDriver = importlib.import_module(DRIVERS[name].module).open_driver(options)
    return opened
