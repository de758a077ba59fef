"""Loss of a sound device, with a fake device process: announced once each way, tried more and more
seldom, and timed by the clock.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from realtime.drivers.driver import DriverOptions, StreamSetup
from realtime.drivers.portaudio import device_driver as module
from realtime.drivers.portaudio.device_driver import DeviceDriver, request_of
from realtime.drivers.portaudio.device_process import DeviceLost, FileBegan, SetFileInput, StreamStarted
from realtime.drivers.portaudio.probe import DeviceInfo
from realtime.timeline.layout import Field, Timeline
from tests.support.systems import needs_pace

RATE = 8000
STARTED = StreamStarted(0, "card", "", "card")
INFO = DeviceInfo("card", "", "card", "", RATE, 80, None, None)


class FakeProcess:
    """A device process that starts at once, and plays or does not."""

    made: list[FakeProcess] = []  # noqa: RUF012 - emptied by each test
    plays: Callable[[int], bool] = staticmethod(lambda number: True)
    started = STARTED
    opens_s = 0.0

    def __init__(self, request: object, known: object, *, in_thread: bool) -> None:
        self.number = len(self.made)
        self.made.append(self)
        self.messages: list[object] = [self.started]
        self.process = None
        self.connection = SimpleNamespace(poll=self._poll)
        self.timeline: Timeline | None = None
        self.began = time.monotonic()

    def _poll(self, seconds: float) -> bool:
        if self.number and time.monotonic() < self.began + self.opens_s:
            time.sleep(0.002)
            return False
        if self.timeline and type(self).plays(self.number) and not self.messages:
            self.timeline.header[Field.PLAYED_END] += 80
        if not self.messages:
            time.sleep(0.002)
        return bool(self.messages)

    def receive(self) -> object:
        return self.messages.pop(0)

    def wait_info(self) -> DeviceInfo:
        return INFO

    def send(self, message: object) -> None:
        pass

    def alive(self) -> bool:
        return True

    def kill(self) -> None:
        pass

    end = kill


@pytest.fixture
def timeline() -> Iterator[Timeline]:
    made = Timeline.create(rate=RATE, latency=100, max_block=80)
    yield made
    made.close()


@pytest.fixture
def driver(timeline: Timeline, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., DeviceDriver]]:
    monkeypatch.setattr(module, "DeviceProcess", FakeProcess)
    monkeypatch.setattr(module, "LOST_S", 0.05)
    monkeypatch.setattr(FakeProcess, "started", STARTED)
    FakeProcess.made = []
    started: list[DeviceDriver] = []
    take = FakeProcess.__init__

    def init(self: FakeProcess, *given: Any, **named: Any) -> None:
        take(self, *given, **named)
        self.timeline = timeline

    monkeypatch.setattr(FakeProcess, "__init__", init)

    def start(limit: int | None = None) -> DeviceDriver:
        made = DeviceDriver(request_of(DriverOptions()))
        made.open()
        playout: Any = SimpleNamespace(timeline=timeline)
        made.attach(StreamSetup(playout, None, 80, limit, lambda taken: None))
        made.start()
        started.append(made)
        return made

    yield start
    for made in started:
        made.stop()


def messages(driver: DeviceDriver, until: Callable[[list[str]], bool]) -> list[str]:
    found: list[str] = []
    deadline = time.monotonic() + 30
    while not until(found):
        assert time.monotonic() < deadline, found
        if message := driver.watch():
            found.append(message)
        time.sleep(0.002)
    return found


def test_a_loss_is_announced_once_each_way(
    driver: Callable[..., DeviceDriver], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FakeProcess, "plays", staticmethod(lambda number: True))
    card = driver()
    FakeProcess.made[0].messages.append(DeviceLost("unplugged"))
    found = messages(card, lambda found: len(found) == 2)
    assert "is gone" in found[0]
    assert found[1] == "card is back, playing"
    assert card.losses == 1
    assert len(FakeProcess.made) == 2


@needs_pace
def test_a_device_that_starts_without_blocks_is_not_announced_as_back(
    driver: Callable[..., DeviceDriver], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A restarted PipeWire server accepted streams that it never ran: gone and back, for ever."""
    monkeypatch.setattr(FakeProcess, "plays", staticmethod(lambda number: number in (0, 3)))
    card = driver()
    FakeProcess.made[0].messages.append(DeviceLost("its server ended"))
    found = messages(card, lambda found: len(found) == 2)
    assert ["is gone" in found[0], "is back" in found[1]] == [True, True]
    assert card.losses == 1
    began = [process.began for process in FakeProcess.made]
    assert len(began) == 4
    assert began[3] - began[2] > began[2] - began[1] > began[1] - began[0] - 0.05, "more and more seldom"


