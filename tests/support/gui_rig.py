"""Fake client for the window: the test sets what the window reads, and inspects what it sends."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PySide6.QtCore import Qt
from PySide6.QtGui import QImage
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QWidget
from shiboken6 import delete

from gui.app import application
from gui.midi.midi_input import Backend, MidiInput
from gui.model.settings import Settings
from gui.window import Window
from models.codec import CodecSpec
from realtime.client import ClientState, CodecInfo, Event, Frame, FrameSurprise, Latency, Transport
from realtime.parameters.table import PARAMETERS
from realtime.timeline.telemetry import Telemetry

RATE = 48_000


def nano(path: str = "discrete") -> CodecInfo:
    spec = CodecSpec("nano", RATE, 2, 8192, 1024, 64, 11**4, (64, 4), ("continuous", "discrete"), False)
    return CodecInfo(path, spec)


def opus() -> CodecInfo:
    return CodecInfo("discrete", CodecSpec("opus:24", RATE, 2, 960, 312, 0, 0, (0, 0), ("discrete",), True))


def frame(slot: str, number: int, facts: CodecInfo) -> Frame:
    """Return a frame of random values."""
    random, spec = np.random.default_rng(number), facts.spec
    tokens = random.integers(0, max(1, spec.cardinality), spec.tokens).astype(np.int32)
    latent = np.tanh(random.normal(size=spec.latent)).astype(np.float32) if spec.tokens else None
    return Frame(slot, number, number * spec.hop, facts.frame_seconds, 480.0, tokens, latent)


class FakeRings:
    """Rings that hold noise."""

    def __init__(self, latency: int = 2088) -> None:
        self.rate, self.channels, self.latency, self.slots = RATE, 2, latency, ("a", "b")
        self.now, self.buffered = 0, 700
        self.path = "fake"

    @property
    def oldest(self) -> int:
        return max(0, self.now - 2 * RATE)

    def read(self, name: str, start: int, count: int) -> np.ndarray:
        level = {"dry": 0.5, "a": 0.4, "b": 0.25, "monitor": 0.4}[name]
        noise = np.random.default_rng(start).uniform(-level, level, (2, count)).astype(np.float32)
        noise[:, ::100] = level
        return noise


class FakeClient:
    """Stands in for realtime.client.Client; `now` is the clock of the window in s."""

    def __init__(self) -> None:
        self.state, self.session = ClientState.ABSENT, None
        self.values: dict[str, Any] = {name: row.default for name, row in PARAMETERS.items()}
        self.table = dict(PARAMETERS)
        self.effects: dict[str, str] = {}
        self.codecs: dict[str, CodecInfo] = {}
        self.heard = ""
        self.latency = Latency()
        self.transport = Transport()
        self.device: dict[str, Any] = {}
        self.rings: FakeRings | None = None
        self.telemetry = Telemetry()
        self.misses: dict[str, int] = {}
        self.allowed: list[str] = []
        self.sent: list[tuple[str, tuple[object, ...]]] = []
        self.started: list[tuple[str, ...]] = []
        self.asked: list[str] = []
        self.fetched: list[str] = []
        self.events: list[Event] = []
        self.waiting: dict[str, list[Frame]] = {"a": [], "b": []}
        self.surprises: dict[str, list[FrameSurprise]] = {"a": [], "b": []}
        self.quits = 0
        self.closed = False
        self.now = 1000.0

    @property
    def rate(self) -> int:
        return self.rings.rate if self.rings else 0

    def play(self, **codecs: CodecInfo) -> None:
        """Start a stream with these codecs by slot."""
        self.rings, self.codecs, self.state = FakeRings(), codecs, ClientState.PLAYING
        self.latency = Latency(2088, 43.5, {"hop": 960, "lookahead": 312, "compute": 816, "resampler": 0})
        self.device = {"driver": "clock", "sample_rate": RATE, "block": 256}
        self.telemetry = Telemetry((3, 3), (5.2, 24.0), (0.2, 0.3, 0.4))
        self.misses = {"late": 0, "stalled": 0, "died": 0, "xrun": 0}
        self.events += [Event("stream"), *(Event("facts", (what,)) for what in ("codec", "latency", "device"))]

    def poll(self) -> list[Event]:
        events, self.events = self.events, []
        return events

    def frames(self, slot: str) -> list[Frame]:
        waiting, self.waiting[slot] = self.waiting[slot], []
        return waiting

    def surprise(self, slot: str) -> list[FrameSurprise]:
        surprises, self.surprises[slot] = self.surprises[slot], []
        return surprises

    def set(self, name: str, value: Any) -> None:
        self.values[name] = self.table[name].parse(value)
        self.events.append(Event("value", (name, self.values[name])))

    def send(self, address: str, *args: object) -> None:
        self.sent.append((address, args))

    def start_engine(self, *flags: str) -> int:
        self.started.append(flags)
        return 2**22 + 1  # no process has this number

    def fetch(self, codec: str) -> None:
        self.fetched.append(codec)

    def ask(self, command: str) -> None:
        self.asked.append(command)

    def allow_model(self, path: str) -> None:
        self.allowed.append(path)

    def quit_engine(self) -> None:
        self.quits += 1

    def close(self) -> None:
        self.closed = True


def no_midi() -> MidiInput:
    """Return the input of a machine without MIDI, which opens no driver."""

    def refuse() -> Backend:
        raise OSError("no MIDI in tests")

    return MidiInput(refuse)


@contextlib.contextmanager
def open_window(client: FakeClient, directory: Path) -> Iterator[Window]:
    """Open a window offscreen with the keyboard focus; its settings are saved in `directory`."""
    application((1440, 900))
    made = Window(client, Settings(directory), lambda: client.now, no_midi())  # type: ignore[arg-type]
    made.numbers_s = 0.0  # with every tick
    made.apply_font_sizes()
    made.resize(1200, 760)
    made.show()
    made.activateWindow()
    assert QTest.qWaitForWindowActive(made)
    made.tick()
    yield made
    made.close()
    delete(made)


def play(window: Window, client: FakeClient, seconds: float = 2.0) -> None:
    """Play nano in A and Opus in B for so many seconds."""
    client.play(a=nano(), b=opus())
    window.tick()
    assert client.rings
    for number in range(int(seconds * 48_000 / 8192) + 1):
        client.waiting["a"].append(frame("a", number, nano()))
    for number in range(int(seconds * 50)):
        client.waiting["b"].append(frame("b", number, opus()))
    for _ in range(int(seconds * 5)):
        client.rings.now += 9600
        client.now += 9600 / RATE
        window.tick()


def press(window: Window, key: Qt.Key, modifier: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier) -> None:
    QTest.keyClick(window, key, modifier)


def pixels(widget: QWidget) -> np.ndarray:
    image = widget.grab().toImage().convertToFormat(QImage.Format.Format_RGB32)
    return np.array(image.constBits()).reshape(image.height(), -1, 4)[:, : image.width(), :3]
