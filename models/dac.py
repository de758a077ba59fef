"""The network of the Descript Audio Codec (Kumar et al., arXiv 2306.06546): SEANet's shape, Snake for ELU, wider.

Its convolutions look ahead as far as back. So a stream of it is late: whole frames in the encoder, samples in the
decoder; how much follows from the layers (`models.steppable`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from models.codec import CodecError
from models.rvq import QuantiserConfig
from models.steppable import Chain, Conv, Layer, Residual, Snake, Tanh, UpConv

DILATIONS = (1, 3, 9)


@dataclass(frozen=True)
class DacConfig:
    """Sizes of one network, checked when made."""

    name: str
    sample_rate: int  # Hz
    channels: int
    width: int  # channels of the encoder's finest level, doubled at each stride
    decoder_width: int  # channels of the decoder's slowest level, halved at each stride
    strides: tuple[int, ...]  # of the encoder
    quantiser: QuantiserConfig
    kind: str = "dac"

    def __post_init__(self) -> None:
        if self.kind != "dac":
            raise CodecError(f'kind "{self.kind}" is not dac')
        if any(stride % 2 for stride in self.strides):
            raise CodecError(f"strides {self.strides} must be even")
        if self.decoder_width % 2 ** len(self.strides):
            raise CodecError(f"decoder_width {self.decoder_width} must halve {len(self.strides)} times")

    @property
    def stride(self) -> int:
        """Samples of one step of the latent."""
        return math.prod(self.strides)

    def encoder(self) -> Chain:
        width = self.width
        layers: list[Layer] = [Conv(self.channels, width, 7, ahead=True)]
        for stride in self.strides:
            down = Conv(width, 2 * width, 2 * stride, stride, ahead=True)
            layers.append(Chain([*(_unit(width, dilation) for dilation in DILATIONS), Snake(width), down]))
            width *= 2
        return Chain([*layers, Snake(width), Conv(width, self.quantiser.width, 3, ahead=True)])

    def decoder(self) -> Chain:
        width = self.decoder_width
        layers: list[Layer] = [Conv(self.quantiser.width, width, 7, ahead=True)]
        for stride in reversed(self.strides):
            up = UpConv(width, width // 2, stride, ahead=True)
            width //= 2
            layers.append(Chain([Snake(2 * width), up, *(_unit(width, dilation) for dilation in DILATIONS)]))
        return Chain([*layers, Snake(width), Conv(width, self.channels, 7, ahead=True), Tanh()])


def dac_44khz(books: int = 9) -> DacConfig:
    """The released model, mono at 44.1 kHz: 86 frames a second, 0.86 kbit/s a book."""
    quantiser = QuantiserConfig(1024, books, lookup=8, cosine=True, gradient=True)
    return DacConfig("dac", 44100, 1, 64, 1536, (2, 4, 8, 8), quantiser)


def _unit(width: int, dilation: int) -> Residual:
    wide = Conv(width, width, 7, dilation=dilation, ahead=True)
    return Residual(Chain([Snake(width), wide, Snake(width), Conv(width, width, 1, ahead=True)]))
