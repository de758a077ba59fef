"""Whole files through a CoDiCodec network, in memory that grows only with the audio itself."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from models.codec import Audio, CodecError
from models.decoding import Conditions, Past, Progress, Task, advance, decode_parallel
from models.network import CoDiCodecNetwork
from models.spectral import Spectral

ENCODED_TOGETHER = 4  # frames


def as_stereo(audio: Audio) -> Tensor:
    """[n], [1, n] or [2, n] to float32 [2, n]; mono goes to both channels."""
    given = np.asarray(audio, dtype=np.float32)
    if given.ndim == 1:
        given = given[None]
    if given.ndim != 2 or given.shape[0] not in (1, 2):
        raise CodecError(f"audio has shape {list(given.shape)}; give [samples], [1, samples] or [2, samples].")
    return torch.from_numpy(np.ascontiguousarray(given)).expand(2, -1)


def encode_file(
    network: CoDiCodecNetwork, spectral: Spectral, audio: Tensor, progress: Progress | None = None
) -> Tensor:
    """[2, n] to continuous codes z [frames, latents, dims].

    Frame i reads samples hop*i ... hop*(i+1) + overlap - 1; in the last one, columns beyond the last whole column are
    zero, and samples beyond it are not read.
    """
    config = network.config
    if audio.shape[-1] < config.stft_window:
        raise CodecError(
            f"audio has {audio.shape[-1]} samples; at least one STFT window of {config.stft_window} is needed. "
            "Pad it with silence."
        )
    columns = (audio.shape[-1] - config.stft_window) // config.stft_hop + 1
    frames = -(-columns // config.columns)
    codes = []
    for first in range(0, frames, ENCODED_TOGETHER):
        here = min(ENCODED_TOGETHER, frames - first)
        start = first * config.hop
        picture = spectral.analyse(audio[None, :, start : start + here * config.hop + spectral.overlap])
        picture = F.pad(picture, (0, here * config.columns - picture.shape[-1]))
        parts = picture.unflatten(-1, (here, config.columns)).squeeze(0).permute(2, 0, 1, 3)  # [here, 4, bins, columns]
        codes.append(network.encode(parts.to(network.device)))
        if progress is not None:
            progress(first + here, frames)
    return torch.cat(codes)


def decode_file(
    conditions: Conditions,
    spectral: Spectral,
    codes: Tensor,
    mode: str,
    steps: int,
    context_noise: float,
    generator: torch.Generator,
    progress: Progress | None = None,
) -> Audio:
    """Codes [frames, latents, dims] to float32 [2, frames * hop + overlap], aligned with what was encoded."""
    spectra = (
        decode_parallel(conditions, codes, steps, generator, progress).split(conditions.network.config.columns, dim=-1)
        if mode == "parallel"
        else _autoregressive(conditions, codes, steps, context_noise, generator, progress)
    )
    parts: list[Tensor] = []
    tail: Tensor | None = None
    for spectrum in spectra:
        samples, tail = spectral.synthesise(spectrum.cpu(), tail)
        parts.append(samples[0])
    assert tail is not None
    return torch.cat([*parts, tail[0]], dim=-1).clamp_(-1, 1).numpy()


def _autoregressive(
    conditions: Conditions,
    codes: Tensor,
    steps: int,
    context_noise: float,
    generator: torch.Generator,
    progress: Progress | None,
) -> Iterator[Tensor]:
    past: Past | None = None
    for index in range(codes.shape[0]):
        (past,) = advance(conditions, [Task(codes[index : index + 1], past, steps, context_noise, generator)])
        if progress is not None:
            progress(index + 1, codes.shape[0])
        yield past.spectrum
