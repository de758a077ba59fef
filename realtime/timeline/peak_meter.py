"""Peak meters: the level of the newest samples of a ring."""

from __future__ import annotations

import numpy as np

from realtime.timeline.layout import Field, Timeline
from realtime.timeline.ring_reader import RINGS

METER_S = 0.05
FLOOR_DB = -60.0


def peak_db(timeline: Timeline, latency: int, name: str) -> float:
    """Return the peak of the last METER_S of a ring in dBFS, at least FLOOR_DB.

    `name` is a key of RINGS. All rings but the monitor are read `latency` samples before the played
    end, so that every meter shows the sound that is audible now. Any thread.
    """
    count = int(METER_S * timeline[Field.RATE])
    end = timeline.load(Field.PLAYED_END) - (0 if name == "monitor" else latency)
    if end < count:
        return FLOOR_DB
    audio = np.empty((timeline[Field.CHANNELS], count), np.float32)
    timeline.read(RINGS[name], end - count, audio)
    return max(FLOOR_DB, float(20 * np.log10(np.abs(audio).max() + 1e-9)))
