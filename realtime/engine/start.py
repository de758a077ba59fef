"""Start of an engine: load the codecs, plan L, create the timeline, attach the worker."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from models.codec import CodecError
from models.load import fetch
from realtime.engine.engine import Engine
from realtime.engine.engine_settings import Settings, format_codec
from realtime.engine.output_gains import write_gains
from realtime.engine.parameter_store import ParameterStore
from realtime.engine.swap import resolved
from realtime.parameters.effect_rows import rows
from realtime.parameters.table import PARAMETERS
from realtime.timeline.layout import Field, Timeline
from realtime.timeline.monitor_mix import GAIN_PARAMETERS, effective_gains
from realtime.timeline.playout import Playout
from realtime.worker import latency_budget
from realtime.worker.handle import EngineError, WorkerHandle
from realtime.worker.latency_budget import LatencyBudget
from realtime.worker.messages import CodecsReady, LoadCodecs, Slot
from realtime.worker.routing import route
from realtime.worker.worker_process import WorkerProcess

ATTACH_TIMEOUT_S = 10.0


def start_engine(
    settings: Settings,
    *,
    plugin_timeline: Timeline | None = None,
    prestarted_worker: WorkerProcess | None = None,
    values: Mapping[str, Any] | None = None,
) -> Engine:
    """Start an engine and wait until it runs; see EngineStart for arguments and errors."""
    start = EngineStart(
        settings, plugin_timeline=plugin_timeline, prestarted_worker=prestarted_worker, values=values or {}
    )
    return start.run()


class EngineStart:
    """Start of one engine: `run` blocks one thread, `cancel` from another one ends it early."""

    def __init__(
        self,
        settings: Settings,
        *,
        plugin_timeline: Timeline | None = None,
        prestarted_worker: WorkerProcess | None = None,
        values: Mapping[str, Any] | None = None,
    ) -> None:
        """Prepare a start; `values` are validated parameters that hold from the first frame.

        `plugin_timeline` was created by a plug-in, which plays it: L and the monitor mix are its
        own. `prestarted_worker` is the process for the first worker.
        """
        self._settings, self._plugin_timeline = settings, plugin_timeline
        self._prestarted, self._values = prestarted_worker, dict(values or {})
        self._lock = threading.Lock()
        self._worker: WorkerHandle | None = None
        self._cancelled = False

    def run(self) -> Engine:
        """Return the running engine.

        Released weights that are missing are downloaded first, in the calling thread, where a
        terminal can show progress. Raises EngineError or TimelineError, and LatencyError if a
        plug-in's latency is too short; nothing is left open then.
        """
        settings = self._settings
        for _, codec, _ in settings.slots:
            try:
                fetch(codec)
            except CodecError as error:
                raise EngineError(str(error)) from error
        request = self._request()
        with contextlib.ExitStack() as on_error:
            worker = self._launch(request)
            on_error.callback(self._stop, worker)
            ready = worker.wait_ready()
            if self._cancelled:
                raise EngineError("the start was cancelled.")
            timeline, budget = self._open_timeline(ready)
            if raised := latency_budget.raised_message(settings.latency, budget):
                ready = replace(ready, remarks=(*ready.remarks, raised))
            effect_rows = rows(ready.effects)
            parameters = self._store({name: row.default for name, row in effect_rows.items()})
            timeline.header[Field.DROPOUT_FILL] = PARAMETERS["fill"].choices.index(parameters["fill"])
            host = None
            if not self._plugin_timeline:
                on_error.callback(timeline.close)
                write_gains(timeline, effective_gains(parameters))
                host = Playout(timeline)
                on_error.callback(host.close)
            table = {**PARAMETERS, **effect_rows}
            request = resolved(request, ready.playing)
            engine = Engine(settings, request, ready, budget, timeline, host, worker, table, parameters)
            _wait_attached(timeline, worker)
            on_error.pop_all()
        self._release()
        return engine

    def cancel(self) -> None:
        """End the start: `run` raises EngineError, at once if its worker is a process.

        No effect once `run` has returned.
        """
        with self._lock:
            self._cancelled = True
            if self._worker:
                self._worker.kill()

    def _release(self) -> None:
        """Take the worker out of reach of `cancel`."""
        with self._lock:
            self._worker = None

    def _stop(self, worker: WorkerHandle) -> None:
        self._release()
        worker.stop()

    def _request(self) -> LoadCodecs:
        settings = self._settings
        controls: dict[Slot, dict[str, Any]] = {}
        for name, value in self._values.items():
            if name not in GAIN_PARAMETERS and (target := route(name)):
                controls.setdefault(target[0], {})[target[1]] = value
        return LoadCodecs(
            settings.slots, settings.rate, controls=controls, precision=settings.precision, racks=settings.racks
        )

    def _launch(self, request: LoadCodecs) -> WorkerHandle:
        with self._lock:
            if self._cancelled:
                raise EngineError("the start was cancelled.")
            self._worker = WorkerHandle(request, in_thread=self._settings.offline, prestarted=self._prestarted)
            return self._worker

    def _open_timeline(self, ready: CodecsReady) -> tuple[Timeline, LatencyBudget]:
        settings, timeline = self._settings, self._plugin_timeline
        budget = latency_budget.plan(
            ready.needs,
            rate=settings.rate,
            block=settings.block,
            latency=settings.latency,
            fixed=timeline is not None and settings.latency > 0,
            host_waits=bool(timeline and timeline[Field.OFFLINE]),
        )
        slots = sum(1 << playing.slot for playing in ready.playing)
        # the heartbeat pauses while a frame is computed
        stall_ns = int((0.5 + 4 * max(need.compute_s for need in ready.needs)) * 1e9)
        if timeline:
            timeline.header[Field.STALL_NS] = stall_ns
            timeline.header[Field.SLOTS] = slots
            return timeline, budget
        timeline = Timeline.create(
            rate=settings.rate, latency=budget.latency, max_block=settings.block, slots=slots, stall_ns=stall_ns
        )
        timeline.header[Field.OFFLINE] = int(settings.offline)
        return timeline, budget

    def _store(self, effect_defaults: Mapping[str, Any]) -> ParameterStore:
        settings = self._settings
        store = ParameterStore({name: row.default for name, row in PARAMETERS.items()})
        store.publish(effect_defaults)
        store.publish({"rate": settings.rate, "block": settings.block, "latency": settings.latency})
        store.publish({"precision": settings.precision, "a.codec": format_codec(settings.slot_a)})
        store.set("b.codec", format_codec(settings.slot_b) if settings.slot_b else "off")
        store.publish(self._values)
        return store


def _wait_attached(timeline: Timeline, worker: WorkerHandle) -> None:
    """Wait until the worker has acknowledged the stream, before its first sample."""
    deadline = time.perf_counter() + ATTACH_TIMEOUT_S
    while timeline.load(Field.STREAM_ACK) != timeline.load(Field.STREAM_ID):
        if time.perf_counter() > deadline or not worker.alive():
            raise EngineError("the worker did not take up the stream. Run verdigris doctor.")
        time.sleep(0.001)
