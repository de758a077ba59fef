"""Transformers with a sliding window, over a whole signal or step by step
(`models.residual.streaming_layers`).

Each position attends to itself and to the `window` - 1 positions before it. A stream keeps the keys
and values of those, so that its state and its work stay the same however long it runs. Positions
are rotations of queries and keys (RoPE, arXiv 2104.09864). Blocks normalise their input and scale
their output (arXiv 2103.17239), as in Mimi (arXiv 2410.00037).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.codec import CodecError
from models.kernels.streamed_attention import add_scaled, attend, gelu, normalise
from models.residual.packed_products import PackedLinear, WeightCache
from models.residual.streaming_layers import Layer, StepFn

ROTATION_BASE = 10_000.0  # longest wavelength of a rotation over 2 pi, in positions
GROWTH = 2  # size of a new buffer of keys, in multiples of what it must hold

Array = npt.NDArray[np.float32]
Rotation = tuple[Tensor, Tensor]  # cosine and sine [n, head / 2]


@dataclass(frozen=True)
class TransformerConfig:
    """Sizes of one transformer. CodecError if they are not possible."""

    width: int  # channels
    layers: int
    heads: int
    inner: int  # channels between the two products of a block's second half
    window: int  # positions that one position sees, itself included

    def __post_init__(self) -> None:
        if self.width % (2 * self.heads):
            raise CodecError(f"width {self.width} must be a multiple of 2 * heads {self.heads}")
        if min(self.layers, self.inner, self.window) < 1:
            raise CodecError(f"layers {self.layers}, inner {self.inner}, window {self.window}: give 1 or more")


class Transformer(Layer):
    """Blocks run one after another. They share positions and window."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.config = config
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.layers))

    @property
    def all(self) -> list[Block]:
        """The blocks in order."""
        return list(self.blocks)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        x = x.transpose(1, 2)
        rotation, visible = self.rotation(0, x.shape[1]), self.visible(x.shape[1], x.shape[1])
        for block in self.all:
            x = block(x, rotation, visible)
        return x.transpose(1, 2)

    def new_stream(self) -> StepFn:
        return TransformerStep(self)

    def rotation(self, start: int, count: int) -> Rotation:
        """Return the rotation of positions `start` and on. Angles are computed in float64."""
        half = self.config.width // self.config.heads // 2
        speeds = ROTATION_BASE ** (-torch.arange(half, dtype=torch.float64) / half)
        angles = torch.arange(start, start + count, dtype=torch.float64)[:, None] * speeds
        return angles.cos().float(), angles.sin().float()

    def visible(self, queries: int, keys: int) -> Tensor:
        """Return flags [queries, keys]: True where a query sees a key.

        The last query is at the position of the last key.
        """
        distance = torch.arange(keys - queries, keys)[:, None] - torch.arange(keys)
        return (distance >= 0) & (distance < self.config.window)


