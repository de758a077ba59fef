"""Lapped spectra: nothing is lost or gained by the transform, and what a decoder makes of its numbers is bounded."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from models.codec import CodecError
from models.lapped import (
    PERIOD,
    Described,
    Lapped,
    Shaped,
    Unlapped,
    bands_of,
    energy_of,
    loudness_of,
    transform,
)
from models.rvq import QuantiserConfig
from models.swift import SwiftConfig

torch.set_num_threads(1)

hops, channels = st.integers(2, 40), st.integers(1, 3)


@given(hops, channels, st.integers(0, 2**31))
def test_what_is_transformed_comes_back_a_hop_late(hop: int, count: int, seed: int) -> None:
    x = torch.randn(2, count, 6 * hop, generator=torch.Generator().manual_seed(seed))
    y = Unlapped(hop, count)(Lapped(hop)(x))
    assert y.shape == x.shape
    torch.testing.assert_close(y[..., : 5 * hop], x[..., : 5 * hop], atol=1e-5, rtol=0)


@given(hops)
def test_the_transform_keeps_energy(hop: int) -> None:
    """Its columns are at right angles to each other and to those a hop away, and of length 1."""
    early, late = transform(hop).split(hop)
    torch.testing.assert_close(early.T @ early + late.T @ late, torch.eye(hop), atol=1e-5, rtol=0)
    torch.testing.assert_close(late.T @ early, torch.zeros(hop, hop), atol=1e-5, rtol=0)


@given(st.integers(2, 500), st.integers(1, 40))
def test_bands_cover_everything_once(hop: int, bands: int) -> None:
    edges = bands_of(hop, bands)
    assert edges[0] == 0
    assert edges[-1] == hop
    assert len(edges) - 1 <= bands
    assert all(np.diff(edges) > 0)


def test_mono_has_no_side() -> None:
    mono = torch.randn(1, 1, 320, generator=torch.Generator().manual_seed(0)).expand(1, 2, 320)
    middle, side = Lapped(32)(mono)[0].split(32)
    assert middle.abs().max() > 0.1
    assert not side.any()


@given(st.floats(-90, 0), st.integers(0, 100))
def test_what_a_network_sees_is_of_its_own_size_however_loud_it_is(decibels: float, seed: int) -> None:
    x = torch.randn(1, 64, 5, generator=torch.Generator().manual_seed(seed)) * 10 ** (decibels / 20)
    seen = Described(32, 2, 8)(x)
    assert seen.shape == (1, Described(32, 2, 8).size, 5)
    assert torch.isfinite(seen).all()
    assert seen.abs().max() < 8
    assert torch.isfinite(Described(32, 2, 8)(torch.zeros(1, 64, 5))).all()


def test_bands_told_to_be_silent_are_silent() -> None:
    layer = Shaped(32, 2, 8)
    said = torch.zeros(1, layer.size, 7)
    said[:, 64:] = -4.0
    assert layer(said).abs().max() < 1e-6


@given(st.floats(-3.5, 2.5))
def test_loudness_is_energy_and_back(loudness: float) -> None:
    told = torch.tensor(loudness)
    torch.testing.assert_close(loudness_of(energy_of(told)), told, atol=1e-4, rtol=0)
    assert energy_of(torch.tensor(1e4)) < 1e6  # whatever is said


def test_a_band_is_as_loud_as_it_is_told_whatever_its_shape() -> None:
    """Noise where nothing is said of its shape; a shape that is too loud, softer; one too soft, louder and filled."""
    layer = Shaped(64, 1, 4)
    low, high = bands_of(64, 4)[2:4]
    for root in (0.0, 0.3, 5.0):
        said = torch.full((1, layer.size, 200), -4.0)
        said[:, :64] = 0
        said[:, low:high] = root
        said[:, 64 + 2] = 1.0
        made = layer(said)[0]
        assert float(made[low:high].square().mean()) == pytest.approx(float(energy_of(torch.tensor(1.0))), rel=0.1)
        assert made[:low].abs().max() < 1e-6
        assert made[high:].abs().max() < 1e-6


def test_low_bands_keep_their_shape_and_are_not_filled() -> None:
    layer = Shaped(64, 1, 8)
    assert layer.filled.tolist()[:2] == [0, 0]
    said = torch.zeros(1, layer.size, 3)
    said[:, 64:] = -4.0
    said[:, 0] = 1.0
    assert float(layer(said)[0, 0, 0]) == pytest.approx(1.03 / 4)
    said[:, 0] = 0.0
    said[:, 64:] = 1.0
    assert layer(said)[0, 0].abs().max() < 1e-6


def test_the_noise_begins_with_the_stream_and_comes_again() -> None:
    layer = Shaped(64, 1, 4)
    said = torch.zeros(1, layer.size, PERIOD + 3)
    said[:, 64:] = 1.0
    again = layer(said)[0]
    assert again.std() > 0
    assert torch.equal(again[:, :3], again[:, PERIOD:])


def test_losses_of_sound_do_not_teach_loudness() -> None:
    layer = Shaped(32, 2, 8)
    said = torch.randn(1, layer.size, 5, generator=torch.Generator().manual_seed(0)).requires_grad_()
    layer(said).square().sum().backward()
    assert said.grad is not None
    assert torch.isfinite(said.grad).all()
    assert said.grad[:, :64].any()
    assert not said.grad[:, 64:].any()


def test_sizes_that_cannot_be_are_named() -> None:
    with pytest.raises(CodecError, match="stride 1, width 8, bands 4: give 2, 1 and 1 or more"):
        SwiftConfig("x", 48000, 2, 1, 8, QuantiserConfig(8, 1), bands=4)
