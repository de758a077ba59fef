"""Following the rings of a timeline from the side: for recording, loop capture and pictures.

A tail gives every sample of a ring once, in order, silence where there never was one. It must be asked often enough
that the ring does not overtake it; what it lost to that is counted.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from realtime.timeline import BEFORE, CUT, DRY, EPOCH, HEARD, WET, WET_END, Field, Timeline

RINGS = {"dry": DRY, "a": WET, "b": WET + 1, "monitor": HEARD}


class Tail:
    """One ring of one stream, from a sample on. One thread at a time."""

    def __init__(self, timeline: Timeline, name: str, start: int = 0) -> None:
        """`name` is one of RINGS; what comes first is sample `start`."""
        self.position = start
        self.lost = 0
        self._timeline, self._ring = timeline, RINGS[name]
        self._slot = self._ring - WET if name in "ab" else None
        self._run_end = 0  # of the run that is being followed
        self._run_start = 0

    def read(self, before: int | None = None) -> npt.NDArray[np.float32]:
        """The [C, n] that have come since the last call, none from sample `before` on."""
        pieces = []
        while (piece := self._piece(before)).shape[1]:
            pieces.append(piece)
        return np.concatenate(pieces, axis=1) if pieces else piece

    def _piece(self, before: int | None) -> npt.NDArray[np.float32]:
        """The next samples that are of one kind: lost or never there (silence), or there."""
        timeline = self._timeline
        end, gap_end = (bound if before is None else min(bound, before) for bound in self._bounds())
        channels = timeline[Field.CHANNELS]
        if gap_end > self.position:
            silence = np.zeros((channels, min(gap_end - self.position, timeline[Field.CAPACITY])), np.float32)
            self.position += silence.shape[1]
            return silence
        overtaken = min(self._oldest(), end) - self.position
        if overtaken > 0:
            silence = np.zeros((channels, min(overtaken, timeline[Field.CAPACITY])), np.float32)
            self.lost += silence.shape[1]
            self.position += silence.shape[1]
            return silence
        audio = np.empty((channels, max(0, end - self.position)), np.float32)
        timeline.read(self._ring, self.position, audio)
        overtaken = self._oldest() - self.position
        if overtaken > 0:  # while it was being read
            overtaken = min(overtaken, audio.shape[1])
            self.lost += overtaken
            audio[:, :overtaken] = 0.0
        self.position += audio.shape[1]
        return audio

    def _bounds(self) -> tuple[int, int]:
        """Where valid samples end, and where the gap before them does (the position itself if there is none)."""
        timeline = self._timeline
        if self._slot is None:
            return timeline.load(Field.PLAYED_END if self._ring == HEARD else Field.DRY_END), self.position
        if timeline.load(Field.ACK) != timeline.load(Field.STREAM):
            return self.position, self.position
        end = timeline.load(WET_END[self._slot])
        start = timeline.load(EPOCH[self._slot])
        if start != self._run_start:
            cut = timeline.load(CUT[self._slot])
            if timeline.load(BEFORE[self._slot]) == self._run_start and timeline.load(EPOCH[self._slot]) == start:
                self._run_end = max(self._run_end, cut)
            if self.position < self._run_end:
                return self._run_end, self.position  # finish the old run first
        self._run_start, self._run_end = start, end
        return max(start, end), start

    def _oldest(self) -> int:
        """The oldest sample that is certainly still in the ring; nobody writes further ahead than a block past dry."""
        timeline = self._timeline
        return timeline.load(Field.DRY_END) + timeline[Field.MAX_BLOCK] - timeline[Field.CAPACITY]
