"""One token of the second layer: a change of level of some slots of the hop that a frame completes.

The decoder multiplies the part above 600 Hz by it. The encoder decodes its own tokens and asks for the
change that brings most slots to the sound's level: mostly less of what comes before an attack. After
temporal noise shaping (Herre and Johnston, AES 101, 1996) in its aim, not in its means.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.swift.frame_layout import ENTRIES, HOP, Array
from models.swift.gain_control import SLOT, SLOTS

LEVELS = (-40.0, -33.0, -27.0, -22.0, -18.0, -15.0, -12.0, -9.5, -7.5, -6.0, -4.5, -3.0, 2.5, 4.0, 5.5, 7.5, 9.5, 12.0)
SPANS = [(first, end) for first in range(SLOTS) for end in range(first + 1, SLOTS + 1)]
NONE = 0  # the token of no change; the token of span s and level l is 1 + s * len(LEVELS) + l
LEAST = 40.0  # squared dB, over all slots, that a change must save
RANGE = 60.0  # dB below the loudest slot; softer ones count as that loud
SMOOTHED = 33  # samples, odd: levels are measured without their moving mean, mostly above 1 kHz
FAINT = 1e-9  # energy added to that of a slot
assert len(SPANS) * len(LEVELS) < ENTRIES

Levels = npt.NDArray[np.float64]  # dB, [SLOTS]

_INSIDE = np.array([[first <= slot < end for slot in range(SLOTS)] for first, end in SPANS], float)
_LEVELS = np.array(LEVELS)


@dataclass(frozen=True)
class SlotChange:
    """Change of level of each slot in dB."""

    curve: list[float]

    @staticmethod
    def of(token: int) -> SlotChange:
        """Return the change of a token; tokens above the last change are none."""
        span, level = divmod(token - 1, len(LEVELS))
        if token == NONE or span >= len(SPANS):
            return SlotChange([0.0] * SLOTS)
        first, end = SPANS[span]
        return SlotChange([LEVELS[level] if first <= slot < end else 0.0 for slot in range(SLOTS)])


def slot_levels(high: Array) -> Levels:
    """Return the level of each slot of the part above 600 Hz of a hop [2, HOP]."""
    half = SMOOTHED // 2
    summed = np.cumsum(np.pad(high.astype(np.float64), ((0, 0), (half + 1, half)), mode="edge"), axis=1)
    heard = high - (summed[:, SMOOTHED:] - summed[:, :-SMOOTHED]) / SMOOTHED
    return 10 * np.log10(np.square(heard).sum(0).reshape(SLOTS, SLOT).mean(1) + FAINT)


def choose(wanted: Levels, decoded: Levels) -> int:
    """Return the token that brings decoded levels nearest to those of the sound."""
    floor = max(wanted.max(), decoded.max()) - RANGE
    missing = np.maximum(wanted, floor) - np.maximum(decoded, floor)
    sums, counts = _INSIDE @ missing, _INSIDE.sum(1)
    saved = 2 * sums[:, None] * _LEVELS - counts[:, None] * np.square(_LEVELS)
    best = int(saved.argmax())
    return 1 + best if saved.reshape(-1)[best] > LEAST else NONE


assert HOP == SLOT * SLOTS
