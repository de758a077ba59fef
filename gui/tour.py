"""`verdigris demo`: a tour of the codecs that needs no hands, for a laptop on a table.

It plays a clip over and over, goes from stop to stop and says what of it is on the wire: dry, continuous, discrete,
Opus at the same rate, what is left out. Logic only; a console shows it, and any window that is open shows the sound.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from realtime.client import GONE, PLAYING, Client, Event

PCM_BITS = 16 * 2  # a sample of two channels, as on a CD
FLAGS = ("--a", "nano:continuous", "--b", "nano:discrete", "--latency", "36000", "--osc", "0", "--set", "mute=on")
SECONDS = 8.0  # at a stop
SETTLE_S = 2.5  # before the wire is read: bitrates are those of the last second
POLL_S = 1 / 30


@dataclass(frozen=True)
class Stop:
    """`path` is what is heard; `codecs` what is to be in the slots for it, `values` what is to be set."""

    title: str
    words: str
    path: str
    codecs: dict[str, str] = field(default_factory=dict)
    values: dict[str, Any] = field(default_factory=dict)


STOPS = (
    Stop("Dry", "what goes in, and no codec", "dry", {"b.codec": "nano:discrete"}),
    Stop("Continuous", "a network's latents, as numbers, and what it makes of them", "a"),
    Stop("Discrete", "the same latents rounded to a few levels: tokens, a name for each moment", "b"),
    Stop("Opus", "a codec built by hand, at the rate nearest to the tokens'", "b", {"b.codec": "opus:6"}),
    Stop("Difference", "what the network's continuous path leaves out or makes up: dry less A", "delta"),
    Stop("Frozen", "one frame held and decoded again and again: sound that is only the network's", "a",
         values={"a.bend.freeze.on": True}),
)  # fmt: skip


class Tour:
    """Give it every event of the client, and `step` some 30 times a second; False when it is over."""

    def __init__(
        self, client: Client, show: Callable[[str], None], clip: Path, *, rounds: int = 0, seconds: float = SECONDS
    ) -> None:
        """`show` gets lines; `rounds` 0: until it is stopped; so many seconds at each stop."""
        self._client, self._show, self._clip, self._rounds = client, show, clip, rounds
        self._seconds = seconds
        self.error = ""  # why it ended before its first stop
        self._failed = ""
        self._script = self._walk()

    def hear(self, event: Event) -> None:
        if event.kind == "fail":
            self._failed = str(event.args[-1])

    def step(self) -> bool:
        return next(self._script, False)

    def _walk(self) -> Iterator[bool]:
        client = self._client
        while client.state != PLAYING:
            yield not self._failed
        client.set("source", str(self._clip.absolute()))
        while client.values["source"] == "input" and not self._failed:
            yield True
        if self._failed:
            self.error = self._failed
            return
        client.set("mute", False)
        number = 0
        while not self._rounds or number < self._rounds * len(STOPS):
            yield from self._visit(STOPS[number % len(STOPS)], f"{number % len(STOPS) + 1}/{len(STOPS)}")
            number += 1

    def _visit(self, stop: Stop, place: str) -> Iterator[bool]:
        client, self._failed = self._client, ""
        for name, codec in stop.codecs.items():
            if client.values[name] != codec:
                client.set(name, codec)
            while client.values[name] != codec and not self._failed:
                yield True
        for name, value in stop.values.items():
            client.set(name, value)
        client.set("monitor", stop.path)
        self._show(f"{place} {stop.title}: {stop.words}")
        if self._failed:
            self._show(f"    not today: {self._failed}")
        arrived = time.monotonic()
        told = False
        while time.monotonic() < arrived + self._seconds and client.state != GONE:
            if not told and time.monotonic() > arrived + min(SETTLE_S, self._seconds / 2):
                told = True
                self._show(f"    {on_the_wire(client, stop.path)}")
            yield True
        for name, value in stop.values.items():
            if isinstance(value, bool):
                client.set(name, not value)


def on_the_wire(client: Client, path: str) -> str:
    """What is sent of it a second, in bits and bytes, against PCM."""
    pcm = client.rate * PCM_BITS
    slot = {"a": 0, "b": 1, "delta": 0}.get(path)
    if slot is None:
        return f"{pcm:,} bits = {pcm // 8:,} bytes a second, as PCM"
    bits = 1000.0 * client.telemetry.bitrate[slot]
    if not bits:
        return "nothing was sent yet"
    return f"{bits:,.0f} bits = {bits / 8:,.0f} bytes a second on the wire; PCM is {pcm / bits:,.0f} times as much"


def run(
    clip: Path,
    *,
    rounds: int = 0,
    seconds: float = SECONDS,
    show: Callable[[str], None] = print,
    there: Callable[[], None] = lambda: None,
) -> str:
    """Start an engine, take the tour, end it; "" or why it could not be. Ctrl-C ends it too.

    `there` is called when there is a session that others can look at.
    """
    client = Client()
    client.follow(client.start_engine(*FLAGS))
    tour = Tour(client, show, clip, rounds=rounds, seconds=seconds)
    told = False
    try:
        while tour.step():
            for event in client.poll():
                tour.hear(event)
                if event.kind == "fail" and event.args[0] == "engine":
                    return str(event.args[1])
            if client.state == GONE:
                return "the engine is gone"
            if client.session and not told:
                told = True
                there()
            time.sleep(POLL_S)
    except KeyboardInterrupt:
        show("stopped")
    finally:
        client.end_engine()
        client.close()
    return tour.error
