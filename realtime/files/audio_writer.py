"""Audio files written by libsndfile: the format is that of the name's extension, and nothing half-done
is left behind.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

import numpy as np
import numpy.typing as npt
import soundfile

from realtime.dsp.resampler import Resampler
from realtime.files.errors import AudioFileError
from realtime.files.output_format import WAV, output_format
from realtime.system.atomic_file import AtomicFile, check_replaceable, check_writable, reason
from realtime.system.platform.file_names import for_c_library

Audio = npt.NDArray[np.float32]

# Commands of sndfile.h that soundfile does not name
_UPDATE_HEADER_AUTO = 0x1061  # SFC_SET_UPDATE_HEADER_AUTO
_WAV_WHILE_IT_CAN = 0x1210  # SFC_RF64_AUTO_DOWNGRADE: RF64 (EBU Tech 3306) only from 4 GB on


def check_target(path: Path) -> None:
    """Raise AudioFileError or FileError if no sound can be written there; nothing is left there."""
    check_writable(path)
    output_format(path)


class AudioWriter:
    """Audio file that is written. With `whole`, it has its name only once all of it is written.

    Without, it is a WAV whose header tells the truth after every write: whatever ends the program,
    what was written can be read.
    """

    def __init__(
        self,
        path: Path,
        rate: int,
        *,
        whole: bool = False,
        channels: int = 2,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        """Open it. A `whole` file has the format of its extension; [2, n] is mixed down for 1 channel.
        AudioFileError if it cannot be written there.
        """
        self.path, self._channels = path, channels
        self._format = output_format(path) if whole else WAV
        self.rate = self._format.rate_for(rate)
        self.clipped = 0  # samples
        self._tags = dict(tags or {}) if self._format.tags else {}
        self._resampler = Resampler(rate, self.rate, channels) if rate != self.rate else None
        self._taken = self._made = 0  # samples of the resampler
        self._whole = AtomicFile(path) if whole else None
        self._working = self._whole.working if self._whole else path
        try:
            check_replaceable(self._working)
            self._file = self._open()
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
        if self._channels == 1 and audio.shape[0] == 2:
            audio = audio.mean(axis=0, keepdims=True, dtype=np.float32)
        if self._resampler:
            self._taken += audio.shape[1]
            audio = self._resampler.process(audio)
            self._made += audio.shape[1]
        self._append(audio)

    def remarks(self) -> tuple[str, ...]:
        """Return messages for the user."""
        if not self.clipped:
            return ()
        return (f"{self.path}: {self.clipped} samples beyond full scale were clipped. Write a .wav to keep them.",)

    def close(self) -> None:
        """Finish the file; it can be read from now on."""
        try:
            if self._resampler:
                wanted = -(-self._taken * self._resampler.up // self._resampler.down) - self._made
                rest = self._resampler.process(np.zeros((self._channels, self._resampler.latency + 1), np.float32))
                self._append(rest[:, :wanted])
            self._file.close()
            if self._format.format == "MP3" and self._tags:
                self._working.write_bytes(id3_tag(self._tags) + self._working.read_bytes())
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

    def __enter__(self) -> AudioWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind and self._whole:
            self.discard()
        else:
            self.close()

    def _open(self) -> soundfile.SoundFile:
        """Open the file that is worked on, and give it its tags."""
        kind = self._format
        options = {} if kind.compression is None else {"compression_level": kind.compression}
        file = soundfile.SoundFile(
            for_c_library(self._working), "w", self.rate, self._channels, kind.subtype, format=kind.format, **options
        )
        if kind.format == "RF64":
            for command in (_WAV_WHILE_IT_CAN,) if self._whole else (_WAV_WHILE_IT_CAN, _UPDATE_HEADER_AUTO):
                soundfile._snd.sf_command(file._file, command, soundfile._ffi.NULL, 1)
        for name, value in self._tags.items():
            if kind.format != "MP3":  # libsndfile writes Latin-1 there
                with contextlib.suppress(soundfile.LibsndfileError):  # not all formats have all tags
                    setattr(file, name, value)
        return file

    def _append(self, audio: Audio) -> None:
        if self._format.clips:
            self.clipped += int(np.count_nonzero(np.abs(audio) > 1))
        try:
            self._file.write(audio.T)
        except (AssertionError, soundfile.LibsndfileError, OSError) as error:  # soundfile asserts on a short write
            raise AudioFileError(f"{self.path}: the disk is full or gone. Free some space and try again.") from error


def id3_tag(tags: Mapping[str, str]) -> bytes:
    """Return an ID3v2.4 tag with text in UTF-8 (id3.org, ID3v2.4.0 Native Frames)."""
    names = {
        "title": "TIT2", "artist": "TPE1", "album": "TALB", "date": "TDRC", "genre": "TCON", "copyright": "TCOP",
        "tracknumber": "TRCK",
    }  # fmt: skip
    frames = b""
    for name, value in tags.items():
        if name == "comment":
            text, frame = b"\3und\0" + value.encode(errors="replace"), b"COMM"
        elif name in names:
            text, frame = b"\3" + value.encode(errors="replace"), names[name].encode()
        else:
            continue
        frames += frame + _synchsafe(len(text)) + b"\0\0" + text
    return b"ID3\4\0\0" + _synchsafe(len(frames)) + frames


def _synchsafe(number: int) -> bytes:
    """Return a number in four bytes of seven bits."""
    return bytes(number >> shift & 127 for shift in (21, 14, 7, 0))
