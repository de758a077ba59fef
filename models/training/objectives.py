"""The objectives of the three stages, each a function of a network and a batch of audio.

warm         encoder, expander and the spectral head alone: codes straight to a spectrum, judged as sound
decoder      the denoiser from pure noise, judged as sound; then again from its own answer put back at a middle noise
             level, judged as sound and tied to that answer, so that a second step finds no blurred mean
consistency  arXiv 2509.09836: neighbouring noise levels give the same answer, independent levels in the two halves

A 256-digit frame cannot hold a stereo waveform's phase beyond some hundred Hz: "judged as sound" compares magnitudes,
and the denoiser makes up phases, but of the low band the complex spectrum is compared. FSQ-dropout is on throughout.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from models.config import SPECTRAL_CHANNELS
from models.consistency import noise_level, renoise
from models.convstack import group_norm
from models.network import CoDiCodecNetwork, Condition, Features
from models.prior import turned
from models.spectral import Spectral
from models.training.config import TrainConfig
from models.training.losses import ALWAYS, SOMETIMES, magnitude_parts, perceptual, pseudo_huber

Parts = dict[str, Tensor]

QUIET = 2.5e-7  # variance of a bin: a fifth of what rounding to 16 bits gives it
UNIFORM = 0.7  # a little above E[-log(1 - z^2)] of z uniform in (-1, 1), which is 2 - log 4


@dataclass(frozen=True)
class Pair:
    """A batch of two adjacent frames and their codes."""

    spectra: Tensor  # [2B, 4, bins, columns]: all lefts, then all rights
    codes: Tensor  # [2B, latents, dims], some rounded
    edge: Tensor  # by how much codes crowd at the ends of their range: 0 for uniform codes


def samples_needed(network: CoDiCodecNetwork) -> int:
    """Samples of audio that a pair of frames reads."""
    return 2 * network.config.hop + network.config.lookahead


def encode_pair(
    network: CoDiCodecNetwork, spectral: Spectral, audio: Tensor, config: TrainConfig, generator: torch.Generator
) -> Pair:
    """Audio [B, 2, samples_needed] to a pair; rounding is drawn for each item, for both of its halves alike."""
    picture = spectral.analyse(audio)
    spectra = torch.cat(picture.split(network.config.columns, dim=-1))
    codes = network.encode(spectra)
    rounded = _rand(generator, audio.shape[0]) < config.round_probability
    mask = rounded.repeat(2)[:, None, None]
    crowding = -torch.log(1.002 - codes.square()).mean(0)  # of each digit over the batch; 0.61 if uniform
    edge = (crowding - UNIFORM).clamp(min=0).mean()
    return Pair(spectra, torch.where(mask, network.fsq.quantise(codes), codes), edge)


def warm(
    network: CoDiCodecNetwork, spectral: Spectral, pair: Pair, config: TrainConfig, generator: torch.Generator, t: float
) -> Parts:
    """Codes through the expander to its finest map, and through the denoiser's head to a spectrum.

    With a prior that map's own head tells the Gaussian's scales, and their likelihood is all there is to learn.
    """
    if network.prior is not None:
        return tell(network, pair)[1]
    taps = network.expander_stack.maps(network.expand(pair.codes), network.expander_stack.scales(None))
    normed = group_norm(taps[0], taps[0].new_ones(1, taps[0].shape[1]))
    estimate = network.config.sigma_data * network.denoiser_out.head(normed).float()
    columns = column_magnitudes(spectral, estimate), column_magnitudes(spectral, pair.spectra)
    with torch.autocast(estimate.device.type, enabled=False):
        first = weighted(magnitude_parts(*columns, spectral.size, ALWAYS[-1][1]), config)
    second = sound(spectral, estimate, pair.spectra, config, 0, generator, always=())
    return {name: first[name] + 0.5 * second[name] for name in first}


def tell(network: CoDiCodecNetwork, pair: Pair) -> tuple[Features, Parts]:
    """What codes tell of both frames, and with a prior how unlikely what was there is by the scales they tell.

    Scales learn by that alone. No noise is drawn for it, so that a batch says much: which bins of a band are loud.
    """
    features = network.features(pair.codes)
    if features.prior is None:
        return features, {"loss": pair.spectra.new_zeros(())}
    mean, scales = features.prior.split([SPECTRAL_CHANNELS, 2], dim=1)
    scale = scales[:, :, network.config.low_bins :]
    energy = turned(pair.spectra)[:, :, network.config.low_bins :].unflatten(1, (2, 2)).square().mean(2)
    loss = (scale + 0.5 * (energy + QUIET) * torch.exp(-2 * scale)).mean()
    return replace(features, prior=torch.cat([mean, scales.detach()], dim=1)), {"loss": loss}


def decoder(
    network: CoDiCodecNetwork, spectral: Spectral, pair: Pair, config: TrainConfig, generator: torch.Generator, t: float
) -> Parts:
    """One step from pure noise, then a second on half the items, as one of the two decoding modes does it."""
    features, told = tell(network, pair)
    half, bins = len(pair.spectra) // 2, network.config.low_bins
    left, right = features.part(slice(0, half)), features.part(slice(half, None))
    highest = _condition(network, network.config.sigma_max)
    u = 0.15 + 0.7 * float(_rand(generator))
    middle = _condition(network, noise_level(u, network.config))
    together = float(_rand(generator)) < config.shared_noise

    def noised(clean: Tensor, sigma: float) -> Tensor:
        return renoise(clean, sigma, _randn(generator, clean), network.config)

    start = [noised(torch.zeros_like(pair.spectra[:half]), network.config.sigma_max) for _ in range(2)]
    sigma = noise_level(u, network.config)
    some = slice(0, max(half // 2, 1))
    if together:
        lefts, past = network.denoise_left(start[0], highest, left)
        rights = network.denoise_right(start[1], highest, right, past)
        first = sound(spectral, torch.cat([lefts, rights]), pair.spectra, config, 0, generator, bins=bins)
        answers = lefts[some].detach(), rights[some].detach()
        lefts, past = network.denoise_left(noised(answers[0], sigma), middle, left.part(some))
        rights = network.denoise_right(noised(answers[1], sigma), middle, right.part(some), past)
    else:
        with torch.no_grad():
            known = network.denoise_left(start[0], highest, left)[0]
        torch.clear_autocast_cache()  # it keeps the weights' casts, these without their gradient
        context = noised(known, noise_level(config.context_noise, network.config))
        past = network.keep_left(context, _condition(network, noise_level(config.context_noise, network.config)), left)
        rights = network.denoise_right(start[1], highest, right, past)
        joined = network.config.hop - network.config.lookahead
        first = sound(spectral, torch.cat([known, rights]), pair.spectra, config, joined, generator, bins=bins)
        answers = known[some], rights[some].detach()
        past = [(keys[some], values[some]) for keys, values in past]
        lefts = known[some]
        rights = network.denoise_right(noised(answers[1], sigma), middle, right.part(some), past)
    target = torch.cat([pair.spectra[:half][some], pair.spectra[half:][some]])
    joined = 0 if together else network.config.hop - network.config.lookahead
    second = sound(spectral, torch.cat([lefts, rights]), target, config, joined, generator, bins=bins)
    tie = pseudo_huber(rights, answers[1]).mean() / rights[0].numel() ** 0.5
    parts = {name: first[name] + second[name] for name in first}
    return {
        **parts,
        "second": second["loss"].detach(),
        "tie": tie.detach(),
        "loss": parts["loss"] + config.tie_weight * tie + told["loss"],
    }


def consistency(
    network: CoDiCodecNetwork, spectral: Spectral, pair: Pair, config: TrainConfig, generator: torch.Generator, t: float
) -> Parts:
    """Consistency training; the step in noise level shrinks from gap[0] to gap[1] of the schedule as t goes 0 to 1.

    A gap of 1 is plain denoising: the lower level is sigma_min, where the network is the identity.
    """
    features, told = tell(network, pair)
    half = len(pair.spectra) // 2
    left, right = features.part(slice(0, half)), features.part(slice(half, None))
    gap = config.gap[0] * (config.gap[1] / config.gap[0]) ** t
    upper = _noise_places(len(pair.spectra), network, generator)
    lower = (upper - gap).clamp(min=0)
    noise = _randn(generator, pair.spectra)
    high, low = (_levels(u, network) for u in (upper, lower))

    def estimate(sigma: Tensor) -> Tensor:
        x = pair.spectra + sigma[:, None, None, None] * noise
        lefts, past = network.denoise_left(x[:half], _condition(network, sigma[:half]), left)
        rights = network.denoise_right(x[half:], _condition(network, sigma[half:]), right, past)
        return torch.cat([lefts, rights])

    estimated = estimate(high)
    with torch.no_grad():
        target = estimate(low)
    weight = 1 / (high - low).clamp(min=1e-3)
    distance = pseudo_huber(estimated, target)
    return {"loss": (weight * distance).mean() + told["loss"], "huber": distance.mean().detach()}


OBJECTIVES: dict[str, Callable[..., Parts]] = {"warm": warm, "decoder": decoder, "consistency": consistency}


def sound(
    spectral: Spectral,
    estimate: Tensor,
    target: Tensor,
    config: TrainConfig,
    first: int,
    generator: torch.Generator,
    always: tuple[tuple[int, int], ...] = ALWAYS,
    bins: int = 0,
) -> Parts:
    """The weighted perceptual loss of pairs of spectra [2B, ...] as waveforms, from sample `first` on.

    The first and last `overlap` samples fade and are left out. Half the items are compared as left and right, half as
    middle and side: where phases are made up, the two channels of a centred sound must make up the same. The grid of
    the comparison lies anywhere on the network's own: on the same one, columns with unrelated phases look right.
    """
    half = len(estimate) // 2
    waves = []
    shift = int(spectral.hop * float(_rand(generator)))
    for spectra in (estimate.float(), target):
        joined = torch.cat([spectra[:half], spectra[half:]], dim=-1)
        audio = spectral.synthesise(joined)[0][..., max(first, spectral.overlap) + shift :]
        turned = torch.stack([audio[:, 0] + audio[:, 1], audio[:, 0] - audio[:, 1]], dim=1) * 0.5**0.5
        middle = (torch.arange(half, device=audio.device) % 2 == 1)[:, None, None]
        waves.append(torch.where(middle, turned, audio))
    other = SOMETIMES[int(len(SOMETIMES) * float(_rand(generator)))]
    fitting = [scale for scale in always if scale[0] <= waves[0].shape[-1]]
    with torch.autocast(estimate.device.type, enabled=False):
        found = weighted(perceptual(waves[0], waves[1], (*fitting, other)), config)
        if bins:
            low = low_distance(estimate.float(), target, bins)
            found |= {"loss": found["loss"] + config.low_weight * low, "low": low.detach()}
    return found


def low_distance(estimate: Tensor, target: Tensor, bins: int) -> Tensor:
    """Of spectra [B, 4, bins, columns] below `bins`, relative L1 of each item: not of magnitudes, of waveforms."""
    apart = (estimate[:, :, :bins] - target[:, :, :bins]).abs().flatten(1).mean(1)
    return (apart / (target[:, :, :bins].abs().flatten(1).mean(1) + 0.02)).mean()


def weighted(parts: tuple[Tensor, Tensor, Tensor], config: TrainConfig) -> Parts:
    """Their weighted sum, and each."""
    mel, spectrum, energy = parts
    total = config.mel_weight * mel + config.spectrum_weight * spectrum + config.energy_weight * energy
    return {"loss": total, "mel": mel.detach(), "spectrum": spectrum.detach(), "energy": energy.detach()}


def column_magnitudes(spectral: Spectral, spectra: Tensor) -> Tensor:
    """Magnitudes [2B, 2, columns, bins] of spectra as they are, half the items as middle and side.

    Not of the waveform: in a column, overlap with neighbours of unrelated phase blurs what there is to learn.
    """
    planes = spectral.expand(spectra.float()).unflatten(1, (2, 2))  # [2B, channel, Re Im, bins, columns]
    turned = torch.stack([planes[:, 0] + planes[:, 1], planes[:, 0] - planes[:, 1]], dim=1) * 0.5**0.5
    middle = (torch.arange(len(planes), device=planes.device) % 2 == 1)[:, None, None, None, None]
    chosen = torch.where(middle, turned, planes)
    return torch.sqrt(chosen.square().sum(2) + 1e-12).transpose(-1, -2)


def _rand(generator: torch.Generator, *shape: int) -> Tensor:
    return torch.rand(shape, generator=generator, device=generator.device)


def _randn(generator: torch.Generator, like: Tensor) -> Tensor:
    return torch.randn(like.shape, generator=generator, device=generator.device)


def _noise_places(count: int, network: CoDiCodecNetwork, generator: torch.Generator) -> Tensor:
    """Places u of the schedule [count], so that log sigma is about normal (-1.1, 2): FACTS of M2L's sampler."""
    grid = torch.linspace(0, 1, 10000, dtype=torch.float64, device=generator.device)
    logs = torch.log(_levels(grid, network).double())
    weights = torch.exp(-0.5 * ((logs + 1.1) / 2) ** 2)
    drawn = torch.multinomial(weights, count, replacement=True, generator=generator)
    return ((drawn + _rand(generator, count)) / 10000).clamp(min=1e-3)


def _levels(u: Tensor, network: CoDiCodecNetwork) -> Tensor:
    config = network.config
    low, high = config.sigma_min ** (1 / config.rho), config.sigma_max ** (1 / config.rho)
    return ((low + u * (high - low)) ** config.rho).float()


def _condition(network: CoDiCodecNetwork, sigma: Tensor | float) -> Condition:
    """In float32: norms take gains of no lower precision than their input's."""
    given = sigma if isinstance(sigma, Tensor) else torch.tensor([sigma], device=network.device)
    with torch.autocast(network.device.type, enabled=False):
        return network.condition(given)


__all__ = ["OBJECTIVES", "SPECTRAL_CHANNELS", "Pair", "consistency", "decoder", "encode_pair", "samples_needed", "warm"]
