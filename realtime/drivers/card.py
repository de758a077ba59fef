"""The process of the sound card: PortAudio and the host side, and nothing else.

It is a process of its own because a sound system may take down who uses it: with its server killed, PortAudio's JACK
back end waits ten minutes in each call, and a driver may crash. The driver (device.py) then starts another.

    card → driver   Found(...) once the card was tried · Refused(message) instead · Playing(latency) at each start
                    Status ten times a second · Gone(reason) when the card is lost
    driver → card   Attach(path) once · Feed(path) · FadeOut · Stop

While the card is away, it is looked for by name each second; no other is taken in its place.
"""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import time
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType

import numpy as np

from realtime.audiofile import AudioFileError, Reader
from realtime.callback import HostSide, State, close_hole
from realtime.drivers.border import Border, Memory
from realtime.drivers.bridge import Memory as BridgeMemory
from realtime.drivers.cards import Pair, find
from realtime.drivers.opening import Found, Opening, Request, open_stream, plan_opening, probe
from realtime.drivers.portaudio import CardError, cards, refresh
from realtime.drivers.stream import CardStream
from realtime.drivers.switch import Switch
from realtime.timeline import HEARD, Field, Timeline

POLL_S = 0.02
STATUS_S = 0.1
AHEAD = 1 << 14  # samples of a feed that wait; another file is heard after them
SKIP = 1 << 16  # samples read at once
RETRY_S = 1.0


@dataclass(frozen=True)
class Refused:
    message: str


@dataclass(frozen=True)
class Attach:
    path: Path


@dataclass(frozen=True)
class Playing:
    latency_samples: int | None


@dataclass(frozen=True)
class Status:
    """Since the process began."""

    blocks: int
    largest: int
    level: int  # 0: silent
    xruns: dict[str, int]
    captured: int = 0  # samples of an input that has a clock of its own
    drift_ppm: float = 0.0  # of that clock, against the output's
    clipped: int = 0  # samples that were beyond full scale


@dataclass(frozen=True)
class Gone:
    reason: str


@dataclass(frozen=True)
class Feed:
    """A file to play over and over in place of the input; None: the input again."""

    path: Path | None


@dataclass(frozen=True)
class FadeOut:
    pass


@dataclass(frozen=True)
class Stop:
    pass


class Resumed(HostSide):
    """The host side of a stream that another process activated: it goes on at the sample where that is now."""

    def __init__(self, timeline: Timeline) -> None:
        self.timeline = timeline
        self.header, self.rings = timeline.header, timeline.rings
        self.state = np.zeros(State.SIZE, np.int64)
        for place, field in (
            (State.GAIN_DRY, Field.GAIN_DRY),
            (State.GAIN_A, Field.GAIN_A),
            (State.GAIN_B, Field.GAIN_B),
        ):
            self.state[place] = timeline[field]
        # who was here before may have died between the two counters: that block was taken and never played
        start, played = timeline.load(Field.DRY_END), timeline.load(Field.PLAYED_END)
        timeline.write(HEARD, played, np.zeros((self.rings.shape[1], start - played), np.float32))
        timeline.store(Field.PLAYED_END, start)
        self.state[State.POSITION] = start
        self.header[Field.HOLE] = 0

    def finish(self) -> None:
        close_hole(self.header, self.state)


def serve(connection: Connection, request: Request, wanted: Found | None = None) -> None:
    """Try the card and say what it is, then play the timeline of the Attach until Stop or the end of the pipe.

    With `wanted`, the card was here before and is waited for. Runs in a process, or in a thread of a test.
    """
    opening: Opening | None = None
    found = wanted
    if found is None:
        try:
            opening = plan_opening(request)
            found = probe(opening)
            connection.send(found)
        except CardError as error:
            connection.send(Refused(str(error)))
            return
    try:
        message = connection.recv()
    except EOFError:
        return
    if isinstance(message, Attach):
        timeline = Timeline.attach(message.path)
        with _Player(connection, timeline, request, found, opening) as player:
            player.run()
        timeline.close()


