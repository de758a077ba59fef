"""SEANet encoders and decoders: convolutions between levels, each `stride` times slower and twice
as wide.

Tagliasacchi et al., arXiv 2009.02095; as used by SoundStream (arXiv 2107.03312) and EnCodec (arXiv
2210.13438).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from models.codec import CodecError
from models.residual.rvq import QuantiserConfig, ResidualQuantiser
from models.residual.streaming_conv import Conv, TransposedConv
from models.residual.streaming_layers import Elu, Layer, Residual, Sequential
from models.residual.streaming_lstm import Lstm


@dataclass(frozen=True)
class SeanetConfig:
    """Sizes of one network.

    CodecError if they are not possible. Field names are data in checkpoints and tapes.
    """

    name: str
    sample_rate: int  # Hz
    channels: int
    width: int  # channels of the finest level, doubled at each stride
    strides: tuple[int, ...]  # between levels, finest first
    quantiser: QuantiserConfig
    kernels: tuple[int, int] = (7, 7)  # of the first convolution and the last of the encoder; the decoder's reversed
    unit: int = 3  # kernel of a residual unit
    dilations: tuple[int, ...] = (1,)  # of the residual units of a level
    compress: int = 2  # factor by which a unit is narrower inside
    shortcut: bool = True  # a unit's shortcut is a convolution
    lstm: int = 0  # recurrent layers in the slowest level
    ahead: bool = False  # noncausal: convolutions look ahead as far as back
    mirror: bool = False  # a whole signal is continued by its mirror image
    norm: bool = False  # normalise over time, in whole segments
    kind: str = "seanet"

    def __post_init__(self) -> None:
        if self.kind != "seanet":
            raise CodecError(f'kind "{self.kind}" is not seanet')
        if min(self.width, self.channels, *self.strides) < 1:
            raise CodecError(f"width {self.width}, strides {self.strides}: give 1 or more")
        if self.width % self.compress:
            raise CodecError(f"width {self.width} must be a multiple of compress {self.compress}")

    @property
    def stride(self) -> int:
        """Samples of one latent step."""
        return math.prod(self.strides)

    @property
    def widths(self) -> tuple[int, ...]:
        """Channels of each level, finest first."""
        return tuple(self.width * 2**level for level in range(len(self.strides) + 1))

    def encoder(self) -> Sequential:
        """Return the encoder without weights.

        Audio [B, channels, n] to latents [B, quantiser.width, n / stride].
        """
        layers: list[Layer] = [self._conv(self.channels, self.width, self.kernels[0])]
        for level, stride in enumerate(self.strides):
            here, there = self.widths[level : level + 2]
            layers += [self._unit(here, dilation) for dilation in self.dilations]
            layers += [Elu(), self._conv(here, there, 2 * stride, stride)]
        layers += [Lstm(self.widths[-1], self.lstm)] if self.lstm else []
        return Sequential([*layers, Elu(), self._conv(self.widths[-1], self.quantiser.width, self.kernels[1])])

    def decoder(self) -> Sequential:
        """Return the decoder, latents to audio, without weights."""
        layers: list[Layer] = [self._conv(self.quantiser.width, self.widths[-1], self.kernels[0])]
        layers += [Lstm(self.widths[-1], self.lstm)] if self.lstm else []
        for level, stride in reversed(list(enumerate(self.strides))):
            there, here = self.widths[level : level + 2]
            layers += [Elu(), TransposedConv(here, there, stride, noncausal=self.ahead, norm=self.norm)]
            layers += [self._unit(there, dilation) for dilation in self.dilations]
        return Sequential([*layers, Elu(), self._conv(self.width, self.channels, self.kernels[0])])

    def new_quantiser(self) -> ResidualQuantiser:
        """Return the quantiser without weights."""
        return ResidualQuantiser(self.quantiser)

    def _conv(self, inputs: int, outputs: int, kernel: int, stride: int = 1, dilation: int = 1) -> Conv:
        options = {"noncausal": self.ahead, "mirror": self.mirror, "norm": self.norm}
        return Conv(inputs, outputs, kernel, stride, dilation, **options)

    def _unit(self, width: int, dilation: int) -> Residual:
        inner = width // self.compress
        block = [Elu(), self._conv(width, inner, self.unit, 1, dilation), Elu(), self._conv(inner, width, 1)]
        return Residual(Sequential(block), self._conv(width, width, 1) if self.shortcut else None)


def soundstream() -> SeanetConfig:
    """Return the sizes of SoundStream at 24 kHz: 75 frames a second, 13.3 ms each."""
    return SeanetConfig(
        "soundstream", 24000, 1, 32, (2, 4, 5, 8), QuantiserConfig(128, 8), kernels=(7, 3), unit=7,
        dilations=(1, 3, 9), compress=1, shortcut=False,
    )  # fmt: skip


def encodec_24khz(books: int = 32) -> SeanetConfig:
    """Return the sizes of EnCodec's causal mono model: 75 frames a second, 0.75 kbit/s a book."""
    return SeanetConfig(
        "encodec:24", 24000, 1, 32, (2, 4, 5, 8), QuantiserConfig(128, books), lstm=2, mirror=True
    )  # fmt: skip


def encodec_32khz(books: int = 4) -> SeanetConfig:
    """Return the sizes of MusicGen's EnCodec (arXiv 2306.05284), mono.

    50 frames a second, 0.55 kbit/s a book. Books have 2048 entries. The network is noncausal, which
    adds to the latency of its streams.
    """
    return SeanetConfig(
        "encodec:32", 32000, 1, 64, (4, 4, 5, 8), QuantiserConfig(128, books, 2048), shortcut=False, lstm=2,
        mirror=True, ahead=True,
    )  # fmt: skip


def encodec_48khz(books: int = 16) -> SeanetConfig:
    """Return the sizes of EnCodec's stereo model, which codes segments.

    150 steps a second, 1.5 kbit/s a book.
    """
    return SeanetConfig(
        "encodec:48", 48000, 2, 32, (2, 4, 5, 8), QuantiserConfig(128, books), lstm=2, mirror=True, ahead=True,
        norm=True,
    )  # fmt: skip
