"""The network of the Descript Audio Codec (Kumar et al., arXiv 2306.06546): SEANet's shape, wider,
with Snake for ELU.

Its convolutions are noncausal, which delays a stream by whole frames in the encoder and by samples
in the decoder. The delay follows from the layers (`models.residual.streaming_layers`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from models.codec import CodecError
from models.residual.rvq import QuantiserConfig, ResidualQuantiser
from models.residual.streaming_conv import Conv, TransposedConv
from models.residual.streaming_layers import Layer, Residual, Sequential, Snake, Tanh

DILATIONS = (1, 3, 9)


@dataclass(frozen=True)
class DacConfig:
    """Sizes of one network.

    CodecError if they are not possible. Field names are data in checkpoints and tapes.
    """

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
        if min(self.width, self.channels, *self.strides) < 1:
            raise CodecError(f"width {self.width}, strides {self.strides}: give 1 or more")
        if self.decoder_width % 2 ** len(self.strides):
            raise CodecError(f"decoder_width {self.decoder_width} must halve {len(self.strides)} times")

    @property
    def stride(self) -> int:
        """Samples of one latent step."""
        return math.prod(self.strides)

    def encoder(self) -> Sequential:
        """Return the encoder without weights.

        Audio [B, channels, n] to latents [B, quantiser.width, n / stride].
        """
        width = self.width
        layers: list[Layer] = [Conv(self.channels, width, 7, noncausal=True)]
        for stride in self.strides:
            down = Conv(width, 2 * width, 2 * stride, stride, noncausal=True)
            layers.append(Sequential([*(_unit(width, dilation) for dilation in DILATIONS), Snake(width), down]))
            width *= 2
        return Sequential([*layers, Snake(width), Conv(width, self.quantiser.width, 3, noncausal=True)])

    def new_quantiser(self) -> ResidualQuantiser:
        """Return the quantiser without weights."""
        return ResidualQuantiser(self.quantiser)

    def decoder(self) -> Sequential:
        """Return the decoder, latents to audio, without weights."""
        width = self.decoder_width
        layers: list[Layer] = [Conv(self.quantiser.width, width, 7, noncausal=True)]
        for stride in reversed(self.strides):
            up = TransposedConv(width, width // 2, stride, noncausal=True)
            width //= 2
            layers.append(Sequential([Snake(2 * width), up, *(_unit(width, dilation) for dilation in DILATIONS)]))
        return Sequential([*layers, Snake(width), Conv(width, self.channels, 7, noncausal=True), Tanh()])


def dac_44khz(books: int = 9) -> DacConfig:
    """Return the sizes of the released model of 8 kbit/s, mono at 44.1 kHz.

    86 frames a second, 0.86 kbit/s a book.
    """
    return DacConfig("dac", 44100, 1, 64, 1536, (2, 4, 8, 8), _books(1024, books))


def dac_44khz_16kbps(books: int = 18) -> DacConfig:
    """Return the sizes of the released model of 16 kbit/s, mono at 44.1 kHz.

    Twice the books of that of 8 kbit/s, and a narrower latent.
    """
    return DacConfig("dac44-16", 44100, 1, 64, 1536, (2, 4, 8, 8), _books(128, books))


def dac_24khz(books: int = 32) -> DacConfig:
    """Return the sizes of the released model at 24 kHz, mono.

    75 frames a second, 0.75 kbit/s a book.
    """
    return DacConfig("dac24", 24000, 1, 64, 1536, (2, 4, 5, 8), _books(1024, books))


def dac_16khz(books: int = 12) -> DacConfig:
    """Return the sizes of the released model at 16 kHz, mono.

    50 frames a second, 0.5 kbit/s a book.
    """
    return DacConfig("dac16", 16000, 1, 64, 1536, (2, 4, 5, 8), _books(1024, books))


def _books(latent: int, books: int) -> QuantiserConfig:
    return QuantiserConfig(latent, books, lookup=8, cosine=True, gradient=True)


def _unit(width: int, dilation: int) -> Residual:
    wide = Conv(width, width, 7, dilation=dilation, noncausal=True)
    return Residual(Sequential([Snake(width), wide, Snake(width), Conv(width, width, 1, noncausal=True)]))
