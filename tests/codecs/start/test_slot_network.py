"""The learnt part of nano's decoder: corrections of levels, in streams, files and checkpoints."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from models.codec import CodecError
from models.codicodec.checkpoint import read, save
from models.codicodec.codec import CoDiCodec
from models.codicodec.network import CoDiCodecNetwork
from models.codicodec.start.digit_layout import ENVELOPE_DIGITS, digits_of, from_latent
from models.codicodec.start.gain_curves import ENVELOPE_STEP, SLOTS
from models.codicodec.start.slot_network import INPUTS, MOST_DOWN, MOST_UP, SHAPES, SlotInputs, SlotNetwork
from models.codicodec.start.start_weights import StartWeights, random_weights
from tests.support.contract import check_codec
from tests.support.small_codec import STARTED, late, noise, start_codec

NO_ROWS = np.zeros((SLOTS, INPUTS), np.float32)


def network_of(bias: float, seed: int | None = None) -> SlotNetwork:
    """Return a network that says the same everywhere, or one of random weights."""
    rng = np.random.default_rng(seed)
    size = 0.0 if seed is None else 1.0
    weights = tuple((size * rng.standard_normal(s) / s[0] ** 0.5).astype(np.float16).astype(np.float32) for s in SHAPES)
    biases = (*(np.zeros(s[1], np.float32) for s in SHAPES[:-1]), np.full(1, bias, np.float32))
    return SlotNetwork(weights, biases)


def learnt(slots: SlotNetwork) -> CoDiCodecNetwork:
    """Return a network whose start has this learnt part."""
    start: StartWeights = replace(random_weights(0), slots=slots)
    network = CoDiCodecNetwork(replace(STARTED, layers=(0, 0, 0), start=start.digest))
    network.start = start
    return network


def test_the_contract_is_kept() -> None:
    check_codec(CoDiCodec(learnt(network_of(0.0, seed=1))), hops=3, tolerance=1e-5, resembles=False)


def test_overlapping_frames_keep_the_contract() -> None:
    check_codec(CoDiCodec(learnt(network_of(0.0, seed=1)), slide=4), hops=3, tolerance=1e-5, resembles=False)


def test_a_correction_changes_the_level_of_the_high_part() -> None:
    plain, softer = start_codec("start alone"), CoDiCodec(learnt(network_of(-0.3)))
    codes = plain.encode(late(plain, noise(plain, 4)), "discrete")
    before, after = (np.diff(codec.decode(codes, steps=1), n=4)[:, 8192:-9000] for codec in (plain, softer))
    assert 20 * np.log10(after.std() / before.std()) == pytest.approx(-6, abs=0.5)


def test_the_encoder_of_the_continuous_path_knows_the_corrections() -> None:
    """A decoder that is 8 dB too soft everywhere is told to be louder."""
    plain, softer = start_codec("start alone"), CoDiCodec(learnt(network_of(-0.4)))
    audio = 0.01 * late(plain, noise(plain, 2))
    said = []
    for codec in (plain, softer):
        codes = from_latent(codec.encode(audio)[1])
        said.append((codes - digits_of(codes))[ENVELOPE_DIGITS].mean() * ENVELOPE_STEP)
    assert 3 < said[1] - said[0] < 9


def test_corrections_are_bounded() -> None:
    for bias, most in ((100.0, MOST_UP), (-100.0, -MOST_DOWN)):
        assert np.array_equal(network_of(bias).corrections(NO_ROWS), np.full(SLOTS, most))


def test_inputs_reach_back_into_the_frame_before() -> None:
    rng = np.random.default_rng(0)
    levels = -40 + 10 * rng.standard_normal((4, 2 * SLOTS))
    together, alone = SlotInputs(), SlotInputs()
    together.rows(*levels[:, :SLOTS])
    assert not np.array_equal(together.rows(*levels[:, SLOTS:])[0], alone.rows(*levels[:, SLOTS:])[0])


def test_a_checkpoint_keeps_the_learnt_part(tmp_path: Path) -> None:
    network = learnt(network_of(0.5, seed=2))
    save(network, tmp_path / "a.safetensors", torch.float16)
    again = read(tmp_path / "a.safetensors")
    assert again.start is not None
    assert again.start.slots is not None
    rows = np.random.default_rng(0).standard_normal(NO_ROWS.shape).astype(np.float32)
    expected = network.start.slots.corrections(rows)  # type: ignore[union-attr]
    np.testing.assert_allclose(again.start.slots.corrections(rows), expected, atol=1e-4)


def test_codes_of_a_start_with_another_learnt_part_are_other_codes() -> None:
    plain = random_weights(0)
    first, second = (replace(plain, slots=network_of(bias)).digest for bias in (0.0, 0.5))
    assert len({plain.digest, first, second}) == 3


def test_a_learnt_part_of_another_size_is_named(tmp_path: Path) -> None:
    network = learnt(network_of(0.0))
    slots = network.start.slots  # type: ignore[union-attr]
    assert slots is not None
    wrong = SlotNetwork((slots.weights[0][:-1], *slots.weights[1:]), slots.biases)
    network.start = replace(random_weights(0), slots=wrong)
    save(network, tmp_path / "a.safetensors")
    with pytest.raises(CodecError, match=r'"start.slots.0.weight" is torch.float16 \[\d+, 48\]; it must be'):
        read(tmp_path / "a.safetensors")
