"""What is heard, as three gains: from monitor, gain, wet and bypass to whole numbers on dry, A and B.

The plug-in has the same in C (`plugin/insert.c`).
"""

from __future__ import annotations

import math

from realtime.timeline import GAIN_ONE

MIX = ("monitor", "gain", "wet", "bypass")  # parameters, in the order of `mix`
PATHS = {"dry": (1, 0, 0), "a": (0, 1, 0), "b": (0, 0, 1), "delta": (1, -1, 0)}  # of dry, A, B


def mix(monitor: str, gain_db: float, wet: float, bypass: bool) -> tuple[int, int, int]:
    """Gains on dry, A and B in units of 1 / GAIN_ONE; at wet 0 and 1 nothing but dry, nothing but the path."""
    if bypass:
        return GAIN_ONE, 0, 0
    one = math.floor(GAIN_ONE * 10.0 ** (gain_db / 20.0) + 0.5)
    part = math.floor(one * wet + 0.5)
    dry, a, b = PATHS[monitor]
    return dry * part + one - part, a * part, b * part
