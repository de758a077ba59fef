"""Recording a stream to a directory: the input as it arrived, A, B, and what was played.

Sample k of input.wav, a.wav and b.wav belongs to input sample k of the take, with silence where a slot had nothing;
monitor.wav is as it was played, L samples later. A recording that fails (disk full) stops and says so; the stream goes
on.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from realtime.audiofile import AudioFileError, Writer
from realtime.tail import Tail
from realtime.timeline import Field, Timeline
from realtime.wholefile import FileError, check_replaceable, expanded, reason, same_file

FILES = {"dry": "input.wav", "a": "a.wav", "b": "b.wav", "monitor": "monitor.wav"}
TAPES = ("a.tape", "b.tape")  # taping.py


@contextlib.contextmanager
def recording_directory(directory: Path, source: Path | None) -> Iterator[None]:
    """Have it, fit to be recorded to, or FileError; at the end what had to be made for it goes if it is still empty.

    `source` is the file that is played, which must not be recorded over.
    """
    made: list[Path] = []
    try:
        try:
            made = [place for place in (directory, *directory.parents) if not place.exists()]
            directory.mkdir(parents=True, exist_ok=True)
            if not os.access(directory, os.W_OK):
                raise OSError(0, "not writable")
            for name in (*FILES.values(), *TAPES):
                check_replaceable(directory / name)
        except (OSError, ValueError) as error:
            raise FileError(
                f"{directory}: cannot be recorded to ({reason(error)}). Pass another directory, or start "
                "verdigris where you may write."
            ) from error
        for name in FILES.values():
            if source and same_file(source, directory / name):
                raise FileError(f"{directory / name}: the input itself. Pass --record another directory.")
        yield
    finally:
        for place in made:
            with contextlib.suppress(OSError, ValueError):
                place.rmdir()


def check_directory(directory: str) -> None:
    """FileError if nothing can be recorded there, or by that name; nothing of it is left there."""
    if not directory:
        raise FileError("a directory without a name cannot be recorded to. Pass its name, or . for this one.")
    with recording_directory(expanded(directory), None):
        pass


class Recorder:
    """Call `poll` some 10 times a second, from one thread, and `close` at the end."""

    def __init__(self, timeline: Timeline, directory: Path, start: int = 0) -> None:
        """Make the files in a `recording_directory`, from sample `start` on; AudioFileError if they cannot be."""
        slots = {"a": 1, "b": 2}
        names = [name for name in FILES if timeline[Field.SLOTS] & slots.get(name, 3)]
        self.error: AudioFileError | None = None
        self._tails = {name: Tail(timeline, name, start) for name in names}
        self._writers: dict[str, Writer] = {}
        try:
            for name in names:
                self._writers[name] = Writer(directory / FILES[name], timeline[Field.RATE])
        except AudioFileError:
            self._discard()
            raise

    @property
    def lost(self) -> int:
        """Samples that came faster than they could be written."""
        return sum(tail.lost for tail in self._tails.values())

    def poll(self, taken: int, heard: int | None = None) -> None:
        """Write what is new: up to input sample `taken`, and what was played before `heard` (None: all of it)."""
        if self.error:
            return
        try:
            for name, tail in self._tails.items():
                self._writers[name].write(tail.read(heard if name == "monitor" else taken))
        except AudioFileError as error:
            self.error = error

    def finish(self, taken: int) -> None:
        """Write the rest and close."""
        self.poll(taken)
        self.close()

    def close(self) -> None:
        """Finish the files."""
        for writer in self._writers.values():
            try:
                writer.close()
            except AudioFileError as error:
                self.error = self.error or error

    def _discard(self) -> None:
        for writer in self._writers.values():
            writer.discard()
