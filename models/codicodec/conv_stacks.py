"""Convolution stacks between a spectrum and a grid of tokens, with skip features at every block.

arXiv 2509.09836, section 3 and the released sizes. The gains of norms are arguments, `scales`, one
[1 or B, C] for each norm in the order of use: learned, or projected from the noise level
(`NormGain`), so that a caller can cache them for a noise level. Maps are channels-last in memory:
the channels of a pixel are the values of a token, and convolutions need no reordering.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models import kernels
from models.codicodec.config import SPECTRAL_CHANNELS, CoDiCodecConfig

GROUP_EPSILON = 1e-5
HALF_POWER = 0.5**0.5


class NormGain(nn.Module):
    """Gains [1 or B, C] of one norm.

    Learned, or 1 + a projection of the noise level's condition vector.
    """

    def __init__(self, channels: int, noise_width: int | None) -> None:
        super().__init__()
        if noise_width is None:
            self.gain = nn.Parameter(torch.ones(channels))
        else:
            self.project = nn.Linear(noise_width, channels)

    def forward(self, condition: Tensor | None) -> Tensor:
        """Return the gains for a condition vector [B, noise_width]; None for learned gains."""
        return self.gain[None] if condition is None else 1 + self.project(condition)


def groups_of(channels: int) -> int:
    """Return the number of groups of a norm; each has at least 4 channels."""
    return min(channels // 4, 32)


def group_norm(x: Tensor, scale: Tensor) -> Tensor:
    """Group-normalise [B, C, H, W] and multiply by scale [1 or B, C]."""
    groups = groups_of(x.shape[1])
    if scale.shape[0] == 1:
        return F.group_norm(x, groups, scale[0], None, GROUP_EPSILON)
    return F.group_norm(x, groups, None, None, GROUP_EPSILON) * scale[:, :, None, None]


class Block(nn.Module):
    """Residual block: x + conv(SiLU(conv(norm(x)))), 3x3."""

    def __init__(self, channels: int, noise_width: int | None) -> None:
        super().__init__()
        self.norm = NormGain(channels, noise_width)
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.packed: dict[int, tuple[Tensor, Tensor]] | None = None  # by tile size

    def pack(self) -> None:
        """Use packed weights for `kernels` from now on.

        They are packed when the size of maps is known.
        """
        if kernels.owns_matmul(self.conv1.in_channels):
            self.packed = {}

    def forward(self, x: Tensor, scale: Tensor, injected: Tensor | None) -> Tensor:
        """Map [B, C, H, W] to the same shape.

        (x + injected) / sqrt(2) is the input if `injected` is given.
        """
        if self.packed is not None and (tile_size := kernels.tile_size(*x.shape[2:])):
            if tile_size not in self.packed:
                pack = kernels.pack_convolution
                self.packed[tile_size] = pack(self.conv1.weight, tile_size), pack(self.conv2.weight, tile_size)
            conv1, conv2 = self.packed[tile_size]
            x, affine = kernels.prepare(x, injected, scale, groups_of(x.shape[1]), GROUP_EPSILON)
            return kernels.convolve(kernels.convolve(x, conv1, affine, None), conv2, None, x)
        if injected is not None:
            x = torch.add(x, injected).mul_(HALF_POWER)
        return self.conv2(F.silu(self.conv1(group_norm(x, scale)), inplace=True)).add_(x)


class Downsample(nn.Module):
    """Downsampling block.

    Sum of two parts: the average with its channels repeated, and a strided convolution of the
    normalised input.
    """

    def __init__(self, channels: int, wider: int, stride: tuple[int, int]) -> None:
        super().__init__()
        self.stride = stride
        self.repeats = wider // channels
        self.norm = NormGain(channels, None)
        self.conv = nn.Conv2d(channels, wider, stride, stride=stride, bias=False)
        self.packed: Tensor | None = None

    def pack(self) -> None:
        """Keep both parts as one matrix for the rows of `kernels.patch_rows`."""
        patches = self.conv.weight.detach().permute(0, 2, 3, 1).flatten(1)  # [C', s0 * s1 * C]
        repeat = torch.eye(self.conv.in_channels).repeat_interleave(self.repeats, dim=0)
        self.packed = torch.cat([patches, repeat], dim=1).to(torch.bfloat16)

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, C, H, W] to [B, C', H / s0, W / s1].

        The average of input channel c goes to output channels c * r ... c * r + r - 1.
        """
        if self.packed is not None:
            rows = kernels.patch_rows(x, self.norm(None), groups_of(x.shape[1]), GROUP_EPSILON, self.stride)
            return F.linear(rows, self.packed).unflatten(1, (-1, x.shape[3] // self.stride[1])).permute(0, 3, 1, 2)
        mean = F.avg_pool2d(x, self.stride).repeat_interleave(self.repeats, dim=1)
        return self.conv(group_norm(x, self.norm(None))).add_(mean)


class Upsample(nn.Module):
    """Upsampling.

    Averaged channel groups and repeated pixels, plus a strided transposed convolution.
    """

    def __init__(self, channels: int, narrower: int, stride: tuple[int, int]) -> None:
        super().__init__()
        self.stride = stride
        self.repeats = channels // narrower
        self.norm = NormGain(channels, None)
        self.conv = nn.ConvTranspose2d(channels, narrower, stride, stride=stride, bias=False)
        self.packed: Tensor | None = None

    def pack(self) -> None:
        """Keep both parts as one matrix for the rows of `kernels.patch_rows`."""
        spread = self.conv.weight.detach().permute(2, 3, 1, 0).flatten(0, 2)  # [s0 * s1 * C', C]
        mean = torch.eye(self.conv.out_channels).repeat_interleave(self.repeats, dim=1) / self.repeats
        self.packed = torch.cat([spread, mean.repeat(math.prod(self.stride), 1)], dim=1).to(torch.bfloat16)

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, C, H, W] to [B, C', H * s0, W * s1]."""
        if self.packed is not None:
            rows = kernels.patch_rows(x, self.norm(None), groups_of(x.shape[1]), GROUP_EPSILON, (1, 1))
            spread = F.linear(rows, self.packed).unflatten(1, x.shape[2:]).unflatten(3, (*self.stride, -1))
            return spread.permute(0, 1, 3, 2, 4, 5).flatten(3, 4).flatten(1, 2).permute(0, 3, 1, 2)
        mean = x.unflatten(1, (-1, self.repeats)).mean(2)
        spread = F.interpolate(mean, scale_factor=self.stride, mode="nearest")
        return self.conv(group_norm(x, self.norm(None))).add_(spread)


class Stem(nn.Conv2d):
    """First layer, from [B, planes, bins, columns].

    A 3x3 convolution, or patches that do not overlap.
    """

    def __init__(self, config: CoDiCodecConfig, planes: int) -> None:
        kernel, padding = (3, 1) if config.patch == (1, 1) else (config.patch, 0)
        super().__init__(planes, config.channels[0], kernel, stride=config.patch, padding=padding)


def _head(config: CoDiCodecConfig, planes: int) -> nn.Module:
    if config.patch == (1, 1):
        return nn.Conv2d(config.channels[0], planes, 3, padding=1)
    return nn.ConvTranspose2d(config.channels[0], planes, config.patch, stride=config.patch)


def _run(
    layers: nn.ModuleList, x: Tensor, scales: Iterator[Tensor], skip_features: Iterator[Tensor] | None
) -> tuple[Tensor, list[Tensor]]:
    """Run blocks and resampling layers; return the last map and the map after each block."""
    maps = []
    for layer in layers:
        if isinstance(layer, Block):
            x = layer(x, next(scales), None if skip_features is None else next(skip_features))
            maps.append(x)
        else:
            x = layer(x)
    return x, maps


class DownsamplingStack(nn.Module):
    """Stack from a spectrum to tokens."""

    def __init__(self, config: CoDiCodecConfig, noise_width: int | None, planes: int = SPECTRAL_CHANNELS) -> None:
        super().__init__()
        self.stem = Stem(config, planes)
        self.layers = nn.ModuleList()
        for level, (channels, blocks) in enumerate(zip(config.channels, config.blocks, strict=True)):
            if level:
                self.layers.append(Downsample(config.channels[level - 1], channels, config.strides[level - 1]))
            self.layers.extend(Block(channels, noise_width) for _ in range(blocks))

    def scales(self, condition: Tensor | None) -> list[Tensor]:
        """Return the gains of each block's norm."""
        return [layer.norm(condition) for layer in self.layers if isinstance(layer, Block)]

    def forward(
        self, spectrum: Tensor, gain: Tensor, scales: Sequence[Tensor], skip_features: Sequence[Tensor] | None = None
    ) -> tuple[Tensor, list[Tensor]]:
        """Map [B, planes, bins, columns] to (tokens [B, N, width], feature maps, deepest first).

        N is row-major, frequency first. `gain` [1 or B, rows] follows the stem; `skip_features`,
        finest first, are added before each block.
        """
        x = self.stem(spectrum.contiguous(memory_format=torch.channels_last)) * gain[:, None, :, None]
        x, maps = _run(self.layers, x, iter(scales), None if skip_features is None else iter(skip_features))
        return x.permute(0, 2, 3, 1).flatten(1, 2), maps[::-1]


class UpsamplingStack(nn.Module):
    """Stack from tokens to feature maps, and with a head to `planes` planes of a spectrum."""

    def __init__(self, config: CoDiCodecConfig, noise_width: int | None, planes: int) -> None:
        super().__init__()
        self.grid = config.grid
        self.layers = nn.ModuleList()
        levels = list(zip(config.channels, config.blocks, strict=True))
        for level in reversed(range(len(levels))):
            channels, blocks = levels[level]
            self.layers.extend(Block(channels, noise_width) for _ in range(blocks))
            if level:
                self.layers.append(Upsample(channels, config.channels[level - 1], config.strides[level - 1]))
        if planes:
            self.norm_out = NormGain(config.channels[0], noise_width)
            self.head = _head(config, planes)

    def scales(self, condition: Tensor | None) -> list[Tensor]:
        """Return the gains of each block's norm, then of the head's."""
        found = [layer.norm(condition) for layer in self.layers if isinstance(layer, Block)]
        return [*found, self.norm_out(condition)] if hasattr(self, "head") else found

    def maps(self, tokens: Tensor, scales: Sequence[Tensor]) -> list[Tensor]:
        """Return the map after each block, finest first, of tokens [B, N, width]."""
        return _run(self.layers, self._to_map(tokens), iter(scales), None)[1][::-1]

    def forward(
        self, tokens: Tensor, gain: Tensor, scales: Sequence[Tensor], skip_features: Sequence[Tensor]
    ) -> Tensor:
        """Map tokens [B, N, width] to [B, planes, bins, columns].

        `skip_features`, deepest first, are added before each block; `gain` [1 or B, rows] precedes
        the head.
        """
        x, _ = _run(self.layers, self._to_map(tokens), iter(scales), iter(skip_features))
        return self.head(group_norm(x, scales[-1]) * gain[:, None, :, None])

    def read(self, finest: Tensor, scale: Tensor) -> Tensor:
        """Apply the head to the finest map; return [B, planes, bins, columns]."""
        return self.head(group_norm(finest, scale))

    def _to_map(self, tokens: Tensor) -> Tensor:
        return tokens.unflatten(1, self.grid).permute(0, 3, 1, 2)  # [B, width, rows, columns], channels-last
