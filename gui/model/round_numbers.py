"""Round numbers for the ticks of an axis."""

from __future__ import annotations

import math


def round_step(longest: float, ticks: int) -> float:
    """Return a step of 1, 2 or 5 times a power of ten that fits into `longest` at most `ticks` times."""
    least = max(longest, 1e-6) / ticks
    power = 10.0 ** math.floor(math.log10(least))
    return next(step * power for step in (1.0, 2.0, 5.0, 10.0) if step * power >= least * (1 - 1e-9))
