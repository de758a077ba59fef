"""File that is played in place of the input: looped, or once with silence after it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from realtime.files.audio_file import Audio, AudioReader

_READY = 8192  # samples


class SilenceAfter:
    """Source that is silent after the end of a file. One thread."""

    def __init__(self, reader: AudioReader) -> None:
        self._reader = reader

    def read(self, count: int) -> Audio:
        """Return the next [2, count]. AudioFileError as from the reader."""
        audio = self._reader.read(count)
        return np.pad(audio, ((0, 0), (0, count - audio.shape[1])))

    def close(self) -> None:
        """Close the file."""
        self._reader.close()


def open_file(path: Path, rate: int, start: int, *, loop: bool) -> AudioReader | SilenceAfter:
    """Open a file from sample `start` at `rate` on, and decode its first samples, so that the first read
    takes no longer than any other. AudioFileError if it cannot be played.
    """
    reader = AudioReader(path, rate, loop=loop, start=start)
    try:
        reader.prepare(_READY)
    except BaseException:
        reader.close()
        raise
    return reader if loop else SilenceAfter(reader)
