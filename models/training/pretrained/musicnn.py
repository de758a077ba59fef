"""Music features of musicnn (Pons and Serra, arXiv 1909.06654), for the Fréchet distance.

The network tags music; it was trained on MagnaTagATune. Its third mid-end layer gives 64 features
every 16 ms, of mono at 16 kHz. Only the weight file of the package (ISC licence) is read: its code
needs TensorFlow and librosa.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

from models.codec import Audio
from models.training.losses import mel_filters
from models.training.pretrained.crepe import to_rate
from models.training.pretrained.tf_checkpoint import read_checkpoint

RATE, WINDOW, HOP, BANDS = 16000, 512, 256, 96  # Hz, samples, samples, mel bands
COMPRESSION = 10000.0  # of mel energies, before the logarithm
TEMPORAL = 3  # filters along time, after two of timbre
EPSILON = 1e-3  # of batch normalisation


class Musicnn:
    """The features of audio at 48 kHz.

    ImportError if musicnn is not installed and no weights are given.
    """

    name = "musicnn"

    def __init__(self, weights: Mapping[str, npt.NDArray[np.float32]] | None = None) -> None:
        held = weights if weights is not None else read_checkpoint(_installed(), "")
        self._weights = {name: torch.from_numpy(value.copy()) for name, value in held.items() if "Adam" not in name}

    @torch.inference_mode()
    def __call__(self, audio: Audio) -> npt.NDArray[np.float32]:
        """Return [frames, 64] for the mean of both channels of audio [2, n] at 48 kHz."""
        levels = self._normalise(log_mel(to_rate(audio.mean(0), 48000, RATE))[None, None], 0)  # [1, 1, T, 96]
        x = torch.cat([self._front(levels, block) for block in range(2 + TEMPORAL)], 1)  # [1, 561, T]
        total: Tensor | float = 0.0
        for layer in (5, 6, 7):
            kernel = self._weights[f"conv2d_{layer}/kernel"][:, :, 0].permute(2, 1, 0)  # [64, channels, 7]
            x = F.relu(F.conv1d(x, kernel, self._weights[f"conv2d_{layer}/bias"], padding=3))
            total = x = self._normalise(x, layer + 1) + total
        return x[0].T.numpy()

    def _front(self, levels: Tensor, block: int) -> Tensor:
        """Return [1, filters, T], the highest of each filter's answers over frequency."""
        name = f"conv2d_{block}" if block else "conv2d"
        kernel = self._weights[f"{name}/kernel"].permute(3, 2, 0, 1)
        reach = kernel.shape[2] - 1
        padded = F.pad(levels, (0, 0, reach // 2, reach - reach // 2))
        return self._normalise(F.relu(F.conv2d(padded, kernel, self._weights[f"{name}/bias"])), block + 1).amax(3)

    def _normalise(self, x: Tensor, number: int) -> Tensor:
        """Apply a trained batch normalisation to the channels, axis 1."""
        prefix = f"batch_normalization_{number}" if number else "batch_normalization"
        mean, variance, gain, offset = (
            self._weights[f"{prefix}/{part}"] for part in ("moving_mean", "moving_variance", "gamma", "beta")
        )
        return F.batch_norm(x, mean, variance, gain, offset, eps=EPSILON)


def log_mel(mono: npt.NDArray[np.float32]) -> Tensor:
    """Return compressed mel energies [frames, 96] of a signal [n] at 16 kHz.

    A frame is centred on each multiple of 16 ms.
    """
    padded = F.pad(torch.from_numpy(mono), (WINDOW // 2, WINDOW // 2))
    power = torch.fft.rfft(padded.unfold(0, WINDOW, HOP) * torch.hann_window(WINDOW)).abs().square()
    return torch.log10(COMPRESSION * (power @ mel_filters(WINDOW, BANDS, rate=RATE)) + 1)


def _installed() -> Path:
    found = find_spec("musicnn")
    if found is None or not found.submodule_search_locations:
        raise ImportError("musicnn is not installed")
    return Path(found.submodule_search_locations[0]) / "MTT_musicnn"
