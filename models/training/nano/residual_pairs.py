"""Pairs of frames of what a start lacks: the sound minus its mean, over its gain, with the codes.

The mean of a frame is complete only with both neighbours, so four frames are encoded for each pair.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from models.codec import Audio
from models.codicodec.network import CoDiCodecNetwork
from models.codicodec.start.digit_layout import HOP, OVERLAP, REACH, from_latent, to_latent
from models.codicodec.start.frame_decoder import FrameSound
from models.codicodec.start.frame_decoder import decode as decode_start
from models.codicodec.start.frame_encoder import FrameEncoder
from models.codicodec.start.mean_synthesis import MeanSynthesis
from models.codicodec.start.start_weights import StartWeights
from models.codicodec.stft import Stft
from models.codicodec.whitening import log_scales

FRAMES = 4  # encoded for each pair
SAMPLES = FRAMES * HOP + OVERLAP + 2 * REACH


@dataclass(frozen=True)
class Residuals:
    """Batch of pairs: all lefts, then all rights."""

    spectra: Tensor  # [2B, 4, bins, columns]
    codes: Tensor  # [2B, latents, dims]
    log_scales: Tensor  # [2B, 2, bins, columns]


def residuals(network: CoDiCodecNetwork, stft: Stft, audio: Tensor, rounded: npt.NDArray[np.bool_]) -> Residuals:
    """Return the residuals of audio [B, 2, SAMPLES]; the codes of the `rounded` [B] items are rounded."""
    if network.start is None:
        raise ValueError("the network has no start")
    pairs = [
        _pair(network.start, samples, bool(whole))
        for samples, whole in zip(audio.cpu().numpy(), rounded, strict=True)
    ]  # fmt: skip
    residual = torch.from_numpy(np.stack([pair[0] for pair in pairs])).to(network.device)
    spectra = torch.cat(stft.analyse(residual).split(network.config.columns, dim=-1))
    codes = torch.from_numpy(np.stack([pair[1][side] for side in (0, 1) for pair in pairs]))
    sounds = [pair[2][side] for side in (0, 1) for pair in pairs]
    return Residuals(spectra, codes.to(network.device), log_scales(sounds, network.config).to(network.device))


def _pair(
    start: StartWeights, audio: Audio, is_rounded: bool
) -> tuple[Audio, list[npt.NDArray[np.float32]], list[FrameSound]]:
    """Return the residual [2, 2 HOP + OVERLAP] of the middle frames, their codes and their sounds."""
    encoder, synthesis = FrameEncoder(start), MeanSynthesis(start.slots)
    codes, sounds, pieces = [], [], []
    for number in range(FRAMES):
        found = encoder.encode(audio[:, number * HOP : (number + 1) * HOP + OVERLAP + 2 * REACH])
        codes.append(to_latent(np.round(found) if is_rounded else found))
        sounds.append(decode_start(start, from_latent(codes[-1])))
        pieces.append(synthesis.add(sounds[-1]))
    inside = slice(HOP, 3 * HOP + OVERLAP)
    mean = np.concatenate([piece.mean for piece in pieces], axis=1)[:, inside]
    gains = np.concatenate([piece.gains for piece in pieces])[inside]
    return (audio[:, REACH:-REACH][:, inside] - mean) / gains, codes[1:3], sounds[1:3]
