"""Layers that run over a whole signal or step by step, with the same samples either way.

    whole   layer(x)                     x float32 [B, C, T]; zeros (or a mirror image) beyond both ends
    steps   step = layer.new_stream()    all the state of one running stream
            step(x)                      x [n, C], time first, to the samples that are final by then, maybe none

A layer owns weights and no state, so any number of streams may share it. A stream is reset by
opening a new one. `output_length(n)` is the number of samples put out once n have come in. All
delays of a network follow from it. The idea of one layer with two ways to run it, held equal by a
test, is that of google/sequence-layers.

A step computes the whole run with zeros beyond the ends, up to the rounding of sums in another
order. Mirrored ends exist in the whole run only. Streams compute without gradients.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

StepFn = Callable[[Tensor], Tensor]  # [n, channels in] to [m, channels out]


class Layer(nn.Module):
    """Base class of all layers.

    Its own methods serve layers without state that keep the number of samples.
    """

    def new_stream(self) -> StepFn:
        """Return the step function of a new stream. Its state belongs to one thread."""
        return self

    def output_length(self, count: int) -> int:
        """Return the number of samples put out after `count` came in."""
        return count


class Elu(Layer):
    """Exponential linear unit (arXiv 1511.07289)."""

    def forward(self, x: Tensor) -> Tensor:
        return F.elu(x)


class Tanh(Layer):
    """Hyperbolic tangent."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(x)


class Snake(Layer):
    """x + sin(a x)^2 / a, with one a for each channel (arXiv 2006.08195)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.alpha = nn.Parameter(torch.ones(1, channels, 1))

    def forward(self, x: Tensor) -> Tensor:
        return x + torch.sin(self.alpha * x).square() / (self.alpha + 1e-9)

    def new_stream(self) -> StepFn:
        alpha = self.alpha.detach()[0, :, 0]
        inverse = 1 / (alpha + 1e-9)
        return lambda x: torch.addcmul(x, (alpha * x).sin_().square_(), inverse)


class Sequential(Layer):
    """Layers run one after another. They are the module's children "0", "1", ..."""

    def __init__(self, layers: Sequence[Layer]) -> None:
        super().__init__()
        for number, layer in enumerate(layers):
            self.add_module(str(number), layer)

    @property
    def layers(self) -> list[Layer]:
        """The layers in order."""
        return list(self.children())  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = layer(x)
        return x

    def new_stream(self) -> StepFn:
        steps = [layer.new_stream() for layer in self.layers]

        def run(x: Tensor) -> Tensor:
            for step in steps:
                x = step(x)
            return x

        return run

    def output_length(self, count: int) -> int:
        for layer in self.layers:
            count = layer.output_length(count)
        return count


class Residual(Layer):
    """block(x) + shortcut(x), or block(x) + x without a shortcut.

    In a stream, the shortcut waits as long as the block looks ahead.
    """

    def __init__(self, block: Sequential, shortcut: Layer | None = None) -> None:
        super().__init__()
        self.block, self.shortcut = block, shortcut

    def forward(self, x: Tensor) -> Tensor:
        return self.block(x) + (x if self.shortcut is None else self.shortcut(x))

    def new_stream(self) -> StepFn:
        block = self.block.new_stream()
        shortcut = None if self.shortcut is None else self.shortcut.new_stream()
        waiting: Tensor | None = None

        def step(x: Tensor) -> Tensor:
            nonlocal waiting
            y, beside = block(x), x if shortcut is None else shortcut(x)
            if waiting is not None:
                beside = torch.cat([waiting, beside])
            count = len(y)
            waiting = beside[count:] if len(beside) > count else None
            return y + beside[:count]

        return step

    def output_length(self, count: int) -> int:
        return self.block.output_length(count)
