"""State of a decoder of swift, followed by its tokens, and the content of frames without that state.

Tokens of energies mean a difference from the frame before, and the energies order the other tokens.
A frame is therefore kept as `FrameContent`: energies, gain and the token of each block's stage. A
state gives the tokens that code it for a decoder in that state, whatever came before.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.codec import Tokens
from models.swift.allocation import order
from models.swift.codec import repeats
from models.swift.energies import HIGHEST, LOWEST, UNIT, Energies
from models.swift.frame_layout import BAND_EDGES, COARSE, PAIRS, SPLIT, fine_positions, shape_positions
from models.swift.gain_control import RELEASES, curve_of
from models.swift.weights import SwiftWeights

TOLERANCE = 2.0 * UNIT  # root mean square of energies, up to which a frame's own tokens are kept
SOFTER = 1.5 * UNIT  # by which a frame is coded softer otherwise: its books miss by as much
MOST_OVER = 0.5 * UNIT  # by which a frame with its own tokens may be louder than it was; none if it is coded again
ATTEMPTS = 3  # to code it as loud
_HIGH_BANDS = np.tile(np.array(BAND_EDGES[:-1]) >= SPLIT, 2)  # those under gain control


@dataclass(frozen=True)
class HopGain:
    """Gain of gain control in one hop, in dB."""

    mean: float = 0.0  # of power
    peak: float = 0.0
    end: float = 0.0

    @classmethod
    def of(cls, curve: list[float]) -> HopGain:
        """Return the gain of a curve of slots."""
        return cls(float(10 * np.log10(np.mean(np.power(10.0, np.array(curve) / 10)))), max(curve), curve[-1])

    def over(self, other: HopGain) -> float:
        """Return by how much another gain is exceeded; of mean and peak the smaller."""
        return min(self.mean - other.mean, self.peak - other.peak)


@dataclass(frozen=True)
class FrameContent:
    """One frame, apart from the state of its decoder."""

    tokens: Tokens  # as they were sent
    energies: Energies  # [2 * BANDS], coarse
    gain_before: HopGain  # above 600 Hz, of the hop before
    gain: HopGain  # of the frame's own hop
    shapes: npt.NDArray[np.int16]  # [pairs]: token of each pair of block and stage; -1: none

    @property
    def loudness(self) -> float:
        """Power of all bands with the gain, in dB."""
        units = self.energies + np.where(_HIGH_BANDS, self.gain.mean * UNIT, 0)
        return float(10 * np.log10(np.sum(_WIDTHS * np.power(10.0, units / (10 * UNIT))) + 1e-12))


_WIDTHS = np.tile(np.diff(BAND_EDGES), 2)
_CENTRES = np.tile(np.add(BAND_EDGES[:-1], BAND_EDGES[1:]) / 2, 2)
_POWERS = np.stack([_WIDTHS, _WIDTHS * np.square(_CENTRES / _CENTRES.max())])  # of samples, and of their steps


def excess_power(energies: Energies, wanted: Energies) -> float:
    """Return by how much energies are louder than others, in units: of samples or steps, the larger."""
    powers = [_POWERS @ np.power(10.0, units / (10 * UNIT)) + 1e-12 for units in (energies, wanted)]
    return float(10 * UNIT * np.log10(powers[0] / powers[1]).max())


class SwiftState:
    """State of a decoder after the frames so far. One thread."""

    def __init__(self, weights: SwiftWeights, tokens: int) -> None:
        """Take the number of tokens in a frame."""
        self._weights, self._count = weights, tokens
        self._shapes, self._fine = shape_positions(tokens), fine_positions(tokens)
        books = [book for of_block in weights.shapes.entries for book in of_block]
        faintest = [int(np.square(book).sum(1).argmin()) for book in books]
        self._faintest = np.array(faintest * 2, np.int16)  # of each pair: what adds least
        self.reset()

    def reset(self) -> None:
        """Restore the state before the first frame."""
        self.energies: Energies = self._weights.energies.mean
        self.gain = HopGain()  # of the last frame's hop
        self._before: Tokens | None = None

    @property
    def tokens(self) -> Tokens | None:
        """Tokens of the last frame."""
        return self._before

    def become(self, other: SwiftState) -> None:
        """Take over the state of another."""
        self.energies, self.gain, self._before = other.energies, other.gain, other._before

    def agrees(self, other: SwiftState, tokens: Tokens) -> bool:
        """Return True if the next tokens mean the same after another state as after this one."""
        return (
            self.gain == other.gain
            and np.array_equal(self.energies, other.energies)
            and repeats(tokens, self._before) == repeats(tokens, other._before)
        )

    def take(self, tokens: Tokens) -> FrameContent:
        """Advance by a frame, and return its content."""
        before = self.gain
        if not repeats(tokens, self._before):
            self.energies = self._weights.energies.decode(self.energies, tokens[1 : 1 + COARSE])
            self.gain = HopGain.of(curve_of(int(tokens[0]), before.end))
        self._before = tokens.copy()
        shapes = np.full(len(PAIRS), -1, np.int16)
        shapes[self._pairs(self.energies)] = tokens[self._shapes]
        return FrameContent(self._before, self.energies, before, self.gain, shapes)

    def tokens_for(self, content: FrameContent, louder: float = 0.0) -> Tokens:
        """Return the tokens that code a frame after this state, `louder` by so many dB. The state stays.

        The frame's own energy tokens are kept where they come near: energies are predicted from
        energies, so what differs decays, and states become equal.
        """
        tokens = content.tokens.copy()
        tokens[0], gain = self._attack_for(content)
        less = min(content.gain.over(gain), content.gain_before.over(self.gain))  # a frame sounds in both hops
        wanted = content.energies + round(UNIT * louder)
        wanted = np.where(_HIGH_BANDS, wanted + round(UNIT * less), wanted).clip(LOWEST, HIGHEST)
        books = self._weights.energies
        energies = books.decode(self.energies, tokens[1 : 1 + COARSE])
        excess = excess_power(energies, wanted)
        if excess > MOST_OVER or np.square(energies - wanted).mean() > TOLERANCE**2:
            lower = SOFTER
            for _ in range(ATTEMPTS):
                found = books.encode(self.energies, (wanted - lower).astype(np.float32), fine=0)
                coded = books.decode(self.energies, found)
                over = excess_power(coded, wanted)
                nearer = np.square(coded - wanted).sum() < np.square(energies - wanted).sum()
                if over < excess if max(over, excess) > MOST_OVER else nearer:
                    tokens[1 : 1 + COARSE], energies, excess = found, coded, over
                if over <= 0:
                    break
                lower += over
        pairs = self._pairs(energies)
        shapes = content.shapes[pairs]
        tokens[self._shapes] = np.where(shapes >= 0, shapes, self._faintest[pairs])
        return tokens

    def _pairs(self, energies: Energies) -> npt.NDArray[np.intp]:
        return order(self._weights.priorities, energies)[: len(self._shapes)]

    def _attack_for(self, content: FrameContent) -> tuple[int, HopGain]:
        """Return the attack token of a frame after this state's gain, and the gain that follows."""
        token = int(content.tokens[0])
        gain = HopGain.of(curve_of(token, self.gain.end))
        if content.gain.over(gain) < -1:  # a gain is left over: let it fall as fast as it can
            token -= token % len(RELEASES)
            gain = HopGain.of(curve_of(token, self.gain.end))
        return token, gain
