"""Audio files: read in blocks with every oddity named, written so that nothing half-done is left behind.

Formats are libsndfile's (WAV, FLAC, Ogg, MP3, AIFF ...), through soundfile. Audio inside is [C, T] float32, stereo.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

import numpy as np
import numpy.typing as npt
import soundfile

from realtime.resample import Resampler

Audio = npt.NDArray[np.float32]

RATES = (8_000, 192_000)  # Hz, lowest and highest
FORMATS = "WAV, FLAC, Ogg, MP3 or AIFF"


class AudioFileError(Exception):
    """A file that cannot be read or written; the message says what was given, what is allowed, what to do."""


class Reader:
    """Blocks of stereo from a file, at its own rate or another. One thread at a time."""

    def __init__(self, path: Path, rate: int | None = None, *, loop: bool = False) -> None:
        """Open and check; AudioFileError if it is no audio that can be played. `loop` begins again at the end."""
        self.path, self._loop = path, loop
        if not path.is_file():
            raise AudioFileError(f"{path}: no such file. Pass an audio file ({FORMATS}).")
        if path.stat().st_size == 0:
            raise AudioFileError(f"{path}: empty, 0 bytes. Pass an audio file ({FORMATS}).")
        try:
            self._file = soundfile.SoundFile(path)
        except (soundfile.LibsndfileError, OSError) as error:
            raise AudioFileError(f"{path}: not audio that can be read. Pass an audio file ({FORMATS}).") from error
        try:
            self._check()
        except AudioFileError:
            self._file.close()
            raise
        self.file_rate = int(self._file.samplerate)
        self.rate = rate or self.file_rate
        self._resampler = Resampler(self.file_rate, self.rate, 2) if self.rate != self.file_rate else None
        self._ready = np.zeros((2, 0), np.float32)
        self._read = 0  # frames since the file's start
        self._left = None if loop else -(-self._file.frames * self.rate // self.file_rate)

    @property
    def length(self) -> int | None:
        """Samples still to come at `rate`; None for a loop."""
        return self._left

    def read(self, count: int) -> Audio:
        """The next [2, count], fewer at the end, none after it."""
        if self._left is not None:
            count = min(count, self._left)
            self._left -= count
        while self._ready.shape[1] < count:
            block = self._read_file(max(1024, count))
            self._ready = np.concatenate(
                [self._ready, self._resampler.process(block) if self._resampler else block], axis=1
            )
        out, self._ready = self._ready[:, :count], self._ready[:, count:]
        return out

    def blocks(self, count: int) -> Iterator[Audio]:
        """All that is left, [2, count] at a time."""
        while (block := self.read(count)).shape[1]:
            yield block

    def close(self) -> None:
        self._file.close()

    def _check(self) -> None:
        name, channels, rate = self.path, self._file.channels, self._file.samplerate
        if channels not in (1, 2):
            raise AudioFileError(f"{name}: {channels} channels; 1 or 2 can be played. Mix it down first.")
        if not RATES[0] <= rate <= RATES[1]:
            raise AudioFileError(f"{name}: {rate} Hz; {RATES[0]} to {RATES[1]} can be played. Convert it first.")
        if self._file.frames == 0:
            raise AudioFileError(f"{name}: no samples in it. Pass a file with sound.")

    def _read_file(self, count: int) -> Audio:
        """[2, n] from the file; silence after its end, for a resampler to finish with."""
        try:
            samples = self._file.read(count, dtype="float32", always_2d=True)
            if self._loop and not len(samples):
                self._file.seek(0)
                self._read = 0
                samples = self._file.read(count, dtype="float32", always_2d=True)
        except soundfile.LibsndfileError as error:
            raise AudioFileError(
                f"{self.path}: damaged after sample {self._read} ({error}). Use a whole copy."
            ) from error
        if not len(samples):
            if self._read < self._file.frames:
                raise AudioFileError(
                    f"{self.path}: cut short, {self._read} of {self._file.frames} samples are there. Use a whole copy."
                )
            return np.zeros((2, count), np.float32)
        good = np.isfinite(samples)
        if not good.all():
            frame, channel = np.argwhere(~good)[0]
            value = samples[frame, channel]
            raise AudioFileError(
                f"{self.path}: sample {self._read + frame} of channel {channel + 1} is {value}. Repair the file first."
            )
        self._read += len(samples)
        return np.ascontiguousarray(np.broadcast_to(samples.T, (2, len(samples))))


class Writer:
    """A float32 WAV of stereo. With `whole`, it has its name only once all of it is written."""

    def __init__(self, path: Path, rate: int, *, whole: bool = False) -> None:
        """AudioFileError if it cannot be written there."""
        self.path, self._whole = path, whole
        self._working = path.with_name(f".{path.name}.part") if whole else path
        try:
            if path.is_dir():
                raise IsADirectoryError
            self._file = soundfile.SoundFile(self._working, "w", rate, 2, subtype="FLOAT", format="WAV")
        except (soundfile.LibsndfileError, OSError) as error:
            raise AudioFileError(f"{path}: cannot be written. Pass a path in a directory you may write to.") from error

    def write(self, audio: Audio) -> None:
        """Append [2, n]; AudioFileError if the disk is full."""
        try:
            self._file.write(audio.T)
        except (AssertionError, soundfile.LibsndfileError, OSError) as error:  # soundfile asserts on a short write
            raise AudioFileError(f"{self.path}: the disk is full or gone. Free some space and record again.") from error

    def close(self) -> None:
        """Finish the file; it can be read from now on."""
        try:
            self._file.close()
            if self._whole:
                self._working.replace(self.path)
        except (soundfile.LibsndfileError, OSError) as error:
            raise AudioFileError(f"{self.path}: could not be finished ({error}).") from error

    def discard(self) -> None:
        """Close and remove what was written."""
        with contextlib.suppress(soundfile.LibsndfileError, OSError):
            self._file.close()
        self._working.unlink(missing_ok=True)

    def __enter__(self) -> Writer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind and self._whole:
            self.discard()
        else:
            self.close()
