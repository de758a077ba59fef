"""Engine and device driver without a command line, for the rigs."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from realtime.drivers.driver import StreamSetup
from realtime.drivers.portaudio.device_driver import DeviceDriver
from realtime.drivers.portaudio.probe import DeviceRequest
from realtime.drivers.portaudio.selection import DeviceChoice
from realtime.engine.engine_settings import Settings
from realtime.engine.start import start_engine
from tests.support.devices.jackrig import RATE


class Instrument:
    """Engine and driver; `watch` is called as in a session."""

    def __init__(
        self,
        a: str = "pcm",
        b: str = "pcm:hop=960",
        *,
        choice: DeviceChoice = DeviceChoice(),  # noqa: B008 - frozen
        in_thread: bool = False,
        compiled: bool = True,
    ) -> None:
        self.driver = DeviceDriver(DeviceRequest(choice, RATE, compiled=compiled), in_thread=in_thread)
        info = self.driver.open()
        self.engine = start_engine(Settings(info.rate, info.block, (a, None), (b, None)))
        self.latency = self.engine.plan.latency
        self.driver.attach(StreamSetup(self.engine.host, None, info.block, None, lambda samples_in: None))
        self.driver.start()
        self.messages: list[str] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()

    def _watch(self) -> None:
        while not self._over.wait(0.05):
            for message in (self.engine.supervise(), self.driver.watch()):
                if message:
                    self.messages.append(message)

    def faded_in(self) -> None:
        """Wait until the output has its full level."""
        time.sleep(0.2 + (self.latency + 4096) / RATE)

    def said(self, words: str, timeout: float = 60.0) -> None:
        """Wait until a message contains these words."""
        wait(lambda: any(words in message for message in self.messages), timeout)

    def close(self) -> None:
        self._over.set()
        self._thread.join()
        self.driver.stop()
        self.engine.close()


def wait(until: Callable[[], bool], timeout: float = 60.0) -> None:
    deadline = time.monotonic() + timeout
    while not until():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)
