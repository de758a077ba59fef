"""Bends of latents without a bound and without tokens, as those of RAVE."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.codec import CodecSpec, DecoderControls, Frame
from realtime.bends.chain import BendChain
from realtime.parameters.table import PARAMETERS

DIMS = 16
SPEC = CodecSpec("latents", 48_000, 1, 512, 0, 0, 0, (DIMS, 1), ("continuous",), True)
CODEC: Any = SimpleNamespace(spec=SPEC)
NO_TOKENS = np.zeros(0, np.int32)


def frames(count: int, deviation: float = 2.0) -> list[Frame]:
    values = np.random.default_rng(1).standard_normal((count, *SPEC.latent)).astype(np.float32) * deviation
    return [Frame(index, NO_TOKENS, latent, 16.0 * DIMS) for index, latent in enumerate(values)]


def chain(warnings: list[str] | None = None, **settings: Any) -> BendChain:
    """Return the bends with these settings; a dot is written as two underscores."""
    made = BendChain(CODEC, 0, "continuous", ([] if warnings is None else warnings).append)
    for name, value in settings.items():
        made.set(name.replace("__", "."), PARAMETERS["a.bend." + name.replace("__", ".")].parse(value))
    return made


def bent(given: list[Frame], bends: BendChain) -> np.ndarray:
    latents = [bends.bend(frame, DecoderControls(), None)[0].latent for frame in given]
    return np.stack([latent for latent in latents if latent is not None])[..., 0]


GIVEN = frames(200)
VALUES = np.stack([frame.latent for frame in GIVEN if frame.latent is not None])[..., 0]


def test_bias_and_scale_are_plain_arithmetic_by_dimension() -> None:
    bias, scale = np.zeros(64), np.ones(64)
    bias[3], scale[5] = 2.5, 3.0
    out = bent(GIVEN, chain(bias=tuple(bias), scale=tuple(scale)))
    assert np.allclose(out[:, 3], VALUES[:, 3] + 2.5)
    assert np.allclose(out[:, 5], VALUES[:, 5] * 3.0)
    others = [dim for dim in range(DIMS) if dim not in (3, 5)]
    assert np.array_equal(out[:, others], VALUES[:, others])
    assert np.abs(out).max() > 5, "nothing was clipped to the bound of other codecs"


def test_swap_replaces_whole_dimensions_by_those_of_the_past() -> None:
    out = bent(GIVEN, chain(swap__amount=0.5, swap__back=2))
    old = (out[2:] == VALUES[:-2]).all(axis=0)
    new = (out == VALUES).all(axis=0)
    assert old.sum() == new.sum() == DIMS // 2
    assert not (old & new).any()


def test_mask_zeroes_the_chosen_dimensions() -> None:
    out = bent(GIVEN, chain(mask__probability=1.0, mask__first=4, mask__last=7))
    assert (out[:, 4:8] == 0).all()
    assert np.array_equal(np.delete(out, range(4, 8), axis=1), np.delete(VALUES, range(4, 8), axis=1))


def test_macros_move_along_the_strongest_direction_of_the_latent() -> None:
    given = frames(400, 0.1)
    strongest = np.zeros(DIMS, np.float32)
    strongest[[2, 9]] = 0.6, 0.8
    for index, frame in enumerate(given):
        assert frame.latent is not None
        frame.latent[:, 0] += 3 * np.sin(index) * strongest
    bends = chain(macro__learn=True)
    bent(given, bends)
    bends.set("macro.learn", False)
    bends.set("macro.move", (1.0, *[0.0] * 7))
    before = np.stack([frame.latent for frame in given if frame.latent is not None])[..., 0]
    moved = (bent(given, bends) - before).mean(axis=0)
    assert abs(moved @ strongest) == pytest.approx(np.linalg.norm(moved), rel=0.01)
    assert np.linalg.norm(moved) == pytest.approx(3 / np.sqrt(2), rel=0.05)


def test_freeze_and_snapshot_keep_large_values() -> None:
    assert (bent(GIVEN, chain(freeze__on=True)) == VALUES[0]).all()
    assert np.allclose(bent(GIVEN, chain(snapshot__store=1, snapshot__mix=0.5))[-1], (VALUES[0] + VALUES[-1]) / 2)


def test_levels_round_over_three_deviations() -> None:
    assert set(np.unique(bent(GIVEN, chain(levels="5")))) <= {-3.0, -1.5, 0.0, 1.5, 3.0}


def test_no_bend_of_latents_is_said_to_do_nothing() -> None:
    warnings: list[str] = []
    chain(warnings, noise=1.0, mask__probability=0.5, scale=2.0)
    assert warnings == []


@given(st.floats(-4, 4), st.floats(0, 4), st.floats(0, 4))
def test_bent_latents_stay_finite_without_tokens(bias: float, scale: float, noise: float) -> None:
    bends = chain(bias=bias, scale=scale, noise=noise)
    for frame in frames(3, 1e30):
        out, _ = bends.bend(frame, DecoderControls(), None)
        assert out.latent is not None
        assert np.isfinite(out.latent).all()
        assert out.latent.dtype == np.float32
        assert out.tokens.size == 0
