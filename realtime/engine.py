"""The engine: codecs, timeline and worker from start to stop. What drivers, command line and window talk to.

| method                     | thread                                            |
|----------------------------|---------------------------------------------------|
| start, stop                | the one that made the engine                      |
| set, snapshot, misses      | any                                               |
| watch                      | one control thread, some 20 times a second        |
| host.process               | the driver's audio thread, and only it            |

A worker process that dies is replaced while the stream runs on: the host side plays aligned dry meanwhile, and the new
worker takes up the stream at its present sample.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import threading
import time
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

from realtime import latency, telemetry
from realtime.callback import HostSide, misses
from realtime.service import (
    Attach,
    Failed,
    Playing,
    Ready,
    Request,
    SetControls,
    SetLimiter,
    Stop,
    serve,
    serve_process,
)
from realtime.telemetry import Telemetry
from realtime.timeline import GAIN_ONE, Field, Timeline

START_TIMEOUT_S = 600.0  # a model may have to be fetched or compiled
STOP_TIMEOUT_S = 0.5
GAINS = {"dry": (1, 0, 0), "a": (0, 1, 0), "b": (0, 0, 1), "delta": (1, -1, 0)}  # of dry, A, B


class EngineError(Exception):
    """An engine that cannot start or go on."""


@dataclass(frozen=True)
class Settings:
    """What is fixed before a stream starts. Codec names as in CODEC[:PATH], path apart."""

    rate: int
    block: int  # the largest that the driver hands over
    a: tuple[str, str | None]
    b: tuple[str, str | None] | None
    latency: int = 0  # reserve at least so many samples
    offline: bool = False  # the driver waits for the worker, which is then a thread


class Engine:
    """One stream through codecs; see the table above for who may call what."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        slots = [(0, *settings.a)] + ([(1, *settings.b)] if settings.b else [])
        self._request = Request(tuple(slots), settings.rate)
        self._link: _Link | None = None
        self._attached = 0  # workers so far
        self._attach_pending = False
        self._monitor, self._volume = "a", 1.0
        self.restarts = 0

    def start(self) -> None:
        """Load and warm up the codecs, plan L, make the timeline. EngineError or LatencyError if that cannot be."""
        ready = self._launch().wait_ready()
        settings = self.settings
        self.playing: tuple[Playing, ...] = ready.playing
        self.warm_up_load = ready.load
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
        if self._link:
            self._link.stop()
            self._link = None
        if hasattr(self, "host"):
            self.host.finish()

    def close(self) -> None:
        """Stop, and remove the timeline."""
        self.stop()
        if hasattr(self, "timeline"):
            self.host.close()
            self.timeline.close()

    def watch(self) -> str | None:
        """Replace a worker that has died; says what happened, once."""
        link = self._link
        if link is None:
            return None
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

    def snapshot(self) -> Telemetry:
        """What the worker last said of itself."""
        return telemetry.read(self.timeline)

    def misses(self) -> dict[str, int]:
        """Holes by kind so far."""
        return misses(self.timeline)

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

    def _launch(self) -> _Link:
        self._link = _Link(self._request, in_thread=self.settings.offline)
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


class _Link:
    """A worker's service and our end of the pipe to it."""

    def __init__(self, request: Request, *, in_thread: bool) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection: Connection
        self.connection, theirs = context.Pipe()
        self.process: BaseProcess | None = None
        self.thread: threading.Thread | None = None
        if in_thread:
            self._theirs = theirs
            self.thread = threading.Thread(target=serve, args=(theirs, request), name="verdigris-worker", daemon=True)
            self.thread.start()
        else:
            self.process = context.Process(
                target=serve_process, args=(theirs, request), name="verdigris-worker", daemon=True
            )
            self.process.start()
            theirs.close()  # so that the pipe closes when the process dies

    def wait_ready(self) -> Ready:
        """What the codecs need; EngineError with the reason if they cannot be had."""
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self.connection.poll(0.05):
            if not self.alive() and not self.connection.poll():
                raise EngineError("the worker ended before it was ready. Run verdigris doctor.")
            if time.monotonic() > deadline:
                raise EngineError(f"the codecs were not ready after {START_TIMEOUT_S:.0f} s. Try a smaller one.")
        try:
            message = self.connection.recv()
        except EOFError:
            raise EngineError("the worker ended before it was ready. Run verdigris doctor.") from None
        if isinstance(message, Failed):
            raise EngineError(message.message)
        assert isinstance(message, Ready)
        return message

    def alive(self) -> bool:
        return bool(self.process.is_alive() if self.process else self.thread and self.thread.is_alive())

    def stop(self) -> None:
        """Ask it to stop, and end it if it does not."""
        with contextlib.suppress(BrokenPipeError, ConnectionResetError, OSError):
            self.connection.send(Stop())
        if self.process:
            self.process.join(STOP_TIMEOUT_S)
            if self.process.is_alive():
                self.process.kill()
                self.process.join()
            self.process.close()
        elif self.thread:
            self.thread.join(STOP_TIMEOUT_S)
        self.connection.close()
