"""Reconstruction losses of the three papers, and ours.

SoundStream arXiv 2107.03312, equations 4 and 5; EnCodec arXiv 2210.13438, section 3.4; DAC arXiv 2306.06546, appendix.
All of waveforms [B, C, n] at one rate, means over items, scales and values unless said otherwise.
"""

from __future__ import annotations

import torch
from torch import Tensor

from models.lapped import energy_of, loudness_of
from models.training.losses import MEL_SCALES, magnitudes, mel_distance, mel_filters

BANDS = 64
FLOOR = 1e-5
FAINT = 2e-5  # of a mel band: about 16-bit rounding
SPANS = (1, 4, 12)  # frames over which loudness is compared: 7, 27, 80 ms


def soundstream(estimate: Tensor, target: Tensor, rate: int) -> Tensor:
    """Over windows s = 64 ... 2048: L1 of mel magnitudes + sqrt(s / 2) L2 of their logarithms, by columns; summed."""
    total = estimate.new_zeros(())
    for window in (2**power for power in range(6, 12)):
        a, b = (_mel(audio, window, rate) for audio in (estimate, target))
        apart = (a + FLOOR).log() - (b + FLOOR).log()
        total = total + (a - b).abs().sum(-1).mean() + (window / 2) ** 0.5 * _length(apart).mean()
    return total


def encodec(estimate: Tensor, target: Tensor, rate: int) -> Tensor:
    """Over windows 32 ... 2048: L1 + L2 of mel magnitudes."""
    total = estimate.new_zeros(())
    for window in (2**power for power in range(5, 12)):
        apart = _mel(estimate, window, rate) - _mel(target, window, rate)
        total = total + apart.abs().mean() + apart.square().mean()
    return total / 7


def dac(estimate: Tensor, target: Tensor, rate: int) -> Tensor:
    """Over windows 32 ... 2048 with 5 ... 320 bands: L1 of log10 mel magnitudes."""
    return mel_distance(estimate, target, MEL_SCALES)


def swift(estimate: Tensor, target: Tensor, rate: int) -> Tensor:
    """DAC's at three of its seven windows, which took most of a step's time; what is faint weighs less in it.

    A batch with a faint item had a hundred times the gradient of others, and Adam then learns from no other.
    """
    total = estimate.new_zeros(())
    for window, bands in MEL_SCALES[2::2]:
        mel = mel_filters(window, bands, estimate.device, rate)
        a, b = (torch.log10(magnitudes(audio, window, window // 4) @ mel + FAINT) for audio in (estimate, target))
        total = total + (a - b).abs().mean()
    return total / 3


SPECTRA = {"soundstream": soundstream, "encodec": encodec, "dac": dac, "swift": swift}


def loudness(told: Tensor, energy: Tensor, weight: Tensor) -> Tensor:
    """L1 of what bands are told to be as loud as [B, S, C, bands] and of their energies, weighed by bands, over SPANS.

    It is of numbers, not of sound: what is faint has the same gradient as what is loud, and no sound's noise is in it.
    """
    said, total = energy_of(told), told.new_zeros(())
    for span in SPANS:
        a, b = (_averaged(x, span) for x in (said, energy))
        total = total + ((loudness_of(a) - loudness_of(b)).abs() * weight).mean()
    return total / len(SPANS)


def _averaged(x: Tensor, span: int) -> Tensor:
    """Means over so many steps [B, S // span, ...]."""
    return x[:, : x.shape[1] // span * span].unflatten(1, (-1, span)).mean(2)


def _mel(audio: Tensor, window: int, rate: int) -> Tensor:
    return magnitudes(audio, window, window // 4) @ mel_filters(window, BANDS, rate=rate, device=audio.device)


def _length(x: Tensor) -> Tensor:
    """Euclidean length of the last dimension, with a finite slope at zero."""
    return (x.square().sum(-1) + 1e-12).sqrt()