def serve_process(connection: Connection, request: Request, wanted: Found | None) -> None:
    """`serve` as the main function of a process: Ctrl-C is the driver's to handle."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    gc.freeze()
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # the driver is gone: no reason to go on
        serve(connection, request, wanted)
    os._exit(0)  # not by way of Pa_Terminate, which aborts where a JACK server has gone


class _Player:
    """The stream of one card process, from attach to stop; one thread beside the card's own."""

    def __init__(
        self,
        connection: Connection,
        timeline: Timeline,
        request: Request,
        found: Found,
        opening: Opening | None,
    ) -> None:
        self._connection, self._timeline, self._request = connection, timeline, request
        self._found, self._opening = found, opening
        self._host = Resumed(timeline)
        self._border: Border | None = None
        self._stream: CardStream | None = None
        self._feed: Switch | None = None
        self._asked: Feed | None = None  # that waits for the card
        self._leaving = False  # while the input fades back in
        self._said = ""

    def __enter__(self) -> _Player:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._stream:
            self._stream.close()
        self._host.finish()
        self._host.close()

    def run(self) -> None:
        due = looked = 0.0
        while self._listen():
            now = time.monotonic()
            if self._stream is None and now - looked > RETRY_S:
                looked = now
                self._open()
            if self._border:
                self._keep_fed(self._border)
            if self._stream and self._border and now > due:
                due = now + STATUS_S
                if not self._stream.active:
                    self._connection.send(Gone("its server ended, or it was unplugged"))
                    return
                self._border.set_clock(self._stream.clock)
                self._connection.send(self._status(self._border))

    def _status(self, border: Border) -> Status:
        bridge = border.bridge
        return Status(
            blocks=border[Memory.BLOCKS],
            largest=border[Memory.LARGEST],
            level=border[Memory.LEVEL],
            xruns=border.xruns,
            captured=bridge[BridgeMemory.CAPTURED] if bridge else 0,
            drift_ppm=bridge.drift_ppm if bridge else 0.0,
            clipped=border[Memory.CLIPPED],
        )

    def _listen(self) -> bool:
        """Wait a little for what the driver says; False when it is time to stop."""
        try:
            if self._connection.poll(POLL_S):
                message = self._connection.recv()
                if isinstance(message, Feed):
                    self._asked = message
                elif not isinstance(message, FadeOut):
                    return False
                elif self._border:
                    self._border.fade_out()
        except (EOFError, ConnectionResetError):
            return False
        return True

    def _keep_fed(self, border: Border) -> None:
        """Have enough of what is played in place of the input, if anything is."""
        asked, self._asked = self._asked, None
        if asked:
            self._choose(border, asked.path)
        if self._leaving and not border[Memory.FEED_LEVEL]:
            self._feed, self._leaving = None, False
        if self._feed and not self._leaving:
            border.feed(self._feed.read, AHEAD)

    def _choose(self, border: Border, path: Path | None) -> None:
        if path is None:
            if self._feed and self._request.feed:
                self._feed.choose(None)
            elif self._feed:
                self._leaving = True
                border.feed_no_more()
            return
        try:
            reader = Reader(path, self._timeline[Field.RATE], loop=True)
        except AudioFileError:  # the session has looked at it, and it is gone since
            return
        self._leaving = False
        if self._feed:
            self._feed.choose(reader)
        else:
            self._feed = Switch(reader)
            border.feed_from(0, faded=True)

    def _open(self) -> None:
        """Play if the card is there; else nothing, or what is in the way, once."""
        try:
            opening = self._opening or self._look()
            if opening is None:
                return
            border = replace(opening, delay=self._found.bridge_delay).border(self._host)
            border.open_up(muted=self._timeline[Field.LATENCY])  # what is older belongs to another time
            if self._request.feed:
                self._feed = self._feed or Switch(self._reader(self._request.feed, opening.rate))
                border.feed_from(self._host.position)
                border.feed(self._feed.read)
            stream = open_stream(opening, border)
            stream.start()
        except CardError as error:
            if str(error) != self._said:
                self._said = str(error)
                self._connection.send(Refused(self._said))
            return
        self._border, self._stream = border, stream
        self._connection.send(Playing(stream.latency_samples))

    def _reader(self, path: Path, rate: int) -> Reader:
        """The file from where the stream is: sample k of it is input sample k."""
        reader, left = Reader(path, rate), self._host.position
        while left and (skipped := reader.read(min(left, SKIP)).shape[1]):
            left -= skipped
        return reader

    def _look(self) -> Opening | None:
        """The card of before, if it is back."""
        refresh()
        try:
            there = cards()
            sink = find(self._found.sink, there, "output")
            source = find(self._found.source, there, "input") if self._found.source else None
        except CardError:
            return None
        named = replace(self._request.choice, input=source.name if source else None, output=sink.name)
        planned = plan_opening(replace(self._request, choice=named, rate=self._found.rate))
        return replace(planned, pair=Pair(source, sink, self._found.why))
