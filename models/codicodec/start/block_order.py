"""Blocks of bins, and the order in which a frame codes their shapes, by its energies alone.

As in CELT (RFC 6716, section 4.3.3) bits follow the loud blocks of each frame; here all pairs of
block and stage are sorted by priority and the first INDICES are coded. Integers only.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from models.codicodec.start.band_levels import EDGES, GRID_TOP, POWER_BITS, Energies, levels_of, powers_of
from models.codicodec.start.digit_layout import GRID, GRID_BINS, HOP, INDICES, MODES, Array

CLASSES = ((13, 609.4), (26, 2000.0), (48, 5000.0), (96, 15000.0))  # bins of a block, Hz up to which blocks are such
STAGES = (6, 5, 4, 3)  # books of a block of each class
MOST_STAGES = max(STAGES)


@dataclass(frozen=True)
class Mode:
    """Geometry of frames of so many segments."""

    segments: int

    @cached_property
    def length(self) -> int:
        """Return the bins of a segment."""
        return HOP // self.segments

    @cached_property
    def blocks(self) -> list[tuple[int, int, int]]:
        """Return (class, first bin, bin after the last) of each block, from low to high."""
        found: list[tuple[int, int, int]] = []
        first = 0
        for kind, (width, hertz) in enumerate(CLASSES):
            for _ in range(max(0, round((hertz * self.length / 24_000 - first) / width))):
                found.append((kind, first, first + width))
                first += width
        return [block for block in found if block[2] <= GRID_TOP * self.length // GRID_BINS]

    @cached_property
    def spans(self) -> list[tuple[slice, slice]]:
        """Return for each class its blocks and its bins."""
        found = []
        for kind in range(len(CLASSES)):
            own = [number for number, block in enumerate(self.blocks) if block[0] == kind]
            first, end = (own[0], own[-1] + 1) if own else (0, 0)
            bins = slice(self.blocks[first][1], self.blocks[end - 1][2]) if own else slice(0, 0)
            found.append((slice(first, end), bins))
        return found

    @cached_property
    def band_of_bin(self) -> npt.NDArray[np.int64]:
        """Return the band of each bin [length]; bins above the bands count as in the last."""
        place = np.minimum(np.arange(self.length) * self.segments // GRID, GRID_TOP - 1)
        return np.searchsorted(EDGES, place, side="right") - 1

    @cached_property
    def covered(self) -> int:
        """Return the bins that have energies."""
        return GRID_TOP * self.length // GRID_BINS

    @cached_property
    def _counts(self) -> npt.NDArray[np.int64]:
        """Return how many bins of each band lie in each block, [bands, blocks]."""
        counted = [np.bincount(self.band_of_bin[a:b], minlength=len(EDGES) - 1) for _, a, b in self.blocks]
        return np.stack(counted, 1).astype(np.int64)

    def powers(self, energies: Energies) -> npt.NDArray[np.int64]:
        """Return the power of bands in each segment, [2, segments, bands]."""
        times = GRID // self.segments
        return powers_of(energies).reshape(2, self.segments, times, -1).sum(2) // times

    def block_levels(self, powers: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Return the mean level of blocks in units, [2, segments, blocks]."""
        return (levels_of(powers) @ self._counts) // self._counts.sum(0)

    def order(self, powers: npt.NDArray[np.int64], table: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Return the INDICES first pairs as places in [2, segments, blocks, MOST_STAGES].

        `table` [2, blocks, MOST_STAGES] are priorities in units of log distortion, which fall from
        stage to stage of a block.
        """
        priorities = table[:, None] + (self.block_levels(powers) // 2)[..., None]
        return np.argsort(-priorities.reshape(-1), kind="stable")[:INDICES]


def amplitudes(mode: Mode, powers: npt.NDArray[np.int64]) -> Array:
    """Return the root mean square of each bin's band, [2, segments, length], for powers of bands."""
    roots = np.sqrt(powers / float(1 << POWER_BITS)).astype(np.float32)
    return roots[..., mode.band_of_bin]


GEOMETRIES = {segments: Mode(segments) for segments in MODES}
