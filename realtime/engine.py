"""The engine: codecs, timeline and worker from start to stop. What drivers, command line and window talk to.

| method                     | thread                                            |
|----------------------------|---------------------------------------------------|
| start, stop                | the one that made the engine                      |
| set, swap, stream, panic   | any; none waits for the worker                    |
| pump, listen, unlisten     | any; listeners are called by whoever pumps        |
| snapshot, misses, values   | any                                               |
| watch, fade_out            | one control thread, watch some 20 times a second  |
| host.process               | the driver's audio thread, and only it            |

A worker process that dies is replaced while the stream runs on: the host side plays aligned dry meanwhile, and the new
worker takes up the stream. A codec is swapped by a second worker that loads and warms up beside the first.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from realtime import latency, telemetry
from realtime.callback import HostSide, misses
from realtime.link import EngineError, Link
from realtime.mix import HEARD, heard
from realtime.news import PRE, Applied, Began, Change, Loaded, Taken, Trouble
from realtime.params import PARAMETERS, Parameter
from realtime.rack.effect import EMPTY, Inserted, Racks
from realtime.rack.rack import BYPASS
from realtime.rack.rows import rows
from realtime.service import Attach, Changes, Playing, Request, SetLimiter, Stream
from realtime.telemetry import Telemetry
from realtime.timeline import SLOTS, Field, Timeline
from realtime.worker_process import WorkerProcess

FADE_OUT_S = 0.5  # at most: a driver that stands still is not waited for
UNREAD = 32  # messages that the worker may have before it; what is set beyond that is held back, the last value wins


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
    racks: Racks = EMPTY


class Engine:
    """One stream through codecs; see the table above for who may call what."""

    def __init__(
        self, settings: Settings, hosted: Timeline | None = None, started: WorkerProcess | None = None
    ) -> None:
        """`hosted` is a timeline that a plug-in made and plays (drivers/plugin.py): L and the mix are its own.

        `started` is the process for its first worker.
        """
        self.settings, self._hosted, self._started = settings, hosted, started
        slots = [(0, *settings.a)] + ([(1, *settings.b)] if settings.b else [])
        self._request = Request(tuple(slots), settings.rate, precision=settings.precision, racks=settings.racks)
        self._link: Link | None = None
        self._attached = hosted.load(Field.ENGINE) if hosted else 0  # workers so far
        self._attach_pending = False
        self._next: tuple[Link, Request] | None = None  # a worker that loads while another plays
        self._lock = threading.RLock()  # over links, request and values; held for moments only
        self._held: dict[tuple[int, str, int | None], Change] = {}  # for when the worker has read what it has
        self._listeners: list[Callable[[object], None]] = []
        self._wanted: dict[str, frozenset[str]] = {}  # per asker: what listeners are to hear of each frame
        self._asked: dict[int, tuple[str, int]] = {}  # per slot: the codec that is being loaded, and the ticket
        self._begins: dict[int, int] = {}  # per slot: the ticket of who wants to know when its codec is heard
        self.table: dict[str, Parameter] = dict(PARAMETERS)  # with the rows of its effects, once it has started
        self.inserted: tuple[Inserted, ...] = ()  # the effects
        self.values: dict[str, Any] = {name: row.default for name, row in PARAMETERS.items()}
        self.values |= {"rate": settings.rate, "block": settings.block, "latency": settings.latency}
        self.values["precision"] = settings.precision
        self.values |= {"a.codec": _joined(settings.a), "b.codec": _joined(settings.b) if settings.b else "off"}
        self.loudness: dict[str, float] = {}  # LUFS, short-term, by path: what match.py has measured
        self._ending = False  # faded out
        self._troubles: list[str] = []  # that nobody has been told of
        self.restarts = 0

    def start(self) -> None:
        """Load and warm up the codecs, plan L, make the timeline. EngineError or LatencyError if that cannot be."""
        ready = self._launch().wait_ready()
        settings = self.settings
        self.playing: tuple[Playing, ...] = ready.playing
        self._request = _settled(self._request, ready.playing)
        self.warm_up_load, self.remarks = ready.load, ready.remarks
        self.inserted, of_effects = ready.inserted, rows(ready.inserted)
        self.table |= of_effects
        self.values |= {name: row.default for name, row in of_effects.items()}
        self.plan = latency.plan(
            ready.needs,
            rate=settings.rate,
            block=settings.block,
            latency=settings.latency,
            waits=bool(self._hosted and self._hosted[Field.OFFLINE]),
        )
        self.hop = ready.needs[0].hop
        slots = sum(1 << playing.slot for playing in ready.playing)
        # the heartbeat pauses while a frame is computed
        stall_ns = int((0.5 + 4 * max(need.compute_s for need in ready.needs)) * 1e9)
        if self._hosted:
            self.timeline = self._hosted
            self.timeline.header[Field.STALL_NS] = stall_ns
            self.timeline.header[Field.SLOTS] = slots
        else:
            self.timeline = Timeline.create(
                rate=settings.rate,
                latency=self.plan.latency,
                max_block=settings.block,
                slots=slots,
                stall_ns=stall_ns,
            )
            self.timeline.header[Field.OFFLINE] = int(settings.offline)
            self._apply_monitor()
            self.host = HostSide(self.timeline)
        self._apply_fill()
        self._attach()
        self._wait_attached()

    def stop(self) -> None:
        """End the worker and the stream; the timeline stays readable until `close`."""
        with self._lock:  # others pump; from here on they find nothing
            links = [self._link, self._next and self._next[0]]
            self._link = self._next = None
        for link in links:
            if link:
                link.release()
                self._drain(link)
                link.stop()
        if hasattr(self, "host"):
            self.host.finish()

    def _drain(self, link: Link) -> None:
        """Hear the last of what a worker that was released had to say."""
        with contextlib.suppress(EOFError, OSError):
            while link.news.poll(0.05):
                self._hear(link, link.news.recv())

    def close(self) -> None:
        """Stop, and remove the timeline; one that a plug-in made stays."""
        self.stop()
        if hasattr(self, "host"):
            self.host.close()
        if hasattr(self, "timeline") and not self._hosted:
            self.timeline.close()

    def watch(self) -> str | None:
        """Replace a worker that has died; says what happened, or went wrong in a bend, once."""
        with self._lock:
            self.pump()
            return self._troubles.pop(0) if self._troubles else self._watch()

    def _watch(self) -> str | None:
        if self._next and (said := self._watch_next(*self._next)):
            return said
        link = self._link
        if link is None:
            return None
        if self._attach_pending and link.connection.poll():
            self._attach_pending = False
            try:
                link.wait_ready()
            except EngineError as error:
                self._link = None
                link.stop()
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

    def set(self, name: str, value: Any, *, at: int | None = None, ticket: int = 0) -> None:
        """Set a parameter, already validated by its row of `table`. Any thread.

        Block parameters take effect with the next block. Frame parameters do with the next frame, or with the one that
        holds input sample `at`. Listeners hear Applied with this ticket, if it is not 0, once that is known.
        """
        with self._lock:
            self.values[name] = value
            slot_name, _, rest = name.partition(".")
            if name in HEARD:
                self._apply_monitor(name, ticket)
            elif name == "fill":
                self._apply_fill()
            elif name == "limiter":
                self._request = replace(self._request, limiter=value)
                self._change(Change(-1, name, value, at, ticket))
            elif slot_name in (*SLOTS, "pre"):
                slot = PRE if slot_name == "pre" else SLOTS.index(slot_name)
                controls = {**self._request.controls}
                controls[slot] = {**controls.get(slot, {}), rest: value}
                self._request = replace(self._request, controls=controls)  # a new worker begins with them
                self._change(Change(slot, rest, value, at, ticket))

    @property
    def adapt(self) -> bool:
        """Whether load.py may step down."""
        return bool(self.values["adapt"])

    def panic(self, ticket: int = 0) -> None:
        """Hear dry, by the ramp of every switch."""
        self.set("monitor", "dry", ticket=ticket)

    def stream(self, groups: frozenset[str], asker: str = "osc") -> None:
        """Have listeners hear Encoded of each frame; with its tokens or latents if any asker's groups name them."""
        with self._lock:
            before = self._groups()
            self._wanted[asker] = groups
            if self._groups() != before and not self._attach_pending:
                self._tell(Stream(self._groups()))

    def _groups(self) -> frozenset[str]:
        return frozenset().union(*self._wanted.values())

    def listen(self, listener: Callable[[object], None]) -> None:
        """Call this with each event of news.py, in the thread that brought it on or that pumps."""
        self._listeners.append(listener)

    def unlisten(self, listener: Callable[[object], None]) -> None:
        """No more."""
        with contextlib.suppress(ValueError):
            self._listeners.remove(listener)

    def fade_out(self) -> None:
        """Go to silence by the ramp of every switch, and wait until that is heard. For good: the stream is to end."""
        timeline, self._ending = self.timeline, True
        timeline.header[Field.GAIN_DRY : Field.GAIN_B + 1] = 0
        end = timeline.load(Field.DRY_END) + timeline[Field.MAX_BLOCK] + timeline[Field.FADE]
        deadline = time.monotonic() + FADE_OUT_S
        while timeline.load(Field.PLAYED_END) < end and time.monotonic() < deadline:
            time.sleep(0.002)

    def pump(self) -> None:
        """Pass on what the worker has reported, and to it what was held back. Any thread; never waits."""
        with self._lock:
            link = self._link
            if link is None:
                return
            with contextlib.suppress(EOFError, OSError):  # `watch` sees that it is gone
                while link.news.poll():
                    self._hear(link, link.news.recv())
            if self._held and link.sent - link.taken < UNREAD and not self._attach_pending:
                held, self._held = self._held, {}
                for change in held.values():
                    self._change(change)

    def _hear(self, link: Link, event: object) -> None:
        if isinstance(event, Taken):
            link.taken = event.total
            return
        if isinstance(event, Applied):
            owner = "pre" if event.slot == PRE else SLOTS[event.slot]
            event = replace(event, name=event.name if event.name == "limiter" else f"{owner}.{event.name}")
        if isinstance(event, Trouble):
            if event.failed:
                place = "pre" if event.slot == PRE else f"{SLOTS[event.slot]}.post"
                self.values[f"{place}.{event.failed}.{BYPASS}"] = True
            if len(self._troubles) < UNREAD:
                self._troubles.append(event.message)
        self._emit(event)
        if isinstance(event, Began) and event.slot in self._begins:
            ticket = self._begins.pop(event.slot)
            self._emit(Applied(ticket, f"{SLOTS[event.slot]}.codec", event.slot, event.frame, event.audible))

    def _emit(self, event: object) -> None:
        for listener in tuple(self._listeners):
            listener(event)

    def _change(self, change: Change) -> None:
        """Send it on, or hold it back while the worker has too much to read."""
        link = self._link
        if link is None or self._attach_pending or link.sent - link.taken >= UNREAD:
            self._held[(change.slot, change.name, change.at)] = change
        elif change.name == "limiter":
            self._tell(SetLimiter(bool(change.value), change.at, change.ticket))
        else:
            self._tell(Changes((change,)))

    def swap(self, slot: int, codec: str, path: str | None, *, ticket: int = 0) -> None:
        """Put another codec into a slot that is in use; `watch` says when it plays, or why it does not. Any thread.

        Listeners hear Loaded, and Applied if there is a ticket. A swap asked for before this one was done is given up.
        """
        with self._lock:
            slots = tuple((s, codec, path) if s == slot else (s, c, p) for s, c, p in self._request.slots)
            name = _joined((codec, path))
            if slot not in [s for s, _, _ in slots]:
                self._emit(Loaded(slot, name, ticket, f"slot {SLOTS[slot].upper()} is off. Start again with it."))
                return
            if self._next:
                self._next[0].stop()
                self._forget_swap("another codec was asked for")
            request = replace(self._request, slots=slots)
            self._asked = {slot: (name, ticket)}
            self._next = (Link(request, in_thread=self.settings.offline), request)

    def _forget_swap(self, reason: str) -> None:
        for slot, (name, ticket) in self._asked.items():
            self._emit(Loaded(slot, name, ticket, reason))
        self._asked = {}

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
            self._forget_swap(str(error))
            return f"the codec was not changed: {error}"
        old = self._link
        if old:
            old.release()
            self._drain(old)
        # what was set while it loaded
        request = _settled(request, ready.playing)
        self._request = replace(request, controls=self._request.controls, limiter=self._request.limiter)
        self._link, self._attach_pending, self.playing = link, False, ready.playing
        self.hop = ready.needs[0].hop
        self._held = {}  # it is in the request
        for slot, (name, ticket) in self._asked.items():
            self.values[f"{SLOTS[slot]}.codec"] = name
            self._emit(Loaded(slot, name, ticket))
            if ticket:
                self._begins[slot] = ticket
        self._asked = {}
        self._attach()
        for slot, controls in self._request.controls.items():
            self._tell(Changes(tuple(Change(slot, key, value) for key, value in controls.items())))
        self._tell(SetLimiter(self._request.limiter))
        if old:
            old.stop()
        return "now playing " + ", ".join(f"{p.codec} {p.path}" for p in ready.playing)

    def bypassed(self, effect: Inserted) -> bool:
        """Whether an effect is left out, by the player or because it failed."""
        return bool(self.values[f"{effect.place}.{effect.number}.{BYPASS}"])

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

    def _apply_monitor(self, name: str = "", ticket: int = 0) -> None:
        """Write the gains between two blocks, so that it is known from which sample on they hold."""
        if not hasattr(self, "timeline") or self._ending:
            return
        timeline = self.timeline
        for _ in range(1000):  # a block takes microseconds; some driver that died in one is not waited for
            begun = timeline.load(Field.DRY_END)
            if begun == timeline.load(Field.PLAYED_END):
                break
        gains = heard(self.values)
        for field, gain in zip((Field.GAIN_DRY, Field.GAIN_A, Field.GAIN_B), gains, strict=True):
            timeline.header[field] = gain
        if ticket:
            # a block that began meanwhile may or may not have seen them; the one after it has
            at = timeline.load(Field.DRY_END)
            self._emit(Applied(ticket, name, -1, self._frame_at(at), at))

    def _apply_fill(self) -> None:
        if hasattr(self, "timeline"):
            self.timeline.header[Field.FILL] = PARAMETERS["fill"].choices.index(self.values["fill"])

    def _frame_at(self, sample: int) -> int:
        """About which frame of slot A (or the only slot) is heard at a sample."""
        return max(0, sample - self.plan.latency) // self.hop

    def _launch(self) -> Link:
        self._link = Link(self._request, in_thread=self.settings.offline, started=self._started)
        self._started = None
        return self._link

    def _attach(self) -> None:
        assert self._link is not None
        self._attached += 1
        self._tell(Attach(self.timeline.path, self._attached))
        self._link.sent = self._link.taken = 0  # it counts from here
        if groups := self._groups():
            self._tell(Stream(groups))

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
                self._link.sent += 1


def _joined(codec: tuple[str, str | None]) -> str:
    """CODEC[:PATH] as it is typed."""
    return ":".join(part for part in codec if part)


def _settled(request: Request, playing: Sequence[Playing]) -> Request:
    """With what a codec chose for itself written out (slide=auto): the next worker is to choose the same."""
    chosen = {p.slot: p.spec.name.rpartition(":")[2] for p in playing}
    return replace(request, slots=tuple((s, c.replace("slide=auto", chosen[s]), p) for s, c, p in request.slots))
