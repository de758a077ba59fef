"""Tour of `verdigris demo`: an automatic comparison of codecs, such as for an exhibition.

It loops a clip, goes from stop to stop and prints the bitrate of each: dry, continuous, discrete,
Opus at a similar rate, the difference. It drives an engine as a client; an open window shows the
same session.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from realtime.client import Client, ClientState, Event

PCM_BITS = 16 * 2  # per sample of two channels, as on a CD
LATENCY = 36_000  # samples, at least
SLOTS = ("--a", "nano:continuous", "--b", "nano:discrete")
FLAGS = (*SLOTS, "--latency", str(LATENCY), "--osc", "0", "--set", "mute=on")
SECONDS = 8.0  # per stop
SETTLE_S = 2.5  # before the bitrate is read, which is a mean over the last second
SILENT_S = 60.0  # for which an engine that runs may not answer, on a busy machine
POLL_S = 1 / 30


@dataclass(frozen=True)
class Stop:
    """One stop: `path` is the monitor; `codecs` are loaded and `values` set for it."""

    title: str
    words: str
    path: str
    codecs: dict[str, str] = field(default_factory=dict)
    values: dict[str, Any] = field(default_factory=dict)


STOPS = (
    Stop("Dry", "the input, without a codec", "dry", {"b.codec": "nano:discrete"}),
    Stop("Continuous", "a network's latents as numbers, decoded", "a"),
    Stop("Discrete", "the same latents rounded to a few levels: tokens", "b"),
    Stop("Opus", "a conventional codec at the bitrate nearest to that of the tokens", "b", {"b.codec": "opus:6"}),
    Stop("Difference", "the loss and additions of the network's continuous path: dry minus A", "delta"),
    Stop("Frozen", "one frame decoded again and again: a sound made by the network alone", "a",
         values={"a.bend.freeze.on": True}),
)  # fmt: skip


class Tour:
    """Sequence of stops.

    Pass it every event of the client and call `step` about 30 times a second.
    """

    def __init__(
        self, client: Client, show: Callable[[str], None], clip: Path, *, rounds: int = 0, seconds: float = SECONDS
    ) -> None:
        """`show` gets lines of text. `rounds` 0 never ends; each stop takes `seconds`."""
        self._client, self._show, self._clip, self._rounds = client, show, clip, rounds
        self._seconds = seconds
        self.error = ""  # reason if it ended before its first stop
        self._failed = ""
        self._script = self._walk()

    def on_event(self, event: Event) -> None:
        """Take note of an event of the client."""
        if event.kind == "fail":
            self._failed = str(event.args[-1])

    def step(self) -> bool:
        """Go on; return False when the tour has ended."""
        return next(self._script, False)

    def _walk(self) -> Iterator[bool]:
        client = self._client
        while client.state != ClientState.PLAYING:
            yield not self._failed
        client.set("source", str(self._clip.absolute()))
        while client.values["source"] == "input" and not self._failed:
            yield True
        if self._failed:
            self.error = self._failed
            return
        if client.latency.samples > LATENCY:
            self._show(f"latency raised to {client.latency.ms:.0f} ms: these codecs need it on this machine")
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
            self._show(f"    not available: {self._failed}")
        arrived = time.perf_counter()
        shown = False
        while time.perf_counter() < arrived + self._seconds:
            if not shown and time.perf_counter() > arrived + min(SETTLE_S, self._seconds / 2):
                shown = True
                self._show(f"    {on_the_wire(client, stop.path)}")
            yield True
        for name, value in stop.values.items():
            if isinstance(value, bool):
                client.set(name, not value)


def on_the_wire(client: Client, path: str) -> str:
    """Return the bitrate of a monitor path as text, compared with PCM."""
    pcm = client.rate * PCM_BITS
    slot = {"a": 0, "b": 1, "delta": 0}.get(path)
    if slot is None:
        return f"{pcm:,} bits = {pcm // 8:,} bytes per second, as PCM"
    bits = 1000.0 * client.telemetry.bitrate[slot]
    if not bits:
        return "nothing has been sent yet"
    return f"{bits:,.0f} bits = {bits / 8:,.0f} bytes per second; PCM is {pcm / bits:,.0f} times as much"


def run(
    clip: Path,
    *,
    rounds: int = 0,
    seconds: float = SECONDS,
    show: Callable[[str], None] = print,
    on_session: Callable[[], None] = lambda: None,
) -> str:
    """Start an engine, run the tour and end the engine. Return "" or the reason of a failure.

    Ctrl-C ends the tour. `on_session` is called when there is a session that a window can show.
    """
    client = Client()
    shown, answered = False, time.perf_counter()
    try:
        client.follow(client.start_engine(*FLAGS))
        tour = Tour(client, show, clip, rounds=rounds, seconds=seconds)
        while tour.step():
            for event in client.poll():
                tour.on_event(event)
                if event.kind == "fail" and event.args[0] == "engine":
                    return str(event.args[1])
            if client.state != ClientState.GONE:
                answered = time.perf_counter()
            elif client.session is None or time.perf_counter() > answered + SILENT_S:
                return "the engine is gone"
            if client.session and not shown:
                shown = True
                on_session()
            time.sleep(POLL_S)
    except KeyboardInterrupt:
        show("stopped")
    finally:
        client.end_engine()
        client.close()
    return tour.error
