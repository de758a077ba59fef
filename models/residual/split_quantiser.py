"""Split quantiser of Mimi (arXiv 2410.00037): the first book codes the latent on its own, and the
others code it beside that one, not what it left over.

    z ─┬─► projection ─► book 0                     ─► projection ─┐
       └─► projection ─► book 1 ─► book 2 ─► ...    ─► projection ─┴─► sum

The first book was trained to resemble the features of a speech recogniser, so it is called
semantic, and the others acoustic.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from models.codec import CodecError
from models.residual.rvq import FrozenQuantiser, Quantised, QuantiserConfig, ResidualQuantiser


class SplitQuantiser(ResidualQuantiser):
    """Books of `inner` numbers behind projections from and to a latent of `config.width`.

    It is not trained here.
    """

    def __init__(self, config: QuantiserConfig, inner: int) -> None:
        super().__init__(replace(config, width=inner))
        self.config = config
        self.semantic_in, self.acoustic_in = (nn.Linear(config.width, inner, bias=False) for _ in range(2))
        self.semantic_out, self.acoustic_out = (nn.Linear(inner, config.width, bias=False) for _ in range(2))

    def forward(self, z: Tensor, books: Tensor | None = None) -> Quantised:
        raise CodecError("a split quantiser is not trained here. Use it as it was released.")

    def freeze(self) -> FrozenSplitQuantiser:
        return FrozenSplitQuantiser(self)


class FrozenSplitQuantiser(FrozenQuantiser):
    """Split quantiser for streams. Use it in one thread at a time."""

    def __init__(self, quantiser: SplitQuantiser) -> None:
        inner = quantiser.semantic_in.out_features
        super().__init__(replace(quantiser.config, width=inner, books=1), quantiser.all[:1])
        self._split, acoustic = quantiser, quantiser.all[1:]
        self._acoustic = (
            FrozenQuantiser(replace(quantiser.config, width=inner, books=len(acoustic)), acoustic) if acoustic else None
        )

    def encode(self, z: Tensor) -> Tensor:
        tokens = super().encode(self._split.semantic_in(z))
        if self._acoustic is None:
            return tokens
        return torch.cat([tokens, self._acoustic.encode(self._split.acoustic_in(z))], 1)

    def decode(self, tokens: Tensor, audible: list[bool]) -> Tensor:
        codes: Tensor = self._split.semantic_out(super().decode(tokens[:, :1], audible[:1]))
        if self._acoustic is None:
            return codes
        return codes + self._split.acoustic_out(self._acoustic.decode(tokens[:, 1:], audible[1:]))
