"""Takes: recordings of part of a stream. Each take gets its own directory; none overwrites another.

The first take is written to the given directory itself, the next ones to `take-2`, `take-3` ... in
it. A take holds the files of wav_recorder.py, tape_recorder.py and take_report.py. Writing goes on for L samples
after its end, until its last sample has been played. If writing fails, the take ends and the
request that began it fails.
"""

from __future__ import annotations

import contextlib
import itertools
from pathlib import Path

from realtime.engine.engine import Engine
from realtime.engine.session_requests import SessionRequest
from realtime.recording.take_report import REPORT, TakeReport
from realtime.recording.tape_recorder import TokenRecorder
from realtime.recording.wav_recorder import FILES, TAPES, WavRecorder, check_directory, recording_directory
from realtime.system.atomic_file import FileError, expand_user, reason
from realtime.timeline.layout import Field


def take_directory(directory: Path) -> Path:
    """Return the next take's directory: `directory` itself, or its first `take-N` that does not
    exist.
    """
    if not any((directory / name).is_file() for name in (*FILES.values(), *TAPES, REPORT)):
        return directory
    return next(place for n in itertools.count(2) if not (place := directory / f"take-{n}").exists())


class Take:
    """One take. Used from the control thread; with the file driver, `poll` runs in the driver's
    thread.
    """

    def __init__(self, engine: Engine, directory: Path, start: int = 0) -> None:
        """Begin at input sample `start`. FileError or AudioFileError if the directory cannot be
        recorded to.
        """
        self.start = start
        self._latency = engine.timeline[Field.LATENCY]
        self._timeline = engine.timeline
        self._end: int | None = None
        self._report = TakeReport(engine.timeline, start)
        self._report_error: Exception | None = None
        try:
            self.directory = take_directory(directory)
            with contextlib.ExitStack() as made:
                made.enter_context(recording_directory(self.directory, None))
                made.callback(self._write_report)  # once the files are complete
                self._recorder = WavRecorder(engine.timeline, self.directory, start)
                made.callback(self._recorder.close)
                self._tapes = TokenRecorder(engine, self.directory, start)
                made.callback(self._tapes.finish)
                self._made = made.pop_all()
        except OSError as error:  # a name too long, a directory that may not be looked into
            raise FileError(
                f"{directory}: cannot be recorded to ({reason(error)}). Pass a directory you may write to."
            ) from error

    @property
    def error(self) -> Exception | None:
        """Reason why the take is incomplete; None if it is complete."""
        return self._recorder.error or self._tapes.error or self._report_error

    def end(self, sample: int) -> None:
        """End the take before input sample `sample`."""
        self._end = sample
        self._tapes.end(sample)

    @property
    def finished(self) -> bool:
        """Return True once the take has ended and its last sample has been played."""
        return self._end is not None and self._timeline.load(Field.PLAYED_END) >= self._end + self._latency

    def poll(self, taken: int) -> None:
        """Write new samples, up to input sample `taken`."""
        self._report.poll()
        if self._end is None:
            self._recorder.poll(taken)
        else:
            self._recorder.poll(min(taken, self._end), self._end + self._latency)

    def finish(self, taken: int) -> None:
        """Write the rest and close. Directories that were created for the take are removed if they
        are empty.
        """
        self.poll(taken)
        self.end(taken if self._end is None else min(taken, self._end))
        self._made.close()

    def _write_report(self) -> None:
        """Write the report beside the take's files, if there are any."""
        if self._end is None or not any((self.directory / name).is_file() for name in FILES.values()):
            return
        try:
            self._report.write(self.directory, self._end)
        except (OSError, FileError) as error:
            self._report_error = error


class Takes:
    """Takes of one stream, begun and ended by requests. Threads as for Take."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._running: tuple[Take, SessionRequest] | None = None  # with the request that began it
        self._ending: list[tuple[Take, SessionRequest]] = []  # still being written, with the request that ended each

    def begin(self, directory: Path, request: SessionRequest) -> Take:
        """Begin a take now. FileError if the directory cannot be recorded to."""
        take = Take(self._engine, directory, self._engine.timeline.load(Field.DRY_END))
        self._running = take, request
        self._engine.parameters.publish({"record": True, "record.directory": str(directory)})
        return take

    def record(self, request: SessionRequest) -> None:
        """Begin or end a take. The answer is its directory, given when it has begun or is complete."""
        (wanted,) = request.args
        if not wanted and self._running:
            self._end(request)
            return
        if wanted and not self._running:
            self.begin(expand_user(self._engine.parameters["record.directory"]), request)
        request.done(self._running[0].directory.absolute() if self._running else "")

    def set_directory(self, request: SessionRequest) -> None:
        """Set the directory of the next takes. FileError if it cannot be recorded to."""
        (directory,) = request.args
        check_directory(directory)
        self._engine.parameters.set("record.directory", directory)
        request.done(directory)

    def poll(self, taken: int) -> list[str]:
        """Write new samples; return messages for the user."""
        messages = []
        if self._running:
            take, begin_request = self._running
            take.poll(taken)
            if take.error:
                messages.append(f"recording stopped: {take.error}")
                begin_request.fail(take.error)
                self._end(SessionRequest("record"))
        for take, request in list(self._ending):
            take.poll(taken)
            if take.finished:
                self._ending.remove((take, request))
                _finish(take, request, taken)
        return messages

    def finish(self, taken: int) -> None:
        """Complete all takes with what the stream has played; it has ended."""
        if self._running:
            self._ending.append((self._running[0], SessionRequest("record")))
        for take, request in self._ending:
            _finish(take, request, taken)

    def _end(self, request: SessionRequest) -> None:
        if self._running is None:
            return
        take, _ = self._running
        take.end(self._engine.timeline.load(Field.DRY_END))
        self._ending.append((take, request))
        self._running = None
        self._engine.parameters.set("record", False)


def _finish(take: Take, request: SessionRequest, taken: int) -> None:
    take.finish(taken)
    if take.error:
        request.fail(take.error)
    else:
        request.done(take.directory.absolute())
