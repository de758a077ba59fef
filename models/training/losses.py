"""What training minimises: spectra as the ear weighs them, levels, and the distance of consistency training.

Mel: Kumar et al. (DAC), arXiv 2306.06546, windows 32 ... 2048 with 5 ... 320 bands. Pseudo-Huber: Song and Dhariwal,
arXiv 2310.14189, taken over a whole item, not element by element.
"""

from __future__ import annotations

import math
from functools import lru_cache

import torch
from torch import Tensor

MEL_SCALES = ((32, 5), (64, 10), (128, 20), (256, 40), (512, 80), (1024, 160), (2048, 320))  # window, bands: DAC's
ALWAYS = ((4096, 320), (2048, 320))  # in training: longer than the network's columns, where phases must agree
SOMETIMES = MEL_SCALES[1:-1]  # and one of these
FLOOR = 3e-4  # of a mel band in training: about 16-bit rounding
BLOCK = (16, 4)  # mel bands and columns whose energies are compared as one


@lru_cache(maxsize=32)
def mel_filters(window: int, bands: int, device: torch.device | str = "cpu", rate: int = 48000) -> Tensor:
    """Triangles of equal area on Slaney's mel scale, [window // 2 + 1, bands], from 0 to half the rate."""
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
    """[..., n] to unscaled STFT magnitudes [..., columns, window // 2 + 1] of a periodic Hann window, no padding.

    The root has a finite slope at silence.
    """
    shape = torch.hann_window(window, device=audio.device)
    bins = torch.fft.rfft(audio.unfold(-1, window, hop) * shape)
    return torch.sqrt(bins.real.square() + bins.imag.square() + 1e-12)


def mel_distance(estimate: Tensor, target: Tensor, scales: tuple[tuple[int, int], ...] = MEL_SCALES) -> Tensor:
    """Mean over scales of the L1 between log10 mel magnitudes clamped at 1e-5, hop window // 4: the metric."""
    total = estimate.new_zeros(())
    for window, bands in scales:
        mel = mel_filters(window, bands, estimate.device)
        a, b = (torch.log10((magnitudes(x, window, window // 4) @ mel).clamp(min=1e-5)) for x in (estimate, target))
        total = total + (a - b).abs().mean()
    return total / len(scales)


def perceptual(estimate: Tensor, target: Tensor, scales: tuple[tuple[int, int], ...]) -> tuple[Tensor, Tensor, Tensor]:
    """(mel, spectrum, energy) of waveforms [B, C, n], means over scales (window, bands), hop window // 4.

    mel: L1 of log10 bands. spectrum: L1 of the roots of magnitudes, relative to the target's mean (bins, not bands:
    pitch below 1 kHz lies between bands). energy: L1 of the log10 energy of blocks of bands and columns; without it a
    spectrum in doubt is answered with its median, which is low in level.
    """
    mel = spectrum = energy = estimate.new_zeros(())
    for window, bands in scales:
        sizes = [magnitudes(audio, window, window // 4) for audio in (estimate, target)]
        apart = magnitude_parts(sizes[0], sizes[1], window, bands)
        mel, spectrum, energy = mel + apart[0], spectrum + apart[1], energy + apart[2]
    return mel / len(scales), spectrum / len(scales), energy / len(scales)


def magnitude_parts(estimate: Tensor, target: Tensor, window: int, bands: int) -> tuple[Tensor, Tensor, Tensor]:
    """The same of magnitudes [..., columns, bins], the Nyquist bin or not."""
    with torch.no_grad():
        wanted = _views(target, window, bands)
    apart = [(a - b).abs().mean() for a, b in zip(_views(estimate, window, bands), wanted, strict=True)]
    return apart[0], apart[1] / (wanted[1].mean() + 0.05), apart[2]


def _views(size: Tensor, window: int, bands: int) -> tuple[Tensor, Tensor, Tensor]:
    """Log10 bands, root magnitudes, log10 block energies."""
    banded = size @ mel_filters(window, bands, size.device)[: size.shape[-1]]
    energy = torch.log10(_blocks(banded.square()) + FLOOR**2)
    return torch.log10(banded + FLOOR), torch.sqrt(size * (2048 / window) ** 0.5 + 1e-4), energy


def _blocks(power: Tensor) -> Tensor:
    """Sums over blocks of [..., columns, bands]; columns beyond whole blocks are left out."""
    bands, columns = BLOCK
    columns = min(columns, power.shape[-2])
    bands = min(bands, power.shape[-1])
    power = power[..., : power.shape[-2] // columns * columns, : power.shape[-1] // bands * bands]
    return power.unflatten(-2, (-1, columns)).sum(-2).unflatten(-1, (-1, bands)).sum(-1)


def pseudo_huber(estimate: Tensor, target: Tensor) -> Tensor:
    """sqrt(|a - b|^2 + c^2) - c for each item of [B, ...], c = 0.00054 sqrt(d), d values an item. Returns [B]."""
    difference = (estimate - target).flatten(1)
    c = 0.00054 * math.sqrt(difference.shape[1])
    return torch.sqrt(difference.square().sum(1) + c * c) - c
