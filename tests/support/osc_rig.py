"""Engine, OSC server and client on loopback, stepped by hand in the time of the stream.

The wall clock for timetags is that of the stream: sample n is taken at T0 + n / rate.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from models.codec import Audio, DecoderControls, Frame
from models.pcm import Pcm, PcmDecoder
from realtime.effects.effect import EMPTY, Racks
from realtime.engine.engine_settings import Settings
from realtime.engine.session_requests import SessionRequestQueue
from realtime.engine.start import start_engine
from realtime.osc.packet import Message, decode, encode
from realtime.osc.server import OscServer
from realtime.timeline.layout import FADE, SLOTS, WET_END, Field

RATE = 48_000
T0 = 1_700_000_000.0
BLOCK = 256
PATIENCE_S = 60.0


class Client:
    """UDP client of a server on this machine."""

    def __init__(self, port: int) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self.socket.connect(("127.0.0.1", port))
        self.socket.setblocking(False)

    def send(self, address: str, *args: object) -> None:
        self.socket.send(encode(address, *args))

    def read(self) -> list[Message]:
        """Return the messages received so far."""
        got: list[Message] = []
        while True:
            try:
                got += decode(self.socket.recv(65_536))
            except BlockingIOError:
                return got


BEHIND = ("lookahead", "resampler", "limiter")  # terms by which output lags input, beyond an incomplete hop


class Rig:
    """Engine, server and client of a stream; the caller closes it.

    `names`: codecs of slots A and B.
    """

    def __init__(
        self, *names: str, latency: int = 0, racks: Racks = EMPTY, requests: SessionRequestQueue | None = None
    ) -> None:
        a, b = (*names, None)[:2]
        slots = (a or "pcm", None), (b, None) if b else None
        self.engine = start_engine(Settings(RATE, BLOCK, *slots, latency=latency, offline=True, racks=racks))
        self.console: list[str] = []
        self.server = OscServer(
            self.engine, 0, wall=self.wall, device="test", requests=requests, say=self.console.append
        )
        self.client = Client(self.server.port)
        self.played: list[np.ndarray] = []

    def wall(self) -> float:
        return T0 + self.engine.host.position / RATE

    def ask(self, address: str, *args: object) -> list[Message]:
        """Send a message, step the server, and return its answers."""
        self.client.send(address, *args)
        return self.turn()

    def turn(self) -> list[Message]:
        """Step the server, wait until the worker has read its messages, and return the answers."""
        self.server.step()
        deadline = time.monotonic() + PATIENCE_S
        while self.engine.in_flight:
            assert time.monotonic() < deadline
            self.engine.process_events()
            time.sleep(0.0001)
        self.server.step()
        return self.client.read()

    def play(self, blocks: int, level: float = 0.25) -> list[Message]:
        """Play blocks of a constant with a server step after each; return the answers."""
        got = []
        for _ in range(blocks):
            inp = np.full((BLOCK, 2), level, np.float32)
            out = np.empty_like(inp)
            self._wait_for_wet()
            self.engine.host.process(inp, out)
            self.played.append(out[:, 0].copy())
            got += self.turn()
        return got

    def settle(self) -> list[Message]:
        """Wait until the worker has processed all input; return the answers."""
        terms = self.engine.plan.terms
        self._wait_until(self.engine.host.position - sum(terms[name] for name in ("hop", *BEHIND) if name in terms))
        time.sleep(0.02)
        return self.turn()

    def _wait_for_wet(self) -> None:
        """Wait until the next block can be played."""
        self._wait_until(self.engine.host.position + BLOCK - self.engine.plan.latency + FADE)

    def _wait_until(self, needed: int) -> None:
        timeline = self.engine.timeline
        used = [end for slot, end in enumerate(WET_END[: len(SLOTS)]) if timeline[Field.SLOTS] >> slot & 1]
        deadline = time.monotonic() + PATIENCE_S
        while any(timeline.load(end) < needed for end in used):
            assert time.monotonic() < deadline
            time.sleep(0.0001)

    @property
    def output(self) -> np.ndarray:
        """Output so far, left channel."""
        return np.concatenate(self.played)

    def close(self) -> None:
        self.client.socket.close()
        self.server.stop()
        self.engine.close()


class Marker(Pcm):
    """Codec whose output is a constant of seed / 1000."""

    def open_decoder(self, path: str) -> MarkerDecoder:
        return MarkerDecoder(self.spec, 0.0)


class MarkerDecoder(PcmDecoder):
    def decode(self, frame: Frame, controls: DecoderControls) -> Audio:
        return np.full((self.spec.channels, self.spec.hop), controls.seed / 1000, np.float32)


def only(messages: Sequence[Message], address: str) -> tuple[Any, ...]:
    """Return the arguments of the one message at this address."""
    (found,) = [m.args for m in messages if m.address == address]
    return found


def wait_until_synced(client: Client, number: int) -> None:
    """Wait until a server in its own thread has read all messages."""
    client.send("/verdigris/sync", number)
    deadline = time.monotonic() + PATIENCE_S
    while not any(m.address == "/verdigris/synced" and m.args == (number,) for m in client.read()):
        assert time.monotonic() < deadline
        time.sleep(0.0002)
