"""Opening a sound card: which, at what rate, with which channels, and a look at what it then does.

All of this is done in the process of the card (card.py), and by `verdigris doctor`.
"""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from realtime.callback import HostSide
from realtime.drivers.border import Border, Memory
from realtime.drivers.bridge import Bridge
from realtime.drivers.cards import Choice, Pair, choose, recall_round_trip
from realtime.drivers.portaudio import CardError, supports
from realtime.drivers.stream import CardStream

PROBE_BLOCKS = 8
PROBE_S = 5.0
WATCH_S = 1.0  # two clocks, once they are known
COMPILED = "numba, in a process of its own"


def callback_kind(compiled: bool, own_process: bool) -> str:
    """What serves the card, and what is to be expected where that is not the best there is."""
    code = "numba" if compiled else "Python, since this sounddevice takes no compiled one: expect more misses"
    if own_process:
        return f"{code}, in a process of its own"
    return f"{code}, in the session's own process, since no other could be started: it goes down with its sound system"


@dataclass(frozen=True)
class Request:
    """What was asked for. Channels count from 1, one or two of them: left and right; by default the first two."""

    choice: Choice
    codec_rate: int  # Hz; what is taken where no rate is given and the card can
    rate: int | None = None
    block: int | None = None  # samples that the card's buffers should hold; None: as few as it offers
    inputs: tuple[int, ...] | None = None
    outputs: tuple[int, ...] | None = None
    compiled: bool = True  # the callback; else it goes through Python
    feed: Path | None = None  # a file to play in place of the card's input


@dataclass(frozen=True)
class Opening:
    """How to open a card; all of it holds for its return too."""

    pair: Pair
    rate: int
    latency_s: float | None  # asked of the card's buffers; None: its lowest
    inputs: tuple[int, int] | None  # the card's channels that are left and right, from 0
    outputs: tuple[int, int]
    compiled: bool = True
    rate_in: int = 0  # of the input, where it has a clock of its own; Hz
    delay: int = 0  # of a bridge, input samples; 0: not known yet

    def border(self, host: HostSide | None = None) -> Border:
        """The memory for a stream of this, with a bridge where there are two clocks."""
        if self.inputs is None or not self.pair.two_clocks:
            return Border(self.inputs, self.outputs, host)
        other = Bridge(self.inputs, self.rate_in, self.rate, self.delay, time.monotonic_ns())
        return Border(None, self.outputs, host, other)


@dataclass(frozen=True)
class Found:
    """What a card turned out to be and do."""

    name: str
    source: str
    sink: str
    why: str
    rate: int
    block: int  # the largest that it handed over
    latency_samples: int | None  # its own part, in and out, as its back end says; None: it says nonsense
    measured_samples: int | None  # the same, as doctor --loopback measured it; None: it never did
    callback: str = COMPILED
    bridge_delay: int = 0  # input samples that a bridge between two clocks holds; 0: there is one clock
    bridge_samples: int = 0  # what that adds to the card's own latency, samples
    drift_ppm: float = 0.0  # of the input's clock, when it was tried

    def __str__(self) -> str:
        own = "unknown" if self.latency_samples is None else f"{self.latency_samples} samples by its word"
        if self.measured_samples is None:
            own += " (verdigris doctor --loopback measures it)"
        else:
            own += f", {self.measured_samples} measured"
        if self.bridge_delay:
            own += f", and {self.bridge_samples} between two clocks (input {self.drift_ppm:+.0f} ppm)"
        line = f"{self.name} ({self.why}): {self.rate} Hz, blocks of {self.block}; its own latency on top: {own}"
        return line if self.callback == COMPILED else f"{line}. Callback: {self.callback}"


def plan_opening(request: Request) -> Opening:
    """At the rate if given, else at the codec's if the card can, else at the card's own. CardError if it cannot be."""
    pair = choose(request.choice, duplex=request.feed is None)
    source, sink = pair.source, pair.sink
    inputs = None if source is None else _channels(request.inputs, source.name, source.inputs, "input")
    outputs = _channels(request.outputs, sink.name, sink.outputs, "output")
    rate, rate_in = request.rate, 0
    if rate is None:
        able = supports(sink, request.codec_rate, "output", max(outputs) + 1)
        if source is not None and inputs is not None and not pair.two_clocks:
            able = able and supports(source, request.codec_rate, "input", max(inputs) + 1)
        rate = request.codec_rate if able else sink.rate
    if source is not None and inputs is not None and pair.two_clocks:
        rate_in = rate if supports(source, rate, "input", max(inputs) + 1) else source.rate
    latency_s = None if request.block is None else request.block / rate
    return Opening(pair, rate, latency_s, inputs, outputs, request.compiled, rate_in)


def _channels(chosen: Sequence[int] | None, name: str, there: int, kind: str) -> tuple[int, int]:
    left, right = (chosen[0], chosen[-1]) if chosen else (1, min(2, there))
    if not 1 <= left <= there or not 1 <= right <= there:
        raise CardError(
            f"{kind} channels {left},{right} of {name}: it has 1 to {there}. Pass --{kind}-channels within that."
        )
    return left - 1, right - 1


def open_stream(opening: Opening, border: Border) -> CardStream:
    """With the compiled callback, or through Python where sounddevice has no place for that; CardError if refused."""
    pair = opening.pair
    if opening.compiled:
        try:
            return CardStream(pair.source, pair.sink, border, opening.rate, opening.latency_s)
        except (AttributeError, TypeError):  # its private names are not what they were
            pass
    return CardStream(pair.source, pair.sink, border, opening.rate, opening.latency_s, compiled=False)


def probe(opening: Opening) -> Found:
    """Open the card, play silence until its block is known, close it. CardError if that cannot be.

    Two clocks are watched until both are known, and how much input has to be held between them.
    """
    border = opening.border()
    bridge = border.bridge
    stream = open_stream(opening, border)
    stream.start()
    deadline = time.monotonic() + PROBE_S
    while time.monotonic() < deadline and (
        border[Memory.BLOCKS] < PROBE_BLOCKS or (bridge and not bridge.watched(WATCH_S))
    ):
        time.sleep(0.005)
    latency = stream.latency_samples
    stream.close()
    pair, block = opening.pair, border[Memory.LARGEST]
    if block == 0 or (bridge and not bridge.settled):
        silent = pair.sink.name if block == 0 else pair.source.name if pair.source else ""
        raise CardError(
            f"{silent} was opened and then {'asked for' if block == 0 else 'gave'} nothing in {PROBE_S:.0f} s. "
            "Plug it in again, or choose another of: verdigris devices"
        )
    measured = recall_round_trip(pair.name, opening.rate, block)
    found = Found(
        name=pair.name,
        source=pair.source.name if pair.source else "",
        sink=pair.sink.name,
        why=pair.why,
        rate=opening.rate,
        block=block,
        latency_samples=latency,
        measured_samples=measured,
        callback=callback_kind(stream.compiled, own_process=multiprocessing.parent_process() is not None),
    )
    if bridge is None:
        return found
    delay = bridge.delay_for(block)
    added = round(delay * opening.rate / opening.rate_in) - block  # a block of one card is in its own part already
    return replace(
        found,
        bridge_delay=delay,
        bridge_samples=added,
        drift_ppm=bridge.drift_ppm,
        latency_samples=None if latency is None else latency + added,
    )
