"""What is heard, as three gains: from monitor, gain, wet and bypass to whole numbers on dry, A and B.

The plug-in has the same in C (`plugin/insert.c`). What only a live session has comes on top: mute, and the level match,
which is for A and B alone, since a difference of matched levels would be another difference.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from realtime.timeline import GAIN_ONE, SLOTS

MIX = ("monitor", "gain", "wet", "bypass")  # parameters, in the order of `mix`
PATHS = {"dry": (1, 0, 0), "a": (0, 1, 0), "b": (0, 0, 1), "delta": (1, -1, 0), "ghost": (0, 1, -1)}  # of dry, A, B
HEARD = (*MIX, "mute", "match", *(f"{slot}.match" for slot in SLOTS))  # parameters that `heard` looks at


def mix(monitor: str, gain_db: float, wet: float, bypass: bool) -> tuple[int, int, int]:
    """Gains on dry, A and B in units of 1 / GAIN_ONE; at wet 0 and 1 nothing but dry, nothing but the path."""
    if bypass:
        return GAIN_ONE, 0, 0
    one = math.floor(GAIN_ONE * 10.0 ** (gain_db / 20.0) + 0.5)
    part = math.floor(one * wet + 0.5)
    dry, a, b = PATHS[monitor]
    return dry * part + one - part, a * part, b * part


def uses_b(monitor: str) -> bool:
    """Whether slot B is in what is heard."""
    return PATHS[monitor][2] != 0


def heard(values: Mapping[str, Any]) -> tuple[int, ...]:
    """`mix` of all parameters, muted and matched."""
    if values["mute"]:
        return 0, 0, 0
    gains = list(mix(*(values[name] for name in MIX)))
    path = values["monitor"]
    if path in SLOTS and values["match"] != "off":
        place = 1 + SLOTS.index(path)
        gains[place] = math.floor(gains[place] * 10.0 ** (values[f"{path}.match"] / 20.0) + 0.5)
    return tuple(gains)
