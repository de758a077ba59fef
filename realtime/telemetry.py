"""What the engine tells about itself: one record in the timeline's file, written by the worker, read by anyone.

A sequence number is odd while the record is being written; a reader that sees it odd or changed looks again. Meters are
not here: whoever draws them reads the rings.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from realtime.timeline import Timeline

_RECORD = np.dtype(
    [
        ("sequence", np.int64),
        ("frames", np.int64, (2,)),  # per slot, since the stream began
        ("bitrate", np.float64, (2,)),  # per slot, kbit/s
        ("load", np.float64, (3,)),  # real-time factor: p50, p99, max
        ("resyncs", np.int64),
        ("bad_samples", np.int64),
        ("coded", np.float64, (2,)),  # per slot, kbit/s under an entropy coder; 0: not of this codec
    ]
)


TRIES = 100  # a record that stays unfinished is a dead worker's; it is taken as it is


@dataclass(frozen=True)
class Telemetry:
    """A snapshot."""

    frames: tuple[int, int] = (0, 0)
    bitrate: tuple[float, float] = (0.0, 0.0)
    load: tuple[float, float, float] = (0.0, 0.0, 0.0)
    resyncs: int = 0  # times the worker fell so far behind that it began anew at the present
    bad_samples: int = 0  # not finite, replaced by silence
    coded: tuple[float, float] = (0.0, 0.0)  # kbit/s under an entropy coder


def publish(timeline: Timeline, snapshot: Telemetry) -> None:
    """Write the record. Worker only."""
    record = timeline.telemetry[: _RECORD.itemsize].view(_RECORD)
    begun = int(record["sequence"][0]) | 1  # odd, also after a worker that died in here
    record["sequence"] = begun
    record["frames"], record["bitrate"], record["load"] = snapshot.frames, snapshot.bitrate, snapshot.load
    record["resyncs"], record["bad_samples"] = snapshot.resyncs, snapshot.bad_samples
    record["coded"] = snapshot.coded
    record["sequence"] += 1


def read(timeline: Timeline) -> Telemetry:
    """The latest snapshot. Any thread or process."""
    record = timeline.telemetry[: _RECORD.itemsize].view(_RECORD)
    for _ in range(TRIES):
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
    """Real-time factors of a run in constant memory: a histogram of 3 % steps, and the exact maximum."""

    _LOWEST, _STEP = 1e-5, 1.03

    def __init__(self) -> None:
        self._counts = np.zeros(600, np.int64)  # up to 1e-5 * 1.03^600 = 500 times real time
        self._max = 0.0

    def add(self, factor: float) -> None:
        """One frame: compute time / audio time."""
        place = np.log(max(factor, self._LOWEST) / self._LOWEST) / np.log(self._STEP)
        self._counts[min(int(place), len(self._counts) - 1)] += 1
        self._max = max(self._max, factor)

    @property
    def count(self) -> int:
        """Frames so far."""
        return int(self._counts.sum())

    def percentiles(self) -> tuple[float, float, float]:
        """p50, p99 and max; zeros before the first frame."""
        total = self._counts.cumsum()
        if not total[-1]:
            return 0.0, 0.0, 0.0
        # the upper edge of the bin, so that a percentile is never understated, but no more than was seen
        p50, p99 = (
            min(self._max, float(self._LOWEST * self._STEP ** (1 + np.searchsorted(total, part * total[-1]))))
            for part in (0.5, 0.99)
        )
        return p50, p99, self._max
