"""Memory of heard frames, and how well each of them could come next."""

from __future__ import annotations

import numpy as np

from models.language.frame_state import FrameContent
from models.language.tonal_prediction import TonalPrediction
from models.swift.energies import UNIT
from models.swift.frame_layout import BANDS, BINS, BLOCKS, CHANNELS, Array
from models.swift.gain_control import RELEASES

CONTEXT_KEPT = 0.85  # of the distance of contexts, a frame later: contexts are some 7 frames long
QUIETEST = 40.0  # dB below the mean loudness, as which all that is fainter counts
FLOOR = 0.02  # of a weight, so that few predictable blocks do not decide alone
FAINT = 1e-9
_STARTS = [low for low, _ in BLOCKS]
_LOW, _HIGH = BLOCKS[0][0], BLOCKS[-1][1]
_BIN_BLOCK = np.repeat(np.arange(len(BLOCKS)), [high - low for low, high in BLOCKS])


class HeardFrames:
    """The latest `most` frames of a stream, each after the one before. One thread."""

    def __init__(self, most: int) -> None:
        self._most = most
        rows = 2 * most  # the second half moves to the first when it is full
        self._contents: list[FrameContent] = []
        self._energies = np.zeros((rows, 2 * BANDS), np.float32)  # units
        self._attacks = np.zeros(rows, np.int64)
        self._loudness = np.zeros(rows, np.float32)  # dB
        self._shapes = np.zeros((rows, CHANNELS * BINS), np.float32)  # each block times its norm
        self._squares = np.zeros((rows, CHANNELS * len(BLOCKS)), np.float32)  # the squared norm of each block
        self._distance = np.zeros(rows, np.float32)  # of the context up to a frame from the one played last
        self.reset()

    def reset(self) -> None:
        """Forget all frames."""
        self._contents.clear()
        self._end = 0  # rows in use, of which the last ones count
        self.total = 0  # frames of the stream so far

    def __len__(self) -> int:
        return len(self._contents)

    def append(self, content: FrameContent, shape: Array, loudness: float) -> None:
        """Remember a frame, its normalised shape [2, BINS] and its loudness in dB; forget the oldest of too many."""
        if self._end == 2 * self._most:
            for rows in self._rows():
                rows[: self._most] = rows[self._most :]
            self._end = self._most
        row = self._end
        self._energies[row], self._attacks[row], self._loudness[row] = content.energies, content.tokens[0], loudness
        squares = np.add.reduceat(np.square(shape), _STARTS, axis=1)
        weighted = np.zeros((CHANNELS, BINS), np.float32)
        weighted[:, _LOW:_HIGH] = shape[:, _LOW:_HIGH] * np.sqrt(squares)[:, _BIN_BLOCK]
        self._shapes[row], self._squares[row] = weighted.reshape(-1), squares.reshape(-1)
        self._contents = [*self._contents[-self._most + 1 :], content]
        self._end += 1
        self.total += 1

    def content(self, number: int) -> FrameContent:
        """Return a remembered frame by its number in the stream."""
        return self._contents[number - self.total]

    def energies(self, count: int) -> Array:
        """Return the energies of the last `count` frames, [count, 2 * BANDS] in units."""
        return self._energies[self._end - count : self._end]

    def attacks(self, count: int) -> np.ndarray:
        """Return the attack tokens of the last `count` frames."""
        return self._attacks[self._end - count : self._end]

    def follow(self, content: FrameContent) -> None:
        """Compare the context of each frame with the one that a played frame continues.

        The distance of a frame's context is that of the frame itself, and CONTEXT_KEPT of that of
        the context before it: an exponential window, at the cost of one comparison a frame.
        """
        known = len(self)
        if not known:
            return
        away = np.square((self.energies(known) - content.energies) / np.float32(10 * UNIT)).mean(1)
        hit = int(content.tokens[0]) >= len(RELEASES)
        away += (self.attacks(known) >= len(RELEASES)) != hit
        distance = self._distance[self._end - known : self._end]
        earlier = np.concatenate([distance[:1], distance[:-1]])
        distance[:] = CONTEXT_KEPT * earlier + (1 - CONTEXT_KEPT) * away

    def context_distances(self, count: int) -> Array:
        """Return for each of the last `count` frames the distance of what came before it."""
        known = len(self)
        distance = self._distance[self._end - known : self._end]
        return np.concatenate([distance[:1], distance[:-1]])[-count:]

    def spectral_distances(self, count: int, energies: Array) -> Array:
        """Return for each of the last `count` frames the mean squared distance of its spectrum from that of
        other energies [2 * BANDS], in units of (10 dB)^2, whatever their loudness.
        """
        away = (self.energies(count) - energies) / np.float32(10 * UNIT)
        found: Array = away.var(axis=1)
        return found

    def coherences(self, count: int, prediction: TonalPrediction, tonal: Array) -> Array:
        """Return how well the shapes of the last `count` frames go on with steady tones, -1 to 1 [count].

        It is the cosine of shape and prediction, a mean of all blocks by `tonal` [blocks,
        RELIABILITIES] and by their energy; 0 where nothing can be predicted.
        """
        weights = np.take_along_axis(tonal, prediction.reliability.T, axis=1).T.astype(np.float32)  # [2, blocks]
        norms = np.sqrt(np.add.reduceat(np.square(prediction.coefficients), _STARTS, axis=1)) + np.float32(FAINT)
        wanted = np.zeros((CHANNELS, BINS), np.float32)
        wanted[:, _LOW:_HIGH] = prediction.coefficients[:, _LOW:_HIGH] * (weights / norms)[:, _BIN_BLOCK]
        rows = slice(self._end - count, self._end)
        found: Array = self._shapes[rows] @ wanted.reshape(-1)
        return found / (self._squares[rows] @ weights.reshape(-1) + self._squares[rows].sum(1) * FLOOR + FAINT)

    def levels(self, count: int) -> tuple[Array, float]:
        """Return the loudness of each of the last `count` frames in dB, not below QUIETEST, and their mean."""
        loudness = self._loudness[self._end - count : self._end]
        mean = float(10 * np.log10(np.mean(np.power(10, loudness / 10)) + FAINT))
        return np.maximum(loudness, mean - QUIETEST), mean

    def _rows(self) -> tuple[np.ndarray, ...]:
        return self._energies, self._attacks, self._loudness, self._shapes, self._squares, self._distance
