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
from models.swift.energies import amplitudes
from models.swift.frame_layout import BINS, BLOCKS, CHANNELS, PAIRS, STAGES, Array
from models.swift.weights import SwiftWeights

REACH = 2  # bins to each side that share a factor
LOUDEST = 6.0  # of a predicted normalised coefficient
FAINT = 1e-12
_STARTS = [low for low, _ in BLOCKS]
_FIRST_PAIR = np.concatenate([[0], np.cumsum(STAGES)[:-1]])


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

    def shape(self, channel: int, block: int, amplitude: Array) -> Array:
        """Return the predicted shape of a block [bins], where the frame has these amplitudes [2, BINS]."""
        low, high = BLOCKS[block]
        scale = amplitude[channel, low:high]
        found = np.divide(self.coefficients[channel, low:high], scale, out=np.zeros_like(scale), where=scale > 0)
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
        found = plain = 0.0
        for pair, token, log in self.closeness(content, prediction):
            place = PAIRS[pair]
            unigram = self.unigram[_FIRST_PAIR[place.block] + place.stage]
            reliability = prediction.reliability[place.channel, place.block]
            logits = unigram + self._tonal[place.block, place.stage, reliability] * log
            top = logits.max()
            found -= float(logits[token] - top - np.log(np.exp(logits - top).sum()))
            plain -= float(unigram[token])
        return found / float(np.log(2)), plain / float(np.log(2))

    def closeness(self, content: FrameContent, prediction: TonalPrediction) -> list[tuple[int, int, Array]]:
        """Return pair, token and minus half the squared distance of each entry [ENTRIES] from what is
        left of the prediction, up to a constant, for each shape token.
        """
        amplitude = amplitudes(content.energies)
        left: dict[tuple[int, int], Array] = {}
        found = []
        for pair in np.flatnonzero(content.shapes >= 0).tolist():
            place, token = PAIRS[pair], int(content.shapes[pair])
            key = place.channel, place.block
            if key not in left:
                left[key] = prediction.shape(*key, amplitude)
            book = self._weights.shapes.entries[place.block][place.stage]
            found.append((pair, token, book @ left[key] - self._halves[place.block][place.stage]))
            left[key] = left[key] - book[token]
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
