"""Engine and sound card without a command line around them, for the rigs."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from realtime.drivers.cards import Choice
from realtime.drivers.device import DeviceDriver
from realtime.drivers.opening import Request
from realtime.engine import Engine, Settings
from tests.jackrig import RATE


class Instrument:
    """Engine and driver without a command line around them; `watch` is called as live does."""

    def __init__(
        self,
        a: str = "pcm",
        b: str = "pcm:hop=960",
        *,
        choice: Choice = Choice(),  # noqa: B008 - frozen
        in_thread: bool = False,
        compiled: bool = True,
    ) -> None:
        self.driver = DeviceDriver(Request(choice, RATE, compiled=compiled), in_thread=in_thread)
        found = self.driver.open()
        self.engine = Engine(Settings(found.rate, found.block, (a, None), (b, None)))
        self.engine.start()
        self.latency = self.engine.plan.latency
        self.driver.attach(self.engine.timeline)
        self.driver.start()
        self.messages: list[str] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()

    def _watch(self) -> None:
        while not self._over.wait(0.05):
            for message in (self.engine.watch(), self.driver.watch()):
                if message:
                    self.messages.append(message)

    def faded_in(self) -> None:
        """Wait until the output has its full level."""
        time.sleep(0.2 + (self.latency + 4096) / RATE)

    def said(self, words: str, timeout: float = 60.0) -> None:
        """Wait until a message has these words."""
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
