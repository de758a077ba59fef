"""Mimi: SEANet at 24 kHz mono around two transformers, causal, in steps of 80 ms.

    audio ─► SEANet ─► transformer ─► half the rate ─► books ─► twice the rate ─► transformer ─► SEANet ─► audio

Défossez et al., "Moshi", arXiv 2410.00037. Weights: kyutai/mimi on the Hub, CC BY 4.0.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from models.codec import CodecError
from models.residual.rvq import QuantiserConfig
from models.residual.seanet import SeanetConfig
from models.residual.split_quantiser import SplitQuantiser
from models.residual.streaming_conv import Conv, DepthwiseUpsample
from models.residual.streaming_layers import Sequential
from models.residual.streaming_transformer import Transformer, TransformerConfig

LAST_KERNEL = 3  # of the decoder; its other outermost kernels are those of SEANet


@dataclass(frozen=True)
class MimiConfig:
    """Sizes of one network.

    CodecError if they are not possible. Field names are data in checkpoints and tapes.
    """

    name: str
    sample_rate: int  # Hz
    channels: int
    width: int  # channels of the finest level, doubled at each stride
    strides: tuple[int, ...]  # between levels of the SEANet, finest first
    quantiser: QuantiserConfig
    lookup: int  # numbers that a latent is projected to before the books
    layers: int  # of each transformer
    heads: int
    inner: int
    window: int  # positions of the transformers, two a step
    rate: int = 2  # positions of a step
    kind: str = "mimi"

    def __post_init__(self) -> None:
        if self.kind != "mimi":
            raise CodecError(f'kind "{self.kind}" is not mimi')
        if self.rate < 1:
            raise CodecError(f"rate {self.rate}: give 1 or more")

    @property
    def stride(self) -> int:
        """Samples of one latent step."""
        return self.rate * math.prod(self.strides)

    def encoder(self) -> Sequential:
        """Return the encoder without weights: audio [B, channels, n] to latents [B, width, n / stride]."""
        slower = Conv(self._latent, self._latent, 2 * self.rate, self.rate, bias=False, hold=True)
        return Sequential([self._seanet().encoder(), self._transformer(), slower])

    def decoder(self) -> Sequential:
        """Return the decoder, latents to audio, without weights."""
        *layers, _ = self._seanet().decoder().layers
        seanet = Sequential([*layers, Conv(self.width, self.channels, LAST_KERNEL)])
        return Sequential([DepthwiseUpsample(self._latent, self.rate), self._transformer(), seanet])

    def new_quantiser(self) -> SplitQuantiser:
        """Return the quantiser without weights."""
        return SplitQuantiser(self.quantiser, self.lookup)

    @property
    def _latent(self) -> int:
        return self.quantiser.width

    def _seanet(self) -> SeanetConfig:
        return SeanetConfig(
            self.name, self.sample_rate, self.channels, self.width, self.strides, self.quantiser,
            kernels=(7, LAST_KERNEL), shortcut=False,
        )  # fmt: skip

    def _transformer(self) -> Transformer:
        return Transformer(TransformerConfig(self._latent, self.layers, self.heads, self.inner, self.window))


def mimi(books: int = 32) -> MimiConfig:
    """Return the released sizes: 12.5 frames a second, 0.1375 kbit/s a book."""
    quantiser = QuantiserConfig(512, books, 2048)
    return MimiConfig("mimi", 24000, 1, 64, (4, 5, 6, 8), quantiser, 256, layers=8, heads=8, inner=2048, window=250)
