"""Encoding and decoding of whole files in memory proportional to the audio."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from models.codec import Audio, CodecError
from models.codicodec.network import CoDiCodecNetwork
from models.codicodec.sampling import (
    ConditionCache,
    DecodedFrame,
    DecodeJob,
    Progress,
    decode_frames,
    decode_parallel,
    sounds_of,
)
from models.codicodec.start.digit_layout import HOP, OVERLAP, REACH, to_latent
from models.codicodec.start.frame_decoder import FrameSound
from models.codicodec.start.frame_encoder import FrameEncoder
from models.codicodec.start.mean_synthesis import MeanSynthesis
from models.codicodec.start.start_weights import StartWeights
from models.codicodec.stft import Stft

ENCODER_BATCH = 4  # frames


def as_stereo(audio: Audio) -> Tensor:
    """Return audio [n], [1, n] or [2, n] as float32 [2, n]; mono is copied to both channels.

    Raise CodecError for another shape.
    """
    given = np.asarray(audio, dtype=np.float32)
    if given.ndim == 1:
        given = given[None]
    if given.ndim != 2 or given.shape[0] not in (1, 2):
        raise CodecError(f"audio has shape {list(given.shape)}; pass [samples], [1, samples] or [2, samples].")
    return torch.from_numpy(np.ascontiguousarray(given)).expand(2, -1)


def encode_file(network: CoDiCodecNetwork, stft: Stft, audio: Tensor, progress: Progress | None = None) -> Tensor:
    """Encode [2, n] to continuous codes z [frames, latents, dims].

    Frame i reads samples hop * i ... hop * (i + 1) + overlap - 1. Columns of the last frame beyond
    the last whole column are zero; samples beyond it are not read. Raise CodecError if there is no
    whole column.
    """
    config = network.config
    if audio.shape[-1] < config.stft_window:
        raise CodecError(
            f"audio has {audio.shape[-1]} samples; at least one STFT window of {config.stft_window} is needed. "
            "Pad it with silence."
        )
    columns = (audio.shape[-1] - config.stft_window) // config.stft_hop + 1
    frames = -(-columns // config.columns)
    if network.start is not None:
        return _encode_start(network.start, audio.numpy(), frames, progress).to(network.device)
    codes = []
    for first in range(0, frames, ENCODER_BATCH):
        here = min(ENCODER_BATCH, frames - first)
        start = first * config.hop
        spectrum = stft.analyse(audio[None, :, start : start + here * config.hop + stft.overlap])
        spectrum = F.pad(spectrum, (0, here * config.columns - spectrum.shape[-1]))
        parts = spectrum.unflatten(-1, (here, config.columns))[0].permute(2, 0, 1, 3)  # [here, 4, bins, columns]
        codes.append(network.encode(parts.to(network.device)))
        if progress is not None:
            progress(first + here, frames)
    return torch.cat(codes)


def _encode_start(start: StartWeights, audio: Audio, frames: int, progress: Progress | None) -> Tensor:
    """Return the codes of a start; samples beyond the end count as silence."""
    encoder, codes = FrameEncoder(start), []
    padded = np.pad(audio, ((0, 0), (REACH, max(0, frames * HOP + OVERLAP + REACH - audio.shape[1]))))
    for number in range(frames):
        found = encoder.encode(padded[:, number * HOP : (number + 1) * HOP + OVERLAP + 2 * REACH])
        codes.append(torch.from_numpy(to_latent(found)))
        if progress is not None:
            progress(number + 1, frames)
    return torch.stack(codes)


def decode_file(
    conditions: ConditionCache,
    stft: Stft,
    codes: Tensor,
    mode: str,
    steps: int,
    context_noise: float,
    generator: torch.Generator,
    progress: Progress | None = None,
) -> Audio:
    """Decode codes [frames, latents, dims] to float32 [2, frames * hop + overlap].

    The output is aligned with the encoded file.
    """
    frames = (
        _parallel(conditions, codes, steps, generator, progress)
        if mode == "parallel"
        else _autoregressive(conditions, codes, steps, context_noise, generator, progress)
    )
    parts: list[Audio] = []
    tail: Tensor | None = None
    start = conditions.network.start
    mean = MeanSynthesis(None if start is None else start.slots)
    for spectrum, sound in frames:
        samples, tail = stft.synthesise(spectrum.cpu(), tail)
        parts.append(samples[0].numpy() if sound is None else mean.mix(sound, samples[0].numpy()))
    if tail is None:
        raise CodecError("there are no codes to decode. Pass at least one frame.")
    last = tail[0].numpy()
    if start is not None:
        end = mean.end()
        last = np.pad(end.mean + last * end.gains, ((0, 0), (0, REACH)))
    return np.concatenate([*parts, last], axis=-1).clip(-1, 1)


def _parallel(
    conditions: ConditionCache, codes: Tensor, steps: int, generator: torch.Generator, progress: Progress | None
) -> Iterator[tuple[Tensor, FrameSound | None]]:
    network = conditions.network
    spectra = decode_parallel(conditions, codes, steps, generator, progress).split(network.config.columns, dim=-1)
    for number, spectrum in enumerate(spectra):
        sounds = sounds_of(network, codes[number : number + 1])
        yield spectrum, sounds[0] if sounds else None


def _autoregressive(
    conditions: ConditionCache,
    codes: Tensor,
    steps: int,
    context_noise: float,
    generator: torch.Generator,
    progress: Progress | None,
) -> Iterator[tuple[Tensor, FrameSound | None]]:
    past: DecodedFrame | None = None
    for index in range(codes.shape[0]):
        (past,) = decode_frames(
            conditions, [DecodeJob(codes[index : index + 1], past, steps, context_noise, generator)]
        )
        if progress is not None:
            progress(index + 1, codes.shape[0])
        yield past.spectrum, past.sound
