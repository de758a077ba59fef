"""A live session: streams one after another, each a Stage, under one OSC server and one session file."""

from __future__ import annotations

import contextlib
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from models.codec import CodecError
from realtime.audiofile import Reader
from realtime.console import View
from realtime.drivers.portaudio import CardError
from realtime.engine import Engine
from realtime.latency import LatencyError
from realtime.link import EngineError
from realtime.mix import uses_b
from realtime.orders import Order, Orders
from realtime.osc.service import OscService
from realtime.params import ParameterError
from realtime.rack.effect import EffectError
from realtime.rack.rows import parse_control
from realtime.recorder import recording_directory
from realtime.session import Reopen, Session
from realtime.sessions import LOADING, PLAYING, SessionFile
from realtime.signals import stop_event
from realtime.sources import CAPTURE, INPUT
from realtime.stage import Stage
from realtime.timeline import Field, TimelineError
from realtime.wholefile import FileError, check_apart, check_writable

CANNOT_BEGIN = (CardError, CodecError, EffectError, EngineError, FileError, LatencyError, ParameterError, TimelineError)


def play(session: Session) -> dict[str, Any]:
    """Run it to its end, or to Ctrl-C; the report of its last stream. One of CANNOT_BEGIN if it cannot be.

    Whatever can be known to fail fails before anything sounds; whatever ends the stream, files are finished.
    """
    with contextlib.ExitStack() as at_end:
        if session.card:
            at_end.callback(session.card.stop)
        if session.record:
            played = session.source.path if isinstance(session.source, Reader) else None
            at_end.enter_context(recording_directory(session.record, played))
        if session.report:
            if isinstance(session.source, Reader):
                check_apart(session.source.path, session.report)
            check_writable(session.report)
        return _Live(session, at_end).run()


class _Live:
    """What stays while one stream follows another."""

    def __init__(self, session: Session, at_end: contextlib.ExitStack) -> None:
        self._session, self._at_end = session, at_end
        self._orders = Orders()
        self._played_s = 0.0  # in streams before this one
        self._service: OscService | None = None
        self._view: View | None = None
        self._file: SessionFile | None = None
        self._engines: list[Engine] = []  # the one that plays, after the one that played until its clients have moved
        if session.osc is not None:
            self._file = at_end.enter_context(contextlib.closing(SessionFile(session.driver, session.codecs)))
        self._place = Path(at_end.enter_context(tempfile.TemporaryDirectory(prefix="verdigris-")))
        at_end.callback(self._close)

    def run(self) -> dict[str, Any]:
        """Stream after stream, until one ends that is not to be followed by another."""
        self._begin(self._session)
        while True:
            with stop_event() as stopping:
                stage = Stage(self._session, self._engines[-1], self._orders, self._place)
                report = stage.run(stopping, self._serve, self._announce)
            if stage.again is None:
                return report
            self._begin_again(stage.again)

    def _begin(self, session: Session) -> Engine:
        """Load its codecs, and set what is to be set."""
        engine = Engine(session.settings, started=session.started)
        try:
            engine.start()
            for name, given in session.values.items():
                value = parse_control(engine.table, name, given)
                if engine.table[name].when == "session":
                    self._orders.give(Order(name, (value,), self._report_failure))
                else:
                    engine.set(name, value)
        except BaseException:
            engine.close()
            raise
        engine.values["driver"] = session.driver
        if session.card:
            found = session.card.found
            engine.values |= {"device.input": found.source, "device.output": found.sink}
        self._engines.append(engine)
        self._session = session
        return engine

    def _begin_again(self, order: Order) -> None:
        """Another stream, as the order says; as it was before, if that cannot be."""
        (asked,) = order.args
        assert self._session.reopen
        if self._file:
            self._file.update(state=LOADING)
        before, reopen = self._engines[-1], self._session.reopen
        self._session.close()  # what it had open is not waited for until the end: a patch is a process
        self._played_s += before.timeline.load(Field.DRY_END) / before.settings.rate
        now = {name: before.values[name] for name in ("a.codec", "b.codec")}
        try:
            self._reopen(reopen, {**now, **asked}, before)
        except CANNOT_BEGIN as error:
            self._reopen(reopen, now, before)
            order.fail(error)
        else:
            order.done(", ".join(f"{name} {value}" for name, value in asked.items()))

    def _reopen(self, reopen: Reopen, changed: dict[str, Any], before: Engine) -> None:
        """With codecs and whatever else has changed; what is heard stays, or is A where it was of a B that is off."""

        def heard() -> str:
            monitor: str = before.values["monitor"]
            return "a" if uses_b(monitor) and changed["b.codec"] == "off" else monitor

        session = reopen({**changed, "monitor": heard()})
        try:
            left = None if session.seconds is None else max(0.0, session.seconds - self._played_s)
            engine = self._begin(replace(session, record=None, values={}, seconds=left))
        except BaseException:
            session.close()
            raise
        self._at_end.callback(session.close)
        for name, value in {**before.values, "monitor": heard()}.items():  # as it was played until now
            if name in engine.table and engine.table[name].when in ("block", "frame") and value != engine.values[name]:
                engine.set(name, value)
        engine.values["record.directory"] = before.values["record.directory"]
        if before.values["source"] not in (INPUT, CAPTURE):
            self._orders.give(Order("source", (before.values["source"],), self._report_failure))

    def _serve(self, view: View) -> None:
        """OSC, from the first stream on, if it is wanted; its clients go on with this one."""
        self._view = view
        engine, session = self._engines[-1], self._session
        if self._service:
            self._service.attach(engine, session.driver)
        elif session.osc is not None:
            self._service = OscService(
                engine,
                session.osc,
                device=session.driver,
                facts=lambda: self._session.facts(),
                orders=self._orders,
                say=self._say,
            )
        for old in self._engines[:-1]:
            old.close()
        del self._engines[:-1]

    def _announce(self) -> None:
        """It plays."""
        if self._file and self._service:
            self._file.update(
                state=PLAYING,
                port=self._service.osc.port,
                timeline=str(self._engines[-1].timeline.path),
                driver=self._session.driver,
                codecs=self._session.codecs,
            )

    def _say(self, line: str) -> None:
        assert self._view
        self._view.say(line)

    def _report_failure(self, word: str, text: str) -> None:
        """Of what was to be so from the start."""
        if word == "fail":
            self._say(text)

    def _close(self) -> None:
        if self._service:
            self._service.stop()
        for engine in self._engines:
            engine.close()
