"""The registry of drivers, as session and command line use it."""

from __future__ import annotations

import sys
from types import ModuleType

import numpy as np
import pytest

from realtime.cli.main import build_parser
from realtime.drivers.driver import DriverOptions, StreamSetup
from realtime.drivers.registry import DRIVERS, DriverEntry, open_driver
from realtime.drivers.source_switch import Audio
from realtime.drivers.threaded import OpenThreadedDriver, ThreadedDriver
from realtime.parameters.table import PARAMETERS
from realtime.timeline.layout import Timeline
from realtime.timeline.playout import Playout


class Ones:
    def read(self, count: int) -> Audio:
        return np.ones((2, count), np.float32)


class Unpaced(ThreadedDriver):
    def _pace(self, count: int) -> None:
        pass


def test_a_new_driver_is_a_module_and_an_entry(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("unpaced")
    module.open_driver = lambda options: OpenThreadedDriver(  # type: ignore[attr-defined]
        lambda setup: Unpaced(setup.playout, setup.source or Ones(), setup.block, limit=setup.limit)
    )
    monkeypatch.setitem(sys.modules, "unpaced", module)
    monkeypatch.setitem(DRIVERS, "unpaced", DriverEntry("unpaced", "as fast as it goes"))
    assert build_parser().parse_args(["live", "--driver", "unpaced"]).driver == "unpaced"
    timeline = Timeline.create(rate=8000, latency=100, max_block=64)
    try:
        playout = Playout(timeline)
        driver = open_driver("unpaced", DriverOptions()).attach(StreamSetup(playout, None, 64, 1000, lambda _: None))
        driver.start()
        driver.join(10.0)
        assert not driver.running
        assert driver.error is None
        assert driver.samples_in == 1000
        playout.close()
    finally:
        timeline.close()


def test_a_session_can_change_to_every_driver_that_plays_live() -> None:
    assert PARAMETERS["driver"].choices == ("device", "clock")


@pytest.mark.parametrize("name", [name for name, entry in DRIVERS.items() if not entry.has_devices])
def test_a_driver_without_hardware_takes_any_rate_and_block(name: str) -> None:
    opened = open_driver(name, DriverOptions())
    assert (opened.rate, opened.block, opened.description, opened.facts) == (None, None, "", {})
    opened.stop()
