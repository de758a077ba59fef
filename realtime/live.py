"""A live session: engine, driver, recorder and console view, from start to report."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from realtime.audiofile import Reader
from realtime.console import View
from realtime.drivers.clock import ClockDriver
from realtime.drivers.device import DeviceDriver
from realtime.drivers.file import FileDriver
from realtime.drivers.loop import LoopDriver, Source
from realtime.engine import Engine, Settings
from realtime.load import Load
from realtime.match import Match
from realtime.osc.service import OscService
from realtime.recorder import Recorder, recording_directory
from realtime.sessions import PLAYING, SessionFile
from realtime.signals import stop_event
from realtime.taping import Taping
from realtime.timeline import Field
from realtime.wholefile import FileError, WholeFile, reason

POLL_S = 0.05
Driver = LoopDriver | DeviceDriver


@dataclass(frozen=True)
class Session:
    """What to play. `schedule` sets parameters at seconds of the stream."""

    settings: Settings
    driver: str  # device, clock or file
    block: int | str
    source: Source | None  # None: what comes into the card
    seconds: float | None = None
    record: Path | None = None
    report: Path | None = None
    values: dict[str, Any] = field(default_factory=dict)
    schedule: Sequence[tuple[float, str, Any]] = ()
    card: DeviceDriver | None = None  # opened, for device; `play` stops it
    osc: int | None = None  # port


def play(session: Session) -> dict[str, Any]:
    """Run it to its end, or to Ctrl-C; the report. EngineError, FileError or LatencyError if it cannot be.

    Whatever can be known to fail fails before anything sounds; whatever ends the stream, files are finished.
    """
    with contextlib.ExitStack() as at_end:
        if session.card:
            at_end.callback(session.card.stop)
        if session.record:
            played = session.source.path if isinstance(session.source, Reader) else None
            at_end.enter_context(recording_directory(session.record, played))
        if session.report:
            WholeFile(session.report).discard()  # to hear now if it cannot be written
        file = at_end.enter_context(contextlib.closing(_announced(session))) if session.osc is not None else None
        engine = _started(session)
        stopping = at_end.enter_context(stop_event())
        at_end.callback(engine.close)
        return _stream(session, engine, stopping, file)


def _announced(session: Session) -> SessionFile:
    slots = [slot for slot in (session.settings.a, session.settings.b) if slot]
    return SessionFile(session.driver, tuple(":".join(filter(None, slot)) for slot in slots))


def _started(session: Session) -> Engine:
    engine = Engine(session.settings)
    try:
        engine.start()
        for name, value in session.values.items():
            engine.set(name, value)
    except BaseException:
        engine.close()
        raise
    return engine


def _stream(session: Session, engine: Engine, stopping: threading.Event, file: SessionFile | None) -> dict[str, Any]:
    for remark in engine.remarks:
        print(remark)
    if engine.warm_up_load >= 1.0:
        print(
            f"these codecs take {engine.warm_up_load:.2f} × real time here: holes are certain. "
            "Pass fewer steps, a smaller codec, or use a GPU."
        )
    limit = None if session.seconds is None else round(session.seconds * session.settings.rate)
    length = session.seconds
    if isinstance(session.source, Reader) and session.source.length is not None:
        file_seconds = session.source.length / session.settings.rate
        length = file_seconds if length is None else min(length, file_seconds)
    with contextlib.ExitStack() as at_end:
        view = View(engine, length)
        at_end.callback(view.close)
        view.monitor = engine.values["monitor"]
        if session.card:
            view.say(str(session.card.found))
        if session.osc is not None and file:
            service = OscService(
                engine, session.osc, device=session.driver, facts=lambda: _driver_facts(session, engine), say=view.say
            )
            at_end.callback(service.stop)
            file.update(port=service.osc.port)
        tapes = Taping(engine, session.record) if session.record else None
        recorder = Recorder(engine.timeline, session.record) if session.record else None
        driver = _driver(session, engine, limit, recorder)
        load, match = Load(engine), Match(engine)
        try:
            driver.start()
            if file:
                file.update(state=PLAYING, timeline=str(engine.timeline.path))
        except BaseException:
            if recorder:
                recorder.finish(0)
            raise
        try:
            _watch(session, engine, driver, recorder, view, load, match, stopping)
        finally:  # also when the terminal is gone
            driver.stop()
            engine.stop()
            if recorder:
                recorder.finish(driver.taken)
            if tapes:
                tapes.finish()
            report = make_report(engine, driver.taken)
            report["headroom_samples"] = load.lowest_headroom
            report["steps_down"] = load.steps_down
            if session.card:
                report["device"] = facts = session.card.facts
                report["device_latency_samples"] = facts["device_latency_samples"]
            if session.report:
                write_report(session.report, report)
    if driver.error:
        raise driver.error
    if recorder and recorder.error:
        raise recorder.error
    if tapes and tapes.error:
        raise FileError(tapes.error)
    return report


def _driver_facts(session: Session, engine: Engine) -> dict[str, Any]:
    """Flat, for OSC."""
    facts: dict[str, Any] = {"driver": session.driver, "sample_rate": engine.settings.rate, "block": session.block}
    if isinstance(session.source, Reader):
        facts["input"] = str(session.source.path)
    for name, value in (session.card.facts if session.card else {}).items():
        nested = value.items() if isinstance(value, dict) else ()
        facts |= {f"{name}.{kind}": count for kind, count in nested} if nested else {name: value}
    return {name: value for name, value in facts.items() if value is not None and not isinstance(value, dict)}


def _driver(session: Session, engine: Engine, limit: int | None, recorder: Recorder | None) -> Driver:
    if session.card:
        if isinstance(session.source, Reader) and session.source.length is not None:
            limit = min(session.source.length, session.source.length if limit is None else limit)
        session.card.attach(engine.timeline, limit)
        return session.card
    assert session.source is not None
    if session.driver == "file":
        after_block = recorder.poll if recorder else lambda taken: None
        return FileDriver(engine.host, session.source, session.block, limit=limit, after_block=after_block)
    return ClockDriver(engine.host, session.source, session.block, limit=limit)


def _watch(
    session: Session,
    engine: Engine,
    driver: Driver,
    recorder: Recorder | None,
    view: View,
    load: Load,
    match: Match,
    stopping: threading.Event,
) -> None:
    """Everything that is not audio, some 20 times a second, until the stream ends."""
    schedule = sorted(session.schedule, key=lambda entry: entry[0])
    while driver.running and not stopping.is_set():
        played = engine.timeline.load(Field.PLAYED_END) / session.settings.rate
        while schedule and schedule[0][0] <= played:
            _, name, value = schedule.pop(0)
            engine.set(name, value)
        view.monitor = engine.values["monitor"]
        for message in (engine.watch(), driver.watch(), load.poll()):
            if message:
                view.say(message)
        if recorder and session.driver != "file":  # there the driver's own thread does it
            failed_before = recorder.error
            recorder.poll(driver.taken)
            if recorder.error and not failed_before:
                view.say(f"recording stopped: {recorder.error}")
        if not session.settings.offline:  # there is nobody to hear it, and it would fall behind
            match.poll()
        view.update()
        driver.join(POLL_S)


def make_report(engine: Engine, taken: int) -> dict[str, Any]:
    """What happened, in the names of ARCHITECTURE and the README."""
    snapshot = engine.snapshot()
    codec = {playing.slot: f"{playing.codec}:{playing.path}" for playing in engine.playing}
    return {
        "sample_rate": engine.settings.rate,
        "latency_samples": engine.plan.latency,
        "latency_terms": engine.plan.terms,
        "codec_a": codec.get(0),
        "codec_b": codec.get(1),
        "real_time_factor": dict(zip(("p50", "p99", "max"), snapshot.load, strict=True)),
        "misses": engine.misses(),
        "seconds": taken / engine.settings.rate,
        "bitrate_a": snapshot.bitrate[0],
        "bitrate_b": snapshot.bitrate[1] if 1 in codec else None,
        "missed_samples": engine.timeline[Field.MISSED],
        "resyncs": snapshot.resyncs,
        "bad_samples": snapshot.bad_samples,
        "restarts": engine.restarts,
    }


def write_report(path: Path, report: dict[str, Any]) -> None:
    """JSON, whole or not at all; FileError if it cannot be written."""
    file = WholeFile(path)
    try:
        file.working.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        file.discard()
        raise FileError(f"{path}: cannot be written ({reason(error)}). Free some space there.") from error
    file.commit()
