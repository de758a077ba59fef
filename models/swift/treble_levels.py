"""One token of the second layer: levels of the noise above the energy bands, 17 to 20 and 20 to 24 kHz.

Each is relative to what is below, the first to the last band or to the noise of samples rounded to 16
bits, if that is louder. The second is also the level that no bin of the frame is below, up to that of
such rounding, which most originals have. Without the token the noise continues the last bands up to
20 kHz.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from models.swift.energies import SILENT, UNIT, Energies
from models.swift.frame_layout import BANDS, BIN, BINS, CHANNELS, ENTRIES, HOP, Array

CONTINUED = int(20_000 / BIN)  # bins up to which the noise continues without the token
EDGES = (0, CONTINUED - BINS, HOP - BINS)  # of both parts, in bins above BINS
HIGHEST, STEP, STEPS = 4.0, 2.0, 32  # dB of a part against what is below; the last step is silence
FAINT = 1e-12  # power added to that of a bin
ROUNDING = 2**-15 / 12**0.5  # amplitude of the noise of samples rounded to 16 bits
assert STEPS**2 == ENTRIES


def choose(energies: Energies, above: Array) -> int:
    """Return the token for decoded energies [2 * BANDS] and the coefficients above the bands [2, HOP - BINS]."""
    if energies.max() <= SILENT:
        return ENTRIES - 1
    token, below = 0, float(_last(energies).mean())
    for first, end in pairwise(EDGES):
        power = float(np.square(above[:, first:end]).mean())
        step = round((HIGHEST - 10 * np.log10((power + FAINT) / (below + FAINT))) / STEP)
        step = min(max(step, 0), STEPS - 1)
        token = token * STEPS + step
        below *= _ratio(step)
    return token


def amplitudes(token: int, energies: Energies) -> Array:
    """Return the amplitude of each bin above BINS [2, HOP - BINS] for band energies [2 * BANDS]."""
    power = _last(energies) * (energies.max() > SILENT)
    found = np.zeros((CHANNELS, HOP - BINS), np.float32)
    for part, step in enumerate(divmod(token, STEPS)):
        power = power * _ratio(step)
        found[:, EDGES[part] : EDGES[part + 1]] = np.sqrt(power)[:, None]
    return found


def _last(energies: Energies) -> Array:
    """Return the power of a bin of the last band, mid and side, at least that of rounding."""
    last = energies.reshape(CHANNELS, BANDS)[:, -1]
    return np.maximum(np.power(10, last / (10 * UNIT)) * (last > SILENT), ROUNDING**2).astype(np.float32)


def _ratio(step: int) -> float:
    """Return the power of a part against what is below it."""
    return 0.0 if step == STEPS - 1 else float(10 ** ((HIGHEST - STEP * step) / 10))
