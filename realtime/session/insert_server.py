"""Server of DAW inserts: each insert that a host activates gets an engine of its own.

    host activates an insert → its timeline appears → codecs load in a thread → the worker plays its stream
                             → they need more than its latency: refused with a message, and the host plays dry

One process serves all inserts of a user; a second one is refused.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from realtime.effects.effect import EMPTY, Racks
from realtime.engine.engine import Engine
from realtime.engine.engine_settings import Settings
from realtime.engine.overload_guard import OverloadGuard
from realtime.engine.start import EngineStart
from realtime.osc.service import OscService
from realtime.osc.transport import OscError
from realtime.parameters.effect_rows import is_control, parse_control
from realtime.parameters.parameter import ParameterError
from realtime.plugin import reserved_latency
from realtime.plugin.insert_timeline import Insert, find_inserts, single_server_lock
from realtime.system.signals import stop_event
from realtime.timeline.layout import Field, TimelineError
from realtime.timeline.session_file import PLAYING, SessionFile
from realtime.worker import latency_budget
from realtime.worker.handle import WorkerHandle
from realtime.worker.latency_budget import LatencyError
from realtime.worker.messages import LoadCodecs

POLL_S = 0.05
PLANNED_RATE = 48_000  # Hz, of the latency that new inserts reserve; they convert it to their own rate
Slot = tuple[str, str | None]
LOG = logging.getLogger("verdigris.inserts")


@dataclass(frozen=True)
class Options:
    """Settings that every insert starts with. A slot is (codec, path or None)."""

    a: Slot
    b: Slot | None
    block: int  # samples, the largest block that new inserts are planned for
    precision: str = "float32"
    racks: Racks = EMPTY
    values: dict[str, Any] = field(default_factory=dict)
    osc: int | None = None  # port of the first insert; the others get any free one


def serve(options: Options, seconds: float | None = None) -> dict[str, int]:
    """Serve inserts until Ctrl-C or for `seconds`; return the dropouts of all inserts by kind.

    EngineError or LatencyError if the codecs cannot be loaded, TimelineError if another process
    serves inserts.
    """
    with contextlib.ExitStack() as at_end:
        at_end.enter_context(single_server_lock())
        LOG.info(_plan(options))
        inserts = InsertServer(options)
        stopping = at_end.enter_context(stop_event())
        at_end.callback(inserts.close)
        deadline = None if seconds is None else time.perf_counter() + seconds
        while not stopping.wait(POLL_S) and (deadline is None or time.perf_counter() < deadline):
            inserts.poll()
        inserts.close()
        return inserts.misses


def _plan(options: Options) -> str:
    """Load the codecs once, so that errors show now, store the latency for new inserts, and return
    a message.
    """
    link = WorkerHandle(_request(options), in_thread=False)
    try:
        ready = link.wait_ready()
    finally:
        link.stop()
    planned = latency_budget.plan(ready.needs, rate=PLANNED_RATE, block=options.block)
    reserved = reserved_latency.reserve(planned.latency, planned.terms["compute"], PLANNED_RATE)
    return (
        f"waiting for inserts; new ones reserve a latency of {reserved} samples = "
        f"{1000 * reserved / PLANNED_RATE:.1f} ms at {PLANNED_RATE} Hz, for blocks of up to {options.block}"
    )


def _request(options: Options) -> LoadCodecs:
    slots = [(0, *options.a)] + ([(1, *options.b)] if options.b else [])
    return LoadCodecs(tuple(slots), PLANNED_RATE, precision=options.precision, racks=options.racks)


class InsertServer:
    """All inserts of this user and their engines. One thread."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._sessions: dict[Path, InsertSession] = {}
        self._rejected: dict[Path, str] = {}  # timelines that cannot be served, with the message already shown
        self.misses: dict[str, int] = {}

    def poll(self) -> None:
        """Start sessions of new inserts, end those of closed ones, and poll the rest."""
        existing = find_inserts()
        for path in existing:
            if path not in self._sessions:
                self._start_session(path)
        self._rejected = {path: message for path, message in self._rejected.items() if path in existing}
        for path, session in list(self._sessions.items()):
            if session.insert.owner_gone:
                self._end_session(path)
                LOG.info("%s: its host has closed it", session.insert)
            elif session.refused and session.insert.offline:  # a host that renders offline waits for slow codecs
                self._end_session(path)
                self._start_session(path)
            else:
                session.poll()

    def _start_session(self, path: Path) -> None:
        try:
            port = 0 if self._sessions and self._options.osc else self._options.osc
            self._sessions[path] = InsertSession(Insert(path), replace(self._options, osc=port))
        except TimelineError as error:
            if self._rejected.get(path) != str(error):
                self._rejected[path] = str(error)
                LOG.warning("refused: %s Run verdigris plugin install and start the host again.", error)

    def _end_session(self, path: Path) -> None:
        session = self._sessions.pop(path)
        for kind, count in session.close().items():
            self.misses[kind] = self.misses.get(kind, 0) + count

    def close(self) -> None:
        """End all sessions; the hosts go on playing dry."""
        for path in list(self._sessions):
            self._end_session(path)


