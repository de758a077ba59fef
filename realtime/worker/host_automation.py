"""Automation of a plug-in's host: each value with the input sample from which it applies.

The plug-in writes a pair of fields per change into a ring of EVENTS pairs, before it publishes the
samples of that block. A stream begins with one event per port. A reader that is overrun by the ring
continues with the current values. Parameters of the monitor mix are applied by the plug-in itself.
"""

from __future__ import annotations

import numpy as np

from realtime.parameters import plugin_ports as ports
from realtime.timeline.layout import EVENTS, Field, Timeline
from realtime.timeline.monitor_mix import PLUGIN_MIX_PARAMETERS

Setting = tuple[str, object, int | None]  # parameter without its slot, value, input sample (None: now)


class Automation:
    """Reader of the automation events of one timeline. One thread."""

    def __init__(self, timeline: Timeline) -> None:
        self._timeline = timeline
        self._read = 0

    def restart(self) -> None:
        """Continue with a new stream, whose events are counted from 0."""
        self._read = 0

    def read(self) -> list[Setting]:
        """Return the settings that are new since the last call."""
        end = self._timeline.load(Field.EVENT_END)
        if end <= self._read:  # none, or a stream has begun for which `restart` is still to come
            return []
        start = max(self._read, end - EVENTS)
        found: list[Setting] = [] if start == self._read else current(self._timeline)
        header = self._timeline.header
        for number in range(start, end):
            at = Field.EVENT + 2 * (number % EVENTS)
            found += _setting(int(header[at + 1]) >> 32, int(header[at + 1]) & 0xFFFFFFFF, int(header[at]))
        if self._timeline.load(Field.EVENT_END) - start > EVENTS:  # overwritten during the read
            found = current(self._timeline)
        self._read = end
        return found


def current(timeline: Timeline) -> list[Setting]:
    """Return the current value of every automated parameter."""
    return [
        s for port in range(len(ports.NAMES)) for s in _setting(port, int(timeline.header[Field.PARAM + port]), None)
    ]


def _setting(port: int, bits: int, at: int | None) -> list[Setting]:
    """Return the setting of a port, or none for ports of the monitor mix and unknown ports."""
    if not len(PLUGIN_MIX_PARAMETERS) <= port < len(ports.NAMES):
        return []
    number = float(np.array(bits & 0xFFFFFFFF, np.uint32).view(np.float32))
    return [(ports.NAMES[port], ports.value(port, number), at)]
