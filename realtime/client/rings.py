"""Read-only, lock-free view of a stream's audio rings from another process, all on the clock of the
input.

Sample k of every ring belongs to input sample k. The timeline stores dry, A and B at k, and the
monitor at k + L; the view subtracts L.
"""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import numpy.typing as npt

from realtime.timeline import telemetry
from realtime.timeline.layout import (
    DROPOUT_KINDS,
    MONITOR,
    PREV_RUN_END,
    PREV_RUN_START,
    RUN_START,
    SLOTS,
    WET,
    WET_END,
    Field,
    TimelineView,
)
from realtime.timeline.telemetry import Telemetry

RINGS = {"dry": 0, "a": WET, "b": WET + 1, "monitor": MONITOR}


class Rings:
    """Audio rings of one stream.

    TimelineError from the constructor if the stream has ended. One thread.
    """

    def __init__(self, path: Path) -> None:
        self._timeline = TimelineView.attach(path)
        self.path = path
        self.rate = self._timeline[Field.RATE]
        self.channels = self._timeline[Field.CHANNELS]
        self.latency = self._timeline[Field.LATENCY]  # L, samples
        self.slots = tuple(name for slot, name in enumerate(SLOTS) if self._timeline[Field.SLOTS] >> slot & 1)

    @property
    def now(self) -> int:
        """Input sample that is heard next; negative during the first latency."""
        return self._timeline.load(Field.PLAYED_END) - self.latency

    @property
    def oldest(self) -> int:
        """Oldest input sample that every ring still holds."""
        timeline = self._timeline
        # the monitor ring is written furthest ahead, up to a block past its end
        return max(0, timeline.load(Field.DRY_END) + timeline[Field.MAX_BLOCK] - timeline[Field.CAPACITY])

    @property
    def buffered(self) -> int:
        """Samples ready beyond `now`, in the slot that has the fewest."""
        return min(self._timeline.load(WET_END[SLOTS.index(name)]) for name in self.slots) - self.now

    @property
    def primed(self) -> bool:
        """True if every slot in use has output for the sample that is heard now."""
        now = self.now
        return now >= 0 and all(self._valid(SLOTS.index(name), now, now + 1) for name in self.slots)

    def read(self, name: str, start: int, count: int) -> npt.NDArray[np.float32]:
        """Return samples [start, start + count) of "dry", "a", "b" or "monitor" as [C, count],
        zeros where missing.

        Samples of a slot are available before they are heard. Samples overwritten during the read
        are zeros too.
        """
        if name == "heard":
            warnings.warn('ring "heard" is now "monitor".', DeprecationWarning, stacklevel=2)
            name = "monitor"
        timeline, ring = self._timeline, RINGS[name]
        out = np.zeros((self.channels, count), np.float32)
        if ring == MONITOR:
            spans = [(0, self.now)]
        elif name == "dry":
            spans = [(0, timeline.load(Field.DRY_END))]
        else:
            spans = self._valid(SLOTS.index(name), start, start + count)
        shift = self.latency if ring == MONITOR else 0
        for first, end in spans:
            first, end = max(first, start, self.oldest), min(end, start + count)
            if first < end:
                timeline.read(ring, first + shift, out[:, first - start : end - start])
        overwritten = min(self.oldest - start, count)
        if overwritten > 0:
            out[:, :overwritten] = 0.0
        return out

    def _valid(self, slot: int, start: int, end: int) -> list[tuple[int, int]]:
        """Return the runs of a slot, current and previous, that overlap [start, end)."""
        timeline = self._timeline
        if timeline.load(Field.STREAM_ACK) != timeline.load(Field.STREAM_ID):
            return []
        runs = [
            (timeline.load(RUN_START[slot]), timeline.load(WET_END[slot])),
            (timeline.load(PREV_RUN_START[slot]), timeline.load(PREV_RUN_END[slot])),
        ]
        return [run for run in runs if max(run[0], start) < min(run[1], end)]

    @property
    def telemetry(self) -> Telemetry:
        return telemetry.read(self._timeline)

    @property
    def misses(self) -> dict[str, int]:
        """Dropouts by kind since the stream began."""
        return {kind: self._timeline[field] for kind, field in DROPOUT_KINDS.items()}

    @property
    def engine_there(self) -> bool:
        """True while a worker is attached; without one the dry path is heard."""
        return self._timeline.load(Field.ATTACH_COUNT) != 0

    def close(self) -> None:
        self._timeline.close()
