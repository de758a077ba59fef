"""The network of `models/language` in torch, over whole sequences at once.

`tests/codecs/language/test_network.py` holds both equal.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import log_softmax, scaled_dot_product_attention, silu

from models.language.frame_model import LEAST, MOST_SHARE, SCALE
from models.language.frame_transformer import EPSILON
from models.language.language_weights import LanguageSizes, shapes_of
from models.swift.energies import LEAK
from models.swift.frame_layout import COARSE, Array
from models.swift.weights import SwiftWeights


class LanguageNetwork(nn.Module):
    """Weights of the model as parameters, by their names in the file with "." as "_"."""

    def __init__(self, sizes: LanguageSizes, books: SwiftWeights, seed: int = 0) -> None:
        """Start as the unigram of the books: the network's own outputs are 0."""
        super().__init__()
        self.sizes = sizes
        generator = torch.Generator().manual_seed(seed)
        for name, shape in shapes_of(sizes).items():
            weight = torch.zeros(shape)
            if name.endswith("norm"):
                weight.fill_(1.0)
            elif name == "enter" or name.rpartition(".")[2] in ("products", "widen"):
                weight.normal_(0, shape[0] ** -0.5, generator=generator)
            elif name.rpartition(".")[2] in ("output", "narrow"):
                weight.normal_(0, 0.3 * shape[0] ** -0.5, generator=generator)
            self.register_parameter(name.replace(".", "_"), nn.Parameter(weight))
        counted = torch.from_numpy(books.frequencies[1 : 1 + COARSE] + 1.0)
        self.get_parameter("entries_bias").data = log_softmax(counted.log(), -1).float()
        self.get_parameter("nearness").data.fill_(-1.0)
        self.get_parameter("precision_bias").data.fill_(1.0)
        self.get_parameter("tonal").requires_grad_(False)  # fitted by counting, see tonal_fit.py
        entries = torch.from_numpy(books.energies.entries[:COARSE] / SCALE).float()
        self.register_buffer("book_entries", entries, persistent=False)
        self.register_buffer("book_mean", torch.from_numpy(books.energies.mean / SCALE).float(), persistent=False)

    book_entries: Tensor  # [COARSE, ENTRIES, 2 * BANDS], units of SCALE
    book_mean: Tensor  # [2 * BANDS]

    def tensors(self) -> dict[str, Array]:
        """Return the weights by their names in the file."""
        return {
            name: self.get_parameter(name.replace(".", "_")).detach().numpy().copy() for name in shapes_of(self.sizes)
        }

    def load_tensors(self, tensors: dict[str, np.ndarray]) -> None:
        """Take weights by their names in the file."""
        for name, tensor in tensors.items():
            self.get_parameter(name.replace(".", "_")).data = torch.from_numpy(tensor.astype(np.float32))

    def hidden(self, inputs: Tensor) -> Tensor:
        """Return the output of the last layer [B, frames, width] for features [B, frames, FEATURES]."""
        x = inputs @ self.get_parameter("enter") + self.get_parameter("enter_bias")
        frames = x.shape[1]
        age = torch.arange(frames)[:, None] - torch.arange(frames)[None]
        allowed = (age >= 0) & (age < self.sizes.window)
        near = age.clamp(0, self.sizes.window - 1)
        for number in range(self.sizes.layers):
            weight = {name: self.get_parameter(f"layers_{number}_{name}") for name in _LAYER}
            bias = weight["ages"][:, near].masked_fill(~allowed, float("-inf"))
            query, key, value = (
                (normalised(x) * weight["first_norm"] @ weight["products"])
                .unflatten(-1, (3, self.sizes.heads, -1))
                .permute(2, 0, 3, 1, 4)
            )
            attended = scaled_dot_product_attention(query, key, value, attn_mask=bias[None])
            x = x + attended.transpose(1, 2).flatten(2) @ weight["output"]
            x = x + silu(normalised(x) * weight["second_norm"] @ weight["widen"]) @ weight["narrow"]
        return normalised(x)

    def bits(self, inputs: Tensor, energies: Tensor, tokens: Tensor, before: Tensor) -> tuple[Tensor, Tensor]:
        """Return the bits of attack [B, frames] and energy tokens [B, frames, COARSE].

        Takes the inputs of the frames before; energies of the frame before, in units of SCALE
        [B, frames, 2 * BANDS]; the frame's tokens [B, frames, 1 + COARSE]; and the energies that the
        decoder predicts, like `energies`.
        """
        hidden = self.hidden(inputs)
        attack = log_softmax(hidden @ self.get_parameter("attack") + self.get_parameter("attack_bias"), -1)
        cost = [-attack.gather(-1, tokens[..., :1])[..., 0]]
        mean = self.book_mean + (energies - self.book_mean) * (LEAK[0] / LEAK[1])
        precision = (hidden @ self.get_parameter("precision") + self.get_parameter("precision_bias")).exp()
        left = mean + hidden @ self.get_parameter("mean") - before
        for stage in range(COARSE):
            entries = self.book_entries[stage]
            distance = (left * precision) @ entries.T - 0.5 * precision @ entries.square().T
            bias = hidden @ self.get_parameter("entries")[stage] + self.get_parameter("entries_bias")[stage]
            log = log_softmax(self.get_parameter("nearness")[stage].exp() * distance + bias, -1)
            token = tokens[..., 1 + stage]
            cost.append(-torch.logaddexp(log.gather(-1, token[..., None])[..., 0] + MOST_SHARE, torch.tensor(LEAST)))
            left = left - entries[token]
        found = torch.stack(cost, -1) / np.log(2)
        return found[..., 0], found[..., 1:]


_LAYER = ("first_norm", "second_norm", "products", "output", "ages", "widen", "narrow")


def normalised(x: Tensor) -> Tensor:
    """Return x over its root mean square along the last axis."""
    return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + EPSILON)
