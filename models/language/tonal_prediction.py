"""Prediction of the next frame's coefficients, for tones that go on.

The MDCT of a steady tone of angular frequency w obeys x[t] = 2 cos(w hop) x[t-1] - x[t-2] in every
bin, whatever its phase. The factor is found for each bin from the last three frames, by least
squares over its neighbours; how well it explains them is the prediction's reliability.
"""

from __future__ import annotations

from collections import deque

import numpy as np
import numpy.typing as npt

from models.language.frame_state import FrameContent
from models.language.language_weights import RELIABILITIES
from models.swift.energies import Energies, amplitudes
from models.swift.frame_layout import BINS, BLOCKS, CHANNELS, ENTRIES, PAIRS, STAGES, Array
from models.swift.weights import SwiftWeights

REACH = 2  # bins to each side that share a factor
LOUDEST = 6.0  # of a predicted normalised coefficient
FAINT = 1e-12
_STARTS = [low for low, _ in BLOCKS]
_FIRST_PAIR = np.concatenate([[0], np.cumsum(STAGES)[:-1]])
_PAIR_CHANNELS, _PAIR_BLOCKS, _PAIR_STAGES = (
    np.array([getattr(place, name) for place in PAIRS]) for name in ("channel", "block", "stage")
)


class TonalPrediction:
    """The last three frames of one stream. One thread."""

    def __init__(self, weights: SwiftWeights) -> None:
        self._weights = weights
        self.reset()

    def reset(self) -> None:
        """Forget all frames."""
        self._past: deque[Array] = deque([np.zeros((CHANNELS, BINS), np.float32)] * 3, maxlen=3)
        self._predict()

    def take(self, content: FrameContent, shape: Array | None = None) -> None:
        """Advance by a frame; its normalised shape [2, BINS] may be known."""
        shape = normalised_shapes(self._weights, content) if shape is None else shape
        self._past.append(shape * amplitudes(content.energies))
        self._predict()

    def _predict(self) -> None:
        third, second, first = self._past
        both = first + third
        factor = np.clip(_near(second * both) / (_near(second * second) + FAINT), -2, 2)
        self.coefficients = factor * first - second  # [2, BINS]
        left, whole = _near(np.square(both - factor * second)), _near(np.square(first) + np.square(third)) + FAINT
        power = np.square(first) + FAINT
        explained = np.add.reduceat((1 - left / whole) * power, _STARTS, axis=1)
        explained /= np.add.reduceat(power, _STARTS, axis=1)
        known = np.add.reduceat(np.square(first) + np.square(second), _STARTS, axis=1) > CHANNELS * FAINT * BINS
        steps = (RELIABILITIES - 1) * explained
        self.reliability = np.where(known, 1 + steps.clip(0, RELIABILITIES - 2).astype(int), 0)  # [2, blocks]

    def shapes(self, energies: Energies) -> Array:
        """Return the predicted normalised shape [2, BINS] of a frame with these energies."""
        scale = amplitudes(energies)
        found = np.divide(self.coefficients, scale, out=np.zeros_like(scale), where=scale > 0)
        return found.clip(-LOUDEST, LOUDEST)


class ShapeCost:
    """Bits of shape tokens under their prediction."""

    def __init__(self, weights: SwiftWeights, tonal: Array) -> None:
        """Take the weights [blocks, stages, RELIABILITIES] of distances."""
        self._weights, self._tonal = weights, tonal
        counts = weights.frequencies[-sum(STAGES) :] + 0.5
        self.unigram = np.log(counts / counts.sum(1, keepdims=True)).astype(np.float32)
        self._halves = [[0.5 * np.square(book).sum(1) for book in books] for books in weights.shapes.entries]

    def bits(self, content: FrameContent, prediction: TonalPrediction) -> tuple[float, float]:
        """Return the bits of a frame's shape tokens, and their bits under the unigram of each book."""
        pairs = np.flatnonzero(content.shapes >= 0)
        blocks, tokens = _PAIR_BLOCKS[pairs], content.shapes[pairs]
        books = _FIRST_PAIR[blocks] + _PAIR_STAGES[pairs]
        weights = self._tonal[blocks, _PAIR_STAGES[pairs], prediction.reliability[_PAIR_CHANNELS[pairs], blocks]]
        plain = found = self.unigram[books, tokens]
        if (counted := weights != 0).any():  # the others cost what they do under the unigram
            closeness = self.closeness(content, prediction, counted)
            logits = self.unigram[books[counted]] + weights[counted, None] * closeness
            top = logits.max(1, keepdims=True)
            of_token = logits[np.arange(len(logits)), tokens[counted]]
            found = plain.copy()
            found[counted] = of_token - top[:, 0] - np.log(np.exp(logits - top).sum(1))
        nats = -float(np.log(2))
        return float(found.sum()) / nats, float(plain.sum()) / nats

    def closeness(self, content: FrameContent, prediction: TonalPrediction, counted: np.ndarray) -> Array:
        """Return minus half the squared distance of each entry from what is left of the prediction, up to
        a constant, [shape tokens that are `counted`, ENTRIES].
        """
        left = prediction.shapes(content.energies)
        found, row = np.empty((int(counted.sum()), ENTRIES), np.float32), 0
        for pair, wanted in zip(np.flatnonzero(content.shapes >= 0).tolist(), counted.tolist(), strict=True):
            place = PAIRS[pair]
            low, high = BLOCKS[place.block]
            book = self._weights.shapes.entries[place.block][place.stage]
            of_block = left[place.channel, low:high]
            if wanted:
                np.subtract(book @ of_block, self._halves[place.block][place.stage], out=found[row])
                row += 1
            of_block -= book[content.shapes[pair]]
        return found


def normalised_shapes(weights: SwiftWeights, content: FrameContent) -> Array:
    """Return the sum of the entries that a frame names [2, BINS]."""
    pairs = np.flatnonzero(content.shapes >= 0).tolist()
    return weights.shapes.decode([(pair, int(content.shapes[pair])) for pair in pairs], BINS)[0]


def _near(values: Array) -> Array:
    """Return sums over REACH bins to each side [2, BINS]."""
    summed = np.cumsum(np.pad(values.astype(np.float64), ((0, 0), (REACH + 1, REACH))), axis=1)
    found: npt.NDArray[np.float64] = summed[:, 2 * REACH + 1 :] - summed[:, : -2 * REACH - 1]
    return found.astype(np.float32)
