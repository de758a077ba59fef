"""Spectral reconstruction losses of SoundStream, EnCodec and DAC.

SoundStream arXiv 2107.03312, equations 4 and 5; EnCodec arXiv 2210.13438, section 3.4; DAC arXiv
2306.06546, appendix. All take waveforms [B, C, n] at one rate in Hz, and return a scalar: a mean
over items, scales and values unless noted.
"""

from __future__ import annotations

from torch import Tensor

from models.training.losses import MEL_SCALES, magnitudes, mel_distance, mel_filters

BANDS = 64
FLOOR = 1e-5


def soundstream(estimate: Tensor, target: Tensor, rate: int) -> Tensor:
    """Return SoundStream's loss, summed over windows s = 64 ... 2048.

    L1 of mel magnitudes + sqrt(s / 2) L2 of their logarithms, by column.
    """
    total = estimate.new_zeros(())
    for window in (2**power for power in range(6, 12)):
        a, b = (_mel(audio, window, rate) for audio in (estimate, target))
        difference = (a + FLOOR).log() - (b + FLOOR).log()
        total = total + (a - b).abs().sum(-1).mean() + (window / 2) ** 0.5 * _length(difference).mean()
    return total


def encodec(estimate: Tensor, target: Tensor, rate: int) -> Tensor:
    """Return the mean over windows 32 ... 2048 of L1 + L2 of mel magnitudes."""
    total = estimate.new_zeros(())
    for window in (2**power for power in range(5, 12)):
        difference = _mel(estimate, window, rate) - _mel(target, window, rate)
        total = total + difference.abs().mean() + difference.square().mean()
    return total / 7


def dac(estimate: Tensor, target: Tensor, rate: int) -> Tensor:
    """Return DAC's loss: L1 of log10 mel magnitudes.

    The mean over windows 32 ... 2048 with 5 ... 320 bands.
    """
    return mel_distance(estimate, target, MEL_SCALES)


SPECTRA = {"soundstream": soundstream, "encodec": encodec, "dac": dac}


def _mel(audio: Tensor, window: int, rate: int) -> Tensor:
    return magnitudes(audio, window, window // 4) @ mel_filters(window, BANDS, rate=rate, device=audio.device)


def _length(x: Tensor) -> Tensor:
    """Return the Euclidean length of the last dimension, with a finite slope at zero."""
    return (x.square().sum(-1) + 1e-12).sqrt()
