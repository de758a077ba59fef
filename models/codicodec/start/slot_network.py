"""Learnt part of nano's decoder: a small network that predicts corrections of levels in slots of 2.7 ms.

The digits of a frame say the level above 609 Hz some 16 times, and where hits are. The network sees
what the decoder would play in the 33 slots around each slot and expects by how many dB the original
differs. It reads levels, never the fractions that correct them. Encoder and decoder evaluate it alike:
on the continuous path the fractions say what it leaves.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

from models.codicodec.start.digit_layout import Array
from models.codicodec.start.gain_curves import SLOTS, Curve
from models.codicodec.start.slot_levels import FAINT

SIDE = 16  # slots on each side that are seen; those beyond a frame count as its last one
SEEN = 2 * SIDE + 1
KINDS = 4  # of levels: decoded, its noise alone, by the energies, the gain
INPUTS = KINDS * SEEN + 2  # and the loudest level that is seen, and the place in the frame
UNITS = (48, 48)  # of the hidden layers
SHAPES = tuple(zip((INPUTS, *UNITS), (*UNITS, 1), strict=True))
MOST_DOWN, MOST_UP = 30.0, 9.0  # dB of a correction
SCALE = 20.0  # dB of an input of 1
RANGE = 60.0  # dB below the loudest level that is seen

Rows = npt.NDArray[np.float32]  # [SLOTS, INPUTS]


@dataclass(frozen=True)
class SlotNetwork:
    """Weights [inputs, outputs] and biases of the layers, shared by all encoders and decoders."""

    weights: tuple[Array, ...]
    biases: tuple[Array, ...]

    def corrections(self, rows: Rows) -> Curve:
        """Return the corrections [SLOTS] in dB for the inputs of a frame's slots."""
        found = rows
        for weight, bias in zip(self.weights[:-1], self.biases[:-1], strict=True):
            found = np.maximum(found @ weight + bias, 0)
        last = found @ self.weights[-1] + self.biases[-1]
        return np.clip(SCALE * last[:, 0], -MOST_DOWN, MOST_UP).astype(np.float64)


class SlotInputs:
    """Inputs of a stream's slots, which reach back into the frame before."""

    def __init__(self) -> None:
        self._before = np.full((KINDS, SIDE), 10 * np.log10(FAINT))
        self._before[-1] = 0

    def rows(self, decoded: Curve, noise: Curve, wanted: Curve, gain: Curve) -> Rows:
        """Return the inputs for the levels of a frame's slots, each [SLOTS] in dB."""
        own = np.stack([decoded, noise, wanted, gain])
        seen = np.concatenate([self._before, own, np.repeat(own[:, -1:], SIDE, axis=1)], axis=1)
        self._before = own[:, -SIDE:]
        windows = sliding_window_view(seen, SEEN, axis=1).copy()  # [KINDS, SLOTS, SEEN]
        loudest = windows[0].max(axis=1)
        windows[:-1] -= loudest[:, None]
        flat = np.moveaxis(windows.clip(-RANGE, RANGE), 0, 1).reshape(SLOTS, -1) / SCALE
        return np.concatenate([flat, loudest[:, None] / SCALE + 2, _PLACES], axis=1).astype(np.float32)


_PLACES = np.arange(SLOTS)[:, None] / SLOTS
