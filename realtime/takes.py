"""Takes: recordings of a stretch of the stream, each in a directory of its own, none over another.

The first take of a directory lies in it, the next ones in `take-2`, `take-3` ... of it. A take has what recorder.py and
taping.py write; it goes on for L after its end, until all of it has been heard. One that fails has ended, and whoever
began it is told.
"""

from __future__ import annotations

import contextlib
import itertools
from pathlib import Path

from realtime.engine import Engine
from realtime.orders import Order
from realtime.recorder import FILES, TAPES, Recorder, check_directory, recording_directory
from realtime.taping import Taping
from realtime.timeline import Field
from realtime.wholefile import FileError, expanded, reason


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


class Takes:
    """Those of one stream, as they are ordered. One control thread; with the file driver, `poll` is the driver's."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._running: tuple[Take, Order] | None = None  # and who began it
        self._ending: list[tuple[Take, Order]] = []  # those that go on for L, and who is told when they are whole

    def begin(self, directory: Path, order: Order) -> Take:
        """One from now on; FileError if it cannot be recorded there."""
        take = Take(self._engine, directory, self._engine.timeline.load(Field.DRY_END))
        self._running = take, order
        self._engine.values |= {"record": True, "record.directory": str(directory)}
        return take

    def record(self, order: Order) -> None:
        """Begin or end one. Done with its directory when it has begun, or when it is whole."""
        (wanted,) = order.args
        if not wanted and self._running:
            self._end(order)
            return
        if wanted and not self._running:
            self.begin(expanded(self._engine.values["record.directory"]), order)
        order.done(self._running[0].directory.absolute() if self._running else "")

    def keep(self, order: Order) -> None:
        """Where they go from the next one on; FileError if none can."""
        (directory,) = order.args
        check_directory(directory)
        self._engine.values["record.directory"] = directory
        order.done(directory)

    def poll(self, taken: int) -> list[str]:
        """Write what is new; what to say of it."""
        said = []
        if self._running:
            take, began = self._running
            take.poll(taken)
            if take.error:
                said.append(f"recording stopped: {take.error}")
                began.fail(take.error)
                self._end(Order("record"))
        for take, order in list(self._ending):
            take.poll(taken)
            if take.over:
                self._ending.remove((take, order))
                _finish(take, order, taken)
        return said

    def finish(self, taken: int) -> None:
        """The stream is over: what is there of them is all."""
        if self._running:
            self._ending.append((self._running[0], Order("record")))
        for take, order in self._ending:
            _finish(take, order, taken)

    def _end(self, order: Order) -> None:
        assert self._running
        take, _ = self._running
        take.end(self._engine.timeline.load(Field.DRY_END))
        self._ending.append((take, order))
        self._running, self._engine.values["record"] = None, False


def _finish(take: Take, order: Order, taken: int) -> None:
    take.finish(taken)
    if take.error:
        order.fail(take.error)
    else:
        order.done(take.directory.absolute())
