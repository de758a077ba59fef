"""Sound of an audio file: all its parts one after the other, as stereo, with the damage that was met."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np
import numpy.typing as npt

from realtime.files.decoder import PartDecoder, PartError
from realtime.files.errors import AudioFileError
from realtime.files.find_layout import find_layout
from realtime.files.part import Layout, Part
from realtime.system.atomic_file import reason

Audio = npt.NDArray[np.float32]

RATES = (8_000, 192_000)  # Hz, lowest and highest
FORMATS = "WAV, FLAC, Ogg, MP3, M4A, AIFF and others"
TAGS = ("title", "artist", "album", "date", "genre", "comment", "copyright", "tracknumber")
_TAG_NAMES = {"track": "tracknumber", "year": "date", "description": "comment", "author": "artist"}
_PROMISING = ("mov", "matroska", "asf", "ape", "wv", "tta")  # demuxers whose containers have a length
_PROMISE_TOLERANCE_S = 0.1  # which they round
_PCM_BITS = re.compile(r"pcm_(?:[a-z](\d+)|(?:a|mu)law)")  # of G.711: 8
_XING_TOLERANCE = 1152  # samples; some encoders count the header's own frame


def identity(status: os.stat_result) -> tuple[int, int, int]:
    """Return file, size and time of the last change."""
    return status.st_ino, status.st_size, status.st_mtime_ns


@dataclass(frozen=True)
class Survey:
    """Length of a file, and what is wrong with it."""

    segments: tuple[tuple[int, int], ...]  # (rate in Hz, samples)
    remarks: tuple[str, ...] = ()

    def length_at(self, rate: int) -> int:
        """Return the samples at a rate, rounded up for each stretch of one rate."""
        total = 0
        for own, segments in groupby(self.segments, lambda segment: segment[0]):
            total += -(-sum(samples for _, samples in segments) * rate // own)
        return total


class DecodedFile:
    """Open audio file. One thread at a time."""

    def __init__(self, path: Path) -> None:
        """Open it and decode its beginning. AudioFileError if nothing of it can be played."""
        self.path = path
        self.decoding_damage: list[str] = []  # of it, what only decoding shows
        self.damage: list[str] = []  # of the container, then of what was met since
        self.segments: list[tuple[int, int]] = []  # (rate, samples) of what was read to its end
        try:
            if path.is_dir():
                raise AudioFileError(f"{path}: this is a directory. Pass an audio file ({FORMATS}).")
            if path.exists() and not path.is_file():  # opening a pipe would wait
                raise AudioFileError(f"{path}: this is a pipe or a device. Pass an audio file ({FORMATS}).")
            if path.stat().st_size == 0:
                raise AudioFileError(f"{path}: empty, 0 bytes. Pass an audio file ({FORMATS}).")
            self._file = path.open("rb")
        except (OSError, ValueError) as error:
            raise AudioFileError(
                f"{path}: cannot be read ({reason(error)}). Pass an audio file ({FORMATS})."
            ) from error
        try:
            status = os.fstat(self._file.fileno())
            self._size, self.identity = status.st_size, identity(status)
            layout = find_layout(self._file)
            if layout is None:
                raise self._not_audio()
            self._layout: Layout = layout
            self._learn()
        except OSError as error:
            self._file.close()
            raise AudioFileError(f"{path}: cannot be read ({reason(error)}). Try again.") from error
        except BaseException:
            self._file.close()
            raise

    def _learn(self) -> None:
        """Set rate, channels, codec and tags by the first part that has sound."""
        error: Exception | None = None
        for part in self._layout.parts:
            try:
                decoder = PartDecoder(self._file, part)
            except PartError as failed:
                error = failed
                continue
            try:
                for rate, audio in decoder.blocks():
                    self.rate, self.channels, self.codec = rate, audio.shape[0], decoder.codec
                    self.tags = _tags(decoder.metadata)
                    self._check(rate, audio.shape[0])
                    return
            finally:
                decoder.close()
        if error:
            raise self._not_audio() from error
        raise AudioFileError(f"{self.path}: no samples in it. Pass a file with sound.")

    @property
    def seekable(self) -> bool:
        """True if `blocks` can begin in the middle: all of the file is one whole part, of one rate."""
        return len(self._layout.parts) == 1 and not self._layout.damage

    def blocks(self, first: int = 0) -> Iterator[tuple[int, Audio]]:
        """Yield rate and samples [2, n] from sample `first` of the file on, which is 0 unless it is
        `seekable`. AudioFileError for a sample that is not finite.
        """
        done = first
        for part, decoder in self._decoders():
            counts = [(self.rate, first)] if first else []
            for rate, audio in decoder.blocks(first):
                self._check(rate, audio.shape[0])
                self._check_finite(audio, done)
                done += audio.shape[1]
                if counts and counts[-1][0] == rate:
                    counts[-1] = (rate, counts[-1][1] + audio.shape[1])
                else:
                    counts.append((rate, audio.shape[1]))
                yield rate, np.broadcast_to(audio, (2, audio.shape[1]))
            self._end_part(part, decoder, counts)
        if os.fstat(self._file.fileno()).st_size < self._size:
            raise AudioFileError(f"{self.path}: was truncated while it played. Use a complete copy.")

    def survey(self, *, decode: bool) -> Survey:
        """Return length and damage: by decoding all, or by the packets' durations, which is faster.

        AudioFileError as from `blocks`.
        """
        if decode:
            for _ in self.blocks():
                pass
        else:
            for part, decoder in self._decoders():
                rate, count = decoder.count()
                self._end_part(part, decoder, [(rate, count)] if count else [])
        remarks: tuple[str, ...] = ()
        if self.damage:
            samples = sum(samples for _, samples in self.segments)
            remarks = (f"{self.path}: {'; '.join(self.damage)}. {samples} samples are played.",)
        return Survey(tuple(self.segments), remarks)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __del__(self) -> None:
        if hasattr(self, "_file"):
            self._file.close()

    def _decoders(self) -> Iterator[tuple[Part, PartDecoder]]:
        """Open the parts one by one, and forget what was met before."""
        self.damage, self.segments = list(self._layout.damage), list[tuple[int, int]]()
        for number, part in enumerate(self._layout.parts, 1):
            try:
                decoder = PartDecoder(self._file, part)
            except PartError:
                self.damage.append(f"part {number} of {len(self._layout.parts)} cannot be decoded")
                continue
            try:
                yield part, decoder
            finally:
                decoder.close()

    def _end_part(self, part: Part, decoder: PartDecoder, counts: list[tuple[int, int]]) -> None:
        """Note length and damage of a part that was read to its end."""
        self.segments += counts
        self.damage += decoder.damage
        self.decoding_damage += decoder.damage
        count = sum(samples for _, samples in counts)
        rate = counts[-1][0] if counts else 0
        promised, tolerance = part.declared or part.length, _XING_TOLERANCE if part.demuxer == "mp3" else 0
        rest, bits = 0, _PCM_BITS.match(decoder.codec)  # bytes
        if part.sound_bytes and bits:
            promised, rest = divmod(part.sound_bytes, int(bits[1] or 8) // 8 * decoder.channels)
        elif part.demuxer in _PROMISING:
            promised, tolerance = round(decoder.declared * rate), round(_PROMISE_TOLERANCE_S * rate)
        if count + tolerance < promised:
            self.damage.append(f"truncated to {count} of {promised} samples")
        elif part.missing and not bits:
            self.damage.append(f"truncated, {part.missing} bytes are missing")
        elif rest:
            bytes_are = "byte at the end is" if rest == 1 else "bytes at the end are"
            self.damage.append(f"{rest} {bytes_are} less than a sample, and not played")

    def _check(self, rate: int, channels: int) -> None:
        if channels not in (1, 2):
            raise AudioFileError(f"{self.path}: {channels} channels; 1 or 2 can be played. Mix it down first.")
        if not RATES[0] <= rate <= RATES[1]:
            raise AudioFileError(f"{self.path}: {rate} Hz; {RATES[0]} to {RATES[1]} can be played. Convert it first.")

    def _check_finite(self, audio: Audio, done: int) -> None:
        good = np.isfinite(audio)
        if good.all():
            return
        frame, channel = np.argwhere(~good.T)[0]
        raise AudioFileError(
            f"{self.path}: sample {done + frame} of channel {channel + 1} is {audio[channel, frame]}. "
            "Repair the file first."
        )

    def _not_audio(self) -> AudioFileError:
        return AudioFileError(f"{self.path}: not audio that can be read. Pass an audio file ({FORMATS}).")


def _tags(metadata: dict[str, str]) -> dict[str, str]:
    """Return the tags of TAGS that are set."""
    named = {_TAG_NAMES.get(name.lower(), name.lower()): value for name, value in metadata.items()}
    return {name: named[name] for name in TAGS if named.get(name)}
