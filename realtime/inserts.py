"""Playing the inserts of plug-in hosts: each one that is found gets an engine of its own, and loses it when it goes.

    host activates an insert → its timeline appears → codecs load in a thread → the worker takes up its stream
                             → they need more than its latency: refused, said, and the host plays dry

One process serves all inserts of a user; who comes second is told so.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from realtime import latency
from realtime.config import keep_insert_latency
from realtime.drivers.plugin import Insert, find
from realtime.engine import Engine, Settings
from realtime.latency import LatencyError
from realtime.link import Link
from realtime.load import Load
from realtime.osc.service import OscService
from realtime.osc.transport import OscError
from realtime.rack.effect import EMPTY, Racks
from realtime.rack.rows import is_control, parse_control
from realtime.service import Request
from realtime.sessions import PLAYING, SessionFile
from realtime.signals import stop_event
from realtime.timeline import Field, TimelineError, runtime_directory

try:
    import fcntl
except ImportError:
    fcntl = None  # type: ignore[assignment]

POLL_S = 0.05
PLANNED_RATE = 48_000  # of the latency that new inserts reserve; they scale it to their own
Slot = tuple[str, str | None]


@dataclass(frozen=True)
class Options:
    """What every insert plays at first. Codec names as in CODEC[:PATH], path apart."""

    a: Slot
    b: Slot | None
    block: int  # the largest that new inserts are planned for
    precision: str = "float32"
    racks: Racks = EMPTY
    values: dict[str, Any] = field(default_factory=dict)
    osc: int | None = None  # port of the first insert; the others get any


def _say(line: str) -> None:
    print(line, flush=True)


def serve(options: Options, seconds: float | None = None, say: Callable[[str], None] = _say) -> dict[str, int]:
    """Play what inserts there are until Ctrl-C, or for so long; holes by kind, over all.

    EngineError or LatencyError if the codecs cannot be had at all, TimelineError if somebody serves inserts already.
    """
    with contextlib.ExitStack() as at_end:
        at_end.enter_context(alone())
        say(_plan(options))
        inserts = Inserts(options, say)
        stopping = at_end.enter_context(stop_event())
        at_end.callback(inserts.close)
        deadline = None if seconds is None else time.monotonic() + seconds
        while not stopping.wait(POLL_S) and (deadline is None or time.monotonic() < deadline):
            inserts.poll()
        inserts.close()
        return inserts.misses


def _plan(options: Options) -> str:
    """Load the codecs once, so that what is wrong is known now, and have new inserts reserve what they need."""
    link = Link(_request(options), in_thread=False)
    try:
        ready = link.wait_ready()
    finally:
        link.stop()
    planned = latency.plan(ready.needs, rate=PLANNED_RATE, block=options.block)
    reserved = keep_insert_latency(planned)
    return (
        f"waiting for inserts; new ones reserve {reserved} samples = {1000 * reserved / PLANNED_RATE:.1f} ms at "
        f"{PLANNED_RATE} Hz, for blocks of up to {options.block}"
    )


def _request(options: Options) -> Request:
    slots = [(0, *options.a)] + ([(1, *options.b)] if options.b else [])
    return Request(tuple(slots), PLANNED_RATE, precision=options.precision, racks=options.racks)


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """TimelineError if another process serves the inserts."""
    path = runtime_directory() / "inserts.lock"
    with path.open("a+") as file:
        if fcntl:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                file.seek(0)
                raise TimelineError(
                    f"the inserts are served by process {file.read().strip() or '?'} already. End that one first."
                ) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


class Inserts:
    """All inserts that are there. One thread."""

    def __init__(self, options: Options, say: Callable[[str], None]) -> None:
        self._options, self._say = options, say
        self._played: dict[Path, Played] = {}
        self._strange: dict[Path, str] = {}  # what is none of ours, and was said of it
        self.misses: dict[str, int] = {}

    def poll(self) -> None:
        """Take up what has come, let go of what has gone, watch the rest."""
        there = find()
        for path in there:
            if path not in self._played:
                self._take_up(path)
        self._strange = {path: said for path, said in self._strange.items() if path in there}
        for path, played in list(self._played.items()):
            if played.insert.gone:
                self._let_go(path)
                self._say(f"{played.insert}: its host has let go of it")
            elif played.refused and played.insert.offline:  # a host that renders waits: what was too slow will do
                self._let_go(path)
                self._take_up(path)
            else:
                played.poll()

    def _take_up(self, path: Path) -> None:
        try:
            port = 0 if self._played and self._options.osc else self._options.osc
            self._played[path] = Played(Insert(path), replace(self._options, osc=port), self._say)
        except TimelineError as error:
            if self._strange.get(path) != str(error):
                self._strange[path] = str(error)
                self._say(f"refused: {error} Run verdigris plugin install and start the host again.")

    def _let_go(self, path: Path) -> None:
        played = self._played.pop(path)
        for kind, count in played.close().items():
            self.misses[kind] = self.misses.get(kind, 0) + count

    def close(self) -> None:
        """Let go of all; the hosts play on, dry."""
        for path in list(self._played):
            self._let_go(path)


class Played:
    """One insert and its engine. One thread, beside the one in which codecs load."""

    def __init__(self, insert: Insert, options: Options, say: Callable[[str], None]) -> None:
        self.insert, self._options = insert, options
        self._tell = say
        self._block = insert.block
        settings = Settings(
            rate=insert.rate,
            block=self._block,
            a=options.a,
            b=options.b,
            latency=insert.latency,
            precision=options.precision,
            racks=options.racks,
        )
        self._engine = Engine(settings, insert.timeline)
        self.refused = self._playing = self._ended = False
        self._load: Load | None = None
        self._service: OscService | None = None
        self._session: SessionFile | None = None
        self._news: list[str] = []
        insert.claim()
        self._thread = threading.Thread(target=self._start, name="verdigris-insert", daemon=True)
        self._thread.start()

    def _start(self) -> None:
        """Load and attach; what went wrong is for `poll` to say."""
        try:
            controls = {name: value for name, value in self._options.values.items() if is_control(name)}
            for name, value in self._options.values.items():  # before, so that the first frame has them
                if name not in controls:
                    self._engine.set(name, value)
            self._engine.start()
            for name, value in controls.items():  # there are none before
                self._engine.set(name, parse_control(self._engine.table, name, value))
        except LatencyError as error:
            self._news.append(
                f"its latency is {self.insert.latency} samples, these codecs need {error.needed}. It plays dry. "
                "Take it out and in again, or reload the project, and it reserves that."
            )
            self.insert.refuse(error.needed)
            self.refused = not self.insert.offline
        except Exception as error:  # noqa: BLE001 - told by `poll`
            if not self._ended:  # else it was taken away while it loaded
                self._news.append(f"it plays dry: {error}")
        else:
            self._playing = True
            return
        self._engine.stop()  # the worker waits for nothing

    def _say(self, line: str) -> None:
        self._tell(f"{self.insert}: {line}")

    def poll(self) -> None:
        """Some 20 times a second."""
        if self._thread.is_alive():
            self.insert.claim()
            return
        while self._news:
            self._say(self._news.pop(0))
        if not self._playing:
            return
        if self._load is None:
            self._announce()
        assert self._load is not None
        self.insert.claim()
        self._engine.values.update(self.insert.changes())
        for message in (self._engine.watch(), self._load.poll()):
            if message:
                self._say(message)
        if self.insert.block > self._block:
            self._look_at_block()

    def _announce(self) -> None:
        engine, insert = self._engine, self.insert
        self.insert.refuse(0)
        self._load = Load(engine)
        codecs = " and ".join(f"{playing.codec} {playing.path}" for playing in engine.playing)
        self._say(
            f"playing {codecs} at {insert.rate} Hz in blocks of {self._block}; latency {insert.latency} samples = "
            f"{1000 * insert.latency / insert.rate:.1f} ms, of which {engine.plan.terms.get('reserve', 0)} in reserve"
        )
        if self._options.osc is not None:
            facts = {"driver": "plugin", "sample_rate": insert.rate, "insert": insert.identity}
            names = tuple(":".join(filter(None, slot)) for slot in (self._options.a, self._options.b) if slot)
            with contextlib.suppress(OscError):  # it has said so
                self._service = OscService(
                    engine, self._options.osc, device="plugin", facts=lambda: facts, say=self._say
                )
                self._session = SessionFile("plugin", names, insert.identity)
                self._session.update(port=self._service.osc.port, state=PLAYING, timeline=str(insert.timeline.path))

    def _look_at_block(self) -> None:
        """A host may hand over more at once than it said."""
        terms = self._engine.plan.terms
        needed = self._engine.plan.latency - terms.get("reserve", 0) + self.insert.block - terms["block"]
        self._block = self.insert.block
        if needed > self.insert.latency:
            self.insert.refuse(needed)
            self._say(
                f"the host hands over {self._block} samples at once, which needs a latency of {needed}; it has "
                f"{self.insert.latency}, so holes may come. Take it out and in again, or reload the project."
            )

    def close(self) -> dict[str, int]:
        """End the engine; holes by kind."""
        self._ended = True
        if self._session:
            self._session.close()
        if self._service:
            self._service.stop()
        self._engine.stop()  # a codec that still loads is given up
        self._thread.join()
        missed = self._engine.misses() if self._playing else {}
        self.insert.timeline.store(Field.CLAIM, 0)
        self._engine.close()
        self.insert.close()
        return missed
