"""Monitor mix: integer gains on dry, A and B, from the parameters monitor, gain, wet and bypass.

The plug-in computes the same in C (plugin/native/insert.c). A live session adds mute and the level
match. The match applies to A and B alone: matched levels would change a difference signal.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from realtime.timeline.layout import GAIN_ONE, SLOTS

PLUGIN_MIX_PARAMETERS = ("monitor", "gain", "wet", "bypass")  # in the order of `monitor_gains`
PATHS = {
    "dry": (1, 0, 0),
    "a": (0, 1, 0),
    "b": (0, 0, 1),
    "delta": (1, -1, 0),
    "ghost": (0, 1, -1),
}  # signs of dry, A, B
GAIN_PARAMETERS = (
    *PLUGIN_MIX_PARAMETERS,
    "mute",
    "match",
    *(f"{slot}.match" for slot in SLOTS),
)  # read by `effective_gains`


def monitor_gains(monitor: str, gain_db: float, wet: float, bypass: bool) -> tuple[int, int, int]:
    """Return the gains on dry, A and B in units of 1 / GAIN_ONE.

    At wet 0 the result is dry alone, at wet 1 the chosen path alone.
    """
    if bypass:
        return GAIN_ONE, 0, 0
    one = math.floor(GAIN_ONE * 10.0 ** (gain_db / 20.0) + 0.5)
    part = math.floor(one * wet + 0.5)
    dry, a, b = PATHS[monitor]
    return dry * part + one - part, a * part, b * part


def uses_b(monitor: str) -> bool:
    """Return True if this monitor path contains slot B."""
    return PATHS[monitor][2] != 0


def effective_gains(values: Mapping[str, Any]) -> tuple[int, ...]:
    """Return the gains on dry, A and B for all parameters: `monitor_gains` with match and mute."""
    if values["mute"]:
        return 0, 0, 0
    gains = list(monitor_gains(*(values[name] for name in PLUGIN_MIX_PARAMETERS)))
    path = values["monitor"]
    if path in SLOTS and values["match"] != "off":
        place = 1 + SLOTS.index(path)
        gains[place] = math.floor(gains[place] * 10.0 ** (values[f"{path}.match"] / 20.0) + 0.5)
    return tuple(gains)
