"""The prior: a Gaussian that codes tell through one matrix, and its own consistency function."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from models.codec import CodecError
from models.config import CoDiCodecConfig
from models.consistency import renoise
from models.network import CoDiCodecNetwork
from models.prior import NARROW, Prior, Whitened, band_edges, turned, whiten
from models.spectral import Spectral
from models.training.config import nano
from models.training.start import LOW_SHARE, fit_prior, initialise

torch.set_num_threads(1)

SIZES = CoDiCodecConfig(
    name="mini", sample_rate=48000, stft_hop=512, stft_window=1024, columns=4, patch=(32, 2), channels=(64,),
    strides=(), blocks=(1,), width=64, layers=(1, 1, 1), heads=2, mlp_width=64, noise_width=16, latents=16, registers=2,
    levels=(11, 11, 11, 11), low_bins=16, bands=20, own_projections=True, log_planes=True,
)  # fmt: skip


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def tones(hertz: tuple[float, ...], frames: int = 40) -> Tensor:
    """Spectra [frames * tones, 4, bins, columns] of sines of many loudnesses, the same in both channels."""
    time = torch.arange(frames * SIZES.hop + SIZES.lookahead) / SIZES.sample_rate
    swell = 10 ** (-1.5 + torch.sin(0.7 * time))
    waves = torch.stack([swell * torch.sin(2 * math.pi * f * time + f) for f in hertz])
    return torch.cat(Spectral(SIZES).analyse(waves[:, None].expand(-1, 2, -1)).split(SIZES.columns, -1))


def noises(frames: int = 60, seed: int = 0) -> Tensor:
    """Spectra [frames, 4, bins, columns] of noise that is louder and softer, and the louder the lower."""
    wave = drawn(1, 2, frames * SIZES.hop + SIZES.lookahead, seed=seed)
    wave = torch.cumsum(wave - wave.mean(-1, keepdim=True), -1)
    swell = 10 ** (-3 + torch.sin(torch.arange(wave.shape[-1]) / 9000))
    return torch.cat(Spectral(SIZES).analyse(wave * swell).split(SIZES.columns, -1))


def alone(noised: Tensor, sigma: Tensor, prior: Tensor) -> Tensor:
    """The answer of Gaussians that nothing changes."""
    return whiten(noised, sigma, 0.002, prior).answer(torch.zeros(1))


@torch.no_grad()
def fitted(spectra: Tensor) -> Prior:
    network = initialise(CoDiCodecNetwork(SIZES), 0)
    fit_prior(network, spectra)
    assert network.prior is not None
    return network.prior


@torch.no_grad()
def test_the_low_band_keeps_its_waveform_before_any_training() -> None:
    spectra = tones((90.0, 150.0, 220.0))
    prior = fitted(spectra)
    mean = turned(prior.decode(torch.tanh(prior.encode(spectra)))[:, :4])[:, :, : SIZES.low_bins]
    kept = spectra[:, :, : SIZES.low_bins]
    assert 10 * torch.log10((mean - kept).square().mean() / kept.square().mean()) < -20  # dB


@torch.no_grad()
def test_noise_of_the_scales_told_is_as_loud_in_every_band_as_what_was_encoded() -> None:
    spectra = noises()
    prior = fitted(spectra)
    told = prior.decode(torch.tanh(prior.encode(spectra)))
    level = torch.tensor(80.0)
    made = alone(level * drawn(*spectra.shape), level, told)
    ours, theirs = (prior.describe(x).unflatten(1, (2, -1, 4))[:, :, 2 * SIZES.low_bins :] for x in (made, spectra))
    assert (ours - theirs).mean().abs() < 0.1  # a logarithm of energy: 0.4 dB
    assert (ours - theirs)[:, :, 8:].std() < 1.0


@torch.no_grad()
def test_the_digits_are_shared_between_low_band_and_loudness() -> None:
    prior = fitted(noises())
    digits = prior.analysis.weight.shape[0]
    low = prior.analysis.weight.unflatten(1, (2, -1, SIZES.columns))[:, :, : 2 * SIZES.low_bins].flatten(1).any(1)
    assert low.tolist() == [digit < round(LOW_SHARE * digits) for digit in range(digits)]


@given(level=st.floats(0.002, 80), seed=st.integers(0, 99))
def test_steps_of_the_gaussian_compose(level: float, seed: int) -> None:
    """From a noise level straight to a clean spectrum, or by way of a lower level along the same path."""
    told = torch.cat([drawn(1, 4, 8, 2, seed=seed), drawn(1, 2, 8, 2, seed=seed + 1)], dim=1)
    x = 3 * drawn(1, 4, 8, 2, seed=seed + 2)
    high, low = torch.tensor(80.0), torch.tensor(level)
    told[:, 4:] = told[:, 4:].clamp(min=-3)
    scale = told[:, 4:].exp().square().repeat_interleave(2, dim=1) - 0.002**2  # of what has no noise in it yet
    between = turned(told[:, :4] + (turned(x) - told[:, :4]) * torch.sqrt((scale + low**2) / (scale + high**2)))
    torch.testing.assert_close(alone(between, low, told), alone(x, high, told), atol=1e-4, rtol=1e-4)


@given(level=st.floats(0.01, 80), quiet=st.floats(-12, 0))
def test_what_is_put_back_at_a_level_is_answered_as_loud_as_before(level: float, quiet: float) -> None:
    """As often as one likes, however faint: else more steps would be louder than one."""
    told = torch.cat([torch.zeros(1, 4, 64, 64), torch.full((1, 2, 64, 64), quiet)], dim=1)
    sizes, sigma = CoDiCodecConfig.tiny(), torch.tensor(level)
    first = alone(80 * drawn(1, 4, 64, 64), torch.tensor(80.0), told)
    second = alone(renoise(first, level, drawn(1, 4, 64, 64, seed=1), sizes), sigma, told)
    for answer in (first, second):
        assert answer.std() == pytest.approx(math.exp(quiet), rel=0.03)


def test_what_the_network_reads_is_of_one_size_at_every_level() -> None:
    told = torch.cat([drawn(1, 4, 64, 64), torch.linspace(-8, 1, 64)[:, None].expand(1, 2, 64, 64)], dim=1)
    for sigma in (0.002, 0.05, 2.5, 80.0):
        clean = turned(told[:, :4] + drawn(1, 4, 64, 64, seed=1) * told[:, 4:].exp().repeat_interleave(2, dim=1))
        noised = renoise(clean, sigma, drawn(1, 4, 64, 64, seed=2), CoDiCodecConfig.tiny())
        white: Whitened = whiten(noised, torch.tensor(sigma), 0.002, told)
        assert white.w.square().mean((0, 1, 3)) == pytest.approx(torch.ones(64).numpy(), abs=0.3)
        assert (white.noise >= 0).all()
        assert (white.noise < 1 + 1e-6).all()


def test_at_the_least_noise_level_nothing_changes() -> None:
    x, told = drawn(2, 4, 8, 2), torch.cat([drawn(2, 4, 8, 2), drawn(2, 2, 8, 2)], dim=1)
    torch.testing.assert_close(whiten(x, torch.tensor(0.002), 0.002, told).answer(drawn(2, 4, 8, 2, seed=3)), x)


@torch.no_grad()
def test_an_untrained_network_is_its_prior() -> None:
    network = initialise(CoDiCodecNetwork(SIZES), 0)
    fit_prior(network, noises())
    spectra = noises(4, seed=5)
    codes = network.encode(spectra)
    assert network.prior is not None
    torch.testing.assert_close(codes, network.fsq.bound(network.prior.encode(spectra)))
    noise, sigma = 80 * drawn(*spectra.shape), torch.tensor([80.0])
    features = network.features(codes)
    assert features.prior is not None
    found = network.denoise_left(noise, network.condition(sigma), features)[0]
    torch.testing.assert_close(found, alone(noise, sigma, features.prior))
    assert (features.prior[:, 4:, : SIZES.low_bins] == NARROW).all()


@pytest.mark.parametrize("config", [SIZES, nano(), CoDiCodecConfig.patched()], ids=lambda c: c.name)
def test_bands_begin_at_the_low_band_and_end_with_the_last_bin(config: CoDiCodecConfig) -> None:
    edges = band_edges(config)
    assert (edges[0], edges[-1], len(edges)) == (config.low_bins, config.bins, config.bands + 1)
    assert edges == sorted(set(edges))


def test_half_a_prior_is_refused() -> None:
    with pytest.raises(CodecError, match="low_bins 16 and bands 0: give both"):
        replace(SIZES, bands=0)
    with pytest.raises(CodecError, match="together at most the 512 bins"):
        replace(SIZES, bands=500)
