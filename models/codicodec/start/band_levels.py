"""Energies of bands: logarithms on a grid of 16 times and 21 bands of mid and side, by a KLT.

Whole numbers of 1/16 dB. Everything that decides what a digit means is integer arithmetic, so that
any machine decodes the same order of shapes; only the analysis is in floats.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Context, Decimal

import numpy as np
import numpy.typing as npt

from models.codicodec.start.digit_layout import FRACTION, GRID, GRID_BINS, HOP, LEVELS, SPLIT, Array

UNIT = 16  # of an energy: 1/16 dB
LOWEST, HIGHEST, TABLE_TOP = -85 * UNIT, 30 * UNIT, 45 * UNIT
SILENT = -79 * UNIT  # up to this a band is silent
FULL = 3 * UNIT  # dB of a sample's mean square, both channels, at most
GAIN_FULL = 6.0  # the same after the gain
BANDS, GROWTH, NARROWEST, TOP = 21, 5.2, 2, 17_000  # number, growth, bins, Hz
POWER_BITS = 36  # of the table of powers, after the point
AXIS_BITS, STEP_BITS = 14, 8  # of axes and of steps, after the point
SIDE_WEIGHT = 0.7  # of the side's energies against the mid's
CLIP = 5.45  # of a digit's deviation
FLOOR = np.float32(10**-8.5)  # power added before the logarithm

Energies = npt.NDArray[np.int64]  # [2, GRID, BANDS]


def _edges() -> npt.NDArray[np.int64]:
    """Return the edges of the bands in bins of the grid, BANDS + 1 of them; SPLIT is one."""
    grown = (2 ** (GROWTH * np.arange(BANDS + 1) / BANDS) - 1) / (2**GROWTH - 1) * TOP / (24_000 / GRID_BINS)
    edges = np.round(np.concatenate([[0], np.cumsum(np.maximum(np.diff(grown), NARROWEST))])).astype(np.int64)
    edges[np.abs(edges - SPLIT // GRID).argmin()] = SPLIT // GRID
    return edges


EDGES = _edges()
WIDTHS = np.diff(EDGES)
GRID_TOP = int(EDGES[-1])  # bins of the grid that have energies
SPLIT_BAND = int(np.searchsorted(EDGES, SPLIT // GRID))
CENTRES_HZ = (EDGES[1:] + EDGES[:-1]) / 2 * 24_000 / GRID_BINS
_CONTEXT = Context(prec=30)
POWERS: npt.NDArray[np.int64] = np.array(
    [
        int(_CONTEXT.multiply(_CONTEXT.power(Decimal(10), Decimal(level) / (10 * UNIT)), Decimal(1 << POWER_BITS)))
        for level in range(LOWEST, TABLE_TOP + 1)
    ],
    np.int64,
)  # of each level from LOWEST on


def powers_of(energies: Energies) -> npt.NDArray[np.int64]:
    """Return powers of energies, in 2^-POWER_BITS."""
    return POWERS[energies.clip(LOWEST, HIGHEST) - LOWEST]


def levels_of(powers: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return the highest levels in units whose power is not above these, at least LOWEST."""
    return np.maximum(np.searchsorted(POWERS, powers, side="right") - 1, 0) + LOWEST


def band_powers(coefficients: Array) -> Array:
    """Return the mean power of bands [2, GRID, BANDS] of coefficients [2, GRID, GRID_BINS]."""
    summed = np.add.reduceat(np.square(coefficients[..., :GRID_TOP]), EDGES[:-1], axis=-1)
    return (summed / WIDTHS).astype(np.float32)


def measure(coefficients: Array) -> Array:
    """Return energies in units, not rounded, of coefficients [2, GRID, GRID_BINS]."""
    return 10 * UNIT * np.log10(band_powers(coefficients) + FLOOR)


def slot_levels(energies: Energies, first_band: int = 0) -> npt.NDArray[np.int64]:
    """Return the mean square of the samples at each time of the grid, both channels, in units."""
    powers = powers_of(energies)[..., first_band:] * WIDTHS[first_band:]
    return levels_of(powers.sum((0, 2)) // GRID_BINS)


@dataclass(frozen=True)
class LevelBook:
    """Mean, axes and steps of the KLT.

    A component has one digit, or two of which the second has steps of 1/11.
    """

    mean: npt.NDArray[np.int32]  # [2 * GRID * BANDS], units
    axes: npt.NDArray[np.int16]  # [2 * GRID * BANDS, components], 2^-AXIS_BITS
    steps: npt.NDArray[np.int32]  # [ENERGIES], units in 2^-STEP_BITS
    components: npt.NDArray[np.int16]  # [ENERGIES]: which component a digit is of

    def __post_init__(self) -> None:
        weights = np.repeat([1.0, SIDE_WEIGHT**2], len(self.mean) // 2)
        analysis = (self.axes * weights[:, None] / (1 << AXIS_BITS)).astype(np.float64)
        last = {component: place for place, component in enumerate(self.components.tolist())}
        is_last = [last[component] == place for place, component in enumerate(self.components.tolist())]
        object.__setattr__(self, "_analysis", analysis)
        object.__setattr__(self, "_is_last", is_last)

    def encode(self, energies: Array) -> npt.NDArray[np.float64]:
        """Return the codes [ENERGIES] of measured energies [2, GRID, BANDS], in steps."""
        left = (energies.reshape(-1) - self.mean).astype(np.float64) @ self._analysis  # type: ignore[attr-defined]
        codes = np.empty(len(self.steps))
        half = LEVELS // 2
        for place, (component, step) in enumerate(zip(self.components, self.steps / (1 << STEP_BITS), strict=True)):
            value = left[component] / step
            if self._is_last[place]:  # type: ignore[attr-defined]
                digit = round(float(np.clip(value, -CLIP, CLIP)))
                value = digit + float(np.clip(value - digit, -FRACTION, FRACTION))
            else:
                value = float(np.clip(round(float(value)), -half, half))
            codes[place] = value + half
            left[component] -= step * value
        return codes

    def decode(self, digits: npt.NDArray[np.int64]) -> Energies:
        """Return the energies of digits [ENERGIES]; no time of the grid is beyond full scale."""
        components = np.zeros(self.axes.shape[1], np.int64)
        np.add.at(components, self.components, self.steps.astype(np.int64) * (digits - LEVELS // 2))
        found = self.mean + ((self.axes.astype(np.int64) @ components) >> (AXIS_BITS + STEP_BITS))
        energies = found.reshape(2, GRID, BANDS).clip(LOWEST, HIGHEST)
        return energies - np.maximum(0, slot_levels(energies) - FULL)[None, :, None]

    def decode_real(self, codes: npt.NDArray[np.float64], limited: Energies) -> npt.NDArray[np.float64]:
        """Return the energies of unrounded codes, at most a step above those of their digits, `limited`."""
        components = np.zeros(self.axes.shape[1])
        np.add.at(components, self.components, self.steps * (codes - LEVELS // 2) / (1 << STEP_BITS))
        found = (self.mean + self.axes @ components / (1 << AXIS_BITS)).reshape(2, GRID, BANDS)
        return np.minimum(found, limited + 12 * UNIT).clip(LOWEST, HIGHEST)


assert HOP == GRID * GRID_BINS
