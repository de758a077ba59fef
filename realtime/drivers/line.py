"""A card's clock as a straight line: the time at which each of its samples is handed over, drawn through its callbacks.

A callback comes late by chance, and a line through many of them is not late by chance. Each callback is one point; the
line is the least-squares one through all points so far, and from MEMORY_S on it forgets, so that it follows a crystal
that warms up. What lies far off the line is no jitter: one callback is a stall of the system and is passed over; when
all of them do for LOSS_S, the card has lost samples, and the line is moved there at once.

    recursive line through noisy points (delay-locked loop): F. Adriaensen, Using a DLL to filter time, LAC 2005
    its gains while it grows: the expanding-memory polynomial filter of first degree, Morrison 1969
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np
import numpy.typing as npt
from numba import njit

MEMORY_S = 20.0
SETTLE_S = 1.0  # before it is used
FAR_S = 0.003
LOSS_S = 0.25
MAX_DRIFT = 1e-3  # of the nominal rate; no crystal is off by more


class Part(IntEnum):
    """A line, float64."""

    AT = 0  # the sample of the last point
    WHEN = 1  # seconds at which the line has it
    PERIOD = 2  # seconds a sample
    NOMINAL = 3  # the same by the card's rate
    POINTS = 4
    FIRST = 5  # the sample of the first point
    FAR_FROM = 6  # the sample from which on all points lay far off; -1: none
    FAR_BY = 7  # the least of them, seconds
    SIZE = 8


_AT, _WHEN, _PERIOD, _NOMINAL = int(Part.AT), int(Part.WHEN), int(Part.PERIOD), int(Part.NOMINAL)
_POINTS, _FIRST, _FAR_FROM, _FAR_BY = int(Part.POINTS), int(Part.FIRST), int(Part.FAR_FROM), int(Part.FAR_BY)


def begin(line: npt.NDArray[np.float64], rate: int) -> None:
    """Forget all points."""
    line[:] = 0.0
    line[Part.PERIOD] = line[Part.NOMINAL] = 1.0 / rate
    line[Part.FAR_FROM] = -1.0


@njit("void(float64[::1], float64, float64)", cache=True, nogil=True)
def draw(line, at, seconds):  # type: ignore[no-untyped-def]
    """One more point: sample `at` was handed over at `seconds`."""
    step = at - line[_AT]
    if line[_POINTS] == 0:
        line[_AT], line[_FIRST], line[_WHEN], line[_POINTS] = at, at, seconds, 1
        return
    if step <= 0:
        return
    when = line[_WHEN] + step * line[_PERIOD]
    off = seconds - when
    line[_AT], line[_WHEN] = at, when
    if abs(off) > FAR_S:
        if line[_FAR_FROM] < 0 or line[_FAR_BY] * off < 0:
            line[_FAR_FROM], line[_FAR_BY] = at, off
        if abs(off) < abs(line[_FAR_BY]):
            line[_FAR_BY] = off
        if (at - line[_FAR_FROM]) * line[_PERIOD] > LOSS_S:
            line[_WHEN] += line[_FAR_BY]
            line[_FAR_FROM] = -1
        return
    line[_FAR_FROM] = -1
    k = min(line[_POINTS] + 1, max(2.0, MEMORY_S / (step * line[_PERIOD])))
    line[_POINTS] = k
    line[_WHEN] += off * 2 * (2 * k - 1) / (k * (k + 1))
    period = line[_PERIOD] + off * 6 / (k * (k + 1)) / step
    slowest, fastest = line[_NOMINAL] * (1 + MAX_DRIFT), line[_NOMINAL] * (1 - MAX_DRIFT)
    line[_PERIOD] = min(max(period, fastest), slowest)


@njit("float64(float64[::1], float64)", cache=True, nogil=True)
def time_of(line, at):  # type: ignore[no-untyped-def]
    """Seconds at which the line has a sample."""
    return line[_WHEN] + (at - line[_AT]) * line[_PERIOD]


@njit("float64(float64[::1], float64)", cache=True, nogil=True)
def sample_at(line, seconds):  # type: ignore[no-untyped-def]
    """The sample, with its fraction, that the line has at a time."""
    return line[_AT] + (seconds - line[_WHEN]) / line[_PERIOD]


@njit("boolean(float64[::1])", cache=True, nogil=True)
def is_settled(line):  # type: ignore[no-untyped-def]
    """Whether it has seen enough to be used."""
    return line[_POINTS] >= 8 and (line[_AT] - line[_FIRST]) * line[_PERIOD] >= SETTLE_S
