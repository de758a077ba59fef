"""Sampling of spectra from codes: frame by frame (autoregressive) or all frames at once (parallel).

arXiv 2509.09836, section 4. Noise comes from CPU generators in a fixed order, so that a seed gives
the same result on every device. Autoregressive, for each frame: the start, the context (not for the
first frame), then one draw after each step, the last one unused. Parallel: one draw of the length
of the file (rounded up to an even number of frames), then one more after each step.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from models.codicodec.config import SPECTRAL_CHANNELS, CoDiCodecConfig
from models.codicodec.consistency import noise_level, renoise, step_levels
from models.codicodec.network import CoDiCodecNetwork, Condition, Features
from models.codicodec.start.digit_layout import from_latent
from models.codicodec.start.frame_decoder import FrameSound
from models.codicodec.start.frame_decoder import decode as decode_start
from models.codicodec.whitening import log_scales

CONDITIONS_KEPT = 64  # noise levels; bounds the memory if context_noise changes all the time
PARALLEL_PAIRS = 4  # pairs of frames in one batch of a parallel decode; bounds its memory

Progress = Callable[[int, int], None]  # (done, total)


class ConditionCache:
    """Cache of the conditions that a network derives from noise levels; for one thread."""

    def __init__(self, network: CoDiCodecNetwork) -> None:
        self.network = network
        self.cache: OrderedDict[float, Condition] = OrderedDict()

    def at(self, sigmas: Sequence[float]) -> Condition:
        """Return the condition of a batch at these noise levels, of batch 1 if they are equal."""
        if len(set(sigmas)) == 1:
            return self._one(sigmas[0])
        return Condition.stack([self._one(sigma) for sigma in sigmas])

    def _one(self, sigma: float) -> Condition:
        if sigma not in self.cache:
            self.cache[sigma] = self.network.condition(torch.tensor([sigma], device=self.network.device))
            if len(self.cache) > CONDITIONS_KEPT:
                self.cache.popitem(last=False)
        self.cache.move_to_end(sigma)
        return self.cache[sigma]


@dataclass(frozen=True)
class DecodedFrame:
    """Decoded frame, the context of the next one."""

    spectrum: Tensor  # [1, 4, bins, columns], not clipped
    features: Features
    sound: FrameSound | None = None  # of a start's codes, which the spectrum is added to


@dataclass(frozen=True)
class DecodeJob:
    """Input of the decoding of one frame."""

    codes: Tensor  # [1, latents, dims]
    past: DecodedFrame | None  # context; None for the first frame
    steps: int
    context_noise: float  # 0 ... 1 of the noise schedule
    generator: torch.Generator  # on the CPU
    known_columns: Tensor | None = None  # [1, 4, bins, n < columns]: first columns, decoded earlier


def decode_frames(conditions: ConditionCache, jobs: Sequence[DecodeJob]) -> list[DecodedFrame]:
    """Decode one frame of each of several streams as one batch.

    All jobs have a past or none have, and they have equal steps and equal lengths of known columns;
    ValueError otherwise. The noised context is the same in every step, so its keys and values are
    computed once. Known columns are restored after every step and noised with the rest, so that new
    columns continue them.
    """
    network, config = conditions.network, conditions.network.config
    steps = jobs[0].steps
    pasts = [job.past for job in jobs if job.past is not None]
    if len(pasts) not in (0, len(jobs)) or any(job.steps != steps for job in jobs):
        raise ValueError("jobs of one batch need equal steps, and a past or none")
    codes = torch.cat([job.codes for job in jobs])
    sounds = sounds_of(network, codes)
    features = network.features(codes, scales_of(network, sounds))

    def draw() -> list[Tensor]:
        return [_to_device(_noise(config, config.columns, job.generator), network.device) for job in jobs]

    known_columns = (
        torch.cat([job.known_columns for job in jobs if job.known_columns is not None])
        if jobs[0].known_columns is not None
        else None
    )
    x = config.sigma_max * torch.cat(draw())
    if known_columns is not None:
        x[..., : known_columns.shape[-1]] += known_columns
    context = None
    if pasts:
        sigmas = [noise_level(job.context_noise, config) for job in jobs]
        drawn = zip(pasts, sigmas, draw(), strict=True)
        noised = [renoise(past.spectrum, sigma, noise, config) for past, sigma, noise in drawn]
        context = network.prefill_context(
            torch.cat(noised), conditions.at(sigmas), Features.stack([past.features for past in pasts])
        )
    levels = step_levels(steps, config)
    for level, next_level in pairwise(levels):
        condition = conditions.at([level])
        if context is None:
            estimate, _ = network.denoise_context(x, condition, features)
        else:
            estimate = network.denoise_current(x, condition, features, context)
        if known_columns is not None:
            estimate[..., : known_columns.shape[-1]] = known_columns
        x = renoise(estimate, next_level, torch.cat(draw()), config)
    held: Sequence[FrameSound | None] = sounds or [None] * len(jobs)
    return [DecodedFrame(estimate[i : i + 1], features.item(i), held[i]) for i in range(len(jobs))]


def sounds_of(network: CoDiCodecNetwork, codes: Tensor) -> list[FrameSound]:
    """Return the sound of codes [n, latents, dims] that are those of a start; without one, nothing."""
    start = network.start
    return [] if start is None else [decode_start(start, from_latent(each)) for each in codes.cpu().numpy()]


def scales_of(network: CoDiCodecNetwork, sounds: Sequence[FrameSound]) -> Tensor | None:
    """Return the log scales of what sounds lack, on the network's device; None without sounds."""
    return log_scales(sounds, network.config).to(network.device) if sounds else None


