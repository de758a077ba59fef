"""Discriminators: networks that learn to tell a codec's output from sound, so that the codec learns to be taken for it.

multi-scale STFT   EnCodec (arXiv 2210.13438): complex spectra of several windows, each its own 2-D network
wave and STFT      SoundStream (arXiv 2107.03312): the waveform at three rates, and one STFT
period and bands   DAC (arXiv 2306.06546): the waveform folded at prime periods (after HiFi-GAN, arXiv 2010.05646), and
                   complex spectra of three windows, each cut in bands with networks of their own

Each takes audio [B, C, n], channels as items, and gives a list of judgements: (score, features). Ours are written from
the papers; where those leave a choice (paddings) it is the simplest. `width` scales all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import weight_norm

Judgement = tuple[Tensor, list[Tensor]]

PERIODS = (2, 3, 5, 7, 11)
BANDS = ((0.0, 0.1), (0.1, 0.25), (0.25, 0.5), (0.5, 0.75), (0.75, 1.0))
SLOPE = 0.2


class Judge(nn.Module):
    """Convolutions, the last of which gives the score; what the others give are the features."""

    def __init__(self, layers: Sequence[nn.Module]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(weight_norm(layer) for layer in layers)

    def forward(self, x: Tensor) -> Judgement:
        features = []
        for layer in list(self.layers)[:-1]:
            x = F.leaky_relu(layer(x), SLOPE)
            features.append(x)
        return self.layers[-1](x), features


def complex_spectrum(audio: Tensor, window: int) -> Tensor:
    """[B, C, n] to [B * C, 2, columns, bins], real and imaginary parts, hop a quarter."""
    mono = audio.flatten(0, 1)
    shape = torch.hann_window(window, device=audio.device)
    bins = torch.fft.rfft(F.pad(mono, (window // 2, window // 2)).unfold(-1, window, window // 4) * shape, norm="ortho")
    return torch.stack([bins.real, bins.imag], 1)


def _spectral_judge(width: int) -> Judge:
    """3 x 8, three dilated in time by 1, 2, 4 that halve frequency, 3 x 3, the score."""
    dilated = [nn.Conv2d(width, width, (3, 9), (1, 2), (dilation, 4), dilation=(dilation, 1)) for dilation in (1, 2, 4)]
    first = nn.Conv2d(2, width, (3, 8), padding=(1, 4))
    return Judge([first, *dilated, nn.Conv2d(width, width, 3, padding=1), nn.Conv2d(width, 1, 3, padding=1)])


class MultiScaleStft(nn.Module):
    """EnCodec's."""

    def __init__(self, width: int = 32, windows: Sequence[int] = (2048, 1024, 512, 256, 128)) -> None:
        super().__init__()
        self.windows = tuple(windows)
        self.judges = nn.ModuleList(_spectral_judge(width) for _ in self.windows)

    def forward(self, audio: Tensor) -> list[Judgement]:
        judged = zip(self.judges, self.windows, strict=True)
        return [judge(complex_spectrum(audio, window)) for judge, window in judged]


class WavesAndStft(nn.Module):
    """SoundStream's."""

    def __init__(self, width: int = 16, window: int = 1024) -> None:
        super().__init__()
        self.waves = nn.ModuleList(self._wave_judge(width) for _ in range(3))
        self.window = window
        self.stft = _spectral_judge(2 * width)

    @staticmethod
    def _wave_judge(width: int) -> Judge:
        layers: list[nn.Module] = [nn.Conv1d(1, width, 15, padding=7)]
        for _ in range(4):  # four times slower, four times wider, in groups of four channels
            groups = max(1, width // 4)
            layers.append(nn.Conv1d(width, min(4 * width, 1024), 41, 4, 20, groups=groups))
            width = min(4 * width, 1024)
        return Judge([*layers, nn.Conv1d(width, width, 5, padding=2), nn.Conv1d(width, 1, 3, padding=1)])

    def forward(self, audio: Tensor) -> list[Judgement]:
        mono, judged = audio.flatten(0, 1)[:, None], []
        for judge in self.waves:
            judged.append(judge(mono))
            mono = F.avg_pool1d(mono, 4, 2, 1)
        return [*judged, self.stft(complex_spectrum(audio, self.window))]


class PeriodsAndBands(nn.Module):
    """DAC's."""

    def __init__(self, width: int = 32, windows: Sequence[int] = (2048, 1024, 512)) -> None:
        super().__init__()
        self.windows = tuple(windows)
        self.periods = nn.ModuleList(self._period_judge(width) for _ in PERIODS)
        self.bands = nn.ModuleList(_spectral_judge(width) for _ in range(len(BANDS) * len(self.windows)))

    @staticmethod
    def _period_judge(width: int) -> Judge:
        widths = (1, width, 4 * width, 16 * width, 32 * width)
        layers: list[nn.Module] = [nn.Conv2d(a, b, (5, 1), (3, 1), (2, 0)) for a, b in pairwise(widths)]
        layers += [nn.Conv2d(widths[-1], widths[-1], (5, 1), padding=(2, 0))]
        return Judge([*layers, nn.Conv2d(widths[-1], 1, (3, 1), padding=(1, 0))])

    def forward(self, audio: Tensor) -> list[Judgement]:
        mono, judged = audio.flatten(0, 1)[:, None], []
        for judge, period in zip(self.periods, PERIODS, strict=True):
            padded = F.pad(mono, (0, -mono.shape[-1] % period))
            judged.append(judge(padded.unflatten(-1, (-1, period))))
        judges = iter(self.bands)
        for window in self.windows:
            spectrum = complex_spectrum(audio, window)
            bins = spectrum.shape[-1]
            for low, high in BANDS:
                judged.append(next(judges)(spectrum[..., round(low * bins) : round(high * bins)]))
        return judged


DISCRIMINATORS = {"encodec": MultiScaleStft, "soundstream": WavesAndStft, "dac": PeriodsAndBands}


def discriminator_loss(real: Sequence[Judgement], made: Sequence[Judgement]) -> Tensor:
    """Hinge: sound is to score 1 or more, what the codec made -1 or less; the mean over judges."""
    total = torch.zeros(())
    for (score, _), (other, _) in zip(real, made, strict=True):
        total = total.to(score.device) + F.relu(1 - score).mean() + F.relu(1 + other).mean()
    return total / len(real)


def generator_loss(made: Sequence[Judgement]) -> Tensor:
    """Hinge: what the codec made is to score 1 or more."""
    return torch.stack([F.relu(1 - score).mean() for score, _ in made]).mean()


def feature_loss(real: Sequence[Judgement], made: Sequence[Judgement], relative: bool) -> Tensor:
    """L1 of features, of sound and of what was made; relative to the size of those of sound (EnCodec), or not."""
    parts = []
    for (_, wanted), (_, found) in zip(real, made, strict=True):
        for a, b in zip(wanted, found, strict=True):
            size = a.detach().abs().mean().clamp(min=1e-3) if relative else 1.0
            parts.append((a.detach() - b).abs().mean() / size)
    return torch.stack(parts).mean()
