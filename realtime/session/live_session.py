"""Live session: streams one after another under one OSC server and one session file.

Each stream is a StreamRun. A restart request ends it, and the next one opens with other codecs,
card or block.
"""

from __future__ import annotations

import contextlib
import logging
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from realtime.engine.engine import Engine
from realtime.engine.session_requests import SessionRequest, SessionRequestQueue
from realtime.engine.start import start_engine
from realtime.files.audio_file import AudioReader
from realtime.osc.service import OscService
from realtime.parameters.effect_rows import parse_control
from realtime.parameters.table import When
from realtime.recording.wav_recorder import recording_directory
from realtime.session.config import ReopenFn, SessionConfig
from realtime.session.input_sources import CAPTURE, INPUT
from realtime.session.stream_run import StreamRun
from realtime.session.supervisor import START_ERRORS, Supervisor, reason_of
from realtime.system.atomic_file import check_distinct, check_writable
from realtime.system.signals import stop_event
from realtime.timeline.layout import Field
from realtime.timeline.monitor_mix import uses_b
from realtime.timeline.session_file import LOADING, PLAYING, SessionFile

LOG = logging.getLogger("verdigris.session")


def play(session: SessionConfig) -> dict[str, Any]:
    """Run a session to its end or to Ctrl-C, and return the report of its last stream.

    Raises one of START_ERRORS if it cannot start; all checks run before anything sounds. Files are
    finished however the stream ends.
    """
    with contextlib.ExitStack() as at_end:
        if session.device:
            at_end.callback(session.device.stop)
        if session.record:
            played = session.source.path if isinstance(session.source, AudioReader) else None
            at_end.enter_context(recording_directory(session.record, played))
        if session.report:
            if isinstance(session.source, AudioReader):
                check_distinct(session.source.path, session.report)
            check_writable(session.report)
        return LiveSession(session, at_end).run()


