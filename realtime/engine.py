"""The engine: codecs, timeline and worker from start to stop. What drivers, command line and window talk to.

| method                     | thread                                            |
|----------------------------|---------------------------------------------------|
| start, stop                | the one that made the engine                      |
| set, snapshot, misses      | any                                               |
| watch, swap                | one control thread; watch some 20 times a second  |
| host.process               | the driver's audio thread, and only it            |

A worker process that dies is replaced while the stream runs on: the host side plays aligned dry meanwhile, and the new
worker takes up the stream. A codec is swapped by a second worker that loads and warms up beside the first.
"""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass, replace
from typing import Any

from realtime import latency, telemetry
from realtime.callback import HostSide, misses
from realtime.link import EngineError, Link
from realtime.service import (
    Attach,
    Playing,
    Request,
    SetControls,
    SetLimiter,
)
from realtime.telemetry import Telemetry
from realtime.timeline import GAIN_ONE, Field, Timeline

GAINS = {"dry": (1, 0, 0), "a": (0, 1, 0), "b": (0, 0, 1), "delta": (1, -1, 0)}  # of dry, A, B


@dataclass(frozen=True)
class Settings:
    """What is fixed before a stream starts. Codec names as in CODEC[:PATH], path apart."""

    rate: int
    block: int  # the largest that the driver hands over
    a: tuple[str, str | None]
    b: tuple[str, str | None] | None
    latency: int = 0  # reserve at least so many samples
    precision: str = "float32"
    offline: bool = False  # the driver waits for the worker, which is then a thread


