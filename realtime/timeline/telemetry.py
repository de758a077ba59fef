"""Telemetry of the worker: one record in the timeline's file, read by any process.

The sequence number is odd while the record is written (a seqlock); a reader that sees it odd or
changed reads again. Level meters are not included: they are computed from the rings (meters.py).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from realtime.timeline.layout import Timeline

_RECORD = np.dtype(
    [
        ("sequence", np.int64),
        ("frames", np.int64, (2,)),  # per slot, since the stream began
        ("bitrate", np.float64, (2,)),  # per slot, kbit/s
        ("load", np.float64, (3,)),  # real-time factor: p50, p99, max
        ("resyncs", np.int64),
        ("bad_samples", np.int64),
        ("coded", np.float64, (2,)),  # per slot, kbit/s under an entropy coder; 0 if the codec has none
    ]
)
MAX_READS = 100  # a record that stays unfinished belongs to a dead worker and is returned as it is


@dataclass(frozen=True)
class Telemetry:
    """Snapshot of a worker: frames, bitrates in kbit/s and load in × real time (p50, p99, max)."""

    frames: tuple[int, int] = (0, 0)
    bitrate: tuple[float, float] = (0.0, 0.0)
    load: tuple[float, float, float] = (0.0, 0.0, 0.0)
    resyncs: int = 0  # restarts at the current sample because the worker was too far behind
    bad_samples: int = 0  # NaN or infinite, replaced by silence
    coded: tuple[float, float] = (0.0, 0.0)  # kbit/s under an entropy coder


def publish(timeline: Timeline, snapshot: Telemetry) -> None:
    """Write the record. Worker thread only."""
    record = timeline.telemetry[: _RECORD.itemsize].view(_RECORD)
    started = int(record["sequence"][0]) | 1  # odd, also after a worker that died while writing
    record["sequence"] = started
    record["frames"], record["bitrate"], record["load"] = snapshot.frames, snapshot.bitrate, snapshot.load
    record["resyncs"], record["bad_samples"] = snapshot.resyncs, snapshot.bad_samples
    record["coded"] = snapshot.coded
    record["sequence"] += 1


def read(timeline: Timeline) -> Telemetry:
    """Return the latest snapshot. Any thread or process."""
    record = timeline.telemetry[: _RECORD.itemsize].view(_RECORD)
    for _ in range(MAX_READS):
        copy = record.copy()[0]
        if copy["sequence"] % 2 == 0 and copy["sequence"] == record["sequence"][0]:
            break
    return Telemetry(
        frames=(int(copy["frames"][0]), int(copy["frames"][1])),
        bitrate=(float(copy["bitrate"][0]), float(copy["bitrate"][1])),
        load=(float(copy["load"][0]), float(copy["load"][1]), float(copy["load"][2])),
        resyncs=int(copy["resyncs"]),
        bad_samples=int(copy["bad_samples"]),
        coded=(float(copy["coded"][0]), float(copy["coded"][1])),
    )


class LoadMeter:
    """Histogram of real-time factors in constant memory: 3 % bins and the exact maximum."""

    _LOWEST, _STEP = 1e-5, 1.03

    def __init__(self) -> None:
        self._counts = np.zeros(600, np.int64)  # up to 1e-5 * 1.03^600 = 500 times real time
        self._max = 0.0

    def add(self, factor: float) -> None:
        """Add one frame: its compute time divided by its duration."""
        place = np.log(max(factor, self._LOWEST) / self._LOWEST) / np.log(self._STEP)
        self._counts[min(int(place), len(self._counts) - 1)] += 1
        self._max = max(self._max, factor)

    @property
    def count(self) -> int:
        """Number of frames added."""
        return int(self._counts.sum())

    def percentiles(self) -> tuple[float, float, float]:
        """Return p50, p99 and maximum; zeros before the first frame."""
        total = self._counts.cumsum()
        if not total[-1]:
            return 0.0, 0.0, 0.0
        # the upper edge of the bin, but at most the maximum: a percentile is never understated
        p50, p99 = (
            min(self._max, float(self._LOWEST * self._STEP ** (1 + np.searchsorted(total, part * total[-1]))))
            for part in (0.5, 0.99)
        )
        return p50, p99, self._max
