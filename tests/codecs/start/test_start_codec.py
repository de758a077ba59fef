"""A codec on a start: contract, streams against whole files, shapes, checkpoints, training."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from models.codec import Audio, CodecError, DecoderControls
from models.codicodec.checkpoint import read, save
from models.codicodec.codec import CoDiCodec
from models.codicodec.consistency import renoise
from models.codicodec.network import CoDiCodecNetwork
from models.codicodec.start.block_books import counts_of, split
from models.codicodec.start.block_order import GEOMETRIES, amplitudes
from models.codicodec.start.digit_layout import MODES, from_latent
from models.codicodec.start.frame_decoder import FrameSound, decode
from models.codicodec.start.refinement import corrected, fractions
from models.codicodec.start.start_weights import random_weights
from models.codicodec.stft import Stft
from models.codicodec.whitening import log_scales, whiten
from models.training.config import TrainConfig
from models.training.initial_weights import initialise
from models.training.loop import export, one_step
from models.training.nano.residual_pairs import SAMPLES
from models.training.objectives import OBJECTIVES
from models.training.state import TrainState
from tests.support.contract import check_codec
from tests.support.small_codec import STARTED, STARTS, chunks, late, noise, start_codec

both = pytest.mark.parametrize("name", STARTS)
CLOSE = 1e-5


@both
def test_the_contract_is_kept(name: str) -> None:
    codec = start_codec(name)

    def offline(audio: Audio, path: str) -> Audio:
        flushed = np.pad(audio, ((0, 0), (0, codec.spec.lookahead)))
        return codec.decode(codec.encode(late(codec, flushed), path))[:, codec.spec.lookahead :][:, : audio.shape[1]]

    check_codec(codec, hops=3, offline=offline, tolerance=CLOSE, resembles=False)


@pytest.mark.parametrize("columns", [1, 4])
def test_overlapping_frames_keep_the_contract(columns: int) -> None:
    check_codec(CoDiCodec(start_codec().network, slide=columns), hops=4, tolerance=CLOSE, resembles=False)


@pytest.mark.parametrize("segments", MODES)
def test_indices_decode_to_what_the_search_found(segments: int) -> None:
    mode, start = GEOMETRIES[segments], random_weights(0)
    rng = np.random.default_rng(0)
    powers = mode.powers(rng.integers(-800, 0, (2, 16, 21)))
    order = mode.order(powers, start.priorities[segments])
    shapes = rng.standard_normal((2, segments, mode.length)).astype(np.float32)
    indices, found = start.shapes.quantise(mode, shapes, order)
    decoded = start.shapes.decode(mode, indices, order)
    np.testing.assert_allclose(decoded.values, found.values, atol=1e-4)
    assert np.array_equal(decoded.counts, counts_of(mode, order))
    for own, bins in mode.spans:
        used = decoded.counts[..., own] > 0
        if used.any():
            width = mode.blocks[own.start][2] - mode.blocks[own.start][1]
            assert not split(decoded.values, bins, width)[~used].any()
    assert amplitudes(mode, powers).shape == shapes.shape


def test_fractions_bring_the_shapes_nearer_and_half_of_them_half_as_far() -> None:
    mode, start = GEOMETRIES[1], random_weights(0)
    rng = np.random.default_rng(0)
    order = mode.order(mode.powers(rng.integers(-800, 0, (2, 16, 21))), start.priorities[1])
    shapes = rng.standard_normal((2, 1, mode.length)).astype(np.float32)
    _, decoded = start.shapes.quantise(mode, shapes, order)
    given = fractions(mode, shapes, decoded, order)
    none, half, whole = (corrected(mode, decoded, order, part * given) for part in (0, 0.5, 1))
    assert np.square(shapes - whole).sum() < np.square(shapes - none).sum()
    np.testing.assert_allclose(half, (none + whole) / 2, atol=1e-5)


def test_any_latent_decodes_to_bounded_sound() -> None:
    codec = start_codec()
    wild = np.random.default_rng(0).uniform(-3, 3, (3, *codec.spec.latent)).astype(np.float32)
    heard = codec.decode(wild)
    assert np.isfinite(heard).all()
    assert np.abs(heard).max() <= 1


def test_not_a_number_counts_as_silence() -> None:
    codec = start_codec()
    given = noise(codec, 1)
    encoders = codec.open_encoder(), codec.open_encoder()
    given[:, 100:200] = np.nan
    found = encoders[0].encode(given).tokens
    assert np.array_equal(found, encoders[1].encode(np.nan_to_num(given)).tokens)


def test_the_parallel_mode_has_the_mean_of_the_autoregressive_one() -> None:
    codec = start_codec()
    codes = codec.encode(late(codec, noise(codec, 3)))
    for sound in (decode(codec.network.start, from_latent(code)) for code in codes):  # type: ignore[arg-type]
        assert sound.missing.min() >= 0
    modes = [codec.decode(codes, mode, steps=2) for mode in ("autoregressive", "parallel")]
    assert np.abs(modes[0] - modes[1]).mean() < 2 * modes[0].std()
    assert modes[0].shape == modes[1].shape


def gaussian(log_scale: float) -> Tensor:
    return torch.full((1, 2, 64, 64), log_scale)


@pytest.mark.parametrize("level", [0.01, 1.0, 80.0])
def test_noising_and_denoising_keeps_the_loudness(level: float) -> None:
    """Repetition must not add level, or more steps would be louder than one."""
    drawn = [torch.randn(1, 4, 64, 64, generator=torch.Generator().manual_seed(seed)) for seed in (0, 1)]
    first = whiten(80 * drawn[0], torch.tensor(80.0), 0.002, gaussian(-3)).estimate(0.0)
    noised = renoise(first, level, drawn[1], STARTED)
    second = whiten(noised, torch.tensor(level), 0.002, gaussian(-3)).estimate(0.0)
    for found in (first, second):
        assert found.std() == pytest.approx(np.exp(-3), rel=0.03)
    assert whiten(noised, torch.tensor(level), 0.002, gaussian(-3)).w.std() == pytest.approx(1, rel=0.05)


def test_what_is_missing_comes_back_at_its_power() -> None:
    power = np.full((2, 16, 512), 1e-3, np.float32)
    silent = np.zeros((2, 8192), np.float32)
    scales = log_scales([FrameSound(silent, silent, np.zeros(64), [], np.zeros(64), power, np.zeros(16))], STARTED)
    drawn = torch.randn(1, 4, 1024, 8, generator=torch.Generator().manual_seed(0))
    made = whiten(80 * drawn, torch.tensor(80.0), 0.002, scales).estimate(0.0)
    samples = Stft(STARTED).synthesise(made)[0][..., 1024:]
    assert 10 * np.log10(float(samples.square().mean()) / 1e-3) == pytest.approx(0, abs=0.7)


@both
def test_a_checkpoint_keeps_its_start(name: str, tmp_path: Path) -> None:
    network = CoDiCodecNetwork(STARTS[name]).randomise(0)
    assert network.start is not None
    network.config = type(STARTED)(**{**vars(STARTS[name]), "start": network.start.digest})
    save(network, tmp_path / "a.safetensors")
    again = read(tmp_path / "a.safetensors")
    assert again.start is not None
    assert again.start.digest == network.start.digest
    network.config = STARTS[name]
    save(network, tmp_path / "b.safetensors")
    with pytest.raises(CodecError, match="its start does not match its digest"):
        read(tmp_path / "b.safetensors")


@pytest.mark.parametrize("layers", [(1, 1, 1), (0, 1, 0), (0, 0, 1)])
def test_a_start_with_other_layers_is_refused(layers: tuple[int, int, int]) -> None:
    with pytest.raises(CodecError, match="with a start give 0 for the encoder"):
        type(STARTED)(**{**vars(STARTED), "layers": layers})


def started_state(stage: str) -> TrainState:
    network = initialise(CoDiCodecNetwork(STARTED), 0)
    network.start = random_weights(0)
    return TrainState(network, TrainConfig(stage=stage, batch=1, precision="float32", steps=10))


@pytest.mark.parametrize("stage", list(OBJECTIVES))
def test_the_learnt_part_is_trained_on_what_the_start_lacks(stage: str, tmp_path: Path) -> None:
    state = started_state(stage)
    audio = 0.1 * torch.randn(1, 2, SAMPLES, generator=torch.Generator().manual_seed(0))
    found = [one_step(state, Stft(STARTED), audio, tmp_path)["loss"] for _ in range(2)]
    assert np.isfinite(found).all()
    assert state.network.expander_stack.head.weight.any()  # type: ignore[operator]


def test_before_training_the_start_alone_is_exported(tmp_path: Path) -> None:
    state = started_state("pretrain")
    digest = state.network.start.digest  # type: ignore[union-attr]
    state.network.config = state.average.config = type(STARTED)(**{**vars(STARTED), "start": digest})
    state.save(tmp_path / "state.pt")
    export(TrainState.load(tmp_path / "state.pt"), tmp_path / "mine.safetensors")
    found = read(tmp_path / "mine.safetensors")
    assert (found.config.name, found.config.is_learnt) == ("mine", False)
    codec = CoDiCodec(found)
    frames = [codec.open_encoder().encode(chunk) for chunk in chunks(codec, noise(codec, 1))]
    assert codec.open_decoder("discrete").decode(frames[0], DecoderControls()).shape == (2, codec.spec.hop)
