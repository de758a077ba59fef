"""Noise levels of the consistency model."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from models.codicodec.config import CoDiCodecConfig
from models.codicodec.consistency import noise_level, precondition, renoise, step_levels

CONFIG = CoDiCodecConfig.official()


@pytest.mark.parametrize(
    ("u", "sigma"), [(0, 0.002), (0.2, 0.0851), (0.4, 0.96542), (0.5, 2.51522), (0.75, 17.5278), (1, 80)]
)
def test_the_schedule_has_the_published_levels(u: float, sigma: float) -> None:
    assert noise_level(u, CONFIG) == pytest.approx(sigma, rel=1e-3)


@given(st.integers(1, 8))
def test_levels_fall_from_the_highest_to_the_lowest(steps: int) -> None:
    levels = step_levels(steps, CONFIG)
    assert len(levels) == steps + 1
    assert levels == sorted(levels, reverse=True)
    assert (levels[0], levels[-1]) == pytest.approx((80, 0.002))


def test_at_the_lowest_level_the_estimate_is_the_input() -> None:
    skip, out, _ = precondition(torch.tensor([CONFIG.sigma_min]), CONFIG)
    assert (skip.item(), out.item()) == (1, 0)


def test_renoising_to_the_lowest_level_changes_nothing() -> None:
    clean = torch.randn(8, generator=torch.Generator().manual_seed(0))
    assert torch.equal(renoise(clean, CONFIG.sigma_min, torch.ones(8), CONFIG), clean)


def test_renoising_adds_the_missing_variance() -> None:
    noised = renoise(torch.zeros(3), 5.0, torch.ones(3), CONFIG)
    assert noised.tolist() == pytest.approx([(25 - 0.002**2) ** 0.5] * 3)
