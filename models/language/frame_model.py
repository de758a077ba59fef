"""Model of the next frame: what energies and attack a network expects, and what tokens cost.

    log p(energy token) = nearness * log density of the rest to be coded - of the network's Gaussian
                          + a bias of the network for each entry

Energy tokens name residuals of known books, so that the network predicts energies, not 1024 values,
and the books turn them into probabilities.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.codec import Tokens
from models.language.frame_state import FrameContent
from models.language.frame_transformer import FrameTransformer
from models.language.language_weights import FEATURES, LanguageWeights
from models.swift.energies import LEAK, UNIT, Energies, EnergyBooks
from models.swift.frame_layout import BANDS, COARSE, ENTRIES, Array
from models.swift.gain_control import LEVELS, MOST, RELEASES, VALUES

SCALE = 10.0 * UNIT  # units of an energy in the network: 10 dB
MOST_SHARE = float(np.log(0.99))  # log of what the network's probabilities make of all
LEAST = float(np.log(0.01 / ENTRIES))  # log probability that any energy token has besides, such as that of silence


def features(energies: np.ndarray, gain_end: npt.ArrayLike, attack: npt.ArrayLike, mean: Energies) -> Array:
    """Return the inputs of the network for frames [..., FEATURES].

    Takes energies [..., 2 * BANDS], gains at the end in dB and attack tokens [...].
    """
    found, attack = np.empty((*np.shape(gain_end), FEATURES), np.float32), np.asarray(attack)
    found[..., : 2 * BANDS] = (energies - mean) / (2 * SCALE)
    hit, level = attack >= len(RELEASES), (np.maximum(attack // len(RELEASES) - 1, 0)) % len(LEVELS)
    found[..., -4] = np.asarray(gain_end) / MOST
    found[..., -3] = hit
    found[..., -2] = hit * (1 + level) / len(LEVELS)
    found[..., -1] = (energies[..., :BANDS].max(-1) - mean[:BANDS].max()) / (2 * SCALE)
    return found


@dataclass(frozen=True)
class Expectation:
    """The network's expectation of the next frame."""

    energies: Array  # [2 * BANDS], units of SCALE
    precision: Array  # [2 * BANDS], of SCALE^-2
    attack: Array  # [VALUES], log probabilities
    entries: Array  # [COARSE, ENTRIES], biases


class FrameModel:
    """Network and its state over the frames of one stream. One thread."""

    def __init__(self, weights: LanguageWeights, books: EnergyBooks) -> None:
        self._tensors, self._books = weights.tensors, books
        self._transformer = FrameTransformer(weights.layers())
        self._entries = (books.entries[:COARSE] / SCALE).astype(np.float32)
        self._squares = np.square(self._entries)
        self._nearness = np.exp(self._tensors["nearness"])
        self.reset()

    def reset(self) -> None:
        """Forget all frames."""
        self._transformer.reset()
        self.next = self._expect(np.zeros(self._transformer_width, np.float32), self._books.mean)

    @property
    def _transformer_width(self) -> int:
        return len(self._tensors["enter_bias"])

    def take(self, content: FrameContent) -> None:
        """Advance by a frame; `next` is then the expectation of the one after it."""
        inputs = features(content.energies, content.gain.end, content.tokens[0], self._books.mean)
        hidden = self._transformer.step(inputs @ self._tensors["enter"] + self._tensors["enter_bias"])
        self.next = self._expect(hidden, content.energies)

    def _expect(self, hidden: Array, energies: Energies) -> Expectation:
        tensors = self._tensors
        mean = self._books.mean + (energies - self._books.mean) * (LEAK[0] / LEAK[1])
        attack = hidden @ tensors["attack"] + tensors["attack_bias"]
        return Expectation(
            (mean / SCALE).astype(np.float32) + hidden @ tensors["mean"],
            np.exp(hidden @ tensors["precision"] + tensors["precision_bias"]),
            log_softmax(attack),
            hidden @ tensors["entries"] + tensors["entries_bias"],
        )

    def score(self, energies: Array, attacks: np.ndarray) -> Array:
        """Return log probabilities of whole frames [n], up to a constant.

        Takes energies [n, 2 * BANDS] in units and attack tokens [n].
        """
        away = energies / np.float32(SCALE) - self.next.energies
        near = -0.5 * self._nearness[0] * (np.square(away) @ self.next.precision)
        return near + self.next.attack[np.minimum(attacks, VALUES - 1)]

    def bits(self, tokens: Tokens, before: Energies) -> tuple[float, float]:
        """Return the bits of the attack token, and of the energy tokens after energies `before`."""
        expected, found = self.next, 0.0
        left = expected.energies - (self._books.predict(before) / SCALE).astype(np.float32)
        for stage in range(COARSE):
            distance = self._entries[stage] @ (left * expected.precision)
            distance -= 0.5 * (self._squares[stage] @ expected.precision)
            log = log_softmax(self._nearness[stage] * distance + expected.entries[stage])
            token = int(tokens[1 + stage])
            found -= float(np.logaddexp(log[token] + MOST_SHARE, LEAST))
            left = left - self._entries[stage, token]
        nats = float(np.log(2))
        return -float(expected.attack[min(int(tokens[0]), VALUES - 1)]) / nats, found / nats


def log_softmax(logits: Array) -> Array:
    """Return log probabilities of logits [n]."""
    shifted = logits - logits.max()
    found: Array = shifted - np.log(np.exp(shifted).sum())
    return found
