"""Engine: one running stream through codecs, controlled by drivers, command line, OSC and plug-ins.

| method                                    | thread                                              |
|-------------------------------------------|-----------------------------------------------------|
| stop, close                               | the one that started the engine (start.py)          |
| set, swap, subscribe_frames, panic        | any; none waits for the worker                      |
| process_events, listen, unlisten          | any; listeners run in the thread that calls         |
| snapshot, dropouts, parameters            | any                                                 |
| supervise, fade_out                       | one control thread, supervise some 20 times a second|
| host.process                              | the driver's audio thread, and only it              |

A worker process that dies is replaced while the stream runs: meanwhile the host side plays aligned
dry, then the new worker joins the stream. A codec is swapped by a second worker that loads and
warms up beside the first.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from realtime.effects.effect import EffectInfo, Racks
from realtime.effects.rack import BYPASS
from realtime.engine import output_gains
from realtime.engine.change_outbox import ChangeOutbox
from realtime.engine.engine_settings import Settings, format_codec
from realtime.engine.parameter_store import ParameterStore
from realtime.engine.rack_change import RackChange, carried, with_controls
from realtime.engine.reload_backoff import ReloadBackoff
from realtime.engine.source_position import SourcePosition
from realtime.engine.swap import Swap, resolved, with_codec
from realtime.parameters.effect_rows import is_control, rows
from realtime.parameters.parameter import Parameter
from realtime.timeline import telemetry
from realtime.timeline.layout import SLOTS, Field, Timeline
from realtime.timeline.monitor_mix import GAIN_PARAMETERS, effective_gains
from realtime.timeline.playout import Playout, dropouts
from realtime.timeline.telemetry import Telemetry
from realtime.worker.handle import EngineError, WorkerHandle
from realtime.worker.latency_budget import LatencyBudget, LatencyError
from realtime.worker.messages import (
    ApplyChanges,
    AttachTimeline,
    ChangeApplied,
    CodecLoaded,
    CodecsReady,
    EffectsChanged,
    LaneFailed,
    LoadCodecs,
    MessagesConsumed,
    ParameterChange,
    SelectFrameEvents,
    Slot,
    SlotInfo,
    SlotStarted,
    SlotWarning,
)
from realtime.worker.routing import effects_place, full_name, route

MAX_WARNINGS = 32  # not yet reported; further ones are dropped


class Engine:
    """One running stream; see the table above for threads. Created by start.py."""

    def __init__(
        self,
        settings: Settings,
        request: LoadCodecs,
        ready: CodecsReady,
        budget: LatencyBudget,
        timeline: Timeline,
        host: Playout | None,
        worker: WorkerHandle,
        table: Mapping[str, Parameter],
        parameters: ParameterStore,
    ) -> None:
        """Attach a worker that is ready.

        Without `host` the timeline belongs to a plug-in and is not closed.
        """
        self.settings, self.plan, self.timeline = settings, budget, timeline
        self.table, self.parameters = dict(table), parameters
        self.playing: tuple[SlotInfo, ...] = ready.playing
        self.warm_up_load, self.remarks, self.effects = ready.load, ready.remarks, ready.effects
        self.needs, self.hop, self.restarts = ready.needs, ready.needs[0].hop, 0
        self.source_position: SourcePosition | None = None  # of the file in place of the input; set by the session
        self._host, self._request = host, request
        self._lock = threading.RLock()  # over worker, request and swap; held for moments only
        self._worker: WorkerHandle | None = worker
        self._reloading = False  # the worker is a replacement that still loads
        self._failed: LaneFailed | None = None  # a lane of the worker, for `supervise` to replace
        self._backoff = ReloadBackoff()
        self._pending_swap: Swap | None = None
        self._swap_tickets: dict[int, int] = {}  # per slot: confirmed when its new codec becomes audible
        self._outbox = ChangeOutbox()
        self._subscriptions: dict[str, frozenset[str]] = {}  # groups of frame events by subscriber
        self._listeners: list[Callable[[object], None]] = []
        self._warnings: list[str] = []  # for `supervise` to report
        self._loudness: dict[str, float] = {}
        self._faded_out = False
        self._attach_count = timeline.load(Field.ATTACH_COUNT)
        self._attach(worker)

    @property
    def host(self) -> Playout:
        """Playout for a driver. EngineError if a plug-in plays the timeline."""
        if self._host is None:
            raise EngineError("a plug-in plays this stream, so no driver can. Use its host to play.")
        return self._host

    def stop(self) -> None:
        """End the worker and the stream; the timeline stays readable until `close`."""
        with self._lock:  # other threads that process events find no worker from here on
            workers = [self._worker, self._pending_swap and self._pending_swap.worker]
            self._worker = self._pending_swap = None
            self._backoff.reset()
        for worker in workers:
            if worker:
                worker.release()
                self._drain(worker)
                worker.stop()
        if self._host:
            self._host.finish()

    def close(self) -> None:
        """Stop, and remove the timeline unless it belongs to a plug-in."""
        self.stop()
        if self._host:
            self._host.close()
            self.timeline.close()

    # parameters

    def set(self, name: str, value: Any, *, at: int | None = None, ticket: int = 0) -> None:
        """Set a parameter that its row of `table` has validated. Any thread.

        Block parameters take effect with the next block, frame parameters with the next frame or
        the one that contains input sample `at`. If the ticket is not 0, a ChangeApplied event
        confirms it.
        """
        with self._lock:
            self.parameters.set(name, value)
            if name in GAIN_PARAMETERS:
                self._apply_gains(name, ticket)
            elif name == "fill":
                self.timeline.header[Field.DROPOUT_FILL] = self.table["fill"].choices.index(value)
                self._confirm(name, ticket, self.timeline.load(Field.PLAYED_END))
            elif target := route(name):
                slot, rest = target
                controls = {**self._request.controls}
                controls[slot] = {**controls.get(slot, {}), rest: value}
                self._request = replace(self._request, controls=controls)  # the next worker starts with them
                change = ParameterChange(slot, rest, value, at, ticket)
                self._outbox.send(None if self._reloading else self._worker, change)
            else:
                self._confirm(name, ticket, self.timeline.load(Field.PLAYED_END))

    @property
    def auto_quality(self) -> bool:
        """True if the overload guard may reduce the quality by itself."""
        return bool(self.parameters["adapt"])

    def panic(self, ticket: int = 0) -> None:
        """Monitor dry, with the usual ramp."""
        self.set("monitor", "dry", ticket=ticket)

    def fade_out(self) -> None:
        """Ramp to silence before the stream ends, and wait until that has been played."""
        self._faded_out = True
        output_gains.fade_out(self.timeline)

    def is_bypassed(self, effect: EffectInfo) -> bool:
        """Return True if an effect is bypassed, by the user or because it failed."""
        return bool(self.parameters[f"{effect.place}.{effect.number}.{BYPASS}"])

    def _apply_gains(self, name: str, ticket: int) -> None:
        if self._faded_out:
            return
        at = output_gains.write_gains(self.timeline, effective_gains(self.parameters))
        self._confirm(name, ticket, at)

    def _confirm(self, name: str, ticket: int, at: int) -> None:
        """Confirm a parameter that holds from input sample `at`, unless the ticket is 0."""
        if ticket:
            frame = max(0, at - self.plan.latency) // self.hop  # about the one of the first slot that is audible
            self._notify(ChangeApplied(ticket, name, Slot.GLOBAL, frame, at))

    # measurements

    def snapshot(self) -> Telemetry:
        """Return the latest telemetry of the worker."""
        return telemetry.read(self.timeline)

    def dropouts(self) -> dict[str, int]:
        """Return the dropouts by kind so far."""
        return dropouts(self.timeline)

    @property
    def loudness(self) -> Mapping[str, float]:
        """Short-term loudness by path in LUFS; empty until `publish_loudness`."""
        return self._loudness

    def publish_loudness(self, loudness: Mapping[str, float]) -> None:
        """Store the short-term loudness by path in LUFS (loudness_match.py)."""
        self._loudness = dict(loudness)

    @property
    def worker_pid(self) -> int | None:
        """Process id of the worker; None if it runs in a thread or has ended."""
        return self._worker.process.pid if self._worker and self._worker.process else None

    # events

    def listen(self, listener: Callable[[object], None]) -> None:
        """Call listener with each event (worker/messages.py), in the thread that processes it."""
        self._listeners.append(listener)

    def unlisten(self, listener: Callable[[object], None]) -> None:
        """Remove a listener."""
        with contextlib.suppress(ValueError):
            self._listeners.remove(listener)

    def subscribe_frames(self, groups: frozenset[str], subscriber: str = "osc") -> None:
        """Request FrameEncoded events.

        `groups` (clock, tokens, latents, surprise) replaces the earlier ones of this subscriber.
        """
        with self._lock:
            before = self._groups()
            self._subscriptions[subscriber] = groups
            if self._groups() != before and self._worker and not self._reloading:
                self._worker.send(SelectFrameEvents(self._groups()))

    def process_events(self) -> None:
        """Pass the worker's events to listeners and send it the deferred changes.

        Any thread; never waits.
        """
        with self._lock:
            worker = self._worker
            if worker is None:
                return
            with contextlib.suppress(EOFError, OSError):  # `supervise` finds out that it is gone
                while worker.events.poll():
                    self._on_event(worker, worker.events.recv())
            if not self._reloading:
                self._outbox.flush(worker)

    @property
    def in_flight(self) -> int:
        """Messages that the worker has not read yet."""
        return self._worker.in_flight if self._worker else 0

    def _groups(self) -> frozenset[str]:
        return frozenset().union(*self._subscriptions.values())

    def _drain(self, worker: WorkerHandle) -> None:
        """Process the last events of a worker that was released."""
        with contextlib.suppress(EOFError, OSError):
            while worker.events.poll(0.05):
                self._on_event(worker, worker.events.recv())

    def _on_event(self, worker: WorkerHandle, event: object) -> None:
        if isinstance(event, MessagesConsumed):
            worker.consumed = event.total
            return
        if isinstance(event, ChangeApplied):
            event = replace(event, name=full_name(event.slot, event.name))
        if isinstance(event, SlotWarning):
            self._on_warning(event)
        if isinstance(event, LaneFailed):
            self._failed = event
        self._notify(event)
        if isinstance(event, SlotStarted) and event.slot in self._swap_tickets:
            ticket = self._swap_tickets.pop(event.slot)
            name = full_name(event.slot, "codec")
            self._notify(ChangeApplied(ticket, name, event.slot, event.frame, event.audible))

    def _on_warning(self, warning: SlotWarning) -> None:
        if warning.failed:
            self.parameters.set(f"{effects_place(warning.slot)}.{warning.failed}.{BYPASS}", True)
        if len(self._warnings) < MAX_WARNINGS:
            self._warnings.append(warning.message)

    def _notify(self, event: object) -> None:
        for listener in tuple(self._listeners):
            listener(event)

    # workers

    def supervise(self) -> str | None:
        """Replace a dead worker, complete swaps; return a message for the user, if any."""
        with self._lock:
            self.process_events()
            if self._warnings:
                return self._warnings.pop(0)
            message = self._supervise_swap() or self._supervise_worker() or self._supervise_lanes()
            if message is None and self._backoff.take_attempt(busy=bool(self._pending_swap or self._reloading)):
                self._reload()
            return message or self._backoff.settle()

    def _supervise_worker(self) -> str | None:
        worker = self._worker
        if worker is None:
            return None
        if self._reloading and worker.connection.poll():
            return self._attach_replacement(worker)
        if worker.alive():
            return None
        self.timeline.store(Field.ATTACH_COUNT, 0)  # the dead worker could not do so
        self._worker, self._reloading = None, False
        worker.stop()
        self.restarts += 1
        return self._backoff.fail("the worker died", "starting another, dry meanwhile")

    def _supervise_lanes(self) -> str | None:
        """Plan another worker beside one of which a lane has failed; its other lanes play on."""
        failed = self._failed
        if failed is None or self._pending_swap or self._reloading:
            return None
        self._failed = None
        self.restarts += 1
        names = " and ".join(SLOTS[slot].upper() for slot in failed.slots)
        what = f"slot {names} failed ({failed.reason})"
        return self._backoff.fail(what, f"loading it again, dry for {names} meanwhile")

    def _reload(self) -> None:
        """Start a worker after a failure: a new one, or one beside that with a failed lane."""
        if self._worker is None:
            self._worker, self._reloading = WorkerHandle(self._request, in_thread=self.settings.offline), True
        else:
            self._pending_swap = Swap(WorkerHandle(self._request, in_thread=False), self._request)

    def _attach_replacement(self, worker: WorkerHandle) -> str | None:
        self._reloading = False
        try:
            worker.wait_ready()
        except EngineError as error:
            self._worker = None
            worker.stop()
            return self._backoff.fail(f"the codecs could not be loaded again: {error}", "dry meanwhile")
        self._attach(worker)
        return self._backoff.loaded("the worker is back")

    def _attach(self, worker: WorkerHandle) -> None:
        self._attach_count += 1
        worker.attach(AttachTimeline(self.timeline.path, self._attach_count))
        if groups := self._groups():
            worker.send(SelectFrameEvents(groups))

    def swap(self, slot: int, codec: str, path: str | None, *, ticket: int = 0) -> None:
        """Load another codec for a slot in use; `supervise` reports when it plays, or why not.

        Any thread. Listeners receive CodecLoaded, and ChangeApplied if the ticket is not 0. An
        unfinished earlier swap is abandoned.
        """
        with self._lock:
            name = format_codec((codec, path))
            if slot not in [number for number, _, _ in self._request.slots]:
                reason = f"slot {SLOTS[slot].upper()} is off. Start again with it."
                self._notify(CodecLoaded(slot, name, ticket, reason))
                return
            if self._pending_swap:
                self._pending_swap.worker.stop()
                if self._pending_swap.repairs:
                    self._backoff.retry()  # in case this one does not load
                for event in self._pending_swap.failed("another codec was requested"):
                    self._notify(event)
            request = with_codec(self._request, slot, codec, path)
            worker = WorkerHandle(request, in_thread=self.settings.offline)
            self._pending_swap = Swap(worker, request, slot, name, ticket)

    @property
    def racks(self) -> Racks:
        """Effects that play, or that load with the next worker."""
        return self._request.racks

    def change_racks(self, change: RackChange) -> None:
        """Load other effects; listeners receive EffectsChanged when they play, or why not.

        Any thread. EngineError while another change loads.
        """
        with self._lock:
            if self._pending_swap or self._reloading:
                raise EngineError("a codec or an effect is still loading. Try again when it plays.")
            controls = with_controls(self._request.controls, {})
            request = replace(self._request, racks=change.racks, controls=controls)
            self._pending_swap = Swap(WorkerHandle(request, in_thread=self.settings.offline), request, effects=change)

    def _adopt_effects(self, change: RackChange, ready: CodecsReady) -> None:
        """Take the rows of new effects into the table, with the values of those that stay."""
        new = rows(ready.effects)
        values = carried(change, new, self.parameters)
        old = {name for name in self.table if is_control(name)}
        fixed = {name: row for name, row in self.table.items() if name not in old}
        self.table = {**self.table, **new}  # no reader finds a value without its row
        self.parameters.replace(old, values)
        self.table, self.effects = {**fixed, **new}, ready.effects
        self._request = replace(self._request, controls=with_controls(self._request.controls, values))

    def _supervise_swap(self) -> str | None:
        """Let a new worker take over once it is warm, if its codecs fit within L."""
        swap = self._pending_swap
        if swap is None or not swap.worker.loading_done():
            return None
        self._pending_swap = None
        try:
            ready = swap.wait_ready(self.settings.rate, self.settings.block, self.plan.latency)
        except (EngineError, LatencyError) as error:
            swap.worker.stop()
            if swap.repairs:
                return self._backoff.fail(f"the codec was not loaded again: {error}", "dry meanwhile")
            for event in swap.failed(str(error), getattr(error, "needed", 0), getattr(error, "offer", "")):
                self._notify(event)
            return f"the {'effects were' if swap.effects else 'codec was'} not changed: {error}"
        self._take_over(swap, ready)
        playing = ", ".join(f"{p.codec} {p.path}" for p in ready.playing)
        return self._backoff.loaded(f"now playing {playing}", anew=not swap.repairs)

    def _take_over(self, swap: Swap, ready: CodecsReady) -> None:
        old, worker = self._worker, swap.worker
        if old:
            old.release()
            self._drain(old)
        request = resolved(swap.request, ready.playing)
        self._request = replace(request, controls=self._request.controls)  # parameters set while it loaded
        self._worker, self._reloading, self.playing = worker, False, ready.playing
        self.hop, self.needs = ready.needs[0].hop, ready.needs
        self._outbox.clear()  # the changes are in the request
        self._failed = None
        if swap.effects:
            self._adopt_effects(swap.effects, ready)
            self._notify(EffectsChanged(swap.effects.racks))
        if swap.slot is not None:
            self.parameters.set(full_name(swap.slot, "codec"), swap.codec)
            self._notify(CodecLoaded(swap.slot, swap.codec, swap.ticket))
            if swap.ticket:
                self._swap_tickets[swap.slot] = swap.ticket
        self._attach(worker)
        for slot, values in self._request.controls.items():
            worker.send(ApplyChanges(tuple(ParameterChange(slot, name, value) for name, value in values.items())))
        if old:
            old.stop()
