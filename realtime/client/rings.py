"""The rings of a stream, seen from another process, on the clock of what is heard. Read only; waits for nobody.

Sample k of every ring here is the input sample k and what became of it: dry, A and B lie there in the timeline, and
what was heard of them lies L later, which is taken off here.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from realtime import telemetry
from realtime.telemetry import Telemetry
from realtime.timeline import BEFORE, CUT, EPOCH, HEARD, MISS_KINDS, SLOTS, WET, WET_END, Field, TimelineView

RINGS = {"dry": 0, "a": WET, "b": WET + 1, "heard": HEARD}


class Rings:
    """One stream. TimelineError from the constructor if it is gone already."""

    def __init__(self, path: Path) -> None:
        self._timeline = TimelineView.attach(path)
        self.path = path
        self.rate = self._timeline[Field.RATE]
        self.channels = self._timeline[Field.CHANNELS]
        self.latency = self._timeline[Field.LATENCY]  # L, samples
        self.slots = tuple(name for slot, name in enumerate(SLOTS) if self._timeline[Field.SLOTS] >> slot & 1)

    @property
    def now(self) -> int:
        """The input sample that is heard next; all before it has been heard."""
        return self._timeline.load(Field.PLAYED_END) - self.latency

    @property
    def oldest(self) -> int:
        """The oldest input sample that every ring still has."""
        timeline = self._timeline
        # `heard` is written furthest ahead, by a block past its end
        return max(0, timeline.load(Field.DRY_END) + timeline[Field.MAX_BLOCK] - timeline[Field.CAPACITY])

    @property
    def ahead(self) -> int:
        """Samples that lie ready beyond what is heard now, in the slot that has the fewest."""
        return min(self._timeline.load(WET_END[SLOTS.index(name)]) for name in self.slots) - self.now

    @property
    def warm(self) -> bool:
        """Whether every slot in use has something to be heard now."""
        now = self.now
        return now >= 0 and all(self._valid(SLOTS.index(name), now, now + 1) for name in self.slots)

    def read(self, name: str, start: int, count: int) -> npt.NDArray[np.float32]:
        """Samples [start, start + count) of "dry", "a", "b" or "heard": [C, count], silence where there is nothing.

        A slot's samples are there some time before they are heard; those that were overtaken while they were read are
        silence too.
        """
        timeline, ring = self._timeline, RINGS[name]
        out = np.zeros((self.channels, count), np.float32)
        if ring == HEARD:
            spans = [(0, self.now)]
        elif name == "dry":
            spans = [(0, timeline.load(Field.DRY_END))]
        else:
            spans = self._valid(SLOTS.index(name), start, start + count)
        shift = self.latency if ring == HEARD else 0
        for first, end in spans:
            first, end = max(first, start, self.oldest), min(end, start + count)
            if first < end:
                timeline.read(ring, first + shift, out[:, first - start : end - start])
        gone = min(self.oldest - start, count)
        if gone > 0:
            out[:, :gone] = 0.0
        return out

    def _valid(self, slot: int, start: int, end: int) -> list[tuple[int, int]]:
        """What of [start, end) a slot has: its run of now, and the one before."""
        timeline = self._timeline
        if timeline.load(Field.ACK) != timeline.load(Field.STREAM):
            return []
        runs = [
            (timeline.load(EPOCH[slot]), timeline.load(WET_END[slot])),
            (timeline.load(BEFORE[slot]), timeline.load(CUT[slot])),
        ]
        return [run for run in runs if max(run[0], start) < min(run[1], end)]

    @property
    def telemetry(self) -> Telemetry:
        return telemetry.read(self._timeline)

    @property
    def misses(self) -> dict[str, int]:
        """Holes by kind so far."""
        return {kind: self._timeline[field] for kind, field in MISS_KINDS.items()}

    @property
    def engine_there(self) -> bool:
        """Whether a worker is attached; without one dry is heard."""
        return self._timeline.load(Field.ENGINE) != 0

    def close(self) -> None:
        self._timeline.close()