def test_seconds_go_by_while_the_device_is_gone(
    driver: Callable[..., DeviceDriver], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FakeProcess, "plays", staticmethod(lambda number: False))
    began = time.monotonic()
    card = driver(limit=RATE)
    card.join(20)
    assert not card.running
    assert 0.9 < time.monotonic() - began < 10


def test_a_device_that_took_long_to_open_is_not_lost_at_once(
    driver: Callable[..., DeviceDriver], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The silence is counted from the start of the stream, not from the loss before it."""
    card = driver()
    monkeypatch.setattr(FakeProcess, "opens_s", 4 * module.LOST_S)
    FakeProcess.made[0].messages.append(DeviceLost("unplugged"))
    found = messages(card, lambda found: len(found) == 2)
    assert ["is gone" in found[0], "is back" in found[1]] == [True, True]
    assert len(FakeProcess.made) == 2, "the second process is kept"


def test_a_server_that_is_back_with_another_device_is_followed_by_name(driver: Callable[..., DeviceDriver]) -> None:
    card = driver()
    FakeProcess.made[0].messages.append(DeviceLost("its server ended"))
    FakeProcess.started = StreamStarted(0, "JACK:other", "JACK:other", "JACK:other")
    found = messages(card, lambda found: len(found) == 2)
    assert found[1] == "card is back as JACK:other, playing"
    assert card.parameters == {"device.input": "JACK:other", "device.output": "JACK:other"}


def test_a_file_goes_on_where_it_stopped_when_the_card_is_back(
    driver: Callable[..., DeviceDriver], timeline: Timeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[object] = []
    monkeypatch.setattr(FakeProcess, "send", lambda process, message: sent.append(message))
    card = driver()
    timeline.header[Field.DRY_END] = 1000
    card.feed(Path("song.wav"), 500)
    FakeProcess.made[0].messages.append(FileBegan(sent_files(sent)[-1].number, 24))
    assert start_of(card) == 1024
    timeline.header[Field.DRY_END] = 4024
    FakeProcess.made[0].messages.append(DeviceLost("unplugged"))
    messages(card, lambda found: len(found) == 2)
    FakeProcess.made[1].messages += [FileBegan(sent_files(sent)[-1].number, 0), DeviceLost("unplugged")]
    messages(card, lambda found: len(found) == 2)
    assert card.source_start() is None  # the file did not begin anew
    timeline.header[Field.DRY_END] = 5024
    FakeProcess.made[2].messages.append(DeviceLost("unplugged"))
    messages(card, lambda found: len(found) == 2)
    assert [file.start for file in sent_files(sent)] == [500, 3500, 3500, 4500]


def test_the_start_of_a_file_that_another_one_replaces_is_not_reported(
    driver: Callable[..., DeviceDriver], monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[object] = []
    monkeypatch.setattr(FakeProcess, "send", lambda process, message: sent.append(message))
    card = driver()
    card.feed(Path("song.wav"))
    card.feed(Path("song.wav"), 100)
    first, second = sent_files(sent)
    FakeProcess.made[0].messages += [FileBegan(first.number, 7), FileBegan(second.number, 9)]
    assert start_of(card) == 9


def sent_files(sent: list[object]) -> list[SetFileInput]:
    return [message for message in sent if isinstance(message, SetFileInput)]


def start_of(card: DeviceDriver) -> int:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if (began := card.source_start()) is not None:
            return began
        time.sleep(0.002)
    raise AssertionError("no start was reported")
