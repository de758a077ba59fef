"""Reading of audio files in blocks: at any rate, stereo, once or looped.

Audio is [C, T] float32. FFmpeg decodes; lengths are counted, not believed.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Generator, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from realtime.dsp.resampler import Resampler
from realtime.files.decoded_file import DecodedFile, Survey, identity
from realtime.files.errors import AudioFileError

__all__ = ["Audio", "AudioFileError", "AudioReader", "Survey", "check"]

Audio = npt.NDArray[np.float32]

LOOP_KEPT = 1 << 21  # samples; a loop this short is decoded once and kept


def check(path: Path, seconds: float | None = None, *, decode: bool = False) -> Survey:
    """Return length and damage of a file. AudioFileError if it cannot be played.

    Floating-point samples are read, `seconds` of them or all, since they may not be finite. What is
    compressed is only scanned, at some 3000 times real time, unless `decode` asks for more.
    """
    with contextlib.closing(DecodedFile(path)) as file:
        if file.codec.startswith("pcm_f") and not decode:
            left = float("inf") if seconds is None else int(seconds * file.rate) + 1
            for _, audio in file.blocks():
                left -= audio.shape[1]
                if left <= 0:
                    break
        return file.survey(decode=decode)


class AudioReader:
    """Blocks of stereo from a file, at its own rate or another. One thread at a time."""

    def __init__(self, path: Path, rate: int | None = None, *, loop: bool = False, start: int = 0) -> None:
        """Open it. AudioFileError if it is not audio that can be played.

        `loop` begins again at the end; `start` is the first sample at `rate` that is read, to within
        a sample of the file; in a loop it may lie beyond the end.
        """
        self.path, self._loop = path, loop
        self._file = DecodedFile(path)
        self.file_rate, self.channels, self.tags = self._file.rate, self._file.channels, self._file.tags
        self.rate = rate or self.file_rate
        self._start_s = start / self.rate
        self._blocks = self._resampled()
        self._ready = np.zeros((2, 0), np.float32)
        self._given = start  # samples
        self._length: int | None = None
        self._ended = False
        self._told = 0  # clauses of damage

    @property
    def length(self) -> int | None:
        """Samples still to come at `rate`; None for a loop. The first call scans the file; 0 if that fails."""
        if self._loop:
            return None
        if self._ended:
            return self._ready.shape[1]
        if self._length is None:
            try:
                with contextlib.closing(DecodedFile(self.path)) as file:
                    self._length = file.survey(decode=False).length_at(self.rate)
            except AudioFileError:  # it has changed; reading reports that
                self._length = 0
        return max(0, self._length - self._given)

    def read(self, count: int) -> Audio:
        """Return the next [2, count], fewer at the end, none after it. AudioFileError for a sample that is
        not finite, and for a file that was cut or has gone while it played.
        """
        self.prepare(count)
        out, self._ready = self._ready[:, :count], self._ready[:, count:]
        self._given += out.shape[1]
        return out

    def prepare(self, count: int) -> None:
        """Decode the next `count` samples, if they are not decoded yet. AudioFileError as from `read`."""
        pieces, there = [self._ready], self._ready.shape[1]
        if there >= count:
            return
        while there < count and not self._ended:
            block = next(self._blocks, None)
            if block is None:
                self._ended = True
            else:
                pieces.append(block)
                there += block.shape[1]
        self._ready = np.concatenate(pieces, axis=1)

    def blocks(self, count: int) -> Iterator[Audio]:
        """Yield all that is left, [2, count] at a time."""
        while (block := self.read(count)).shape[1]:
            yield block

    def remarks(self) -> tuple[str, ...]:
        """Return messages for the user: damage that was met while decoding since the last call."""
        damage, self._told = self._file.decoding_damage[self._told :], len(self._file.decoding_damage)
        return tuple(f"{self.path}: {clause}" for clause in damage)

    def close(self) -> None:
        """Close the file."""
        self._blocks.close()
        self._file.close()

    def _resampled(self) -> Generator[Audio, None, None]:
        """Yield [2, n] at `rate`. A change of the file's rate begins a new segment, rounded up to samples."""
        resampler: Resampler | None = None
        current, taken, made = 0, 0, 0
        for rate, audio in self._source():
            if rate != current:
                yield from _finish(resampler, taken, made)
                resampler = None if rate == self.rate else Resampler(rate, self.rate, 2)
                current, taken, made = rate, 0, 0
            out = resampler.process(audio) if resampler else audio
            taken, made = taken + audio.shape[1], made + out.shape[1]
            yield out
        yield from _finish(resampler, taken, made)

    def _source(self) -> Iterator[tuple[int, Audio]]:
        """Yield rate and [2, n] of the file, again and again if it is looped.

        AudioFileError once nothing is left of it.
        """
        first = round(self._start_s * self.file_rate) if self._file.seekable else 0
        skipped_s = 0.0 if first else self._start_s
        if first:
            begun = False
            for block in self._file.blocks(first):
                begun = True
                yield block
            if not begun:  # it lies beyond the end
                skipped_s = self._start_s
            elif self._loop and _identity(self.path) != self._file.identity:
                self._open_again()
        while self._loop or not first:
            kept: list[tuple[int, Audio]] | None = [] if self._loop else None
            size, passed_s = 0, 0.0
            for block in self._file.blocks():
                size += block[1].shape[1]
                passed_s += block[1].shape[1] / block[0]
                if size > LOOP_KEPT:
                    kept = None
                if kept is not None:
                    kept.append(block)
                if skipped_s > 0.0:
                    count = min(block[1].shape[1], round(skipped_s * block[0]))
                    skipped_s -= count / block[0] if count else skipped_s
                    block = block[0], block[1][:, count:]
                yield block
            if not self._loop:
                return
            if skipped_s > 0.0 and passed_s:
                skipped_s %= passed_s
                continue
            while (now := _identity(self.path)) == self._file.identity and kept:
                yield from kept
            if now != self._file.identity or not size:
                self._open_again()

    def _open_again(self) -> None:
        self._file.close()
        self._file = DecodedFile(self.path)


def _finish(resampler: Resampler | None, taken: int, made: int) -> Iterator[Audio]:
    """Yield what a resampler still holds."""
    if resampler is None:
        return
    wanted = -(-taken * resampler.up // resampler.down) - made
    while wanted > 0:
        out = resampler.process(np.zeros((2, max(1, resampler.latency)), np.float32))[:, :wanted]
        wanted -= out.shape[1]
        yield out


def _identity(path: Path) -> tuple[int, int, int] | None:
    """Return file, size and time of the last change; None if it has gone."""
    try:
        return identity(os.stat(path))
    except (OSError, ValueError):
        return None
