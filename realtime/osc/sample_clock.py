"""Sample clock of a stream in wall time, and a schedule of entries by sample.

A timetag is wall time; the stream counts input samples. PLAYED_END moves by blocks and every
reading of it is a little late, so the minimum of `wall - samples / rate` over the last readings
estimates the wall time of sample 0.
"""

from __future__ import annotations

import heapq
import itertools
from dataclasses import dataclass
from typing import Generic, TypeVar

from realtime.timeline.layout import Field, Timeline

WINDOW_S = 1.0  # older readings are dropped after one to two windows, to follow lost time (an xrun)
MAX_SCHEDULED = 10_000  # entries

Entry = TypeVar("Entry")


class SampleClock:
    """Estimate of the input sample at a wall time (Unix seconds, or the clock given to `update`).

    One thread.
    """

    def __init__(self, timeline: Timeline) -> None:
        self._timeline = timeline
        self.rate = timeline[Field.RATE]
        self._least = [float("inf"), float("inf")]  # minimum of the previous window, of the current one
        self._window_ends = float("-inf")
        self.position = 0  # samples the host has played
        self._wall = 0.0

    def update(self, wall: float) -> None:
        """Take a reading at wall time `wall`; frequent readings make the estimate more accurate."""
        self._wall = wall
        self.position = self._timeline.load(Field.PLAYED_END)
        if wall >= self._window_ends or wall < self._window_ends - 2 * WINDOW_S:
            self._least = [self._least[1], float("inf")]
            self._window_ends = wall + WINDOW_S
        self._least[1] = min(self._least[1], wall - self.position / self.rate)

    def sample_at(self, wall: float) -> int:
        """Return the input sample at a wall time near the last update."""
        return round((wall - min(self._least)) * self.rate)

    def seconds_until(self, sample: int) -> float:
        """Return the seconds from the last update to an input sample; negative if it has passed."""
        return sample / self.rate + min(self._least) - self._wall


@dataclass
class Schedule(Generic[Entry]):
    """Entries ordered by sample, then by insertion. One thread."""

    def __post_init__(self) -> None:
        self._heap: list[tuple[int, int, Entry]] = []
        self._count = itertools.count()

    def __len__(self) -> int:
        return len(self._heap)

    def add(self, sample: int, entry: Entry) -> bool:
        """Add an entry; return False if the schedule is full."""
        if len(self._heap) >= MAX_SCHEDULED:
            return False
        heapq.heappush(self._heap, (sample, next(self._count), entry))
        return True

    def due(self, sample: int) -> list[Entry]:
        """Remove and return the entries up to `sample`."""
        found = []
        while self._heap and self._heap[0][0] <= sample:
            found.append(heapq.heappop(self._heap)[2])
        return found

    def clear(self) -> int:
        """Remove all entries; return their number."""
        count = len(self._heap)
        self._heap.clear()
        return count