class Block(nn.Module):
    """x + scale * attention(norm(x)), then x + scale * products(norm(x)) with a GELU between."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.heads = config.heads
        self.attention_norm, self.products_norm = nn.LayerNorm(config.width), nn.LayerNorm(config.width)
        self.query, self.key, self.value, self.output = (
            nn.Linear(config.width, config.width, bias=False) for _ in range(4)
        )
        self.widen = nn.Linear(config.width, config.inner, bias=False)
        self.narrow = nn.Linear(config.inner, config.width, bias=False)
        self.attention_scale = nn.Parameter(torch.ones(config.width))
        self.products_scale = nn.Parameter(torch.ones(config.width))
        self.cache: WeightCache[tuple[PackedLinear, ...]] = WeightCache()

    def forward(self, x: Tensor, rotation: Rotation, visible: Tensor) -> Tensor:
        """Run over x [B, T, width]."""
        normed = self.attention_norm(x)
        query, key, value = (
            layer(normed).unflatten(2, (self.heads, -1)).transpose(1, 2) for layer in (self.query, self.key, self.value)
        )
        seen = F.scaled_dot_product_attention(rotated(query, rotation), rotated(key, rotation), value, visible)
        x = x + self.attention_scale * self.output(seen.transpose(1, 2).flatten(2))
        return x + self.products_scale * self.narrow(F.gelu(self.widen(self.products_norm(x))))

    def packed(self) -> tuple[PackedLinear, ...]:
        """Return the products for streams: query, key and value at once, output, widen, narrow."""
        three = (self.query.weight, self.key.weight, self.value.weight)
        others = (self.output.weight, self.widen.weight, self.narrow.weight)
        return self.cache(
            (*three, *others), lambda: tuple(PackedLinear(part, cold=True) for part in (torch.cat(three), *others))
        )


class TransformerStep:
    """One stream of a transformer: the next position, and the past of each block."""

    def __init__(self, transformer: Transformer) -> None:
        self.transformer, self.position = transformer, 0
        self.blocks = [BlockStep(block, transformer.config.window) for block in transformer.all]

    def __call__(self, x: Tensor) -> Tensor:
        """Take inputs [n, width] and return as many outputs."""
        if not len(x):
            return x
        cosine, sine = (part.numpy() for part in self.transformer.rotation(self.position, len(x)))
        self.position += len(x)
        y = x.contiguous().numpy()
        for block in self.blocks:
            y = block(y, cosine, sine)
        return torch.from_numpy(y)


class BlockStep:
    """One stream of a block. The buffers hold keys and values, with free space behind them."""

    def __init__(self, block: Block, window: int) -> None:
        self.window, self.heads = window, block.heads
        self.three, self.output, self.widen, self.narrow = block.packed()
        self.attention_norm, self.products_norm = (
            (norm.weight.detach().numpy(), norm.bias.detach().numpy(), norm.eps)
            for norm in (block.attention_norm, block.products_norm)
        )
        self.attention_scale = block.attention_scale.detach().numpy()
        self.products_scale = block.products_scale.detach().numpy()
        self.head = len(self.attention_scale) // block.heads
        self.keys, self.values = self._buffers(0)
        self.end = 0  # of the used part of the buffers

    def __call__(self, x: Array, cosine: Array, sine: Array) -> Array:
        """Run over x [n, width], whose positions have these rotations [n, head / 2]."""
        made = _product(self.three, normalise(x, *self.attention_norm))
        self._make_space(len(x))
        seen = attend(made, cosine, sine, self.keys, self.values, self.end, self.window)
        self.end += len(x)
        x = add_scaled(x, self.attention_scale, _product(self.output, seen))
        inner = _product(self.widen, normalise(x, *self.products_norm))
        gelu(inner)
        return add_scaled(x, self.products_scale, _product(self.narrow, inner))

    def _make_space(self, count: int) -> None:
        """Drop positions that no later one sees, if the buffers have no space for `count` more."""
        if self.end + count <= self.keys.shape[2]:
            return
        kept = min(self.end, self.window - 1)
        past = slice(self.end - kept, self.end)
        keys, values = self._buffers(GROWTH * (self.window - 1 + count))
        keys[:, :, :kept], values[:, :kept] = self.keys[:, :, past], self.values[:, past]
        self.keys, self.values, self.end = keys, values, kept

    def _buffers(self, size: int) -> tuple[Array, Array]:
        return (
            np.zeros((self.heads, self.head, size), np.float32),
            np.zeros((self.heads, size, self.head), np.float32),
        )


def _product(layer: PackedLinear, x: Array) -> Array:
    y: Array = layer(torch.from_numpy(x)).numpy()
    return y


def rotated(x: Tensor, rotation: Rotation) -> Tensor:
    """Return queries or keys [..., n, head], each turned by the rotation of its position.

    The first half of a head's channels are the real parts, the second half the imaginary ones.
    """
    (cosine, sine), (real, imaginary) = rotation, x.chunk(2, dim=-1)
    return torch.cat([real * cosine - imaginary * sine, real * sine + imaginary * cosine], dim=-1)