class Engine:
    """One stream through codecs; see the table above for who may call what."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        slots = [(0, *settings.a)] + ([(1, *settings.b)] if settings.b else [])
        self._request = Request(tuple(slots), settings.rate, precision=settings.precision)
        self._link: Link | None = None
        self._attached = 0  # workers so far
        self._attach_pending = False
        self._next: tuple[Link, Request] | None = None  # a worker that loads while another plays
        self._monitor, self._volume = "a", 1.0
        self.restarts = 0
        self.adapt = False  # whether load.py may step down

    def start(self) -> None:
        """Load and warm up the codecs, plan L, make the timeline. EngineError or LatencyError if that cannot be."""
        ready = self._launch().wait_ready()
        settings = self.settings
        self.playing: tuple[Playing, ...] = ready.playing
        self.warm_up_load, self.remarks = ready.load, ready.remarks
        self.plan = latency.plan(ready.needs, rate=settings.rate, block=settings.block, latency=settings.latency)
        compute_s = max(need.compute_s for need in ready.needs)
        self.timeline = Timeline.create(
            rate=settings.rate,
            latency=self.plan.latency,
            max_block=settings.block,
            slots=sum(1 << playing.slot for playing in ready.playing),
            stall_ns=int((0.5 + 4 * compute_s) * 1e9),  # the heartbeat pauses while a frame is computed
        )
        self.timeline.header[Field.OFFLINE] = int(settings.offline)
        self._apply_monitor()
        self.host = HostSide(self.timeline)
        self._attach()
        self._wait_attached()

    def stop(self) -> None:
        """End the worker and the stream; the timeline stays readable until `close`."""
        for link in (self._link, self._next and self._next[0]):
            if link:
                link.stop()
        self._link = self._next = None
        if hasattr(self, "host"):
            self.host.finish()

    def close(self) -> None:
        """Stop, and remove the timeline."""
        self.stop()
        if hasattr(self, "host"):
            self.host.close()
        if hasattr(self, "timeline"):
            self.timeline.close()

    def watch(self) -> str | None:
        """Replace a worker that has died; says what happened, once."""
        link = self._link
        if link is None:
            return None
        if self._next and (said := self._watch_next(*self._next)):
            return said
        if self._attach_pending and link.connection.poll():
            self._attach_pending = False
            try:
                link.wait_ready()
            except EngineError as error:
                self._link = None
                return f"the codecs could not be loaded again: {error}"
            self._attach()
            return "the worker is back"
        if link.alive():
            return None
        self.timeline.store(Field.ENGINE, 0)  # it could not say so itself
        link.stop()
        self.restarts += 1
        self._launch()
        self._attach_pending = True
        return "the worker died; starting another, dry meanwhile"

    def set(self, name: str, value: Any) -> None:
        """Set a parameter, already validated by the table (params.py)."""
        if name == "monitor":
            self._monitor = value
            self._apply_monitor()
        elif name == "gain":
            self._volume = 10.0 ** (value / 20.0)
            self._apply_monitor()
        elif name == "fill":
            self.timeline.header[Field.FILL] = ("dry", "silence").index(value)
        elif name == "adapt":
            self.adapt = value
        elif name == "limiter":
            self._request = replace(self._request, limiter=value)
            self._tell(SetLimiter(value))
        else:
            slot_name, _, control = name.partition(".")
            slot = "ab".index(slot_name)
            controls = {**self._request.controls}
            controls[slot] = {**controls.get(slot, {}), control: value}
            self._request = replace(self._request, controls=controls)  # a new worker begins with them
            self._tell(SetControls(slot, {control: value}))

    def swap(self, slot: int, codec: str, path: str | None) -> None:
        """Put another codec into a slot that is in use; `watch` says when it plays, or why it does not."""
        slots = tuple((s, codec, path) if s == slot else (s, c, p) for s, c, p in self._request.slots)
        if self._next:
            self._next[0].stop()
        request = replace(self._request, slots=slots)
        self._next = (Link(request, in_thread=self.settings.offline), request)

    def _watch_next(self, link: Link, request: Request) -> str | None:
        """Let the worker that was loading take over once it is warm, if its codecs fit L."""
        if link.alive() and not link.connection.poll():
            return None
        self._next = None
        try:
            ready = link.wait_ready()
            needed = latency.plan(ready.needs, rate=self.settings.rate, block=self.settings.block).latency
            if needed > self.plan.latency:
                raise EngineError(
                    f"it needs a latency of {needed} samples, this stream has {self.plan.latency}. "
                    f"Start again with --latency {needed}."
                )
        except EngineError as error:
            link.stop()
            return f"the codec was not changed: {error}"
        assert self._link is not None
        old = self._link
        old.release()
        # what was set while it loaded
        self._request = replace(request, controls=self._request.controls, limiter=self._request.limiter)
        self._link, self._attach_pending, self.playing = link, False, ready.playing
        self._attach()
        for slot, controls in self._request.controls.items():
            self._tell(SetControls(slot, controls))
        self._tell(SetLimiter(self._request.limiter))
        old.stop()
        return "now playing " + ", ".join(f"{p.codec} {p.path}" for p in ready.playing)

    def snapshot(self) -> Telemetry:
        """What the worker last said of itself."""
        return telemetry.read(self.timeline)

    def misses(self) -> dict[str, int]:
        """Holes by kind so far."""
        return misses(self.timeline)

    @property
    def controls(self) -> dict[int, dict[str, Any]]:
        """What was set of each slot's controls; what was not is at its default."""
        return self._request.controls

    @property
    def worker_pid(self) -> int | None:
        """The worker's process, if it is one."""
        return self._link.process.pid if self._link and self._link.process else None

    def _apply_monitor(self) -> None:
        if not hasattr(self, "timeline"):
            return
        one = round(GAIN_ONE * self._volume)
        for field, gain in zip((Field.GAIN_DRY, Field.GAIN_A, Field.GAIN_B), GAINS[self._monitor], strict=True):
            self.timeline.header[field] = gain * one

    def _launch(self) -> Link:
        self._link = Link(self._request, in_thread=self.settings.offline)
        return self._link

    def _attach(self) -> None:
        assert self._link is not None
        self._attached += 1
        self._tell(Attach(self.timeline.path, self._attached))

    def _wait_attached(self) -> None:
        """Until the worker has acknowledged the stream, so that its first sample finds it there."""
        deadline = time.monotonic() + 10.0
        while self.timeline.load(Field.ACK) != self.timeline.load(Field.STREAM):
            if time.monotonic() > deadline or not (self._link and self._link.alive()):
                raise EngineError("the worker did not take up the stream. Run verdigris doctor.")
            time.sleep(0.001)

    def _tell(self, message: object) -> None:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError, OSError):  # `watch` sees that it is gone
            if self._link:
                self._link.connection.send(message)
