"""Takes: recordings of a stretch of the stream, each in a directory of its own, none over another.

The first take of a directory lies in it, the next ones in `take-2`, `take-3` ... of it. A take has what recorder.py and
taping.py write; it goes on for L after its end, until all of it has been heard.
"""

from __future__ import annotations

import contextlib
import itertools
from pathlib import Path

from realtime.engine import Engine
from realtime.recorder import FILES, TAPES, Recorder, recording_directory
from realtime.taping import Taping
from realtime.timeline import Field
from realtime.wholefile import FileError, reason


def place_for_take(directory: Path) -> Path:
    """Where the next take goes: the directory, or the first of its takes that is not there."""
    if not any((directory / name).is_file() for name in (*FILES.values(), *TAPES)):
        return directory
    return next(place for n in itertools.count(2) if not (place := directory / f"take-{n}").exists())


class Take:
    """One of them. One control thread; with the file driver, `poll` is for the driver's."""

    def __init__(self, engine: Engine, directory: Path, start: int = 0) -> None:
        """From input sample `start` on. FileError or AudioFileError if it cannot be recorded there."""
        self.start = start
        self._latency = engine.timeline[Field.LATENCY]
        self._timeline = engine.timeline
        self._end: int | None = None
        try:
            self.directory = place_for_take(directory)
            with contextlib.ExitStack() as made:
                made.enter_context(recording_directory(self.directory, None))
                self._recorder = Recorder(engine.timeline, self.directory, start)
                made.callback(self._recorder.close)
                self._tapes = Taping(engine, self.directory, start)
                made.callback(self._tapes.finish)
                self._made = made.pop_all()
        except OSError as error:  # a name too long, a directory that may not be looked into
            raise FileError(
                f"{directory}: cannot be recorded to ({reason(error)}). Pass a directory you may write to."
            ) from error

    @property
    def error(self) -> Exception | None:
        """Why it is not whole."""
        return self._recorder.error or self._tapes.error

    def end(self, sample: int) -> None:
        """Nothing from input sample `sample` on is to be in it."""
        self._end = sample
        self._tapes.end(sample)

    @property
    def over(self) -> bool:
        """Whether all of it has been heard."""
        return self._end is not None and self._timeline.load(Field.PLAYED_END) >= self._end + self._latency

    def poll(self, taken: int) -> None:
        """Write what is new, up to input sample `taken`."""
        if self._end is None:
            self._recorder.poll(taken)
        else:
            self._recorder.poll(min(taken, self._end), self._end + self._latency)

    def finish(self, taken: int) -> None:
        """Write the rest and close; the directories that were made for it go if nothing is in them."""
        self.poll(taken)
        self._made.close()
