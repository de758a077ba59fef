"""Sizes of the start, and which digit of a frame says what.

    mode 1 | gain at the start 1 | events 4 x 3 | energies 62 | indices of shapes 60 x 3     256 digits of 11 levels

A code y is a real number of steps; its digit is round(y). Digits decide what the others mean (mode,
gains, order, scale, entry of a book). The fraction y - round(y) says more only of how much: energies
are then not rounded, fractions of an index correct bins of its block, and those of ENVELOPE_DIGITS
correct the level of slots of 128 samples (`slot_envelope`). A fraction of 0 is the
discrete path, so the same decoder serves both.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]
Codes = npt.NDArray[np.float64]  # [DIGITS], in steps: 0 ... LEVELS - 1
Digits = npt.NDArray[np.int64]  # [DIGITS]

RATE, CHANNELS = 48_000, 2
HOP, OVERLAP = 8192, 1024  # samples of a frame, and shared with each neighbour
SUPPORT = HOP + OVERLAP
REACH = 128  # samples of look-ahead of the encoder's high-pass
LEVELS, TOKENS, DIMS = 11, 64, 4
DIGITS = TOKENS * DIMS
MODES = (1, 2, 4, 8)  # segments of a frame, each with its own MDCT
GRID = 16  # segments of the grid of energies
GRID_BINS = HOP // GRID
SPLIT = 208  # first of the HOP bins that gains act on: 609 Hz

MODE, START_GAIN = 0, 1
EVENTS, INDEX_DIGITS = 4, 3  # events of a gain curve; digits of an event or of an index
ENERGIES = 62
INDICES = (DIGITS - 2 - EVENTS * INDEX_DIGITS - ENERGIES) // INDEX_DIGITS
ENTRIES = LEVELS**INDEX_DIGITS
_FIRST_ENERGY = 2 + EVENTS * INDEX_DIGITS
EVENT_DIGITS = slice(2, _FIRST_ENERGY)
ENERGY_DIGITS = slice(_FIRST_ENERGY, _FIRST_ENERGY + ENERGIES)
SHAPE_DIGITS = slice(_FIRST_ENERGY + ENERGIES, DIGITS)
# Digits whose fractions are corrections of slots: all whose fraction says nothing else, and the last of
# each index but the first ten.
ENVELOPE_DIGITS = np.concatenate([np.arange(_FIRST_ENERGY), np.arange(SHAPE_DIGITS.start + 32, DIGITS, INDEX_DIGITS)])
_PLACES = np.array([LEVELS**2, LEVELS, 1])

FRACTION = 0.42  # largest fraction of a code
FRACTIONS_VERSION = 2  # what fractions mean; part of the hash on tapes
OUTER, OUTER_WIDTH = 0.949, 0.1  # outer levels of z are half as wide: their middle, and what a fraction moves


def digits_of(codes: npt.NDArray[np.floating]) -> Digits:
    """Return the digits of codes in steps."""
    return np.round(codes).astype(np.int64).clip(0, LEVELS - 1)


def split_numbers(numbers: npt.NDArray[np.integer]) -> Digits:
    """Return three digits for each number below ENTRIES, one after the other."""
    return (np.asarray(numbers)[:, None] // _PLACES % LEVELS).reshape(-1).astype(np.int64)


def join_numbers(digits: npt.NDArray[np.integer]) -> npt.NDArray[np.int64]:
    """Return the numbers that `split_numbers` split."""
    return digits.reshape(-1, INDEX_DIGITS) @ _PLACES


def to_latent(codes: Codes) -> Array:
    """Return codes in steps as the FSQ's codes z in (-1, 1), [TOKENS, DIMS].

    Rounding z gives the digits. The two outer levels of the FSQ are half as wide as the others.
    """
    digits = digits_of(codes)
    fraction = (codes - digits).clip(-FRACTION, FRACTION)
    side = np.sign(digits - LEVELS // 2)
    outer = side * (OUTER + OUTER_WIDTH * fraction * side)
    inner = (digits + fraction - LEVELS // 2) / (LEVELS // 2)
    z = np.where(np.abs(digits - LEVELS // 2) == LEVELS // 2, outer, inner)
    return z.reshape(TOKENS, DIMS).astype(np.float32)


def from_latent(z: npt.NDArray[np.floating]) -> Codes:
    """Return codes in steps of z [TOKENS, DIMS], also of rounded ones; z of |z| >= 1 has no fraction."""
    flat, half = np.asarray(z, np.float64).reshape(-1), LEVELS // 2
    digits = np.round(flat * half).clip(-half, half)
    side = np.sign(digits)
    outer = np.where(np.abs(flat) >= 1, 0, (np.abs(flat) - OUTER) / OUTER_WIDTH * side)
    fraction = np.where(np.abs(digits) == half, outer, flat * half - digits)
    return digits + half + fraction.clip(-FRACTION, FRACTION)
