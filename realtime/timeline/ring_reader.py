"""Sequential reader of a timeline's ring, for recording, loop capture and loudness.

Every sample is returned once and in order, with silence where none was written. A reader that is
polled too rarely is overrun by the ring; the samples lost are counted.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from realtime.timeline.layout import (
    DRY,
    MONITOR,
    PREV_RUN_END,
    PREV_RUN_START,
    RUN_START,
    WET,
    WET_END,
    Field,
    Timeline,
)

RINGS = {"dry": DRY, "a": WET, "b": WET + 1, "monitor": MONITOR}


class RingReader:
    """Position in one ring of one stream. One thread at a time."""

    def __init__(self, timeline: Timeline, name: str, start: int = 0) -> None:
        """`name` is a key of RINGS; `start` is the first sample to read."""
        self.position = start
        self.lost = 0
        self._timeline, self._ring = timeline, RINGS[name]
        self._slot = self._ring - WET if name in "ab" else None
        self._run_end = 0  # of the run being read
        self._run_start = 0

    def read(self, before: int | None = None) -> npt.NDArray[np.float32]:
        """Return the samples [C, n] that are new since the last call, up to sample `before`."""
        pieces = []
        while (piece := self._piece(before)).shape[1]:
            pieces.append(piece)
        return np.concatenate(pieces, axis=1) if pieces else piece

    def _piece(self, before: int | None) -> npt.NDArray[np.float32]:
        """Return the next samples of one kind: silence (lost or never written), or audio."""
        timeline = self._timeline
        end, gap_end = (bound if before is None else min(bound, before) for bound in self._bounds())
        channels = timeline[Field.CHANNELS]
        if gap_end > self.position:
            silence = np.zeros((channels, min(gap_end - self.position, timeline[Field.CAPACITY])), np.float32)
            self.position += silence.shape[1]
            return silence
        overrun = min(self._oldest(), end) - self.position
        if overrun > 0:
            silence = np.zeros((channels, min(overrun, timeline[Field.CAPACITY])), np.float32)
            self.lost += silence.shape[1]
            self.position += silence.shape[1]
            return silence
        audio = np.empty((channels, max(0, end - self.position)), np.float32)
        timeline.read(self._ring, self.position, audio)
        overrun = self._oldest() - self.position
        if overrun > 0:  # written over during the copy
            overrun = min(overrun, audio.shape[1])
            self.lost += overrun
            audio[:, :overrun] = 0.0
        self.position += audio.shape[1]
        return audio

    def _bounds(self) -> tuple[int, int]:
        """Return the end of the valid samples and of the gap before them (position if none)."""
        timeline = self._timeline
        if self._slot is None:
            return timeline.load(Field.PLAYED_END if self._ring == MONITOR else Field.DRY_END), self.position
        if timeline.load(Field.STREAM_ACK) != timeline.load(Field.STREAM_ID):
            return self.position, self.position
        end = timeline.load(WET_END[self._slot])
        start = timeline.load(RUN_START[self._slot])
        if start != self._run_start:
            prev_end = timeline.load(PREV_RUN_END[self._slot])
            if (
                timeline.load(PREV_RUN_START[self._slot]) == self._run_start
                and timeline.load(RUN_START[self._slot]) == start
            ):
                self._run_end = max(self._run_end, prev_end)
            if self.position < self._run_end:
                return self._run_end, self.position  # finish the old run first
        self._run_start, self._run_end = start, end
        return max(start, end), start

    def _oldest(self) -> int:
        """Return the oldest sample that is certainly in the ring.

        Writers stay within a block past dry.
        """
        timeline = self._timeline
        return timeline.load(Field.DRY_END) + timeline[Field.MAX_BLOCK] - timeline[Field.CAPACITY]
