"""Surprise: the bits that frames of a player cost under the model, which follows them.

Few bits: the model had expected the frame. The same numbers are the entropy of a coder that would
use this model.
"""

from __future__ import annotations

from dataclasses import dataclass

from models.codec import Tokens
from models.language.frame_model import FrameModel
from models.language.frame_state import FrameContent, SwiftState
from models.language.language_weights import LanguageWeights
from models.language.tonal_prediction import ShapeCost, TonalPrediction
from models.swift.codec import Swift, repeats
from models.swift.energies import Energies
from models.swift.frame_layout import COARSE, Array


@dataclass(frozen=True)
class PlayerFrame:
    """A frame of the encoder, with what its decoder knew before it."""

    content: FrameContent
    before: Energies  # [2 * BANDS], of the frame before
    repeated: bool  # its first tokens are those of the frame before
    shape: Array | None = None  # normalised [2, BINS], where it is known

    @classmethod
    def after(cls, state: SwiftState, tokens: Tokens) -> PlayerFrame:
        """Return a frame by its tokens and the state before it, which advances."""
        before, repeated = state.energies, repeats(tokens, state.tokens)
        return cls(state.take(tokens), before, repeated)


@dataclass(frozen=True)
class FrameBits:
    """Bits of one frame: of its attack token, of all energy tokens and of all shape tokens."""

    attack: float
    energies: float
    shapes: float
    shapes_unigram: float  # the same under the frequencies of each book
    count: int  # shape tokens

    @property
    def per_token(self) -> float:
        """Mean bits of a token."""
        return (self.attack + self.energies + self.shapes) / (1 + COARSE + self.count)


NOTHING = FrameBits(0.0, 0.0, 0.0, 0.0, 0)  # of a frame that repeats the one before


class Surprise:
    """Model that follows the frames of one player. One thread."""

    def __init__(self, codec: Swift, language: LanguageWeights) -> None:
        self._model = FrameModel(language, codec.weights.energies)
        self._prediction = TonalPrediction(codec.weights)
        self._cost = ShapeCost(codec.weights, language.tensors["tonal"])

    def reset(self) -> None:
        """Forget all frames."""
        self._model.reset()
        self._prediction.reset()

    def take(self, frame: PlayerFrame) -> FrameBits:
        """Return the bits of the next frame, and advance by it.

        Tokens beside attack, energies and shapes, which `swift` has above 12 kbit/s, do not count.
        """
        content, found = frame.content, NOTHING
        if not frame.repeated:
            attack, energies = self._model.bits(content.tokens, frame.before)
            shapes, unigram = self._cost.bits(content, self._prediction)
            found = FrameBits(attack, energies, shapes, unigram, int((content.shapes >= 0).sum()))
        self._model.take(content)
        self._prediction.take(content, frame.shape)
        return found
