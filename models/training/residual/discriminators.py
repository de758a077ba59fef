"""Discriminators: networks trained to tell sound from codec output, against which the codec is
trained.

multi-scale STFT   EnCodec (arXiv 2210.13438): complex spectra of several windows, with a 2-D network each
wave and STFT      SoundStream (arXiv 2107.03312): the waveform at three rates, and one STFT
period and bands   DAC (arXiv 2306.06546): the waveform folded at prime periods (after HiFi-GAN, arXiv 2010.05646), and
                   complex spectra of three windows, cut in bands, with a network each

Each takes audio [B, C, n], treats channels as items, and returns a list of (score, features), one
for each part. They are written from the papers, with the simplest choice where those leave one open
(padding). `width` scales them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import weight_norm

Output = tuple[Tensor, list[Tensor]]  # score, features of each hidden layer

PERIODS = (2, 3, 5, 7, 11)
BANDS = ((0.0, 0.1), (0.1, 0.25), (0.25, 0.5), (0.5, 0.75), (0.75, 1.0))
SLOPE = 0.2


class Discriminator(nn.Module):
    """Weight-normalised convolutions.

    The last one's output is the score, the others' outputs are the features.
    """

    def __init__(self, layers: Sequence[nn.Module]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(weight_norm(layer) for layer in layers)

    def forward(self, x: Tensor) -> Output:
        features = []
        for layer in list(self.layers)[:-1]:
            x = F.leaky_relu(layer(x), SLOPE)
            features.append(x)
        return self.layers[-1](x), features


def complex_spectrum(audio: Tensor, window: int) -> Tensor:
    """Return the STFT of audio [B, C, n] as [B * C, 2, columns, bins].

    Real and imaginary parts, hop window // 4.
    """
    mono = audio.flatten(0, 1)
    shape = torch.hann_window(window, device=audio.device)
    bins = torch.fft.rfft(F.pad(mono, (window // 2, window // 2)).unfold(-1, window, window // 4) * shape, norm="ortho")
    return torch.stack([bins.real, bins.imag], 1)


def _spectral(width: int) -> Discriminator:
    """Return 3 x 8, three dilated in time by 1, 2, 4 that halve frequency, 3 x 3, and the score."""
    dilated = [nn.Conv2d(width, width, (3, 9), (1, 2), (dilation, 4), dilation=(dilation, 1)) for dilation in (1, 2, 4)]
    first = nn.Conv2d(2, width, (3, 8), padding=(1, 4))
    return Discriminator([first, *dilated, nn.Conv2d(width, width, 3, padding=1), nn.Conv2d(width, 1, 3, padding=1)])


class MultiScaleStft(nn.Module):
    """EnCodec's discriminator."""

    def __init__(self, width: int = 32, windows: Sequence[int] = (2048, 1024, 512, 256, 128)) -> None:
        super().__init__()
        self.windows = tuple(windows)
        self.discriminators = nn.ModuleList(_spectral(width) for _ in self.windows)

    def forward(self, audio: Tensor) -> list[Output]:
        pairs = zip(self.discriminators, self.windows, strict=True)
        return [discriminator(complex_spectrum(audio, window)) for discriminator, window in pairs]


class WavesAndStft(nn.Module):
    """SoundStream's discriminators."""

    def __init__(self, width: int = 16, window: int = 1024) -> None:
        super().__init__()
        self.waves = nn.ModuleList(self._wave(width) for _ in range(3))
        self.window = window
        self.stft = _spectral(2 * width)

    @staticmethod
    def _wave(width: int) -> Discriminator:
        layers: list[nn.Module] = [nn.Conv1d(1, width, 15, padding=7)]
        for _ in range(4):  # each level four times slower and wider, in groups of four channels
            groups = max(1, width // 4)
            layers.append(nn.Conv1d(width, min(4 * width, 1024), 41, 4, 20, groups=groups))
            width = min(4 * width, 1024)
        return Discriminator([*layers, nn.Conv1d(width, width, 5, padding=2), nn.Conv1d(width, 1, 3, padding=1)])

    def forward(self, audio: Tensor) -> list[Output]:
        mono, outputs = audio.flatten(0, 1)[:, None], []
        for discriminator in self.waves:
            outputs.append(discriminator(mono))
            mono = F.avg_pool1d(mono, 4, 2, 1)
        return [*outputs, self.stft(complex_spectrum(audio, self.window))]


class PeriodsAndBands(nn.Module):
    """DAC's discriminators."""

    def __init__(self, width: int = 32, windows: Sequence[int] = (2048, 1024, 512)) -> None:
        super().__init__()
        self.windows = tuple(windows)
        self.periods = nn.ModuleList(self._period(width) for _ in PERIODS)
        self.bands = nn.ModuleList(_spectral(width) for _ in range(len(BANDS) * len(self.windows)))

    @staticmethod
    def _period(width: int) -> Discriminator:
        widths = (1, width, 4 * width, 16 * width, 32 * width)
        layers: list[nn.Module] = [nn.Conv2d(a, b, (5, 1), (3, 1), (2, 0)) for a, b in pairwise(widths)]
        layers += [nn.Conv2d(widths[-1], widths[-1], (5, 1), padding=(2, 0))]
        return Discriminator([*layers, nn.Conv2d(widths[-1], 1, (3, 1), padding=(1, 0))])

    def forward(self, audio: Tensor) -> list[Output]:
        mono, outputs = audio.flatten(0, 1)[:, None], []
        for discriminator, period in zip(self.periods, PERIODS, strict=True):
            padded = F.pad(mono, (0, -mono.shape[-1] % period))
            outputs.append(discriminator(padded.unflatten(-1, (-1, period))))
        of_bands = iter(self.bands)
        for window in self.windows:
            spectrum = complex_spectrum(audio, window)
            bins = spectrum.shape[-1]
            for low, high in BANDS:
                outputs.append(next(of_bands)(spectrum[..., round(low * bins) : round(high * bins)]))
        return outputs


DISCRIMINATORS = {"encodec": MultiScaleStft, "soundstream": WavesAndStft, "dac": PeriodsAndBands}


def discriminator_loss(real: Sequence[Output], generated: Sequence[Output]) -> Tensor:
    """Return the hinge loss, the mean over parts.

    It is 0 where sound scores 1 or more and codec output scores -1 or less.
    """
    total = torch.zeros(())
    for (score, _), (other, _) in zip(real, generated, strict=True):
        total = total.to(score.device) + F.relu(1 - score).mean() + F.relu(1 + other).mean()
    return total / len(real)


def generator_loss(generated: Sequence[Output]) -> Tensor:
    """Return the hinge loss for scores of 1 or more of codec output; mean over parts."""
    return torch.stack([F.relu(1 - score).mean() for score, _ in generated]).mean()


def feature_loss(real: Sequence[Output], generated: Sequence[Output], relative: bool) -> Tensor:
    """Return the mean L1 distance of features.

    With `relative`, divided by the mean size of the sound's (EnCodec).
    """
    parts = []
    for (_, expected), (_, found) in zip(real, generated, strict=True):
        for a, b in zip(expected, found, strict=True):
            size = a.detach().abs().mean().clamp(min=1e-3) if relative else 1.0
            parts.append((a.detach() - b).abs().mean() / size)
    return torch.stack(parts).mean()


def with_new_names(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return a discriminator's weights under the names of this version.

    States of 0.1.0 have "judges".
    """
    return {name.replace("judges.", "discriminators."): weight for name, weight in weights.items()}