class LiveSession:
    """State that outlives a single stream: requests, OSC service, session file, time played."""

    def __init__(
        self, session: SessionConfig, at_end: contextlib.ExitStack, start: Callable[..., Engine] = start_engine
    ) -> None:
        """`start` makes an engine of Settings; whatever must end with the session is put on `at_end`."""
        self._session, self._at_end, self._start = session, at_end, start
        self._requests = SessionRequestQueue()
        self._supervisor = Supervisor(self._announce)
        self._played_s = 0.0  # in streams before this one
        self._service: OscService | None = None
        self._file: SessionFile | None = None
        self._engines: list[Engine] = []  # the playing one last; the one before it until its clients have moved
        if session.osc is not None:
            self._file = at_end.enter_context(contextlib.closing(SessionFile(session.driver, session.codecs)))
        self._temp_directory = Path(at_end.enter_context(tempfile.TemporaryDirectory(prefix="verdigris-")))
        at_end.callback(self._close)

    def run(self) -> dict[str, Any]:
        """Play streams until one ends without a restart request, and return its report.

        Raises the first error of a recording or report that is not complete, at the end.
        """
        self.start_stream(self._session)
        incomplete: Exception | None = None
        while True:
            with stop_event() as stopping:
                stream = StreamRun(
                    self._session, self._engines[-1], self._requests, self._temp_directory, self._supervisor
                )
                report = stream.run(stopping, self._attach_osc, self._update_session_file)
            incomplete = incomplete or stream.error
            if stream.restart_request and stopping.is_set():
                stream.restart_request.fail("the session ends.")
                stream.restart_request = None
            if stream.restart_request is None:
                if incomplete:
                    raise incomplete
                return report
            self.restart(stream.restart_request)

    def start_stream(self, session: SessionConfig) -> Engine:
        """Start an engine with the session's codecs and values; put session parameters into the
        request queue.
        """
        engine = self._start(session.settings, prestarted_worker=session.prestarted_worker)
        try:
            for name, given in session.values.items():
                value = parse_control(engine.table, name, given)
                if engine.table[name].when == When.SESSION:
                    self._requests.put(SessionRequest(name, (value,), self._report_failure))
                else:
                    engine.set(name, value)
        except BaseException:
            engine.close()
            raise
        engine.parameters.set("driver", session.driver)
        if session.device:
            engine.parameters.publish(session.device.parameters)
        self._engines.append(engine)
        self._session = session
        return engine

    def restart(self, request: SessionRequest) -> None:
        """Start the stream that the request describes, or one as before if that cannot start.

        If the device has gone meanwhile, the clock plays on: a session ends only by request.
        """
        (changes,) = request.args
        reopen = self._session.reopen
        if reopen is None:
            raise ValueError("a session without `reopen` cannot be restarted")
        if self._file:
            self._file.update(state=LOADING)
        before = self._engines[-1]
        self._session.close()  # now, not at the end: a patch is a process, and a card serves one stream
        self._played_s += before.timeline.load(Field.DRY_END) / before.settings.rate
        codecs = {name: before.parameters[name] for name in ("a.codec", "b.codec")} | {"racks": before.racks}
        try:
            self._reopen(reopen, {**codecs, **changes}, before)
        except Exception as error:  # noqa: BLE001 - whatever it is, the stream before goes on
            request.fail(reason_of(error))
            try:
                self._reopen(reopen, codecs, before)
            except START_ERRORS as error:
                self._supervisor.report("restart", f"{error} Playing by the clock, without a sound card.")
                self._reopen(reopen, {**codecs, "driver": "clock"}, before)
        else:
            request.done(", ".join(f"{name} {value}" for name, value in changes.items() if name != "racks"))

    def _reopen(self, reopen: ReopenFn, changes: dict[str, Any], before: Engine) -> None:
        """Start a stream with these changes and the parameter values of the previous one."""
        monitor = monitor_after_restart(before.parameters["monitor"], changes["b.codec"])
        session = reopen({**changes, "monitor": monitor})
        try:
            left = None if session.seconds is None else max(0.0, session.seconds - self._played_s)
            engine = self.start_stream(replace(session, record=None, values={}, seconds=left))
        except BaseException:
            session.close()
            raise
        self._at_end.callback(session.close)
        for name, value in {**before.parameters, "monitor": monitor}.items():
            if name in engine.table and engine.table[name].changes_live and value != engine.parameters[name]:
                engine.set(name, value)
        engine.parameters.set("record.directory", before.parameters["record.directory"])
        engine.parameters.set("source.loop", before.parameters["source.loop"])
        if before.parameters["source"] not in (INPUT, CAPTURE):
            self._requests.put(SessionRequest("source", (before.parameters["source"],), self._report_failure))

    def _attach_osc(self) -> None:
        """Serve OSC if the session has a port for it, or move the clients of the previous engine
        to this one.
        """
        engine, session = self._engines[-1], self._session
        if self._service:
            self._service.attach(engine, session.driver)
        elif session.osc is not None:
            self._service = OscService(
                engine,
                session.osc,
                device=session.driver,
                device_facts=lambda: self._session.facts(),
                requests=self._requests,
                say=LOG.info,
            )
        for old in self._engines[:-1]:
            old.close()
        del self._engines[:-1]

    def _update_session_file(self) -> None:
        """Publish that the stream plays, with its port and timeline."""
        if self._file and self._service:
            self._file.update(
                state=PLAYING,
                port=self._service.osc.port,
                timeline=str(self._engines[-1].timeline.path),
                driver=self._session.driver,
                codecs=self._session.codecs,
            )

    def _announce(self, part: str, reason: str) -> None:
        """Send the failure of a part to all OSC clients."""
        if self._service:
            self._service.osc.announce("/verdigris/fail", part, reason)

    def _report_failure(self, word: str, text: str) -> None:
        """Answer of a request that the session itself made."""
        if word == "fail":
            LOG.warning(text)

    def _close(self) -> None:
        for request in self._requests.drain():
            request.fail("the session has ended.")
        if self._service:
            self._service.stop()
        for engine in self._engines:
            engine.close()


def monitor_after_restart(monitor: str, codec_b: str) -> str:
    """Return the monitor path to go on with: A in place of a path that needs slot B when B is off."""
    return "a" if uses_b(monitor) and codec_b == "off" else monitor
