"""One stream of a live session, from its first block to its last, with all work beside it that is
not audio.

Requests to the session (engine/session_requests.py) are handled here about 20 times a second.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from realtime.effects.pyo_source import PatchSource
from realtime.engine.engine import Engine
from realtime.engine.loudness_match import LoudnessMatcher
from realtime.engine.overload_guard import OverloadGuard
from realtime.engine.session_requests import SessionRequest, SessionRequestQueue
from realtime.files.audio_file import AudioReader
from realtime.recording.takes import Take, Takes
from realtime.session.config import SessionConfig
from realtime.session.console import View
from realtime.session.input_sources import INPUT, InputSources
from realtime.session.session_report import make_report, write_report
from realtime.session.supervisor import Supervisor, reason_of
from realtime.system.atomic_file import FileError
from realtime.system.log import console_output
from realtime.timeline.layout import Field
from realtime.worker.messages import SlotWarning

POLL_S = 0.05
MAX_WARNINGS = 64
LOG = logging.getLogger("verdigris.session")


class StreamRun:
    """One run of a stream. Create and run it in the session's thread, once."""

    def __init__(
        self,
        session: SessionConfig,
        engine: Engine,
        requests: SessionRequestQueue,
        temp_directory: Path,
        supervisor: Supervisor,
    ) -> None:
        """`temp_directory` takes files that the stream needs while it plays."""
        self.session, self.engine = session, engine
        self.error: Exception | None = None  # of a recording or report that is not complete
        self._supervisor = supervisor
        self.restart_request: SessionRequest | None = None  # the request that ended this stream, if one did
        self._temp_directory = temp_directory
        self._requests = requests
        self._warnings: list[str] = []  # of slots, not yet reported
        self._quit = self._console_reported = False
        self._takes = Takes(engine)
        self._handlers: dict[str, Callable[[SessionRequest], None]] = {
            "record": self._takes.record,
            "record.directory": self._takes.set_directory,
            "source": self._set_source,
            "source.loop": lambda request: self._sources.set_loop(request),
            "seek": lambda request: self._sources.seek(request),
            "capture": lambda request: self._sources.capture_loop(request),
            "restart": self._restart,
            "quit": self._end,
        }

    def run(
        self, stopping: threading.Event, before_start: Callable[[], None], after_start: Callable[[], None]
    ) -> dict[str, Any]:
        """Play until the stream ends or `stopping` is set, and return the report.

        Errors while it plays are reported and end nothing; `error` keeps those of the recording.
        Calls `before_start` before the first block and `after_start` after it.
        """
        session, engine = self.session, self.engine
        for remark in engine.remarks:
            LOG.info(remark)
        if engine.warm_up_load >= 1.0 and not session.settings.offline:
            LOG.warning(
                "these codecs take %.2f × real time on this machine: dropouts are certain. "
                "Pass fewer steps, a smaller codec, or use a GPU.",
                engine.warm_up_load,
            )
        with contextlib.ExitStack() as at_end:
            view = View(engine, session.length)
            at_end.callback(view.close)
            at_end.enter_context(console_output(view.say))
            view.monitor = engine.parameters["monitor"]
            if session.device and session.device.description:
                LOG.info("%s", session.device.description)
            before_start()
            first = self._takes.begin(session.record, SessionRequest("record")) if session.record else None
            self._driver = session.open_driver(engine, self._takes.poll)
            self._sources = InputSources(engine, self._driver, self._temp_directory, self._on_source_failure)
            at_end.callback(self._sources.close)
            self._handle_requests()  # so that requests made before the start hold from the first sample
            engine.listen(self._on_event)
            at_end.callback(engine.unlisten, self._on_event)
            load = OverloadGuard(engine)
            try:
                self._driver.start()
                after_start()
            except BaseException:
                self._takes.finish(0)
                raise
            try:
                self._watch(view, load, stopping)
            finally:  # also when the terminal is gone
                self._driver.stop()
                engine.stop()
                with self._supervisor.part("record"):
                    self._takes.finish(self._driver.samples_in)
                self._supervise_console(view)
                report = self._report(load, first)
        if self._driver.error:
            raise self._driver.error
        if first and first.error:
            self.error = first.error
        return report

    def _watch(self, view: View, load: OverloadGuard, stopping: threading.Event) -> None:
        """Do the session's periodic work until the stream ends."""
        session, engine, driver = self.session, self.engine, self._driver
        schedule = sorted(session.schedule, key=lambda entry: entry[0])
        match, part = LoudnessMatcher(engine), self._supervisor.part
        source = session.source if isinstance(session.source, PatchSource | AudioReader) else None
        polls: list[tuple[str, Callable[[], str | None]]] = [
            ("codecs", self._supervise_codecs),
            ("device", driver.watch),
            ("load", load.poll),
            ("source", lambda: "\n".join(source.remarks()) if source else None),
        ]
        while driver.running and not stopping.is_set() and not self._quit and not self.restart_request:
            with part("schedule"):
                played = engine.timeline.load(Field.PLAYED_END) / session.settings.rate
                while schedule and schedule[0][0] <= played:
                    _, name, value = schedule.pop(0)
                    engine.set(name, value)
            self._handle_requests()
            for name, poll in polls:
                with part(name):
                    if message := poll():
                        LOG.warning(message)
            if not session.settings.offline:  # the file driver's thread polls takes, and needs no match or sources
                with part("match"):
                    match.poll()
                with part("source"):
                    self._sources.poll()
                with part("record"):
                    for message in self._takes.poll(driver.samples_in):
                        self._supervisor.report("record", message)
            with part("console"):
                view.monitor = engine.parameters["monitor"]
                view.update()
            self._supervise_console(view)
            driver.join(POLL_S)
        if self._quit or self.restart_request:
            engine.fade_out()

    def _report(self, load: OverloadGuard, recording: Take | None) -> dict[str, Any]:
        session = self.session
        report = make_report(self.engine, self._driver.samples_in)
        report["headroom_samples"] = load.lowest_headroom
        report["steps_down"] = load.steps_down
        report["failures"] = self._supervisor.failures
        if recording:
            report["recording"] = str(recording.directory)
        if session.device and (facts := session.device.facts):
            report["device"] = facts
            report["device_latency_samples"] = facts.get("device_latency_samples")
        if session.report:
            try:
                write_report(session.report, report)
            except FileError as error:
                self.error = error
        return report

    def _handle_requests(self) -> None:
        for request in self._requests.drain():
            try:
                self._handlers[request.name](request)
            except Exception as error:  # noqa: BLE001 - a request ends nothing
                request.fail(reason_of(error))

    def _supervise_codecs(self) -> str | None:
        """Supervise the engine. A dead worker and a failed effect are reported as failures."""
        restarts = self.engine.restarts
        message = self.engine.supervise()
        if message in self._warnings:
            self._warnings.remove(message)
            self._supervisor.report("effect", message)
        elif message and self.engine.restarts > restarts:
            self._supervisor.report("codecs", message)
        else:
            return message
        return None

    def _on_event(self, event: object) -> None:
        """Note a warning of a slot; `supervise` passes its message on. Any thread."""
        if isinstance(event, SlotWarning) and len(self._warnings) < MAX_WARNINGS:
            self._warnings.append(event.message)

    def _on_source_failure(self, reason: str) -> None:
        self._supervisor.report("source", reason)

    def _supervise_console(self, view: View) -> None:
        """Report once that the console was dropped."""
        if view.error and not self._console_reported:
            self._console_reported = True
            self._supervisor.report("console", f"it cannot be written to ({reason_of(view.error)}). Going on without.")

    def _set_source(self, request: SessionRequest) -> None:
        if self.session.settings.offline and request.args[0] != INPUT:
            raise FileError("the file driver plays one source from end to end. Pass it with --input.")
        self._sources.set_source(request)

    def _restart(self, request: SessionRequest) -> None:
        if self.session.reopen is None:
            request.fail("this session cannot be restarted. Start another one.")
        elif self._quit:
            request.fail("the session ends.")
        else:
            if self.restart_request:
                self.restart_request.fail("a later restart supersedes it.")
            self.restart_request = request

    def _end(self, request: SessionRequest) -> None:
        self._quit = True
        if self.restart_request:
            self.restart_request.fail("the session ends.")
            self.restart_request = None
        request.done()
