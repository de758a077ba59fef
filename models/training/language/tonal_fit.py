"""Fit of the weights that predictions of steady tones get, by counting.

For each block, stage and class of reliability, the weight is the one of a few under which the
tokens of the training pieces cost least.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from models.language.frame_state import FrameContent, SwiftState
from models.language.language_weights import MOST_STAGES, RELIABILITIES
from models.language.tonal_prediction import ShapeCost, TonalPrediction
from models.swift.frame_layout import BLOCKS, PAIRS, STAGES, Array
from models.swift.weights import SwiftWeights
from models.training.language.token_streams import read_tokens

WEIGHTS = np.array([0.0, 0.02, 0.04, 0.07, 0.12, 0.2, 0.3, 0.45, 0.65, 0.9], np.float32)
STRETCH = 75  # frames of a file that are used, after as many that are not
PRIOR = 20.0  # tokens for weight 0, before any are counted


def fit_tonal(folders: list[Path], books: SwiftWeights, frames: int, seed: int) -> Array:
    """Return the weights [blocks, stages, RELIABILITIES], from so many frames of training pieces."""
    cost = np.zeros((len(BLOCKS), MOST_STAGES, RELIABILITIES, len(WEIGHTS)))
    cost[..., 1:] += 0.02 * PRIOR
    shapes = ShapeCost(books, np.zeros(cost.shape[:3], np.float32))
    files = [tokens for _, tokens in read_tokens(folders, held_out=False) if len(tokens) > 3 * STRETCH]
    rng = np.random.default_rng(seed)
    for number in rng.permutation(len(files))[: max(1, frames // STRETCH)]:
        tokens = files[int(number)]
        first = int(rng.integers(len(tokens) - 2 * STRETCH))
        state, prediction = SwiftState(books, tokens.shape[1]), TonalPrediction(books)
        for place, frame in enumerate(tokens[first : first + 2 * STRETCH]):
            content = state.take(frame)
            if place >= STRETCH:
                _count(cost, shapes, content, prediction)
            prediction.take(content)
    return WEIGHTS[cost.argmin(-1)]


def _count(cost: np.ndarray, shapes: ShapeCost, content: FrameContent, prediction: TonalPrediction) -> None:
    pairs = np.flatnonzero(content.shapes >= 0)
    closeness = shapes.closeness(content, prediction, np.ones(len(pairs), bool))
    for pair, log in zip(pairs.tolist(), closeness, strict=True):
        place, token = PAIRS[pair], int(content.shapes[pair])
        first = sum(STAGES[: place.block]) + place.stage
        logits = shapes.unigram[first][None] + WEIGHTS[:, None] * log[None]
        top = logits.max(1, keepdims=True)
        log_sum = top[:, 0] + np.log(np.exp(logits - top).sum(1))
        cost[place.block, place.stage, prediction.reliability[place.channel, place.block]] += log_sum - logits[:, token]
