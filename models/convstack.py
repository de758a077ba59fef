"""Residual convolutions between a spectrum and a grid of tokens, with maps of another stack injected at every block.

arXiv 2509.09836, section 3 and the released sizes. Every norm's gains come in as `scales`, one [1 or B, C] each in the
order of use: learned, or projected from the noise level (`Gain`), so that a caller may keep those of a level. Feature
maps are channels-last in memory: one pixel's channels are a token's values, and convolutions need no reordering.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models import kernels
from models.config import SPECTRAL_CHANNELS, CoDiCodecConfig

GROUP_EPSILON = 1e-5
HALF_POWER = 0.5**0.5


class Gain(nn.Module):
    """Gains of one norm [1 or B, C]: learned, or 1 + a projection of the noise level's condition vector."""

    def __init__(self, channels: int, noise_width: int | None) -> None:
        super().__init__()
        if noise_width is None:
            self.gain = nn.Parameter(torch.ones(channels))
        else:
            self.project = nn.Linear(noise_width, channels)

    def forward(self, condition: Tensor | None) -> Tensor:
        return self.gain[None] if condition is None else 1 + self.project(condition)


def groups_of(channels: int) -> int:
    """Groups of a norm, at least 4 channels each."""
    return min(channels // 4, 32)


def group_norm(x: Tensor, scale: Tensor) -> Tensor:
    """Normalise [B, C, H, W] in groups over the whole map, times scale [1 or B, C]."""
    groups = groups_of(x.shape[1])
    if scale.shape[0] == 1:
        return F.group_norm(x, groups, scale[0], None, GROUP_EPSILON)
    return F.group_norm(x, groups, None, None, GROUP_EPSILON) * scale[:, :, None, None]


class Block(nn.Module):
    """x + conv(SiLU(conv(norm(x)))), 3x3, at one width."""

    def __init__(self, channels: int, noise_width: int | None) -> None:
        super().__init__()
        self.norm = Gain(channels, noise_width)
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.packed: dict[int, tuple[Tensor, Tensor]] | None = None  # by the edge of the tiles

    def pack(self) -> None:
        """Have both weights kept as `kernels` wants them, once the size of the maps is seen."""
        if kernels.multiply(self.conv1.in_channels):
            self.packed = {}

    def forward(self, x: Tensor, scale: Tensor, injected: Tensor | None) -> Tensor:
        """[B, C, H, W] to the same; `injected` is added first, the sum kept at unit variance."""
        if self.packed is not None and (edge := kernels.tile_edge(*x.shape[2:])):
            if edge not in self.packed:
                pack = kernels.pack_convolution
                self.packed[edge] = pack(self.conv1.weight, edge), pack(self.conv2.weight, edge)
            conv1, conv2 = self.packed[edge]
            x, affine = kernels.prepare(x, injected, scale, groups_of(x.shape[1]), GROUP_EPSILON)
            return kernels.convolve(kernels.convolve(x, conv1, affine, None), conv2, None, x)
        if injected is not None:
            x = torch.add(x, injected).mul_(HALF_POWER)
        return self.conv2(F.silu(self.conv1(group_norm(x, scale)), inplace=True)).add_(x)


class Fold(nn.Module):
    """To the next level down: averaged and channel-repeated, plus a strided convolution of the normed input."""

    def __init__(self, channels: int, wider: int, stride: tuple[int, int]) -> None:
        super().__init__()
        self.stride = stride
        self.repeats = wider // channels
        self.norm = Gain(channels, None)
        self.conv = nn.Conv2d(channels, wider, stride, stride=stride, bias=False)
        self.packed: Tensor | None = None

    def pack(self) -> None:
        """Keep both parts as one matrix for the rows of `kernels.patch_rows`."""
        patches = self.conv.weight.detach().permute(0, 2, 3, 1).flatten(1)  # [C', s0 * s1 * C]
        repeat = torch.eye(self.conv.in_channels).repeat_interleave(self.repeats, dim=0)
        self.packed = torch.cat([patches, repeat], dim=1).to(torch.bfloat16)

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, H, W] to [B, C', H/s0, W/s1]; input channel c feeds output channels c*r ... c*r + r - 1."""
        if self.packed is not None:
            rows = kernels.patch_rows(x, self.norm(None), groups_of(x.shape[1]), GROUP_EPSILON, self.stride)
            return F.linear(rows, self.packed).unflatten(1, (-1, x.shape[3] // self.stride[1])).permute(0, 3, 1, 2)
        mean = F.avg_pool2d(x, self.stride).repeat_interleave(self.repeats, dim=1)
        return self.conv(group_norm(x, self.norm(None))).add_(mean)


class Unfold(nn.Module):
    """To the next level up: channel groups averaged and pixels repeated, plus a strided transposed convolution."""

    def __init__(self, channels: int, narrower: int, stride: tuple[int, int]) -> None:
        super().__init__()
        self.stride = stride
        self.repeats = channels // narrower
        self.norm = Gain(channels, None)
        self.conv = nn.ConvTranspose2d(channels, narrower, stride, stride=stride, bias=False)
        self.packed: Tensor | None = None

    def pack(self) -> None:
        """Keep both parts as one matrix for the rows of `kernels.patch_rows`."""
        spread = self.conv.weight.detach().permute(2, 3, 1, 0).flatten(0, 2)  # [s0 * s1 * C', C]
        mean = torch.eye(self.conv.out_channels).repeat_interleave(self.repeats, dim=1) / self.repeats
        self.packed = torch.cat([spread, mean.repeat(math.prod(self.stride), 1)], dim=1).to(torch.bfloat16)

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, H, W] to [B, C', H*s0, W*s1]."""
        if self.packed is not None:
            rows = kernels.patch_rows(x, self.norm(None), groups_of(x.shape[1]), GROUP_EPSILON, (1, 1))
            spread = F.linear(rows, self.packed).unflatten(1, x.shape[2:]).unflatten(3, (*self.stride, -1))
            return spread.permute(0, 1, 3, 2, 4, 5).flatten(3, 4).flatten(1, 2).permute(0, 3, 1, 2)
        mean = x.unflatten(1, (-1, self.repeats)).mean(2)
        spread = F.interpolate(mean, scale_factor=self.stride, mode="nearest")
        return self.conv(group_norm(x, self.norm(None))).add_(spread)


class Stem(nn.Conv2d):
    """Spectrum [B, planes, bins, columns] to the finest level: a 3x3 convolution, or patches that do not overlap."""

    def __init__(self, config: CoDiCodecConfig, planes: int) -> None:
        kernel, padding = (3, 1) if config.patch == (1, 1) else (config.patch, 0)
        super().__init__(planes, config.channels[0], kernel, stride=config.patch, padding=padding)


def _head(config: CoDiCodecConfig, planes: int) -> nn.Module:
    if config.patch == (1, 1):
        return nn.Conv2d(config.channels[0], planes, 3, padding=1)
    return nn.ConvTranspose2d(config.channels[0], planes, config.patch, stride=config.patch)


def _run(
    layers: nn.ModuleList, x: Tensor, scales: Iterator[Tensor], taps: Iterator[Tensor] | None
) -> tuple[Tensor, list[Tensor]]:
    """Through blocks and resamplers; returns the last map and the map after each block."""
    maps = []
    for layer in layers:
        if isinstance(layer, Block):
            x = layer(x, next(scales), None if taps is None else next(taps))
            maps.append(x)
        else:
            x = layer(x)
    return x, maps


class FoldingStack(nn.Module):
    """Spectrum to tokens."""

    def __init__(self, config: CoDiCodecConfig, noise_width: int | None, planes: int = SPECTRAL_CHANNELS) -> None:
        super().__init__()
        self.stem = Stem(config, planes)
        self.layers = nn.ModuleList()
        for level, (channels, blocks) in enumerate(zip(config.channels, config.blocks, strict=True)):
            if level:
                self.layers.append(Fold(config.channels[level - 1], channels, config.strides[level - 1]))
            self.layers.extend(Block(channels, noise_width) for _ in range(blocks))

    def scales(self, condition: Tensor | None) -> list[Tensor]:
        """The gains of every block's norm."""
        return [layer.norm(condition) for layer in self.layers if isinstance(layer, Block)]

    def forward(
        self, spectrum: Tensor, gain: Tensor, scales: Sequence[Tensor], taps: Sequence[Tensor] | None = None
    ) -> tuple[Tensor, list[Tensor]]:
        """[B, planes, bins, columns] to (tokens [B, N, width], maps, deepest first); N is row-major, frequency first.

        `gain` [1 or B, rows] follows the stem; `taps`, finest first, are injected before each block.
        """
        x = self.stem(spectrum.contiguous(memory_format=torch.channels_last)) * gain[:, None, :, None]
        x, maps = _run(self.layers, x, iter(scales), None if taps is None else iter(taps))
        return x.permute(0, 2, 3, 1).flatten(1, 2), maps[::-1]


class UnfoldingStack(nn.Module):
    """Tokens to feature maps, and with a head to so many planes of a spectrum."""

    def __init__(self, config: CoDiCodecConfig, noise_width: int | None, planes: int) -> None:
        super().__init__()
        self.grid = config.grid
        self.layers = nn.ModuleList()
        levels = list(zip(config.channels, config.blocks, strict=True))
        for level in reversed(range(len(levels))):
            channels, blocks = levels[level]
            self.layers.extend(Block(channels, noise_width) for _ in range(blocks))
            if level:
                self.layers.append(Unfold(channels, config.channels[level - 1], config.strides[level - 1]))
        if planes:
            self.norm_out = Gain(config.channels[0], noise_width)
            self.head = _head(config, planes)

    def scales(self, condition: Tensor | None) -> list[Tensor]:
        """The gains of every block's norm, then of the head's."""
        found = [layer.norm(condition) for layer in self.layers if isinstance(layer, Block)]
        return [*found, self.norm_out(condition)] if hasattr(self, "head") else found

    def maps(self, tokens: Tensor, scales: Sequence[Tensor]) -> list[Tensor]:
        """Tokens [B, N, width] to the map after each block, finest first."""
        return _run(self.layers, self._place(tokens), iter(scales), None)[1][::-1]

    def forward(self, tokens: Tensor, gain: Tensor, scales: Sequence[Tensor], taps: Sequence[Tensor]) -> Tensor:
        """Tokens [B, N, width] to [B, planes, bins, columns]; `taps`, deepest first; `gain` precedes the head."""
        x, _ = _run(self.layers, self._place(tokens), iter(scales), iter(taps))
        return self.head(group_norm(x, scales[-1]) * gain[:, None, :, None])

    def read(self, finest: Tensor, scale: Tensor) -> Tensor:
        """The finest map as the head reads it, [B, planes, bins, columns]."""
        return self.head(group_norm(finest, scale))

    def _place(self, tokens: Tensor) -> Tensor:
        return tokens.unflatten(1, self.grid).permute(0, 3, 1, 2)  # [B, width, rows, columns], channels-last
