"""Least-squares model of a device's clock: the time at which it hands over each sample.

Callback times jitter at random; a least-squares line through many of them averages the jitter out.
Each callback is one point. The line is fitted to all points so far; after MEMORY_S old points fade,
so that it follows a crystal that warms up. A point far from the line is not jitter: a single one is
a stall of the system and is ignored. If all points lie far for LOSS_S, the device has lost samples,
and the line jumps to them.

    recursive line through noisy points (delay-locked loop): F. Adriaensen, Using a DLL to filter time, LAC 2005
    its gains while it grows: the expanding-memory polynomial filter of first degree, Morrison 1969
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np
import numpy.typing as npt
from numba import njit

from realtime.system.enum_constants import enum_constants

MEMORY_S = 20.0
SETTLE_S = 1.0  # before the model is used
OUTLIER_S = 0.003
LOSS_S = 0.25
MAX_DRIFT = 1e-3  # of the nominal rate; crystals are far better


class ClockField(IntEnum):
    """Indices into the float64 array of one clock."""

    SAMPLE = 0  # of the last point
    TIME = 1  # of that sample on the line, seconds
    SAMPLE_PERIOD = 2  # slope of the line, seconds per sample
    NOMINAL_PERIOD = 3  # by the device's nominal rate
    POINT_COUNT = 4
    FIRST_SAMPLE = 5  # of the first point
    OUTLIERS_FROM = 6  # the sample from which on all points are outliers; -1: the last point is none
    OUTLIER_OFFSET = 7  # the smallest distance of these points from the line, seconds
    SIZE = 8


_F = enum_constants(ClockField)


def reset(line: npt.NDArray[np.float64], rate: int) -> None:
    """Remove all points; `rate` is the nominal one in Hz."""
    line[:] = 0.0
    line[ClockField.SAMPLE_PERIOD] = line[ClockField.NOMINAL_PERIOD] = 1.0 / rate
    line[ClockField.OUTLIERS_FROM] = -1.0


@njit("void(float64[::1], float64, float64)", cache=True, nogil=True)
def update(line, at, seconds):  # type: ignore[no-untyped-def]
    """Add a point: the device handed over sample `at` at time `seconds`. Audio thread."""
    step = at - line[_F.SAMPLE]
    if line[_F.POINT_COUNT] == 0:
        line[_F.SAMPLE], line[_F.FIRST_SAMPLE], line[_F.TIME], line[_F.POINT_COUNT] = at, at, seconds, 1
        return
    if step <= 0:
        return
    predicted = line[_F.TIME] + step * line[_F.SAMPLE_PERIOD]
    off = seconds - predicted
    line[_F.SAMPLE], line[_F.TIME] = at, predicted
    if abs(off) > OUTLIER_S:
        if line[_F.OUTLIERS_FROM] < 0 or line[_F.OUTLIER_OFFSET] * off < 0:
            line[_F.OUTLIERS_FROM], line[_F.OUTLIER_OFFSET] = at, off
        if abs(off) < abs(line[_F.OUTLIER_OFFSET]):
            line[_F.OUTLIER_OFFSET] = off
        if (at - line[_F.OUTLIERS_FROM]) * line[_F.SAMPLE_PERIOD] > LOSS_S:
            line[_F.TIME] += line[_F.OUTLIER_OFFSET]
            line[_F.OUTLIERS_FROM] = -1
        return
    line[_F.OUTLIERS_FROM] = -1
    k = min(line[_F.POINT_COUNT] + 1, max(2.0, MEMORY_S / (step * line[_F.SAMPLE_PERIOD])))
    line[_F.POINT_COUNT] = k
    line[_F.TIME] += off * 2 * (2 * k - 1) / (k * (k + 1))
    period = line[_F.SAMPLE_PERIOD] + off * 6 / (k * (k + 1)) / step
    slowest, fastest = line[_F.NOMINAL_PERIOD] * (1 + MAX_DRIFT), line[_F.NOMINAL_PERIOD] * (1 - MAX_DRIFT)
    line[_F.SAMPLE_PERIOD] = min(max(period, fastest), slowest)


@njit("float64(float64[::1], float64)", cache=True, nogil=True)
def time_of(line, at):  # type: ignore[no-untyped-def]
    """Return the time in seconds of a sample on the line."""
    return line[_F.TIME] + (at - line[_F.SAMPLE]) * line[_F.SAMPLE_PERIOD]


@njit("float64(float64[::1], float64)", cache=True, nogil=True)
def sample_at(line, seconds):  # type: ignore[no-untyped-def]
    """Return the fractional sample that the line has at a time."""
    return line[_F.SAMPLE] + (seconds - line[_F.TIME]) / line[_F.SAMPLE_PERIOD]


@njit("boolean(float64[::1])", cache=True, nogil=True)
def is_settled(line):  # type: ignore[no-untyped-def]
    """Return True once the line has enough points to be used."""
    span_s = (line[_F.SAMPLE] - line[_F.FIRST_SAMPLE]) * line[_F.SAMPLE_PERIOD]
    return line[_F.POINT_COUNT] >= 8 and span_s >= SETTLE_S
