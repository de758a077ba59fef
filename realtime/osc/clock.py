"""The sample clock, and what is to happen at one of its samples.

A timetag is wall time; the stream counts input samples. PLAYED_END moves by blocks, and whoever looks comes a little
late, so the least `wall - samples / rate` seen of late is the best guess of where sample 0 lies in wall time.
"""

from __future__ import annotations

import heapq
import itertools
from dataclasses import dataclass
from typing import Generic, TypeVar

from realtime.timeline import Field, Timeline

WINDOW_S = 1.0  # what was seen one to two windows ago is forgotten, so that lost time (an xrun) is learned
ROOM = 10_000  # entries that may wait

Entry = TypeVar("Entry")


class SampleClock:
    """Wall time (Unix seconds, or whatever `update` is given) to the input sample that is being taken then."""

    def __init__(self, timeline: Timeline) -> None:
        self._timeline = timeline
        self.rate = timeline[Field.RATE]
        self._least = [float("inf"), float("inf")]  # in the window before, in this one
        self._window_ends = float("-inf")
        self.position = 0  # samples the host has played
        self._wall = 0.0

    def update(self, wall: float) -> None:
        """Look at the stream; the more often, the closer."""
        self._wall = wall
        self.position = self._timeline.load(Field.PLAYED_END)
        if wall >= self._window_ends or wall < self._window_ends - 2 * WINDOW_S:
            self._least = [self._least[1], float("inf")]
            self._window_ends = wall + WINDOW_S
        self._least[1] = min(self._least[1], wall - self.position / self.rate)

    def sample_at(self, wall: float) -> int:
        """The sample of a wall time near the one of the last update."""
        return round((wall - min(self._least)) * self.rate)

    def seconds_until(self, sample: int) -> float:
        """From the last update until a sample is taken; negative if it has been."""
        return sample / self.rate + min(self._least) - self._wall


@dataclass
class Schedule(Generic[Entry]):
    """Entries in the order of their samples, those of one sample in the order they came. One thread."""

    def __post_init__(self) -> None:
        self._heap: list[tuple[int, int, Entry]] = []
        self._count = itertools.count()

    def __len__(self) -> int:
        return len(self._heap)

    def add(self, sample: int, entry: Entry) -> bool:
        """False if there is no room."""
        if len(self._heap) >= ROOM:
            return False
        heapq.heappush(self._heap, (sample, next(self._count), entry))
        return True

    def due(self, sample: int) -> list[Entry]:
        """Take out what is for `sample` or before."""
        found = []
        while self._heap and self._heap[0][0] <= sample:
            found.append(heapq.heappop(self._heap)[2])
        return found

    def clear(self) -> int:
        """Forget everything; how much that was."""
        count = len(self._heap)
        self._heap.clear()
        return count
