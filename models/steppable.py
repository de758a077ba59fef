"""Layers that run over a whole signal or step by step, with the same samples either way.

    whole   layer(x)                x float32 [B, C, T], zeros (or a mirror image) beyond both ends
    steps   step = layer.open()     all the state of one running stream; to begin anew, open another
            step(x)                 x [n, C], time first, to as many samples as are certain by then: maybe none

A layer owns weights and no state, so that any number of streams may share it. `given(n)` is how many samples have been
given out once n have come in: what a network looks ahead follows from that, and is written down nowhere else. The idea
of one layer with two ways to run it, and a law between them, is that of google/sequence-layers.

A step is the whole run with zeros beyond the ends, up to the rounding of sums in another order: few samples at a time
are products of matrices, twice as fast as torch's convolutions. Mirrored ends are for the whole run alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Step = Callable[[Tensor], Tensor]
ROOM = 4  # times what is held


class Layer(nn.Module):
    """What all of them promise."""

    def open(self) -> Step:
        """A new stream. This one is for layers without state."""
        return self

    def given(self, count: int) -> int:
        """Samples given out after `count` came in."""
        return count


class Elu(Layer):
    def forward(self, x: Tensor) -> Tensor:
        return F.elu(x)


class Tanh(Layer):
    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(x)


class Snake(Layer):
    """x + sin(a x)^2 / a, with an a for each channel (arXiv 2006.08195)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.alpha = nn.Parameter(torch.ones(1, channels, 1))

    def forward(self, x: Tensor) -> Tensor:
        return self._bent(x, self.alpha)

    def open(self) -> Step:
        return lambda x: self._bent(x, self.alpha[0, :, 0])

    @staticmethod
    def _bent(x: Tensor, alpha: Tensor) -> Tensor:
        return x + torch.sin(alpha * x).square() / (alpha + 1e-9)


