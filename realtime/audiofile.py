"""Audio files: read in blocks with every oddity named, written so that nothing half-done is left behind.

Formats are libsndfile's (WAV, FLAC, Ogg, MP3, AIFF ...), through soundfile. Audio inside is [C, T] float32, stereo.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

import numpy as np
import numpy.typing as npt
import soundfile

from realtime.quiet import quiet
from realtime.resample import Resampler
from realtime.wholefile import FileError, WholeFile, check_replaceable, check_writable, reason

Audio = npt.NDArray[np.float32]

RATES = (8_000, 192_000)  # Hz, lowest and highest
FORMATS = "WAV, FLAC, Ogg, MP3 or AIFF"
OTHER_FORMATS = (".mp3", ".flac", ".ogg", ".opus", ".m4a", ".aac", ".aif", ".aiff")
OGG_PAGE = 65_307  # bytes, the longest
CHECKED_AT_ONCE = 4096  # samples; damage is found to within so many
UNKNOWN_LENGTH = 0x7FFF0000  # bytes; who writes to a pipe declares this much or more

# What libsndfile's log says of a file that is shorter than its header tells.
_SHORTER = re.compile(r"^\s*(?:data|SSND|Data Size|Riff size)\s*: (\d+) \(should be (\d+)\)", re.MULTILINE)


class AudioFileError(FileError):
    """An audio file that cannot be read or written."""


def check(path: Path, seconds: float | None = None) -> None:
    """Read it through, or so many seconds of it: damage is told before anything is played or written."""
    with quiet():  # libmpg123 remarks on damage
        reader = Reader(path)
        try:
            left = reader.length if seconds is None else int(seconds * reader.rate) + 1
            while left and (block := reader.read(min(left, CHECKED_AT_ONCE))).shape[1]:
                left -= block.shape[1]
        finally:
            reader.close()


def check_target(path: Path) -> None:
    """AudioFileError or FileError if it is known already that no WAV can be written there; nothing is left there."""
    if path.suffix.lower() in OTHER_FORMATS:
        raise AudioFileError(f"{path}: a WAV is what is written. Pass a name that ends in .wav.")
    check_writable(path)


class Reader:
    """Blocks of stereo from a file, at its own rate or another. One thread at a time."""

    def __init__(self, path: Path, rate: int | None = None, *, loop: bool = False) -> None:
        """Open and check; AudioFileError if it is no audio that can be played. `loop` begins again at the end."""
        self.path, self._loop = path, loop
        try:
            if path.is_dir():
                raise AudioFileError(f"{path}: a directory. Pass an audio file ({FORMATS}).")
            if path.stat().st_size == 0:
                raise AudioFileError(f"{path}: empty, 0 bytes. Pass an audio file ({FORMATS}).")
            with quiet():
                self._file = soundfile.SoundFile(os.fsencode(path))
        except soundfile.LibsndfileError as error:
            raise AudioFileError(f"{path}: not audio that can be read. Pass an audio file ({FORMATS}).") from error
        except (OSError, ValueError) as error:
            raise AudioFileError(
                f"{path}: cannot be read ({reason(error)}). Pass an audio file ({FORMATS})."
            ) from error
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

    def remarks(self) -> tuple[str, ...]:
        """What a player should know of it: nothing, since files were heard before."""
        return ()

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
        short = _SHORTER.search(self._file.extra_info)
        if short and int(short[2]) < int(short[1]) < UNKNOWN_LENGTH:
            raise AudioFileError(f"{name}: cut short, {short[2]} of {short[1]} bytes are there. Use a whole copy.")
        if self._file.format == "OGG" and not _ogg_has_end(name):
            raise AudioFileError(f"{name}: cut short, the end of the stream is not there. Use a whole copy.")

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


# Commands of sndfile.h that soundfile does not name
_UPDATE_HEADER_AUTO = 0x1061  # SFC_SET_UPDATE_HEADER_AUTO
_WAV_WHILE_IT_CAN = 0x1210  # SFC_RF64_AUTO_DOWNGRADE: RF64 (EBU Tech 3306) only from 4 GB on


class Writer:
    """A float32 WAV of stereo, RF64 from 4 GB on. With `whole`, it has its name only once all of it is written.

    Without, its header tells the truth after every write: whatever ends the program, what was written can be read.
    """

    def __init__(self, path: Path, rate: int, *, whole: bool = False) -> None:
        """AudioFileError if it cannot be written there."""
        self.path = path
        self._whole = WholeFile(path) if whole else None
        working = self._whole.working if self._whole else path
        try:
            check_replaceable(working)
            self._file = soundfile.SoundFile(os.fsencode(working), "w", rate, 2, subtype="FLOAT", format="RF64")
            for command in (_WAV_WHILE_IT_CAN,) if whole else (_WAV_WHILE_IT_CAN, _UPDATE_HEADER_AUTO):
                soundfile._snd.sf_command(self._file._file, command, soundfile._ffi.NULL, 1)
        except BaseException as error:
            if self._whole:
                self._whole.discard()
            if not isinstance(error, (soundfile.LibsndfileError, OSError, ValueError)):  # Ctrl-C
                raise
            raise AudioFileError(
                f"{path}: cannot be written ({reason(error)}). Pass a place you may write to."
            ) from error

    def write(self, audio: Audio) -> None:
        """Append [2, n]; AudioFileError if the disk is full."""
        try:
            self._file.write(audio.T)
        except (AssertionError, soundfile.LibsndfileError, OSError) as error:  # soundfile asserts on a short write
            raise AudioFileError(f"{self.path}: the disk is full or gone. Free some space and try again.") from error

    def close(self) -> None:
        """Finish the file; it can be read from now on."""
        try:
            self._file.close()
        except (soundfile.LibsndfileError, OSError) as error:
            if self._whole:  # else what is there can be read, and stays
                self._whole.discard()
            raise AudioFileError(f"{self.path}: could not be finished ({reason(error)}). Try again.") from error
        if self._whole:
            self._whole.commit()

    def discard(self) -> None:
        """Close and remove what was written."""
        with contextlib.suppress(soundfile.LibsndfileError, OSError):
            self._file.close()
        if self._whole:
            self._whole.discard()
        else:
            self.path.unlink(missing_ok=True)

    def __enter__(self) -> Writer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind and self._whole:
            self.discard()
        else:
            self.close()


def _ogg_has_end(path: Path) -> bool:
    """Whether the last page is whole and marked as the last (RFC 3533, 6): Ogg has no length to compare with."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - OGG_PAGE))
        tail = file.read()
    page = tail[tail.rfind(b"OggS") :]
    return len(page) > 27 and len(page) >= 27 + page[26] + sum(page[27 : 27 + page[26]]) and bool(page[5] & 4)
