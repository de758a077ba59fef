"""Objectives of the three training stages, each a function of a network and a batch of audio.

pretrain     encoder, expander and spectral head: codes are decoded to a spectrum directly; perceptual loss
decoder      the denoiser from pure noise, with the perceptual loss. Then on part of the items from its own answer,
             noised to a middle level: perceptual loss, and distance to that answer, so that a second step does not blur
consistency  arXiv 2509.09836: neighbouring noise levels give the same answer, independent levels in the two halves

The perceptual loss compares magnitudes, because the 256 digits of a frame cannot hold the phase of
a stereo waveform above some hundred Hz; the denoiser synthesises it. FSQ-dropout is used in all
stages. With a start, spectra are those of what its codes lack (`nano.residual_pairs`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from models.codicodec.config import SPECTRAL_CHANNELS
from models.codicodec.consistency import noise_level, renoise
from models.codicodec.conv_stacks import group_norm
from models.codicodec.network import CoDiCodecNetwork, Condition, Features
from models.codicodec.stft import Stft
from models.mid_side import mid_side
from models.training.config import TrainConfig
from models.training.losses import FIXED_WINDOWS, RANDOM_WINDOWS, magnitude_parts, perceptual, pseudo_huber
from models.training.nano.residual_pairs import SAMPLES, residuals

Parts = dict[str, Tensor]

FIRST_BIN = 26  # of a column, from which on a start lacks anything
QUIET = 2.5e-7  # variance of a bin: a fifth of that of 16-bit rounding
UNIFORM = 0.7  # slightly above E[-log(1 - z^2)] of z uniform in (-1, 1), which is 2 - log 4


@dataclass(frozen=True)
class Pair:
    """A batch of pairs of adjacent frames and their codes."""

    spectra: Tensor  # [2B, 4, bins, columns]: all lefts, then all rights
    codes: Tensor  # [2B, latents, dims], some rounded
    edge: Tensor  # measure of codes crowding at the ends of their range; 0 for uniform codes
    log_scales: Tensor | None = None  # [2B, 2, bins, columns], with a start


def samples_needed(network: CoDiCodecNetwork) -> int:
    """Return the samples of audio that a pair of frames reads."""
    return SAMPLES if network.config.start else 2 * network.config.hop + network.config.lookahead


def encode_pair(
    network: CoDiCodecNetwork, stft: Stft, audio: Tensor, config: TrainConfig, generator: torch.Generator
) -> Pair:
    """Encode audio [B, 2, samples_needed] to a pair.

    The codes of a random part of the items are rounded.
    """
    if network.config.start:
        whole_codes = (_rand(generator, audio.shape[0]) < config.round_probability).cpu().numpy()
        found = residuals(network, stft, audio, whole_codes)
        return Pair(found.spectra, found.codes, found.spectra.new_zeros(()), found.log_scales)
    whole = stft.analyse(audio)
    spectra = torch.cat(whole.split(network.config.columns, dim=-1))
    codes = network.encode(spectra)
    rounded = _rand(generator, audio.shape[0]) < config.round_probability
    mask = rounded.repeat(2)[:, None, None]
    crowding = -torch.log(1.002 - codes.square()).mean(0)  # mean over the batch of each digit; 0.61 if uniform
    edge = (crowding - UNIFORM).clamp(min=0).mean()
    return Pair(spectra, torch.where(mask, network.fsq.quantise(codes), codes), edge)


def pretrain(
    network: CoDiCodecNetwork, stft: Stft, pair: Pair, config: TrainConfig, generator: torch.Generator, t: float
) -> Parts:
    """Return the losses of a spectrum decoded from codes directly.

    By the expander's finest map and the denoiser's head. With a start, the expander's own head
    corrects the Gaussian's scales, and their likelihood is the only loss.
    """
    if pair.log_scales is not None:
        return band_scale_likelihood(network, pair)[1]
    skip_features = network.expander_stack.maps(network.expand_tokens(pair.codes), network.expander_stack.scales(None))
    normed = group_norm(skip_features[0], skip_features[0].new_ones(1, skip_features[0].shape[1]))
    estimate = network.config.sigma_data * network.denoiser_out.head(normed).float()
    columns = column_magnitudes(stft, estimate), column_magnitudes(stft, pair.spectra)
    with torch.autocast(estimate.device.type, enabled=False):
        first = weighted(magnitude_parts(*columns, stft.size, FIXED_WINDOWS[-1][1]), config)
    second = waveform_loss(stft, estimate, pair.spectra, config, 0, generator, fixed=())
    return {name: first[name] + 0.5 * second[name] for name in first}


def band_scale_likelihood(network: CoDiCodecNetwork, pair: Pair) -> tuple[Features, Parts]:
    """Return the features of both frames' codes, and the negative log likelihood of their spectra.

    The likelihood is that of the Gaussian of what a start lacks; the features hold its scales, which
    are trained by this loss only. It is 0 without a start. It uses no random noise, so a batch is
    informative about which bins of a band are loud.
    """
    features = network.features(pair.codes, pair.log_scales)
    if features.log_scales is None:
        return features, {"loss": pair.spectra.new_zeros(())}
    scale = features.log_scales[:, :, FIRST_BIN:]
    energy = mid_side(pair.spectra)[:, :, FIRST_BIN:].unflatten(1, (2, 2)).square().mean(2)
    loss = (scale + 0.5 * (energy + QUIET) * torch.exp(-2 * scale)).mean()
    return replace(features, log_scales=features.log_scales.detach()), {"loss": loss}


def decoder(
    network: CoDiCodecNetwork, stft: Stft, pair: Pair, config: TrainConfig, generator: torch.Generator, t: float
) -> Parts:
    """Return the losses of one step from pure noise, and of a second on half the items.

    The mode of decoding is random.
    """
    features, likelihood = band_scale_likelihood(network, pair)
    half = len(pair.spectra) // 2
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
        lefts, past = network.denoise_context(start[0], highest, left)
        rights = network.denoise_current(start[1], highest, right, past)
        first = waveform_loss(stft, torch.cat([lefts, rights]), pair.spectra, config, 0, generator)
        answers = lefts[some].detach(), rights[some].detach()
        lefts, past = network.denoise_context(noised(answers[0], sigma), middle, left.part(some))
        rights = network.denoise_current(noised(answers[1], sigma), middle, right.part(some), past)
    else:
        with torch.no_grad():
            known = network.denoise_context(start[0], highest, left)[0]
        torch.clear_autocast_cache()  # it keeps the weights' casts, these without their gradient
        context = noised(known, noise_level(config.context_noise, network.config))
        past = network.prefill_context(
            context, _condition(network, noise_level(config.context_noise, network.config)), left
        )
        rights = network.denoise_current(start[1], highest, right, past)
        joined = network.config.hop - network.config.lookahead
        first = waveform_loss(stft, torch.cat([known, rights]), pair.spectra, config, joined, generator)
        answers = known[some], rights[some].detach()
        past = [(keys[some], values[some]) for keys, values in past]
        lefts = known[some]
        rights = network.denoise_current(noised(answers[1], sigma), middle, right.part(some), past)
    target = torch.cat([pair.spectra[:half][some], pair.spectra[half:][some]])
    joined = 0 if together else network.config.hop - network.config.lookahead
    second = waveform_loss(stft, torch.cat([lefts, rights]), target, config, joined, generator)
    tie = pseudo_huber(rights, answers[1]).mean() / rights[0].numel() ** 0.5
    parts = {name: first[name] + second[name] for name in first}
    return {
        **parts,
        "second": second["loss"].detach(),
        "tie": tie.detach(),
        "loss": parts["loss"] + config.tie_weight * tie + likelihood["loss"],
    }


def consistency(
    network: CoDiCodecNetwork, stft: Stft, pair: Pair, config: TrainConfig, generator: torch.Generator, t: float
) -> Parts:
    """Return the consistency loss.

    The step in noise level shrinks from gap[0] to gap[1] as t goes from 0 to 1.

    A gap of 1 is plain denoising: the lower level is sigma_min, where the network is the identity.
    """
    features, likelihood = band_scale_likelihood(network, pair)
    half = len(pair.spectra) // 2
    left, right = features.part(slice(0, half)), features.part(slice(half, None))
    gap = config.gap[0] * (config.gap[1] / config.gap[0]) ** t
    upper = _noise_places(len(pair.spectra), network, generator)
    lower = (upper - gap).clamp(min=0)
    noise = _randn(generator, pair.spectra)
    high, low = (_levels(u, network) for u in (upper, lower))

    def estimate(sigma: Tensor) -> Tensor:
        x = pair.spectra + sigma[:, None, None, None] * noise
        lefts, past = network.denoise_context(x[:half], _condition(network, sigma[:half]), left)
        rights = network.denoise_current(x[half:], _condition(network, sigma[half:]), right, past)
        return torch.cat([lefts, rights])

    estimated = estimate(high)
    with torch.no_grad():
        target = estimate(low)
    weight = 1 / (high - low).clamp(min=1e-3)
    distance = pseudo_huber(estimated, target)
    return {"loss": (weight * distance).mean() + likelihood["loss"], "huber": distance.mean().detach()}


OBJECTIVES: dict[str, Callable[..., Parts]] = {"pretrain": pretrain, "decoder": decoder, "consistency": consistency}


def waveform_loss(
    stft: Stft,
    estimate: Tensor,
    target: Tensor,
    config: TrainConfig,
    first: int,
    generator: torch.Generator,
    fixed: tuple[tuple[int, int], ...] = FIXED_WINDOWS,
) -> Parts:
    """Return the weighted perceptual loss of pairs of spectra as waveforms.

    Spectra are [2B, ...]; waveforms are compared from sample `first` on. The first and last
    `overlap` samples fade in and out and are left out. Half the items are compared as left and
    right, half as mid and side, so that both channels of a centred sound get the same synthetic
    phase. The comparison's STFT grid has a random offset from the network's. On the same grid,
    columns with unrelated phases would look right.
    """
    half = len(estimate) // 2
    waves = []
    shift = int(stft.hop * float(_rand(generator)))
    for spectra in (estimate.float(), target):
        joined = torch.cat([spectra[:half], spectra[half:]], dim=-1)
        audio = stft.synthesise(joined)[0][..., max(first, stft.overlap) + shift :]
        odd = (torch.arange(half, device=audio.device) % 2 == 1)[:, None, None]
        waves.append(torch.where(odd, mid_side(audio), audio))
    other = RANDOM_WINDOWS[int(len(RANDOM_WINDOWS) * float(_rand(generator)))]
    fitting = [scale for scale in fixed if scale[0] <= waves[0].shape[-1]]
    with torch.autocast(estimate.device.type, enabled=False):
        return weighted(perceptual(waves[0], waves[1], (*fitting, other)), config)


def weighted(parts: tuple[Tensor, Tensor, Tensor], config: TrainConfig) -> Parts:
    """Return the weighted sum of the perceptual losses (mel, spectrum, energy), and each of them."""
    mel, spectrum, energy = parts
    total = config.mel_weight * mel + config.spectrum_weight * spectrum + config.energy_weight * energy
    return {"loss": total, "mel": mel.detach(), "spectrum": spectrum.detach(), "energy": energy.detach()}


def column_magnitudes(stft: Stft, spectra: Tensor) -> Tensor:
    """Return the magnitudes [2B, 2, columns, bins] of spectra, half the items as mid and side.

    The spectra are not converted to waveforms, where overlap with neighbours of unrelated phase
    would blur a column.
    """
    planes = stft.expand(spectra.float()).unflatten(1, (2, 2))  # [2B, channel, Re Im, bins, columns]
    odd = (torch.arange(len(planes), device=planes.device) % 2 == 1)[:, None, None, None, None]
    chosen = torch.where(odd, mid_side(planes), planes)
    return torch.sqrt(chosen.square().sum(2) + 1e-12).transpose(-1, -2)


def _rand(generator: torch.Generator, *shape: int) -> Tensor:
    return torch.rand(shape, generator=generator, device=generator.device)


def _randn(generator: torch.Generator, like: Tensor) -> Tensor:
    return torch.randn(like.shape, generator=generator, device=generator.device)


def _noise_places(count: int, network: CoDiCodecNetwork, generator: torch.Generator) -> Tensor:
    """Return random positions u [count] in the schedule.

    log sigma is then roughly normal, with mean -1.1 and standard deviation 2.
    """
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
    """Return the condition of noise levels in float32, as norms need it for their gains."""
    given = sigma if isinstance(sigma, Tensor) else torch.tensor([sigma], device=network.device)
    with torch.autocast(network.device.type, enabled=False):
        return network.condition(given)


__all__ = [
    "OBJECTIVES",
    "SPECTRAL_CHANNELS",
    "Pair",
    "consistency",
    "decoder",
    "encode_pair",
    "pretrain",
    "samples_needed",
]
