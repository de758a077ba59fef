"""Input of a stream that can be replaced by another source while it plays, with a cross-fade.

A source whose file is damaged, truncated, overwritten or gone while it plays is left, and the input
plays again. An input that fails itself is silent from then on.
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable
from typing import Protocol

import numpy as np
import numpy.typing as npt

from realtime.timeline.layout import FADE

Audio = npt.NDArray[np.float32]
MOST_STARTS = 16  # that wait to be taken


class Source(Protocol):
    """Input of a stream."""

    def read(self, count: int) -> Audio:
        """Return the next [C, count] samples; fewer at the end of the source, and none after it."""
        ...


class _Held:
    """Source that holds the last sample of one that failed, so that nothing clicks."""

    def __init__(self, value: Audio) -> None:
        self._value = value  # [C, 1]

    def read(self, count: int) -> Audio:
        return np.repeat(self._value, count, axis=1)


class _Silence:
    """Silence in place of an input that failed, for the samples that it had left (None: endless)."""

    def __init__(self, left: int | None) -> None:
        self.length = left

    def read(self, count: int) -> Audio:
        if self.length is not None:
            count = min(count, self.length)
            self.length -= count
        return np.zeros((2, count), np.float32)


class CrossfadingSource:
    """A source that plays one of several sources.

    Another thread chooses, the driver's thread reads. `read` raises nothing.
    """

    def __init__(self, source: Source) -> None:
        self._default = self._chosen = self._current = source
        self._old: Source | None = None  # while it fades out
        self._faded = 0  # samples
        self._finished: list[Source] = []  # `choose` closes them
        self._last = np.zeros((2, 1), np.float32)  # sample read last
        self._failures: deque[Exception] = deque()
        self._count = 0  # samples read so far
        self._starts: deque[tuple[Source, int]] = deque(maxlen=MOST_STARTS)

    def choose(self, source: Source | None) -> None:
        """Play `source` from the next block on; None returns to the first source.

        Closes sources no longer in use.
        """
        while self._finished:
            close: Callable[[], None] | None = getattr(self._finished.pop(), "close", None)
            if close:
                with contextlib.suppress(Exception):  # its file may be gone
                    close()
        self._chosen = source or self._default

    def take_start(self, source: Source | None) -> int | None:
        """Return the sample with which `source` began, once; None mostly. One thread asks, and forgets
        the starts of other sources thereby.
        """
        while self._starts:
            began, at = self._starts.popleft()
            if began is source:
                return at
        return None

    def note_failure(self, error: Exception) -> None:
        """Note the error of a source that could not be chosen. Any thread."""
        self._failures.append(error)

    def take_failure(self) -> Exception | None:
        """Return the error of a source that was left since the last call, if any. Any thread."""
        try:
            return self._failures.popleft()
        except IndexError:
            return None

    def read(self, count: int) -> Audio:
        """Return the next [C, count] samples, cross-faded over FADE samples after a change."""
        if self._old is None and self._chosen is not self._current:
            self._old, self._current, self._faded = self._current, self._chosen, 0
            self._starts.append((self._current, self._count))
        audio = self._read_current(count)
        if self._old is not None:
            audio = self._fade(self._old, audio, count)
        if audio.shape[1]:
            self._last = audio[:, -1:]
        self._count += audio.shape[1]
        return audio

    def _fade(self, old: Source, audio: Audio, count: int) -> Audio:
        n = min(count, FADE - self._faded)
        before, after = np.zeros((2, 2, n), np.float32)
        try:
            rest = _checked(old.read(n))
        except Exception:  # noqa: BLE001 - it is being left anyway
            self._old = _Held(self._last)
            rest = self._old.read(n)
        for padded, source in ((before, rest), (after, audio[:, :n])):
            padded[:, : source.shape[1]] = source
        part = np.arange(self._faded + 1, self._faded + n + 1, dtype=np.float32) / np.float32(FADE)
        self._faded += n
        if self._faded == FADE:
            if self._old is not None and self._old is not self._default:
                self._finished.append(self._old)
            self._old = None
        return np.concatenate([before + part * (after - before), audio[:, n:]], axis=1)

    def _read_current(self, count: int) -> Audio:
        """Read the current source; one that fails is left for the first source, or for silence."""
        source = self._current
        left = getattr(source, "length", None)  # before the read that may fail
        try:
            audio = _checked(source.read(count))
            if audio.shape[1] == count or source is self._default:
                return audio
            raise EOFError("the source has ended before its loop began again")
        except Exception as error:  # noqa: BLE001 - the stream goes on
            self._failures.append(error)
        held: Source = _Held(self._last)
        if source is self._default:
            self._default = _Silence(left)
        else:
            self._finished.append(source)
        if self._chosen is source:
            self._chosen = self._default
        if self._old is not None and self._old is not self._default:
            self._finished.append(self._old)
        self._old, self._current, self._faded = held, self._chosen, 0
        return self._read_current(count)


def _checked(audio: Audio) -> Audio:
    """Return the samples. ValueError if one of them is not a finite number."""
    if not np.isfinite(audio).all():
        raise ValueError("it contains samples that are not finite numbers. Repair the file first.")
    return audio
