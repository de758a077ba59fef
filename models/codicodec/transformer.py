"""Pre-norm transformer with RMS-normed queries and keys and a gated MLP, for one frame at a time.

arXiv 2509.09836, section 3. A frame attends to its own rows and to the keys and values of the frame
before it (`past`), never to the next one. A pair of frames is two attentions without a mask, of
which the first can be cached.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models import kernels
from models.codicodec.conv_stacks import NormGain

LAYER_EPSILON = 1e-4
RMS_EPSILON = 1e-4

KeysValues = tuple[Tensor, Tensor]  # each [B, heads, N, width / heads], or as `kernels` packs them


def layer_norm(x: Tensor, scale: Tensor) -> Tensor:
    """Layer-normalise the rows of [B, N, W] and multiply by scale [1 or B, W]."""
    if scale.shape[0] == 1:
        return F.layer_norm(x, x.shape[-1:], scale[0], None, LAYER_EPSILON)
    return F.layer_norm(x, x.shape[-1:], None, None, LAYER_EPSILON) * scale[:, None]


def rms_norm(x: Tensor, gain: Tensor) -> Tensor:
    """Divide the last dimension by its root mean square, in float32, and multiply by gain."""
    return F.rms_norm(x.float(), x.shape[-1:], gain.float(), RMS_EPSILON).to(x.dtype)


def attend(queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """Return the softmax attention of [B, heads, N, D] on [B, heads, M, D], without a mask."""
    if queries.device.type == "cpu" and queries.dtype != torch.float32:
        # Without AMX, torch's fused kernel in half precision is slow: 19 ms, this 3 ms, for 648 x
        # 1296 rows.
        weights = torch.softmax(queries * queries.shape[-1] ** -0.5 @ keys.transpose(-1, -2), dim=-1)
        return weights @ values
    return F.scaled_dot_product_attention(queries, keys, values)


class Attention(nn.Module):
    """Multi-head attention with its norm and residual sum."""

    def __init__(self, width: int, heads: int, noise_width: int | None) -> None:
        super().__init__()
        self.heads = heads
        self.norm = NormGain(width, noise_width)
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.query_gain = nn.Parameter(torch.ones(width // heads))
        self.key_gain = nn.Parameter(torch.ones(width // heads))
        self.out = nn.Linear(width, width, bias=False)
        self.packed: tuple[Tensor, Tensor] | None = None

    def pack(self) -> None:
        """Pack the weights for `kernels`, if these multiply such matrices."""
        if kernels.owns_matmul(self.query_gain.shape[0]):
            self.packed = kernels.pack_linear(self.qkv.weight), kernels.pack_linear(self.out.weight)

    def keys_values(self, x: Tensor, scale: Tensor) -> KeysValues:
        """Return keys and values of rows [B, N, W], without computing queries."""
        width = x.shape[-1]
        if self.packed is not None:
            rows = kernels.linear(x, self.packed[0][width // kernels.PACK_WIDTH :], scale, LAYER_EPSILON)
            return kernels.split_keys_values(rows, self.heads, self.key_gain, RMS_EPSILON)
        keys, values = F.linear(layer_norm(x, scale), self.qkv.weight[width:]).chunk(2, dim=-1)
        return rms_norm(self._split(keys), self.key_gain), self._split(values)

    def forward(self, x: Tensor, scale: Tensor, past: KeysValues | None, rows: slice) -> tuple[Tensor, KeysValues]:
        """Attend from `rows` of [B, N, W] to all rows and the past.

        Return the residual sum of these rows, and the keys and values of all rows.
        """
        if self.packed is not None:
            return self._forward_packed(x, scale, past, rows, *self.packed)
        if rows == slice(None):
            queries, keys, values = self.qkv(layer_norm(x, scale)).chunk(3, dim=-1)
            own = rms_norm(self._split(keys), self.key_gain), self._split(values)
        else:
            own = self.keys_values(x, scale)
            x = x[:, rows]
            queries = F.linear(layer_norm(x, scale), self.qkv.weight[: x.shape[-1]])
        keys, values = own if past is None else (torch.cat(pair, dim=2) for pair in zip(past, own, strict=True))
        mixed = attend(rms_norm(self._split(queries), self.query_gain), keys, values)
        return x + self.out(mixed.transpose(1, 2).flatten(2)), own

    def _forward_packed(
        self, x: Tensor, scale: Tensor, past: KeysValues | None, rows: slice, qkv: Tensor, out: Tensor
    ) -> tuple[Tensor, KeysValues]:
        count, width = x.shape[1:]
        if rows == slice(None):
            queries = kernels.linear(x, qkv, scale, LAYER_EPSILON)
            own = kernels.split_keys_values(queries, self.heads, self.key_gain, RMS_EPSILON)
        else:
            own = self.keys_values(x, scale)
            x = x[:, rows]
            queries = kernels.linear(x, qkv[: width // kernels.PACK_WIDTH], scale, LAYER_EPSILON)
        queries = kernels.split_queries(queries, self.heads, self.query_gain, RMS_EPSILON)
        return kernels.linear(kernels.attend(queries, past, own, count), out, residual=x), own

    def _split(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)  # [B, heads, N, width / heads]


class GatedMLP(nn.Module):
    """MLP with a SiLU gate, its norm and residual sum."""

    def __init__(self, width: int, hidden: int, noise_width: int | None) -> None:
        super().__init__()
        self.norm = NormGain(width, noise_width)
        self.widen = nn.Linear(width, 2 * hidden, bias=False)
        self.narrow = nn.Linear(hidden, width, bias=False)
        self.packed: tuple[Tensor, Tensor] | None = None

    def pack(self) -> None:
        """Pack the weights for `kernels`, if these multiply such matrices."""
        if kernels.owns_matmul(self.narrow.in_features):
            self.packed = kernels.pack_linear(self.widen.weight, gated=True), kernels.pack_linear(self.narrow.weight)

    def forward(self, x: Tensor, scale: Tensor) -> Tensor:
        """Apply to rows [B, N, W]; `scale` [1 or B, W] is the norm's."""
        if self.packed is not None:
            hidden = kernels.linear(x, self.packed[0], scale, LAYER_EPSILON, gated=True)
            return kernels.linear(hidden, self.packed[1], residual=x)
        widened = self.widen(layer_norm(x, scale))
        if kernels.supports(x) and self.narrow.in_features % kernels.PACK_WIDTH == 0:
            return x + self.narrow(kernels.swiglu(widened))
        gate, value = widened.chunk(2, dim=-1)
        return x + self.narrow(F.silu(gate) * value)


