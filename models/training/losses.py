"""Losses: spectral distances with perceptual weights, levels, and the distance of consistency
training.

Mel: Kumar et al. (DAC), arXiv 2306.06546, windows 32 ... 2048 with 5 ... 320 bands. Pseudo-Huber:
Song and Dhariwal, arXiv 2310.14189, taken over a whole item, not element by element.
"""

from __future__ import annotations

import math
from functools import lru_cache

import torch
from torch import Tensor

MEL_SCALES = ((32, 5), (64, 10), (128, 20), (256, 40), (512, 80), (1024, 160), (2048, 320))  # window, bands: DAC's
FIXED_WINDOWS = ((4096, 320), (2048, 320))  # in every step: longer than the network's columns, so phases must agree
RANDOM_WINDOWS = MEL_SCALES[1:-1]  # one of these in each step
FLOOR = 3e-4  # added to mel bands in training: about 16-bit rounding
BLOCK = (16, 4)  # mel bands and columns whose energies are compared as one


@lru_cache(maxsize=32)
def mel_filters(window: int, bands: int, device: torch.device | str = "cpu", rate: int = 48000) -> Tensor:
    """Return triangles of equal area on Slaney's mel scale, [window // 2 + 1, bands].

    They cover 0 Hz to half the rate.
    """
    hertz = torch.linspace(0, rate / 2, window // 2 + 1, dtype=torch.float64)
    corners = _hertz(torch.linspace(0, _mel(rate / 2), bands + 2, dtype=torch.float64))
    low, middle, high = corners[:-2], corners[1:-1], corners[2:]
    rise = (hertz[:, None] - low) / (middle - low)
    fall = (high - hertz[:, None]) / (high - middle)
    return (torch.minimum(rise, fall).clamp(min=0) * (2 / (high - low))).float().to(device)


def _mel(hertz: float) -> float:
    linear = 3 * hertz / 200
    return linear if hertz < 1000 else 15 + 27 * math.log(hertz / 1000) / math.log(6.4)


def _hertz(mel: Tensor) -> Tensor:
    return torch.where(mel < 15, mel * 200 / 3, 1000 * torch.exp((mel - 15) * (math.log(6.4) / 27)))


def magnitudes(audio: Tensor, window: int, hop: int) -> Tensor:
    """Return the unscaled STFT magnitudes [..., columns, window // 2 + 1] of audio [..., n].

    The window is a periodic Hann window, without padding. The root has a finite slope at silence.
    """
    shape = torch.hann_window(window, device=audio.device)
    bins = torch.fft.rfft(audio.unfold(-1, window, hop) * shape)
    return torch.sqrt(bins.real.square() + bins.imag.square() + 1e-12)


def mel_distance(estimate: Tensor, target: Tensor, scales: tuple[tuple[int, int], ...] = MEL_SCALES) -> Tensor:
    """Return the mean over scales of the L1 distance of log10 mel magnitudes.

    Scales are (window, bands); magnitudes are clamped at 1e-5. The hop is window // 4. Audio is
    [..., n] at 48 kHz. DAC's metric with the default scales.
    """
    total = estimate.new_zeros(())
    for window, bands in scales:
        mel = mel_filters(window, bands, estimate.device)
        a, b = (torch.log10((magnitudes(x, window, window // 4) @ mel).clamp(min=1e-5)) for x in (estimate, target))
        total = total + (a - b).abs().mean()
    return total / len(scales)


def perceptual(estimate: Tensor, target: Tensor, scales: tuple[tuple[int, int], ...]) -> tuple[Tensor, Tensor, Tensor]:
    """Return (mel, spectrum, energy) of waveforms [B, C, n], means over scales.

    Scales are (window, bands), with a hop of window // 4. mel: L1 of log10 bands. spectrum: L1 of
    the square roots of magnitudes, relative to the target's mean; it uses bins, because bands do
    not resolve pitch below 1 kHz. energy: L1 of the log10 energy of blocks of bands and columns.
    Without it, uncertain spectra are predicted by their median, whose level is too low.
    """
    mel = spectrum = energy = estimate.new_zeros(())
    for window, bands in scales:
        sizes = [magnitudes(audio, window, window // 4) for audio in (estimate, target)]
        parts = magnitude_parts(sizes[0], sizes[1], window, bands)
        mel, spectrum, energy = mel + parts[0], spectrum + parts[1], energy + parts[2]
    return mel / len(scales), spectrum / len(scales), energy / len(scales)


def magnitude_parts(estimate: Tensor, target: Tensor, window: int, bands: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return the losses of `perceptual` for magnitudes [..., columns, bins].

    The Nyquist bin may be missing.
    """
    with torch.no_grad():
        targets = _loss_features(target, window, bands)
    estimates = _loss_features(estimate, window, bands)
    mel, spectrum, energy = ((a - b).abs().mean() for a, b in zip(estimates, targets, strict=True))
    return mel, spectrum / (targets[1].mean() + 0.05), energy


def _loss_features(size: Tensor, window: int, bands: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return log10 bands, square roots of magnitudes, and log10 block energies."""
    banded = size @ mel_filters(window, bands, size.device)[: size.shape[-1]]
    energy = torch.log10(_blocks(banded.square()) + FLOOR**2)
    return torch.log10(banded + FLOOR), torch.sqrt(size * (2048 / window) ** 0.5 + 1e-4), energy


def _blocks(power: Tensor) -> Tensor:
    """Return sums over blocks of power [..., columns, bands].

    Columns and bands beyond whole blocks are left out.
    """
    bands, columns = BLOCK
    columns = min(columns, power.shape[-2])
    bands = min(bands, power.shape[-1])
    power = power[..., : power.shape[-2] // columns * columns, : power.shape[-1] // bands * bands]
    return power.unflatten(-2, (-1, columns)).sum(-2).unflatten(-1, (-1, bands)).sum(-1)


def pseudo_huber(estimate: Tensor, target: Tensor) -> Tensor:
    """Return sqrt(|a - b|^2 + c^2) - c [B] for items of [B, ...].

    c = 0.00054 sqrt(d) for d values an item.
    """
    difference = (estimate - target).flatten(1)
    c = 0.00054 * math.sqrt(difference.shape[1])
    return torch.sqrt(difference.square().sum(1) + c * c) - c
