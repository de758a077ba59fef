"""Recorder of WAV files: the input as it arrived, A, B, and the monitor as it was played.

Sample k of input.wav, a.wav and b.wav belongs to input sample k of the take, with silence where a
slot had no output. monitor.wav is L samples later, as it was played. If writing fails (disk full),
the recording stops with an error and the stream goes on.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from realtime.files.audio_file import AudioFileError
from realtime.files.audio_writer import AudioWriter
from realtime.system.atomic_file import FileError, check_replaceable, expand_user, reason, same_file
from realtime.timeline.layout import Field, Timeline
from realtime.timeline.ring_reader import RingReader

FILES = {"dry": "input.wav", "a": "a.wav", "b": "b.wav", "monitor": "monitor.wav"}
TAPES = ("a.tape", "b.tape")  # written by tape_recorder.py


@contextlib.contextmanager
def recording_directory(directory: Path, source: Path | None) -> Iterator[None]:
    """Create the directory and check that it is writable (FileError if not).

    On exit, directories created here are removed if they are still empty. `source` is the file that
    is played; it must not be overwritten.
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
    """Raise FileError if the directory cannot be recorded to. Nothing is left there."""
    if not directory:
        raise FileError("an empty name cannot be recorded to. Pass the name of a directory, or . for this one.")
    with recording_directory(expand_user(directory), None):
        pass


class WavRecorder:
    """WAV files of one take. Call `poll` about 10 times a second, from one thread, and `close` at
    the end.
    """

    def __init__(self, timeline: Timeline, directory: Path, start: int = 0) -> None:
        """Create the files in a `recording_directory`; they begin at sample `start`. AudioFileError
        if that fails.
        """
        slots = {"a": 1, "b": 2}
        names = [name for name in FILES if timeline[Field.SLOTS] & slots.get(name, 3)]
        self.error: AudioFileError | None = None
        self._tails = {name: RingReader(timeline, name, start) for name in names}
        self._writers: dict[str, AudioWriter] = {}
        try:
            for name in names:
                self._writers[name] = AudioWriter(directory / FILES[name], timeline[Field.RATE])
        except AudioFileError:
            self._discard()
            raise

    @property
    def lost(self) -> int:
        """Samples that were overwritten before they were read."""
        return sum(tail.lost for tail in self._tails.values())

    def poll(self, taken: int, played: int | None = None) -> None:
        """Write new samples: up to input sample `taken`, and the monitor up to output sample
        `played` (None: all).
        """
        if self.error:
            return
        try:
            for name, tail in self._tails.items():
                self._writers[name].write(tail.read(played if name == "monitor" else taken))
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
