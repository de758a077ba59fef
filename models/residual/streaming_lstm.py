"""LSTM layers, over a whole signal or step by step (`models.residual.streaming_layers`)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from models.residual.packed_products import PackedLinear, WeightCache
from models.residual.streaming_layers import Layer, StepFn


class Lstm(Layer):
    """x + LSTM(x), with `layers` recurrent layers of `width` channels that start from zeros."""

    def __init__(self, width: int, layers: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(width, width, layers)
        self.cache: WeightCache[list[tuple[PackedLinear, PackedLinear]]] = WeightCache()

    def forward(self, x: Tensor) -> Tensor:
        y, _ = self.lstm(x.permute(2, 0, 1))
        return x + y.permute(1, 2, 0)

    def new_stream(self) -> StepFn:
        return LstmStep(self)


class LstmStep:
    """One stream: the last output and the cell state of each layer.

    nn.LSTM is not used here, because it packs all its weights again at each call.
    """

    def __init__(self, layer: Lstm) -> None:
        self.layer = layer
        self.products = layer.cache(list(layer.lstm.parameters()), self._products)
        zeros = next(layer.lstm.parameters()).new_zeros(1, layer.lstm.hidden_size)
        self.state = [(zeros, zeros) for _ in self.products]

    def _products(self) -> list[tuple[PackedLinear, PackedLinear]]:
        """Return the products of each layer's input and last output with the four gates."""
        layers = zip(*[iter(self.layer.lstm.parameters())] * 4, strict=True)
        return [
            (PackedLinear(input_weight, input_bias + hidden_bias), PackedLinear(hidden_weight))
            for input_weight, hidden_weight, input_bias, hidden_bias in layers
        ]

    def __call__(self, x: Tensor) -> Tensor:
        """Take inputs [n, width] and return as many outputs [n, width]."""
        if not len(x):
            return x
        y, width = x, x.shape[1]
        for number, (from_input, from_hidden) in enumerate(self.products):
            hidden, cell = self.state[number]
            outputs = []
            for gates in from_input(y).split(1):
                both, proposal, output = (gates + from_hidden(hidden)).split_with_sizes([2 * width, width, width], 1)
                entering, keeping = both.sigmoid().chunk(2, 1)
                cell = torch.addcmul(keeping * cell, entering, proposal.tanh())
                hidden = output.sigmoid() * cell.tanh()
                outputs.append(hidden)
            self.state[number] = hidden, cell
            y = torch.cat(outputs)
        return x + y
