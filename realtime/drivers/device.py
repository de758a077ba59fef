"""The device driver: the host side called by a sound card, and what is done when the card goes away.

The card has a process of its own (card.py), where its thread runs compiled code only (border.py). A thread here,
`verdigris-card`, watches that: a card that is unplugged, whose server ends or whose process dies is announced, and
played again when it is back; no other card is ever taken in its place. The stream goes on where it was: the time
without a card is no time.

| method                       | thread                              |
|------------------------------|-------------------------------------|
| open, attach, start, stop    | the one that made the driver        |
| running, taken, watch, facts | any                                 |
"""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from pathlib import Path
from typing import Any

from realtime.drivers.border import FADE_IN
from realtime.drivers.card import Attach, FadeOut, Feed, Gone, Playing, Refused, Status
from realtime.drivers.cardlink import OPEN_S, CardLink
from realtime.drivers.opening import Found, Request
from realtime.drivers.portaudio import CardError
from realtime.timeline import Field, Timeline

POLL_S = 0.05
LOST_S = 2.0  # no block for so long: the card is gone, whatever its back end says
RESPAWN_S = 5.0


class DeviceDriver:
    """A stream by a sound card, until stopped or `limit` samples and their latency have been played."""

    def __init__(self, request: Request, *, in_thread: bool = False) -> None:
        """`in_thread` keeps the card in this process, for tests of what the interpreter's lock does to it."""
        self._request, self._in_thread = request, in_thread
        self.error: Exception | None = None
        self.losses = 0  # times that the card went away
        self._playing = False
        self._latency_samples: int | None = None
        self._status = Status(0, 0, 0, {})
        self._before = Status(0, 0, 0, {})  # of the processes before this one, summed
        self._stopping, self._ended = threading.Event(), threading.Event()
        self._messages: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._link: CardLink | None = None
        self._fed: Path | None = None
        self._thread = threading.Thread(target=self._supervise, name="verdigris-card", daemon=True)

    def open(self) -> Found:
        """Try the card; what it is and does, for the planner. CardError if it is refused."""
        self._link = CardLink(self._request, None, in_thread=self._in_thread)
        try:
            self.found = self._link.wait_found()
        except CardError:
            self._link.end()
            raise
        return self.found

    def attach(self, timeline: Timeline, limit: int | None = None) -> None:
        """Say what is to be played; `limit` ends it after so many samples."""
        self._timeline, self._limit = timeline, limit
        self._end = None if limit is None else limit + timeline[Field.LATENCY]

    def start(self) -> None:
        """Play. CardError if the card has changed its mind."""
        assert self._link is not None
        self._link.send(Attach(self._timeline.path))
        deadline = time.monotonic() + OPEN_S
        while not self._playing:
            if not self._link.connection.poll(max(0.0, deadline - time.monotonic())):
                raise CardError(f"{self.found.name} was tried and then did not start. Run verdigris doctor.")
            message = self._link.receive()
            if isinstance(message, Refused | Gone | None):
                reason = message.message if isinstance(message, Refused) else "it is gone"
                raise CardError(f"{self.found.name} was tried and then did not start: {reason}")
            self._take(message)
        self._thread.start()

    def stop(self) -> None:
        """Fade out and end the stream; returns when it has ended."""
        if self._link and self._playing and self._thread.is_alive():
            self._link.send(FadeOut())
            deadline = time.monotonic() + 2 * FADE_IN / self.found.rate + 0.3
            while self._status.level and self._thread.is_alive() and time.monotonic() < deadline:
                time.sleep(0.005)
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()
        elif self._link:
            self._link.end()
        self._ended.set()

    def feed(self, path: Path | None) -> None:
        """Play this file over and over in place of the card's input; None: the input again."""
        self._fed = path
        if self._link and self._thread.is_alive():  # before, it would come before the timeline
            self._link.send(Feed(path))

    def join(self, seconds: float) -> None:
        """Wait for the stream to end, so long at most."""
        self._ended.wait(seconds)

    @property
    def running(self) -> bool:
        return not self._ended.is_set()

    @property
    def taken(self) -> int:
        """Input samples so far, without those after the limit."""
        position = self._timeline.load(Field.DRY_END)
        return position if self._limit is None else min(position, self._limit)

    def watch(self) -> str | None:
        """What happened to the card, one message at a time."""
        try:
            return self._messages.get_nowait()
        except queue.Empty:
            return None

    @property
    def pid(self) -> int | None:
        """The card's process, if it has one."""
        return self._link.process.pid if self._link and self._link.process else None

    @property
    def facts(self) -> dict[str, Any]:
        """For the report: the card, what it lost by kind, and its own part of the latency.

        Of that, bridge_samples lie between two clocks, whose drift is the input's against the output's.
        """
        kinds = {**self._before.xruns, **self._status.xruns}
        clocks = {"bridge_samples": self.found.bridge_samples, "drift_ppm": self._status.drift_ppm}
        return (clocks if self.found.bridge_delay else {}) | {
            "name": self.found.name,
            "callback": self.found.callback,
            "sample_rate": self.found.rate,
            "block": max(self._status.largest, self._before.largest),
            "blocks": self._before.blocks + self._status.blocks,
            "xruns": {kind: self._before.xruns.get(kind, 0) + self._status.xruns.get(kind, 0) for kind in kinds},
            "losses": self.losses,
            "clipped_samples": self._before.clipped + self._status.clipped,
            "device_latency_samples": self._latency_samples,
            "measured_round_trip_samples": self.found.measured_samples,
        }

    def _supervise(self) -> None:
        try:
            self._watch_card()
        except Exception as error:  # noqa: BLE001 - told to whoever started the stream
            self.error = error
        finally:
            if self._link:
                self._link.end()
            self._ended.set()

    def _watch_card(self) -> None:
        played, seen, told_block = -1, time.monotonic(), False
        captured, heard, told_silent, told_clipped = -1, seen, False, False
        while not self._stopping.is_set():
            assert self._link is not None
            gone = False
            with contextlib.suppress(EOFError):
                if self._link.connection.poll(POLL_S):
                    message = self._link.receive()
                    gone = message is None or isinstance(message, Gone)
                    if message is not None:
                        self._take(message)
            now, position = time.monotonic(), self._timeline.load(Field.PLAYED_END)
            if self._end is not None and position >= self._end:
                return
            if position != played:
                played, seen = position, now
            if gone or not self._link.alive() or (self._playing and now - seen > LOST_S):
                self._lose()
                seen = time.monotonic()
            if self._status.captured != captured or not self._playing:
                captured, heard, told_silent = self._status.captured, now, False
            elif self.found.bridge_delay and now - heard > LOST_S and not told_silent:
                told_silent = True
                self._messages.put(f"{self.found.source} gives no samples; its input is silence until it does")
            if self._status.clipped and not told_clipped:
                told_clipped = True
                self._messages.put("the output leaves full scale and is clipped. Turn down gain, or what comes in.")
            if not told_block and self._status.largest > self._timeline[Field.MAX_BLOCK]:
                told_block = True
                self._messages.put(
                    f"the card hands over {self._status.largest} samples at once; latency was planned for "
                    f"{self._timeline[Field.MAX_BLOCK]}, so holes may come. Start again to plan anew."
                )

    def _take(self, message: object) -> None:
        if isinstance(message, Status):
            self._status = message
        elif isinstance(message, Refused):
            self._messages.put(f"{self.found.name} is back but cannot be played: {message.message}")
        elif isinstance(message, Playing):
            self._playing = True
            own = message.latency_samples
            self._latency_samples = None if own is None else own + self.found.bridge_samples
            if self.losses:
                self._messages.put(f"{self.found.name} is back, playing")

    def _lose(self) -> None:
        """The card is gone: say so, end its process, and let another wait for it. No block can come any more."""
        assert self._link is not None
        self._link.kill()
        if not self._playing:
            self._stopping.wait(RESPAWN_S)  # a process that cannot even wait is not started over and over at once
        else:
            self.losses += 1
            self._timeline.header[Field.XRUNS] += 1
            self._messages.put(f"{self.found.name} is gone (unplugged, or its server ended); silent until it is back")
        self._playing = False
        facts = self.facts
        self._before = Status(facts["blocks"], facts["block"], 0, facts["xruns"], clipped=facts["clipped_samples"])
        self._status = Status(0, 0, 0, {})
        self._link = CardLink(self._request, self.found, in_thread=self._in_thread)
        self._link.send(Attach(self._timeline.path))
        if self._fed:
            self._link.send(Feed(self._fed))