class InsertSession:
    """One insert and its engine. Used from one thread; codecs load in another."""

    def __init__(self, insert: Insert, options: Options) -> None:
        self.insert, self._options = insert, options
        self._block = insert.block
        settings = Settings(
            rate=insert.rate,
            block=self._block,
            slot_a=options.a,
            slot_b=options.b,
            latency=insert.latency,
            precision=options.precision,
            racks=options.racks,
        )
        # effects have no controls before they are loaded; other values hold from the first frame
        values = {name: value for name, value in options.values.items() if not is_control(name)}
        self._starter = EngineStart(settings, plugin_timeline=insert.timeline, values=values)
        self._engine: Engine | None = None
        self.refused = self._ended = False
        self._load: OverloadGuard | None = None
        self._service: OscService | None = None
        self._session_file: SessionFile | None = None
        self._messages: list[str] = []  # of the loading thread
        insert.heartbeat()
        self._thread = threading.Thread(target=self._start, name="verdigris-insert", daemon=True)
        self._thread.start()

    def _start(self) -> None:
        """Load the codecs and attach them, in the loading thread. Errors are logged by `poll`."""
        try:
            engine = self._starter.run()
            try:
                for name, value in self._options.values.items():
                    if is_control(name):
                        engine.set(name, parse_control(engine.table, name, value))
            except ParameterError:
                engine.close()
                raise
        except LatencyError as error:
            self._messages.append(
                f"its latency is {self.insert.latency} samples, these codecs need {error.needed}. It plays dry. "
                "Remove it and insert it again, or reload the project, and it reserves that."
            )
            self.insert.report_required_latency(error.needed)
            self.refused = not self.insert.offline
        except Exception as error:  # noqa: BLE001 - logged by `poll`
            if not self._ended:  # else it was closed while it loaded
                self._messages.append(f"it plays dry: {error}")
        else:
            self._engine = engine

    def _log(self, line: str) -> None:
        LOG.info("%s: %s", self.insert, line)

    def poll(self) -> None:
        """Do the periodic work; called about 20 times a second."""
        if self._thread.is_alive():
            self.insert.heartbeat()
            return
        while self._messages:
            self._log(self._messages.pop(0))
        engine = self._engine
        if engine is None:
            return
        if self._load is None:
            self._load = OverloadGuard(engine)
            self._announce(engine)
        self.insert.heartbeat()
        engine.parameters.publish(self.insert.parameter_changes())
        for message in (engine.supervise(), self._load.poll()):
            if message:
                self._log(message)
        if self.insert.block > self._block:
            self._check_block(engine)

    def _announce(self, engine: Engine) -> None:
        insert = self.insert
        self.insert.report_required_latency(0)
        codecs = " and ".join(f"{playing.codec} {playing.path}" for playing in engine.playing)
        self._log(
            f"playing {codecs} at {insert.rate} Hz in blocks of {self._block}; latency {insert.latency} samples = "
            f"{1000 * insert.latency / insert.rate:.1f} ms, of which {engine.plan.terms.get('reserve', 0)} in reserve"
        )
        if self._options.osc is not None:
            facts = {"driver": "plugin", "sample_rate": insert.rate, "insert": insert.identity}
            names = tuple(":".join(filter(None, slot)) for slot in (self._options.a, self._options.b) if slot)
            with contextlib.suppress(OscError):  # the service has logged it
                self._service = OscService(
                    engine, self._options.osc, device="plugin", device_facts=lambda: facts, say=self._log
                )
                self._session_file = SessionFile("plugin", names, insert.identity)
                self._session_file.update(
                    port=self._service.osc.port, state=PLAYING, timeline=str(insert.timeline.path)
                )

    def _check_block(self, engine: Engine) -> None:
        """Warn if the host passes larger blocks than it announced, and they need more latency than
        the insert has.
        """
        terms = engine.plan.terms
        needed = engine.plan.latency - terms.get("reserve", 0) + self.insert.block - terms["block"]
        self._block = self.insert.block
        if needed > self.insert.latency:
            self.insert.report_required_latency(needed)
            self._log(
                f"the host passes blocks of {self._block} samples, which need a latency of {needed} samples; "
                f"the insert has {self.insert.latency}, so dropouts are possible. Remove it and insert it "
                "again, or reload the project."
            )

    def close(self) -> dict[str, int]:
        """End the engine; return its dropouts by kind."""
        self._ended = True
        if self._session_file:
            self._session_file.close()
        if self._service:
            self._service.stop()
        self._starter.cancel()  # no effect if the codecs have been loaded
        self._thread.join()
        engine = self._engine
        if engine:
            engine.stop()
        dropped = engine.dropouts() if engine else {}
        self.insert.timeline.store(Field.SERVER_HEARTBEAT_NS, 0)
        if engine:
            engine.close()
        self.insert.close()
        return dropped
