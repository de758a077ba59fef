"""Band energies: integers of 1/16 dB, predicted from the frame before; residual books
code the rest.

Coding energies apart from shapes is CELT's idea (RFC 6716, section 4.3.2). The prediction is the
mean, plus LEAK times the deviation of the energies decoded last from it. The effect of altered or
lost tokens therefore decays. Everything that the order of shape tokens depends on is integer
arithmetic, the same on every machine.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.swift.frame_layout import BAND_EDGES, BAND_OF_BIN, BANDS, COARSE, FINE, Array

UNIT = 16  # of an energy: 1/16 dB
LOWEST, HIGHEST = -85 * UNIT, 30 * UNIT  # dB of a coefficient's mean square
SILENT = LOWEST + 6 * UNIT  # up to this a band is silent
SILENCE = 0  # the entry of the first book that makes every band silent, whatever came before
SILENCE_STEP = -160 * UNIT  # its energies
LEAK = (3, 4)  # of the distance from the mean, what is expected to go on
SIDE_WEIGHT = 0.7  # of the side's residual against the mid's, where entries are chosen
BEAM = 4

Energies = npt.NDArray[np.int64]  # [2 * BANDS], mid then side


def measure(coefficients: Array) -> Array:
    """Return the band energies [..., 2 * BANDS] of coefficients [..., 2, BINS], in units, not
    rounded.
    """
    summed = np.add.reduceat(np.square(coefficients), BAND_EDGES[:-1], axis=-1)
    mean = summed / np.diff(BAND_EDGES).astype(np.float32)
    decibels = 10 * np.log10(mean + np.float32(10 ** (LOWEST / UNIT / 10)))
    return (UNIT * decibels).reshape(*decibels.shape[:-2], 2 * BANDS)


def amplitudes(energies: Energies) -> Array:
    """Return the root mean square of each bin's band [2, BINS]; 0 where a band is silent."""
    scale = np.power(10, energies / (20 * UNIT)) * (energies > SILENT)
    return scale.astype(np.float32).reshape(2, BANDS)[:, BAND_OF_BIN]


@dataclass(frozen=True)
class EnergyBooks:
    """Mean energies and residual books, shared by all streams."""

    mean: Energies  # [2 * BANDS]
    entries: npt.NDArray[np.int64]  # [COARSE + FINE, ENTRIES, 2 * BANDS]

    def __post_init__(self) -> None:
        weights = np.repeat([1.0, SIDE_WEIGHT], BANDS)
        weighted = (self.entries * weights).astype(np.float32)
        object.__setattr__(self, "_weights", weights.astype(np.float32))
        object.__setattr__(self, "_weighted", weighted)
        object.__setattr__(self, "_norms", np.square(weighted).sum(-1))

    def predict(self, before: Energies) -> Energies:
        """Return the energies predicted from those decoded `before`."""
        part, whole = LEAK
        return self.mean + (part * (before - self.mean)) // whole

    def decode(self, before: Energies, tokens: npt.NDArray[np.integer], heard: list[bool] | None = None) -> Energies:
        """Return the energies of coarse tokens [up to COARSE]; those not `heard` add nothing."""
        found = self.predict(before) + self._sum(0, tokens, heard)
        return np.clip(found, LOWEST, HIGHEST)

    def refine(self, energies: Energies, tokens: npt.NDArray[np.integer], heard: list[bool] | None = None) -> Energies:
        """Return energies made finer by tokens [up to FINE]; silent ones stay so. Only noise uses these."""
        return energies + self._sum(COARSE, tokens, heard) * (energies > SILENT)

    def encode(self, before: Energies, energies: Array, fine: int = FINE) -> npt.NDArray[np.int32]:
        """Return tokens [COARSE + fine] for measured energies [2 * BANDS], by a beam search over
        the books.

        Silence has tokens of its own, so that it is exact and every frame of it is the same.
        """
        if energies.max() <= SILENT:
            return np.full(COARSE + fine, SILENCE, np.int32)
        weighted = (energies - self.predict(before)) * self._weights  # type: ignore[attr-defined]
        residual: Array = weighted[None].astype(np.float32)
        paths = np.zeros((1, 0), np.int32)
        for stage in range(COARSE + fine):
            entries, norms = self._weighted[stage], self._norms[stage]  # type: ignore[attr-defined]
            distance = norms - 2 * residual @ entries.T + np.square(residual).sum(1, keepdims=True)
            kept = 1 if stage in (COARSE - 1, COARSE + fine - 1) else BEAM
            best = smallest(distance.reshape(-1), kept)
            rows, tokens = np.divmod(best, distance.shape[1])
            residual = residual[rows] - entries[tokens]
            paths = np.concatenate([paths[rows], tokens[:, None].astype(np.int32)], axis=1)
        return paths[0]

    def _sum(self, first: int, tokens: npt.NDArray[np.integer], heard: list[bool] | None) -> Energies:
        total = np.zeros(2 * BANDS, np.int64)
        for stage, token in enumerate(tokens.tolist()):
            if heard is None or heard[stage]:
                total += self.entries[first + stage, token]
        return total


def smallest(values: Array, count: int) -> npt.NDArray[np.intp]:
    """Return the places of the `count` smallest values, the smallest first."""
    if count == 1:
        return np.array([values.argmin()])
    found = np.argpartition(values, count - 1)[:count]
    return found[np.argsort(values[found], kind="stable")]
