"""Helpers for blocks of audio: channel conversion and removal of non-finite samples."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Audio = npt.NDArray[np.float32]


def with_channels(audio: Audio, channels: int) -> Audio:
    """Return audio [C, n] with this number of channels: mono is repeated, stereo is averaged."""
    if audio.shape[0] == channels:
        return audio
    mono = audio.mean(axis=0, keepdims=True, dtype=np.float32)
    return np.repeat(mono, channels, axis=0)


def silence_nonfinite(audio: Audio) -> tuple[Audio, int]:
    """Return audio with NaN and infinity replaced by 0, and the number of such samples."""
    good = np.isfinite(audio)
    bad = audio.size - int(np.count_nonzero(good))
    return (np.where(good, audio, np.float32(0.0)), bad) if bad else (audio, 0)