class Conv(Layer):
    """A convolution whose output n stands for the inputs n * stride ... n * stride + stride - 1.

    inputs   |<-- left -->|<- stride ->|<-- right -->|     of output 0; left and right lie beyond the signal's start

    Causal: right is 0. Otherwise right is half of left + right, rounded down: what it looks ahead. `norm` divides by
    the deviation over channels and time, so that such a layer has no steps.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int,
        stride: int = 1,
        dilation: int = 1,
        *,
        ahead: bool = False,
        mirror: bool = False,
        norm: bool = False,
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(outputs, inputs, kernel))
        self.bias = nn.Parameter(torch.empty(outputs))
        self.norm = nn.GroupNorm(1, outputs) if norm else None
        self.stride, self.dilation, self.mirror = stride, dilation, mirror
        self.reach = (kernel - 1) * dilation + 1
        self.right = (self.reach - stride) // 2 if ahead else 0
        self.left = self.reach - stride - self.right

    def forward(self, x: Tensor) -> Tensor:
        x = _mirrored(x, self.left, self.right) if self.mirror else F.pad(x, (self.left, self.right))
        y = F.conv1d(x, self.weight, self.bias, self.stride, dilation=self.dilation)
        return y if self.norm is None else self.norm(y)

    def open(self) -> Step:
        assert self.norm is None
        return ConvStep(self)

    def given(self, count: int) -> int:
        return max(0, (count + self.left - self.reach) // self.stride + 1)


class ConvStep:
    """Carries the inputs that later outputs still need, in a buffer with room, so that few of them are ever moved."""

    def __init__(self, conv: Conv) -> None:
        outputs, inputs, kernel = conv.weight.shape
        self.conv = conv
        self.matrix = conv.weight.reshape(outputs, inputs * kernel)
        self.held = conv.weight.new_zeros(conv.left, inputs)
        self.first, self.end = 0, conv.left  # what is carried lies between

    def __call__(self, x: Tensor) -> Tensor:
        conv = self.conv
        if conv.reach == 1:
            return F.linear(x, self.matrix, conv.bias)
        self._hold(x)
        count = max(0, (self.end - self.first - conv.reach) // conv.stride + 1)
        _, inputs, kernel = conv.weight.shape
        sizes, strides = (count, inputs, kernel), (conv.stride * inputs, 1, conv.dilation * inputs)
        seen = self.held.as_strided(sizes, strides, self.first * inputs)
        self.first += count * conv.stride
        return F.linear(seen.reshape(count, inputs * kernel), self.matrix, conv.bias)

    def _hold(self, x: Tensor) -> None:
        if self.end + len(x) > len(self.held):
            carried = self.held[self.first : self.end]
            self.held = x.new_empty(ROOM * (len(carried) + len(x)), x.shape[1])
            self.held[: len(carried)] = carried
            self.first, self.end = 0, len(carried)
        self.held[self.end : self.end + len(x)] = x
        self.end += len(x)


class UpConv(Layer):
    """A transposed convolution: an input makes 2 * stride outputs, beginning `stride` after those of the input before.

    Its first `left` and last `right` outputs are cut off, so that input n stands for the outputs n * stride and on.
    Causal: left is 0. Otherwise left is half of what is cut off, rounded up: what it looks ahead.
    """

    def __init__(self, inputs: int, outputs: int, stride: int, *, ahead: bool = False, norm: bool = False) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(inputs, outputs, 2 * stride))
        self.bias = nn.Parameter(torch.empty(outputs))
        self.norm = nn.GroupNorm(1, outputs) if norm else None
        self.stride = stride
        self.right = stride // 2 if ahead else stride
        self.left = stride - self.right

    def forward(self, x: Tensor) -> Tensor:
        y = F.conv_transpose1d(x, self.weight, self.bias, self.stride)
        if self.norm is not None:
            y = self.norm(y)
        return y[..., self.left : y.shape[-1] - self.right]

    def open(self) -> Step:
        assert self.norm is None
        return UpConvStep(self)

    def given(self, count: int) -> int:
        return max(0, count * self.stride - self.left)


class UpConvStep:
    """Carries the outputs that the next input still adds to."""

    def __init__(self, conv: UpConv) -> None:
        inputs, outputs, kernel = conv.weight.shape
        self.conv = conv
        self.matrix = conv.weight.reshape(inputs, outputs * kernel)
        self.carried = conv.weight.new_zeros(1, outputs, conv.stride)
        self.skip = conv.left

    def __call__(self, x: Tensor) -> Tensor:
        conv = self.conv
        made = (x @ self.matrix).reshape(len(x), conv.weight.shape[1], 2 * conv.stride)
        early, late = made.split(conv.stride, dim=-1)
        late = torch.cat([self.carried, late])
        self.carried = late[-1:]
        y = (early + late[:-1]).transpose(1, 2).flatten(0, 1) + conv.bias
        skip = min(self.skip, len(y))
        self.skip -= skip
        return y[skip:]


class Lstm(Layer):
    """Recurrent layers beside a shortcut, from silence at the start."""

    def __init__(self, width: int, layers: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(width, width, layers)

    def forward(self, x: Tensor) -> Tensor:
        y, _ = self.lstm(x.permute(2, 0, 1))
        return x + y.permute(1, 2, 0)

    def open(self) -> Step:
        state: tuple[Tensor, Tensor] | None = None

        def step(x: Tensor) -> Tensor:
            nonlocal state
            if not len(x):
                return x
            y, state = self.lstm(x, state)
            return x + y

        return step


class Chain(Layer):
    """One after the other; the layers are its children "0", "1", ..."""

    def __init__(self, layers: Sequence[Layer]) -> None:
        super().__init__()
        for number, layer in enumerate(layers):
            self.add_module(str(number), layer)

    @property
    def layers(self) -> list[Layer]:
        return list(self.children())  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = layer(x)
        return x

    def open(self) -> Step:
        steps = [layer.open() for layer in self.layers]

        def step(x: Tensor) -> Tensor:
            for one in steps:
                x = one(x)
            return x

        return step

    def given(self, count: int) -> int:
        for layer in self.layers:
            count = layer.given(count)
        return count


class Residual(Layer):
    """block(x) + shortcut(x); without a shortcut x itself. What the block looks ahead, the shortcut waits for."""

    def __init__(self, block: Chain, shortcut: Conv | None = None) -> None:
        super().__init__()
        self.block, self.shortcut = block, shortcut

    def forward(self, x: Tensor) -> Tensor:
        return self.block(x) + (x if self.shortcut is None else self.shortcut(x))

    def open(self) -> Step:
        block = self.block.open()
        shortcut = None if self.shortcut is None else self.shortcut.open()
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

    def given(self, count: int) -> int:
        return self.block.given(count)


def _mirrored(x: Tensor, left: int, right: int) -> Tensor:
    """With its mirror image beyond both ends; a signal shorter than that has zeros put after it first."""
    short = max(0, max(left, right) - x.shape[-1] + 1)
    if short:
        return F.pad(F.pad(x, (0, short)), (left, right), "reflect")[..., : left + x.shape[-1] + right]
    return F.pad(x, (left, right), "reflect")
