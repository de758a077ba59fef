"""Morph: between two sounds, before the bound of latents and before the quantiser of tokens."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from models.codec import DecoderControls, Frame, Tokens
from models.residual.codec import ResidualCodec
from models.residual.network import ResidualNetwork
from realtime.bends.chain import BendChain
from realtime.parameters.table import PARAMETERS
from tests.support.bent_frames import GIVEN, GRID, bent, chain, frames, latents
from tests.support.residual import narrow

torch.set_num_threads(1)


def travelled(made: BendChain, frame: Frame, position: float, other: Frame | None = None) -> Frame:
    made.set("morph.position", position)
    return made.bend(frame, DecoderControls(), other)[0]


def between_stored(made: BendChain, first: Frame, last: Frame) -> BendChain:
    """Store both ends, and travel between them."""
    for end, frame in (("from", first), ("to", last)):
        made.set(f"morph.store_{end}", 7)
        made.set(f"morph.{end}", "stored")
        made.bend(frame, DecoderControls(), None)
    return made


@pytest.mark.parametrize("path", ["continuous", "discrete"])
def test_the_ends_are_the_stored_frames_and_the_middle_is_their_mean_before_the_bound(path: str) -> None:
    made = between_stored(chain(path), GIVEN[1], GIVEN[2])
    ends = [travelled(made, frame, position) for frame, position in ((GIVEN[5], 0), (GIVEN[6], 1))]
    for found, stored in zip(ends, GIVEN[1:3], strict=True):
        assert np.array_equal(latents([found]), latents([stored]))
        assert np.array_equal(found.tokens, stored.tokens)
    middle = travelled(made, GIVEN[7], 0.5)
    mean = (np.arctanh(latents(GIVEN)[1]) + np.arctanh(latents(GIVEN)[2])) / 2
    assert middle.latent is not None
    assert np.allclose(middle.latent, np.tanh(mean), atol=1e-4)
    assert np.array_equal(middle.tokens, GRID.tokens(middle.latent)), "the discrete path decodes these"
    assert middle.index == GIVEN[7].index


def test_a_new_number_stores_the_frame_that_is_playing() -> None:
    made = between_stored(chain(), GIVEN[1], GIVEN[2])
    made.set("morph.store_to", 8)
    made.set("morph.position", 1.0)
    assert np.array_equal(latents([made.bend(GIVEN[9], DecoderControls(), None)[0]]), latents([GIVEN[9]]))
    assert np.array_equal(latents([travelled(made, GIVEN[10], 1)]), latents([GIVEN[9]]))
    assert np.array_equal(latents([travelled(made, GIVEN[10], 0)]), latents([GIVEN[1]]))


def test_from_the_incoming_sound_to_the_other_slot() -> None:
    made, other = chain(morph__to="other"), frames(1, seed=9)[0]
    assert travelled(made, GIVEN[0], 0, other) is GIVEN[0]
    assert np.array_equal(travelled(made, GIVEN[1], 1, other).tokens, other.tokens)
    assert travelled(made, GIVEN[2], 0.5, None) is GIVEN[2], "the other slot has no frame yet"
    assert travelled(made, GIVEN[3], 0.5, replace(other, tokens=other.tokens[:3], latent=None)) is GIVEN[3]


def test_a_longer_way_is_further_from_its_start() -> None:
    made = between_stored(chain(), GIVEN[1], GIVEN[2])
    start = np.arctanh(latents(GIVEN)[1])
    way = [np.abs(np.arctanh(latents([travelled(made, GIVEN[3], p)])[0]) - start).mean() for p in np.linspace(0, 1, 9)]
    assert np.all(np.diff(way) > 0)


def test_a_sound_travels_to_the_frame_that_was_playing_when_the_way_began() -> None:
    found = bent(GIVEN[:4], morph__position=1.0)
    assert all(np.array_equal(frame.tokens, GIVEN[0].tokens) for frame in found)


@pytest.fixture(scope="module")
def residual() -> ResidualCodec:
    return ResidualCodec(ResidualNetwork(narrow()).randomise(0))


def residual_frames(codec: ResidualCodec, count: int) -> list[Frame]:
    rng = np.random.default_rng(3)
    spec = codec.spec
    return [Frame(i, rng.integers(0, 1024, spec.tokens, dtype=np.int32), None, 80.0) for i in range(count)]


def sums(codec: ResidualCodec, tokens: Tokens) -> np.ndarray:
    """Return the latent of a frame: the sum of its books."""
    with torch.inference_mode():
        return codec.quantiser.decode(torch.from_numpy(tokens[None].astype(np.int64)), [True] * 8)[0].numpy()


def test_a_codec_of_books_interpolates_before_them(residual: ResidualCodec) -> None:
    given = residual_frames(residual, 4)
    made = between_stored(BendChain(residual, 0, "discrete", print), *given[:2])
    assert np.array_equal(travelled(made, given[3], 0).tokens, given[0].tokens)
    assert np.array_equal(travelled(made, given[3], 1).tokens, given[1].tokens)
    found = travelled(made, given[3], 0.5)
    first, last = (sums(residual, frame.tokens) for frame in given[:2])
    off = np.linalg.norm(sums(residual, found.tokens) - (first + last) / 2)
    assert off < 0.5 * np.linalg.norm(first - last) / 2, "nearer to the middle than the ends are"
    mixed = set(found.tokens.tolist()) - set(given[0].tokens.tolist()) - set(given[1].tokens.tolist())
    assert mixed, "entries of neither end"
    assert found.tokens.dtype == np.int32


def test_a_codec_that_cannot_interpolate_changes_its_tokens_one_by_one(residual: ResidualCodec) -> None:
    given = residual_frames(residual, 3)
    made = between_stored(BendChain(residual, 0, "discrete", print), *given[:2])
    made.stream.between = None
    kept = []
    for position in (0.25, 0.5, 0.75):
        found = travelled(made, given[2], position).tokens
        from_last = found == given[1].tokens
        assert np.array_equal(found[~from_last], given[0].tokens[~from_last])
        kept.append(set(np.flatnonzero(from_last).tolist()))
    assert [len(places) for places in kept] == [2, 4, 6]
    assert kept[0] < kept[1] < kept[2]


def test_its_controls_are_in_the_table_of_both_slots() -> None:
    for slot in "ab":
        assert PARAMETERS[f"{slot}.bend.morph.position"].default == 0
        assert PARAMETERS[f"{slot}.bend.morph.to"].choices == ("stored", "other", "live")
