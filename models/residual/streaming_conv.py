"""Convolutions and transposed convolutions, over a whole signal or step by step
(`models.residual.streaming_layers`).

A step multiplies rows of inputs by packed weights (`models.residual.packed_products`). For the few
samples of a step that is faster than torch's convolutions.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.codec import CodecError
from models.residual.packed_products import PackedLinear, WeightCache
from models.residual.streaming_layers import Layer, StepFn

MAX_CACHED = 3_000_000  # weights of a layer that a cache may still hold at the next step
GROWTH = 4  # size of a new buffer, in multiples of the samples it must hold


class Conv(Layer):
    """Convolution whose output n belongs to the inputs n * stride ... n * stride + stride - 1.

    inputs   |<-- left -->|<- stride ->|<-- right -->|     read by output 0; `left` lies before the signal's start

    A causal convolution has right = 0. A noncausal one looks ahead by right = (left + right) // 2
    samples. `mirror` continues a whole signal by its mirror image instead of zeros, `hold` its start
    by its first value. `norm` divides by the deviation over channels and time, which needs the whole
    signal: such a layer has no streams.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int,
        stride: int = 1,
        dilation: int = 1,
        *,
        noncausal: bool = False,
        mirror: bool = False,
        norm: bool = False,
        hold: bool = False,
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(outputs, inputs, kernel))
        self.bias = nn.Parameter(torch.empty(outputs)) if bias else None
        self.norm = nn.GroupNorm(1, outputs) if norm else None
        self.stride, self.dilation, self.mirror, self.hold = stride, dilation, mirror, hold
        self.cache: WeightCache[PackedLinear] = WeightCache()
        self.receptive_field = (kernel - 1) * dilation + 1
        self.right = (self.receptive_field - stride) // 2 if noncausal else 0
        self.left = self.receptive_field - stride - self.right

    def forward(self, x: Tensor) -> Tensor:
        if self.mirror:
            x = _mirrored(x, self.left, self.right)
        else:
            x = F.pad(x, (self.left, self.right), "replicate" if self.hold else "constant")
        y = F.conv1d(x, self.weight, self.bias, self.stride, dilation=self.dilation)
        return y if self.norm is None else self.norm(y)

    def new_stream(self) -> StepFn:
        """Return the step function of a new stream.

        CodecError if the layer normalises over time.
        """
        _check_streamable(self.norm)
        return ConvStep(self)

    def output_length(self, count: int) -> int:
        return max(0, (count + self.left - self.receptive_field) // self.stride + 1)


class ConvStep:
    """One stream of a convolution.

    The buffer holds the inputs that later outputs still need, with free space behind them, so that
    inputs are seldom moved. The inputs of each output are laid out as a row [kernel, inputs], and
    all rows are multiplied at once.
    """

    def __init__(self, conv: Conv) -> None:
        self.conv = conv
        weights = (conv.weight,) if conv.bias is None else (conv.weight, conv.bias)
        self.product = conv.cache(weights, self._product)
        self.buffer = conv.weight.new_zeros(conv.left, conv.weight.shape[1])
        self.first, self.end = 0, conv.left  # the used part of the buffer
        self.hold = conv.hold  # until the first input

    def _product(self) -> PackedLinear:
        return _packed(self.conv.weight.transpose(1, 2).flatten(1), self.conv.bias)

    def __call__(self, x: Tensor) -> Tensor:
        """Take inputs [n, inputs] and return the new outputs [m, outputs]."""
        conv = self.conv
        if conv.receptive_field == 1:
            return self.product(x)
        if self.hold and len(x):
            self.buffer[: conv.left], self.hold = x[0], False
        self._append(x)
        count = max(0, (self.end - self.first - conv.receptive_field) // conv.stride + 1)
        _, inputs, kernel = conv.weight.shape
        sizes, strides = (count, kernel, inputs), (conv.stride * inputs, conv.dilation * inputs, 1)
        rows = self.buffer.as_strided(sizes, strides, self.first * inputs).reshape(count, kernel * inputs)
        self.first += count * conv.stride
        return self.product(rows)

    def _append(self, x: Tensor) -> None:
        if self.end + len(x) > len(self.buffer):
            kept = self.buffer[self.first : self.end]
            needed = len(kept) + len(x)
            if self.first < len(kept) or len(self.buffer) < needed:
                self.buffer = x.new_empty(GROWTH * needed, x.shape[1])
            self.buffer[: len(kept)] = kept
            self.first, self.end = 0, len(kept)
        self.buffer[self.end : self.end + len(x)] = x
        self.end += len(x)


class TransposedConv(Layer):
    """Transposed convolution with kernel 2 * stride.

    Each input adds to 2 * stride outputs, `stride` after those of the input before. The first
    `left` and the last `right` outputs are cut off, so that input n belongs to the outputs n *
    stride and on. A causal layer has left = 0. A noncausal one looks ahead by left = ceil(stride /
    2) outputs.
    """

    def __init__(self, inputs: int, outputs: int, stride: int, *, noncausal: bool = False, norm: bool = False) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(inputs, outputs, 2 * stride))
        self.bias = nn.Parameter(torch.empty(outputs))
        self.norm = nn.GroupNorm(1, outputs) if norm else None
        self.cache: WeightCache[PackedLinear] = WeightCache()
        self.stride = stride
        self.right = stride // 2 if noncausal else stride
        self.left = stride - self.right

    def forward(self, x: Tensor) -> Tensor:
        y = F.conv_transpose1d(x, self.weight, self.bias, self.stride)
        if self.norm is not None:
            y = self.norm(y)
        return y[..., self.left : y.shape[-1] - self.right]

    def new_stream(self) -> StepFn:
        """Return the step function of a new stream.

        CodecError if the layer normalises over time.
        """
        _check_streamable(self.norm)
        return TransposedConvStep(self)

    def output_length(self, count: int) -> int:
        return max(0, count * self.stride - self.left)


class TransposedConvStep:
    """One stream of a transposed convolution.

    The later half of an input's outputs is carried over, because the next input still adds to it.
    """

    def __init__(self, conv: TransposedConv) -> None:
        self.conv = conv
        self.product = conv.cache((conv.weight, conv.bias), self._product)
        self.carry = conv.weight.new_zeros(conv.stride, conv.weight.shape[1])
        self.skip = conv.left

    def _product(self) -> PackedLinear:
        """Return the product of an input with its 2 * stride outputs in one row.

        The earlier half has the bias.
        """
        conv = self.conv
        bias = conv.bias.repeat(conv.stride)
        return _packed(conv.weight.permute(2, 1, 0).flatten(0, 1), torch.cat([bias, torch.zeros_like(bias)]))

    def __call__(self, x: Tensor) -> Tensor:
        """Take inputs [n, inputs] and return the new outputs [m, outputs]."""
        if not len(x):
            return x.new_empty(0, self.conv.weight.shape[1])
        made = self.product(x).reshape(len(x), 2, self.conv.stride, -1)
        early, late = made[:, 0], made[:, 1]
        early[0] += self.carry
        early[1:] += late[:-1]
        self.carry = late[-1].clone()
        skip = min(self.skip, len(x) * self.conv.stride)
        self.skip -= skip
        return early.flatten(0, 1)[skip:]


class DepthwiseUpsample(Layer):
    """Transposed convolution of each channel by itself, `stride` times faster, without a bias.

    Its kernel is 2 * stride, and the last `stride` outputs are cut off: it is causal.
    """

    def __init__(self, channels: int, stride: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(channels, 1, 2 * stride))
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        y = F.conv_transpose1d(x, self.weight, None, self.stride, groups=len(self.weight))
        return y[..., : x.shape[-1] * self.stride]

    def new_stream(self) -> StepFn:
        early, late = self.weight.detach()[:, 0].T.split(self.stride)  # [stride, channels] each
        before = self.weight.new_zeros(1, len(self.weight))

        def step(x: Tensor) -> Tensor:
            nonlocal before
            last = torch.cat([before, x[:-1]])
            before = x[-1:].clone() if len(x) else before
            return (x[:, None] * early + last[: len(x), None] * late).flatten(0, 1)

        return step

    def output_length(self, count: int) -> int:
        return count * self.stride


def _packed(weight: Tensor, bias: Tensor | None) -> PackedLinear:
    """Return the product with weights, which are cold if no cache holds them."""
    return PackedLinear(weight, bias, cold=weight.numel() > MAX_CACHED)


def _check_streamable(norm: nn.Module | None) -> None:
    if norm is not None:
        raise CodecError("a layer that normalises over time has no streams. Code whole segments (SegmentCodec).")


def _mirrored(x: Tensor, left: int, right: int) -> Tensor:
    """Return x with its mirror image beyond both ends.

    A signal too short for that is first padded with zeros.
    """
    short = max(0, max(left, right) - x.shape[-1] + 1)
    if short:
        return F.pad(F.pad(x, (0, short)), (left, right), "reflect")[..., : left + x.shape[-1] + right]
    return F.pad(x, (left, right), "reflect")
