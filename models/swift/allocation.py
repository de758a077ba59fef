"""Order of shape tokens: which stages of which blocks a frame codes, by its coarse energies
alone.

Bits follow the loud blocks of each frame, as in CELT (RFC 6716, section 4.3.3), but here both
ends sort all pairs of block and stage by priority, so that any number of first tokens is a good
choice. Integers only: a machine that rounded otherwise would give the tokens to other blocks.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from models.swift.energies import UNIT, Energies
from models.swift.frame_layout import BAND_OF_BIN, BANDS, BLOCKS, CHANNELS, FIRST_SHAPES, PAIRS, SHAPES

FIRST_WORTH, REST_WORTH = 8, 7  # sixteenths: how much a unit of energy counts, in the first layer and after it
_NEVER = -(10**9)


def _bins_in_blocks() -> npt.NDArray[np.int64]:
    """Return how many bins of each band lie in each block, [CHANNELS * blocks, 2 * BANDS]."""
    counts = np.zeros((CHANNELS * len(BLOCKS), 2 * BANDS), np.int64)
    for channel in range(CHANNELS):
        for block, (low, high) in enumerate(BLOCKS):
            inside = np.bincount(BAND_OF_BIN[low:high], minlength=BANDS)
            counts[channel * len(BLOCKS) + block, channel * BANDS : (channel + 1) * BANDS] = inside
    return counts


_COUNTS = _bins_in_blocks()
_WIDTHS = _COUNTS.sum(1)
_BLOCK_OF_PAIR = np.array([pair.channel * len(BLOCKS) + pair.block for pair in PAIRS])


def order(priorities: npt.NDArray[np.int64], energies: Energies) -> npt.NDArray[np.intp]:
    """Return the SHAPES most important pairs (places in PAIRS), the most important first.

    `priorities` [pairs] are units of log distortion that a pair removes at an energy of 0 dB;
    they fall from stage to stage of a block. `energies` [2 * BANDS] are the coarse ones.
    """
    loudness = block_energies(energies)[_BLOCK_OF_PAIR]
    first = np.argsort(-(priorities + (FIRST_WORTH * loudness) // UNIT), kind="stable")[:FIRST_SHAPES]
    rest = priorities + (REST_WORTH * loudness) // UNIT
    rest[first] = _NEVER
    return np.concatenate([first, np.argsort(-rest, kind="stable")[: SHAPES - FIRST_SHAPES]])


def block_energies(energies: Energies) -> npt.NDArray[np.int64]:
    """Return the mean energy of each block [..., CHANNELS * blocks] of band energies [..., 2 *
    BANDS].
    """
    return (energies @ _COUNTS.T) // _WIDTHS
