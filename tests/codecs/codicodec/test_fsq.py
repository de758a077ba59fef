"""Finite scalar quantisation, for any levels."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from models.codicodec.fsq import FSQ, from_public, to_public

LEVELS = st.lists(st.integers(2, 15), min_size=1, max_size=5).map(tuple)
VALUES = st.floats(-20, 20, width=32)


@given(LEVELS, st.data())
def test_every_token_survives_the_round_trip_to_its_code(levels: tuple[int, ...], data: st.DataObject) -> None:
    tokens = data.draw(npst.arrays(np.int32, (7,), elements=st.integers(0, math.prod(levels) - 1)))
    fsq = FSQ(levels)
    assert fsq.tokens(fsq.codes(torch.from_numpy(tokens))).tolist() == tokens.tolist()


@given(LEVELS, st.data())
def test_bounded_codes_are_inside_and_round_to_the_nearest_level(levels: tuple[int, ...], data: st.DataObject) -> None:
    values = torch.from_numpy(data.draw(npst.arrays(np.float32, (7, len(levels)), elements=VALUES)))
    fsq = FSQ(levels)
    codes = fsq.bound(values)
    assert codes.abs().max() < 1
    apart = (fsq.codes(fsq.tokens(codes)) - codes).abs() * fsq.steps
    assert apart.max() <= 0.5 + 1e-5


@given(LEVELS)
def test_quantising_twice_equals_quantising_once(levels: tuple[int, ...]) -> None:
    fsq = FSQ(levels)
    once = fsq.quantise(fsq.bound(torch.randn(9, len(levels), generator=torch.Generator().manual_seed(0))))
    assert torch.equal(fsq.quantise(once), once)


@pytest.mark.parametrize("levels", [(11,) * 4, (8, 6, 5), (2, 3)])
def test_every_level_is_reached(levels: tuple[int, ...]) -> None:
    fsq = FSQ(levels)
    values = torch.linspace(-8, 8, 4001)[:, None].expand(-1, len(levels))
    codes = fsq.codes(fsq.tokens(fsq.bound(values)))
    assert [len(codes[:, j].unique()) for j in range(len(levels))] == list(levels)


def test_eleven_levels_are_fifths_from_minus_one_to_one() -> None:
    fsq = FSQ((11, 11, 11, 11))
    assert fsq.codes(torch.tensor([0]))[0].tolist() == [-1, -1, -1, -1]
    assert fsq.codes(torch.tensor([14640]))[0].tolist() == [1, 1, 1, 1]
    assert fsq.codes(torch.tensor([11]))[0].tolist() == pytest.approx([-1, -0.8, -1, -1])
    assert fsq.bound(torch.tensor([0.7, 0, -9, 9])).tolist() == pytest.approx(
        [0.999 * math.tanh(0.7), 0, -0.999, 0.999]
    )


def test_ties_round_to_even() -> None:
    codes = torch.tensor([[0.1, 0.3, -0.1, 0.5]])  # half-way between fifths
    assert FSQ((11,) * 4).codes(FSQ((11,) * 4).tokens(codes))[0].tolist() == pytest.approx([0, 0.4, 0, 0.4])


def test_codes_beyond_the_grid_are_clipped_to_its_edge() -> None:
    assert FSQ((8, 5)).tokens(torch.tensor([[-3.0, 3.0]])).item() == 0 + 8 * 4


def test_the_gradient_passes_through_the_rounding() -> None:
    codes = torch.tensor([[0.13, -0.4, 0.9, 0.0]], requires_grad=True)
    FSQ((11,) * 4).quantise(codes).sum().backward()
    assert codes.grad is not None
    assert codes.grad.tolist() == [[1, 1, 1, 1]]


@given(st.lists(st.floats(-0.999, 0.999), min_size=1, max_size=5))
def test_public_latents_survive_the_round_trip(values: list[float]) -> None:
    codes = torch.tensor(values)
    public = to_public(codes, 0.8)
    assert public.abs().max() < 4.76
    torch.testing.assert_close(from_public(public, 0.8), codes, atol=1e-5, rtol=0)