class Layer(nn.Module):
    """Attention and MLP."""

    def __init__(self, width: int, heads: int, hidden: int, noise_width: int | None) -> None:
        super().__init__()
        self.attention = Attention(width, heads, noise_width)
        self.mlp = GatedMLP(width, hidden, noise_width)


class Transformer(nn.Module):
    """Layers over a frame of `rows` rows; `halves` is 2 for the denoiser of frame pairs.

    The residual stream starts normalised.
    """

    def __init__(
        self,
        width: int,
        heads: int,
        hidden: int,
        layers: int,
        rows: int,
        halves: int = 1,
        noise_width: int | None = None,
    ) -> None:
        super().__init__()
        self.positions = nn.Parameter(torch.zeros(halves, rows, width))
        self.norm_in = NormGain(width, noise_width)
        self.layers = nn.ModuleList(Layer(width, heads, hidden, noise_width) for _ in range(layers))

    def __iter__(self) -> Iterator[Layer]:
        return iter(cast("list[Layer]", list(self.layers)))

    def scales(self, condition: Tensor | None) -> list[Tensor]:
        """Return the gains in the order of use: input, then attention and MLP of each layer."""
        found = [self.norm_in(condition)]
        for layer in self:
            found += [layer.attention.norm(condition), layer.mlp.norm(condition)]
        return found

    def forward(
        self,
        x: Tensor,
        scales: Sequence[Tensor],
        half: int = 0,
        past: Sequence[KeysValues] | None = None,
        rows: slice | None = None,
    ) -> tuple[Tensor, list[KeysValues]]:
        """Map [B, N, W] to (`rows` of the last layer's output, keys and values of every layer).

        `half` is 0 for the first frame of a pair and 1 for the second. With rows None no output is
        computed after the last layer's keys and values, which are all that a next frame needs.
        """
        x = layer_norm(x + self.positions[half], scales[0])
        kept: list[KeysValues] = []
        last = len(self.layers) - 1
        for index, layer in enumerate(self):
            for_attention, for_mlp = scales[1 + 2 * index : 3 + 2 * index]
            if index == last and rows is None:
                kept.append(layer.attention.keys_values(x, for_attention))
                return x[:, :0], kept
            wanted = rows if index == last and rows is not None else slice(None)
            x, own = layer.attention(x, for_attention, None if past is None else past[index], wanted)
            kept.append(own)
            x = layer.mlp(x, for_mlp)
        return x, kept