def decode_parallel(
    conditions: ConditionCache, codes: Tensor, steps: int, generator: torch.Generator, progress: Progress | None = None
) -> Tensor:
    """Decode codes [n, latents, dims] to a spectrum [1, 4, bins, n * columns] on the CPU.

    With a start, the spectrum is to be added to the sounds of the codes. Frames are denoised in
    pairs, which move by one frame at each step; a frame without a partner is denoised without
    context. Feature maps are computed for each batch of pairs: only the noise, the spectrum and the
    expander's tokens are as long as the file.
    """
    network, config = conditions.network, conditions.network.config
    count, columns = codes.shape[0], config.columns
    tokens = torch.cat([network.expand_tokens(part) for part in codes.split(PARALLEL_PAIRS)])
    length = (count + count % 2) * columns
    levels = step_levels(steps, config)
    x = config.sigma_max * _noise(config, length, generator)

    def inputs(frames: Sequence[int]) -> tuple[Tensor, Features]:
        noised = torch.cat([x[..., i * columns : (i + 1) * columns] for i in frames]).to(network.device)
        index = torch.tensor(frames, device=tokens.device)
        scales = scales_of(network, sounds_of(network, codes[index]))
        return noised, network.upsample_features(tokens[index], codes[index], scales)

    def store(frames: Sequence[int], estimates: Tensor) -> None:
        for i, estimate in zip(frames, estimates.cpu(), strict=True):
            x[0, :, :, i * columns : (i + 1) * columns] = estimate

    done = 0
    for step, level in enumerate(levels[:-1]):
        condition = conditions.at([level])
        for firsts, seconds in _batches(count, odd=step % 2 == 1):
            noised, features = inputs(firsts)
            estimates, kept = network.denoise_context(noised, condition, features)
            if seconds:
                noised, features = inputs(seconds)
                store(seconds, network.denoise_current(noised, condition, features, kept))
            store(firsts, estimates)
            done += len(firsts) + len(seconds)
            if progress is not None:
                progress(done, count * steps)
        x = renoise(x, levels[step + 1], _noise(config, length, generator), config)
    return x[..., : count * columns]


def _batches(count: int, odd: bool) -> list[tuple[list[int], list[int]]]:
    """Return the first and the second frames of each batch of pairs.

    Unpaired frames have no second.

    even steps  (0 1)(2 3)(4 -)      odd steps  (0 -)(1 2)(3 4)      - no second frame
    """
    pairs = [(i, i + 1) for i in range(int(odd), count - 1, 2)]
    paired = {i for pair in pairs for i in pair}
    batches = [pairs[i : i + PARALLEL_PAIRS] for i in range(0, len(pairs), PARALLEL_PAIRS)]
    unpaired = [([i], list[int]()) for i in range(count) if i not in paired]
    return [([first for first, _ in batch], [second for _, second in batch]) for batch in batches] + unpaired


def _noise(config: CoDiCodecConfig, columns: int, generator: torch.Generator) -> Tensor:
    return torch.randn(1, SPECTRAL_CHANNELS, config.bins, columns, generator=generator)


def _to_device(noise: Tensor, device: torch.device) -> Tensor:
    """Copy noise to a device; to CUDA asynchronously, from pinned memory."""
    return noise.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else noise.to(device)
