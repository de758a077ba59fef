"""swift, the bundled residual codec: a causal network on lapped spectra, everything at the rate of frames.

    waveform → MDCT → loudness and shape → units → latent → books → units → gains, shapes, noise → MDCT⁻¹ → waveform

A unit is that of SEANet (models/seanet.py); what it works on is that of models/lapped.py. Nothing runs at the rate of
samples, so that a CPU trains it in hours, and the products of a frame are few and large.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from models.codec import CodecError
from models.lapped import Described, Lapped, Shaped, Unlapped
from models.rvq import QuantiserConfig
from models.steppable import Chain, Conv, Elu, Layer, Residual

LOW, LOUD = 1.7, 0.3  # weights in the first book: of the lowest coefficients, of loudness
LONG, CALM = 7, 5.4  # axes of loudness that weigh still less, and books of which the last weighs all alike


@dataclass(frozen=True)
class SwiftConfig:
    """Sizes of one network, checked when made."""

    name: str
    sample_rate: int  # Hz
    channels: int
    stride: int  # samples of one step of the latent: the hop of the transform
    width: int  # channels
    quantiser: QuantiserConfig
    bands: int = 20  # of each channel, at most
    dilations: tuple[tuple[int, ...], tuple[int, ...]] = (
        (1, 3, 9, 1),
        (1, 3, 9, 1, 3, 9),
    )  # encoder's units, decoder's
    kernel: int = 3
    kind: str = "swift"

    def __post_init__(self) -> None:
        if self.kind != "swift":
            raise CodecError(f'kind "{self.kind}" is not swift')
        if min(self.stride - 1, self.width, self.channels, self.bands) < 1:
            raise CodecError(f"stride {self.stride}, width {self.width}, bands {self.bands}: give 2, 1 and 1 or more")

    def encoder(self) -> Chain:
        seen = Described(self.stride, self.channels, self.bands)
        units = [self._unit(dilation) for dilation in self.dilations[0]]
        into, out = Conv(seen.size, self.width, 1), Conv(self.width, self.quantiser.width, 1)
        beside = Conv(seen.size, self.quantiser.width, 1)
        return Chain([Lapped(self.stride), seen, Residual(Chain([into, *units, Elu(), out]), beside)])

    def decoder(self) -> Chain:
        made = Shaped(self.stride, self.channels, self.bands)
        units = [self._unit(dilation) for dilation in self.dilations[1]]
        into, out = Conv(self.quantiser.width, self.width, self.kernel), Conv(self.width, made.size, 1)
        beside = Conv(self.quantiser.width, made.size, 1)
        said = Residual(Chain([into, *units, Elu(), out]), beside)
        return Chain([said, made, Unlapped(self.stride, self.channels)])

    def views(self) -> Tensor:
        """What numbers of a latent weigh in looking it up, of each book's groups [books * groups, width / groups].

        What differs little within a piece of music, how loud it is above all, weighs little in the first books and more
        from book to book. A first book of nothing else would have use for half its entries in any one piece.
        """
        width, books = self.quantiser.width, self.quantiser.books
        loud, low = width // 3, width // 4
        weight = torch.ones(width)
        weight[:low] = LOW
        weight[-loud:] = LOUD * ((loud - torch.arange(loud)) / LONG).clamp(max=1).sqrt()
        weights = weight ** (1 - torch.arange(books)[:, None] / CALM).clamp(min=0)
        return weights.unflatten(1, (self.quantiser.groups, -1)).flatten(0, 1)

    def _unit(self, dilation: int) -> Residual:
        layers: list[Layer] = [Elu(), Conv(self.width, self.width, self.kernel, 1, dilation), Elu()]
        return Residual(Chain([*layers, Conv(self.width, self.width, 1)]))


def swift() -> SwiftConfig:
    """The bundled network: 48 kHz stereo, causal, frames of 320 samples (6.7 ms), 8 books of 1.5 kbit/s each."""
    return SwiftConfig("swift", 48000, 2, 320, 256, QuantiserConfig(96, 8))
