"""Decoding codes to spectra: frame after frame (autoregressive), or all frames at once (parallel).

arXiv 2509.09836, section 4. Noise comes from CPU generators in a fixed order, so that a seed means the same everywhere:
autoregressive, for each frame: its start, its context (not the first frame), then one draw after each step, the last
one unused; parallel: one draw as long as the file (an even count of frames), then one more after each step.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from models.config import SPECTRAL_CHANNELS, CoDiCodecConfig
from models.consistency import noise_level, renoise, step_levels
from models.network import CoDiCodecNetwork, Condition, Features

CONDITIONS_KEPT = 64  # noise levels; a moving context_noise must not grow memory
TOGETHER = 4  # pairs of frames in one batch of a parallel decode: what bounds its memory

Progress = Callable[[int, int], None]  # (done, total)


class Conditions:
    """What a network derives from noise levels, kept for those in use. One thread."""

    def __init__(self, network: CoDiCodecNetwork) -> None:
        self.network = network
        self._kept: OrderedDict[float, Condition] = OrderedDict()

    def at(self, sigmas: Sequence[float]) -> Condition:
        """The condition of a batch at these noise levels; of batch 1 if they are all the same."""
        if len(set(sigmas)) == 1:
            return self._one(sigmas[0])
        return Condition.stack([self._one(sigma) for sigma in sigmas])

    def _one(self, sigma: float) -> Condition:
        if sigma not in self._kept:
            self._kept[sigma] = self.network.condition(torch.tensor([sigma], device=self.network.device))
            if len(self._kept) > CONDITIONS_KEPT:
                self._kept.popitem(last=False)
        self._kept.move_to_end(sigma)
        return self._kept[sigma]


@dataclass(frozen=True)
class Past:
    """A decoded frame: all that the next one needs of it."""

    spectrum: Tensor  # [1, 4, bins, columns], not clamped
    features: Features


@dataclass(frozen=True)
class Task:
    """One frame to decode."""

    codes: Tensor  # [1, latents, dims]
    past: Past | None  # None: the first frame
    steps: int
    context_noise: float  # 0 ... 1 of the noise schedule
    generator: torch.Generator  # on the CPU
    begun: Tensor | None = None  # [1, 4, bins, n < columns]: its first columns, where they are decoded already


def advance(conditions: Conditions, tasks: Sequence[Task]) -> list[Past]:
    """Decode one frame of each of several streams as one batch. All have a past or none, and as many steps.

    The left half (the past, noised) is the same in every step and never sees the right half: it is computed once, and
    of it only keys and values. What is begun is put back after every step and noised with the rest, so that the new
    columns are made to go on from it; it is of one length in all tasks.
    """
    network, config = conditions.network, conditions.network.config
    steps = tasks[0].steps
    pasts = [task.past for task in tasks if task.past is not None]
    assert len(pasts) in (0, len(tasks))
    assert all(task.steps == steps for task in tasks)
    features = network.features(torch.cat([task.codes for task in tasks]))

    def draw() -> list[Tensor]:
        return [_sent(_noise(config, config.columns, task.generator), network.device) for task in tasks]

    begun = torch.cat([t.begun for t in tasks if t.begun is not None]) if tasks[0].begun is not None else None
    x = config.sigma_max * torch.cat(draw())
    if begun is not None:
        x[..., : begun.shape[-1]] += begun
    kept = None
    if pasts:
        sigmas = [noise_level(task.context_noise, config) for task in tasks]
        drawn = zip(pasts, sigmas, draw(), strict=True)
        noised = [renoise(past.spectrum, sigma, noise, config) for past, sigma, noise in drawn]
        kept = network.keep_left(
            torch.cat(noised), conditions.at(sigmas), Features.stack([past.features for past in pasts])
        )
    levels = step_levels(steps, config)
    for level, next_level in pairwise(levels):
        condition = conditions.at([level])
        if kept is None:
            estimate, _ = network.denoise_left(x, condition, features)
        else:
            estimate = network.denoise_right(x, condition, features, kept)
        if begun is not None:
            estimate[..., : begun.shape[-1]] = begun
        x = renoise(estimate, next_level, torch.cat(draw()), config)
    return [Past(estimate[i : i + 1], features.item(i)) for i in range(len(tasks))]


def decode_parallel(
    conditions: Conditions, codes: Tensor, steps: int, generator: torch.Generator, progress: Progress | None = None
) -> Tensor:
    """Codes [n, latents, dims] to a spectrum [1, 4, bins, n * columns], on the CPU.

    Frames are denoised in pairs, whose seams move by one frame at each step; where a frame has no partner it is a left
    half, which sees nobody. Feature maps are made pair by pair. Only noise, spectrum and the expander's tokens are as
    long as the file.
    """
    network, config = conditions.network, conditions.network.config
    count, columns = codes.shape[0], config.columns
    tokens = torch.cat([network.expand(part) for part in codes.split(TOGETHER)])
    length = (count + count % 2) * columns
    levels = step_levels(steps, config)
    x = config.sigma_max * _noise(config, length, generator)

    def half(frames: Sequence[int]) -> tuple[Tensor, Features]:
        noised = torch.cat([x[..., i * columns : (i + 1) * columns] for i in frames]).to(network.device)
        index = torch.tensor(frames, device=tokens.device)
        return noised, network.unfold(tokens[index], codes[index])

    def put(frames: Sequence[int], estimates: Tensor) -> None:
        for i, estimate in zip(frames, estimates.cpu(), strict=True):
            x[0, :, :, i * columns : (i + 1) * columns] = estimate

    done = 0
    for step, level in enumerate(levels[:-1]):
        condition = conditions.at([level])
        for lefts, rights in _batches(count, odd=step % 2 == 1):
            noised, features = half(lefts)
            estimates, kept = network.denoise_left(noised, condition, features)
            if rights:
                noised, features = half(rights)
                put(rights, network.denoise_right(noised, condition, features, kept))
            put(lefts, estimates)
            done += len(lefts) + len(rights)
            if progress is not None:
                progress(done, count * steps)
        x = renoise(x, levels[step + 1], _noise(config, length, generator), config)
    return x[..., : count * columns]


def _batches(count: int, odd: bool) -> list[tuple[list[int], list[int]]]:
    """The (lefts, rights) of each batch, rights empty for frames on their own.

    even steps  (0 1)(2 3)(4 -)      odd steps  (0 -)(1 2)(3 4)      - nobody
    """
    pairs = [(i, i + 1) for i in range(int(odd), count - 1, 2)]
    paired = {i for pair in pairs for i in pair}
    batches = [pairs[i : i + TOGETHER] for i in range(0, len(pairs), TOGETHER)]
    alone = [([i], list[int]()) for i in range(count) if i not in paired]
    return [([left for left, _ in batch], [right for _, right in batch]) for batch in batches] + alone


def _noise(config: CoDiCodecConfig, columns: int, generator: torch.Generator) -> Tensor:
    return torch.randn(1, SPECTRAL_CHANNELS, config.bins, columns, generator=generator)


def _sent(noise: Tensor, device: torch.device) -> Tensor:
    """To a device; to CUDA without waiting for it, which takes pinned memory."""
    return noise.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else noise.to(device)
