"""What a plug-in's host automates, as the worker takes it: each value with the input sample from which it holds.

The plug-in writes a pair of fields for each change, in a ring of EVENTS, before it publishes the samples of that
block; a stream begins with one event for every port. Whoever comes later than the ring is long begins with the values
of now. What belongs to the mix the plug-in does itself.
"""

from __future__ import annotations

import numpy as np

from realtime.mix import MIX
from realtime.plugin import ports
from realtime.timeline import EVENTS, Field, Timeline

Setting = tuple[str, object, int | None]  # parameter without its slot, value, input sample (None: at once)


class Automation:
    """Read by one thread, in order."""

    def __init__(self, timeline: Timeline) -> None:
        self._timeline = timeline
        self._read = 0

    def begin(self) -> None:
        """Another stream, whose events are counted from 0."""
        self._read = 0

    def take(self) -> list[Setting]:
        """What has been set since the last time."""
        end = self._timeline.load(Field.EVENT_END)
        if end <= self._read:  # nothing, or a stream has begun that we shall hear of
            return []
        start = max(self._read, end - EVENTS)
        found: list[Setting] = [] if start == self._read else current(self._timeline)
        header = self._timeline.header
        for number in range(start, end):
            place = Field.EVENT + 2 * (number % EVENTS)
            found += _setting(int(header[place + 1]) >> 32, int(header[place + 1]) & 0xFFFFFFFF, int(header[place]))
        if self._timeline.load(Field.EVENT_END) - start > EVENTS:  # written over while it was read
            found = current(self._timeline)
        self._read = end
        return found


def current(timeline: Timeline) -> list[Setting]:
    """The values of now."""
    return [
        s for port in range(len(ports.NAMES)) for s in _setting(port, int(timeline.header[Field.PARAM + port]), None)
    ]


def _setting(port: int, bits: int, at: int | None) -> list[Setting]:
    if not len(MIX) <= port < len(ports.NAMES):
        return []
    number = float(np.array(bits & 0xFFFFFFFF, np.uint32).view(np.float32))
    return [(ports.NAMES[port], ports.value(port, number), at)]
