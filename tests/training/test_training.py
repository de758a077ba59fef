"""Training of nano: it learns, resumes exactly, and names files and options that it cannot use."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

from models.codec import CodecError
from models.codicodec.checkpoint import config_of, read
from models.codicodec.codec import digest
from models.codicodec.config import CoDiCodecConfig
from models.codicodec.network import CoDiCodecNetwork
from models.codicodec.start.start_weights import random_weights
from models.codicodec.stft import Stft
from models.load import load
from models.tape_registry import name_of
from models.training.augment import batch, shelve
from models.training.config import TrainConfig, nano
from models.training.curves import Curves
from models.training.data import Pack, build, decode
from models.training.initial_weights import initialise
from models.training.loop import Batches, DivergedError, batches, export, one_step, run
from models.training.objectives import OBJECTIVES, encode_pair, samples_needed
from models.training.residual.state import ResidualState
from models.training.state import TrainState
from models.training.train import main

torch.set_num_threads(1)

SIZES = CoDiCodecConfig(
    name="mini", sample_rate=48000, stft_hop=512, stft_window=1024, columns=4, patch=(32, 2), channels=(64,),
    strides=(), blocks=(1,), width=64, layers=(1, 1, 1), heads=2, mlp_width=64, noise_width=16, latents=16, registers=2,
    levels=(11, 11, 11, 11),
)  # fmt: skip


OURS = replace(SIZES, own_projections=True, log_planes=True)


def state_of(sizes: CoDiCodecConfig = SIZES, **choices: object) -> TrainState:
    config = TrainConfig(**{"batch": 2, "precision": "float32", "steps": 1000, **choices})  # type: ignore[arg-type]
    network = initialise(CoDiCodecNetwork(sizes), 0)
    if sizes.start:
        network.start = random_weights(0)
    return TrainState(network, config)


def tones(seen: int, items: int = 2) -> torch.Tensor:
    """A batch of chords [items, 2, samples], the same for the same step."""
    rng = np.random.default_rng(seen)
    time = np.arange(2 * SIZES.hop + SIZES.lookahead) / 48000
    pitch = rng.uniform(100, 4000, (items, 2, 3, 1))
    return torch.from_numpy((0.1 * np.sin(2 * np.pi * pitch * time).sum(2)).astype(np.float32))


def always(audio: torch.Tensor) -> Batches:
    return lambda seen: audio


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three sounds, a text file that says it is one, and half a FLAC file."""
    audio = tmp_path / "audio"
    audio.mkdir()
    rng = np.random.default_rng(0)
    for name in ("one.wav", "two.flac", "three.wav"):
        soundfile.write(audio / name, 0.1 * rng.standard_normal((24000, 2)), 44100)
    (audio / "words.wav").write_text("no sound at all")
    (audio / "cut.flac").write_bytes((audio / "two.flac").read_bytes()[:30])
    return audio


@pytest.mark.parametrize(("stage", "sizes"), [("pretrain", SIZES), ("decoder", SIZES), ("decoder", OURS)])
def test_one_batch_is_learnt_within_seconds(stage: str, sizes: CoDiCodecConfig, tmp_path: Path) -> None:
    state, audio = state_of(sizes, stage=stage, rate=3e-3, ema=0.9), tones(0)
    spectral = Stft(SIZES)
    losses = [one_step(state, spectral, audio, tmp_path)["mel"] for _ in range(80)]
    assert np.mean(losses[-8:]) < 0.5 * np.mean(losses[:4])


def test_consistency_training_of_one_batch_brings_noise_levels_together(tmp_path: Path) -> None:
    state, audio = state_of(stage="consistency", rate=3e-3, gap=(1.0, 1.0), edge_weight=0.0), tones(0)
    spectral = Stft(SIZES)
    losses = [one_step(state, spectral, audio, tmp_path)["huber"] for _ in range(60)]
    assert np.mean(losses[-20:]) < 0.7 * np.mean(losses[:5])


@pytest.mark.parametrize("stage", list(OBJECTIVES))
def test_every_objective_gives_a_finite_gradient_also_for_silence(stage: str) -> None:
    state = state_of(stage=stage)
    generator = torch.Generator().manual_seed(0)
    spectral = Stft(SIZES)
    pair = encode_pair(
        state.network, spectral, torch.zeros(2, 2, samples_needed(state.network)), state.config, generator
    )
    loss = OBJECTIVES[stage](state.network, spectral, pair, state.config, generator, 0.5)["loss"]
    loss.backward()
    assert all(torch.isfinite(w.grad).all() for w in state.network.parameters() if w.grad is not None)


@pytest.mark.parametrize("sizes", [SIZES, OURS], ids=["as released", "with our options"])
@pytest.mark.parametrize("together", [0.0, 1.0], ids=["after a left", "together"])
def test_both_ways_of_decoding_train_the_whole_denoiser_in_bfloat16(together: float, sizes: CoDiCodecConfig) -> None:
    state = state_of(sizes, stage="decoder", shared_noise=together)
    network = state.network
    generator = torch.Generator().manual_seed(0)
    with torch.autocast("cpu", torch.bfloat16):
        pair = encode_pair(network, Stft(SIZES), tones(0), state.config, generator)
        OBJECTIVES["decoder"](network, Stft(SIZES), pair, state.config, generator, 0.0)["loss"].backward()
    idle = [n for n, w in network.named_parameters() if w.grad is None]
    assert idle == []


def test_frozen_weights_stay_and_the_others_are_trained(tmp_path: Path) -> None:
    state = state_of(OURS, stage="decoder", frozen=("expander", "encoder", "to_codes"))
    before = {name: weight.clone() for name, weight in state.network.named_parameters()}
    for _ in range(3):
        one_step(state, Stft(OURS), tones(0), tmp_path)
    changed = {name for name, weight in state.network.named_parameters() if not torch.equal(weight, before[name])}
    assert "denoiser_out.head.weight" in changed
    assert not [name for name in changed if name.startswith(("expander", "encoder", "to_codes"))]


def test_the_frozen_weights_may_change_when_a_run_is_resumed() -> None:
    state = state_of(OURS, stage="decoder", frozen=("expander",))
    state.change(replace(state.config, frozen=("encoder",)))
    learns = {name.partition(".")[0]: weight.requires_grad for name, weight in state.network.named_parameters()}
    assert (learns["expander"], learns["encoder"]) == (True, False)


@pytest.mark.parametrize("stage", list(OBJECTIVES))
def test_resume_is_bit_exact(stage: str, tmp_path: Path) -> None:
    straight, broken = state_of(stage=stage, steps=6), state_of(stage=stage, steps=6)
    run(straight, tones, tmp_path / "a", show=False)
    broken.config = straight.config
    spectral = Stft(SIZES)
    for _ in range(3):
        one_step(broken, spectral, tones(broken.seen), tmp_path)
    broken.save(tmp_path / "b" / "state.pt")
    torch.rand(7)  # what another run did in between
    again = TrainState.load(tmp_path / "b" / "state.pt")
    run(again, tones, tmp_path / "b", show=False)
    assert again.step == straight.step == 6
    for ours, theirs in zip(again.network.parameters(), straight.network.parameters(), strict=True):
        assert torch.equal(ours, theirs)
    for ours, theirs in zip(again.average.parameters(), straight.average.parameters(), strict=True):
        assert torch.equal(ours, theirs)


def test_time_that_is_up_leaves_a_state_and_curves(tmp_path: Path) -> None:
    state = state_of(log_every=1)
    run(state, tones, tmp_path, minutes=0.01, show=False)
    assert 0 < state.step < 1000
    assert TrainState.load(tmp_path / "state.pt").step == state.step
    lines = (tmp_path / "curves.csv").read_text().splitlines()
    assert len(lines) == state.step + 1
    assert lines[0].startswith("stage,step,seen,pairs,seconds,loss")


def test_a_loss_that_is_not_finite_stops_with_its_batch_saved(tmp_path: Path) -> None:
    state = state_of()
    before = [w.clone() for w in state.network.parameters()]
    bad = tones(0)
    bad[0, 0, 2000] = float("nan")
    with pytest.raises(DivergedError, match=r"loss is nan at step 0; its batch is in .*diverged\.pt"):
        run(state, always(bad), tmp_path, show=False)
    held = torch.load(tmp_path / "diverged.pt", weights_only=True)
    assert torch.equal(held["audio"], bad) or torch.isnan(held["audio"]).any()
    assert all(torch.equal(a, b) for a, b in zip(before, state.network.parameters(), strict=True))


def test_a_file_that_cannot_be_decoded_is_named_and_skipped(folder: Path, tmp_path: Path) -> None:
    said: list[str] = []
    pieces = build(folder, tmp_path / "pack", said.append)
    assert [piece.name for piece in pieces] == ["one.wav", "three.wav", "two.flac"]
    assert sorted(line.split('"')[1] for line in said) == ["cut.flac", "words.wav"]
    assert all(line.startswith("skipped ") for line in said)
    assert abs(pieces[0].length - 24000 * 48000 / 44100) < 64


def test_a_folder_without_sound_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CodecError, match="no audio could be read"):
        build(tmp_path, tmp_path / "pack")
    with pytest.raises(CodecError, match="is not a pack"):
        Pack([tmp_path])


def test_decoding_keeps_the_samples(folder: Path) -> None:
    wave = np.random.default_rng(0).integers(-9000, 9000, (4800, 2)).astype(np.int16)
    soundfile.write(folder / "exact.wav", wave, 48000)
    assert np.array_equal(decode(folder / "exact.wav"), wave)


def test_batches_depend_on_the_step_alone_and_stay_in_range(folder: Path, tmp_path: Path) -> None:
    build(folder, tmp_path / "pack", lambda line: None)
    draw = batches(Pack([tmp_path / "pack"]), TrainConfig(batch=3), 4096)
    first = draw(5)
    assert first.shape == (3, 2, 4096)
    assert torch.equal(first, draw(5))
    assert not torch.equal(first, draw(6))
    many = batch(Pack([tmp_path / "pack"]), np.random.default_rng(0), 60, 4096)
    assert torch.isfinite(many).all()
    assert many.abs().max() <= 1.0


def test_a_pack_is_not_spoilt_by_a_folder_without_audio(folder: Path, tmp_path: Path) -> None:
    pack, nothing = tmp_path / "pack", tmp_path / "nothing"
    nothing.mkdir()
    build(folder, pack)
    before = {path.name: path.read_bytes() for path in pack.iterdir()}
    with pytest.raises(CodecError, match="no audio could be read"):
        build(nothing, pack)
    assert {path.name: path.read_bytes() for path in pack.iterdir()} == before


def test_options_are_checked() -> None:
    assert TrainConfig().with_options(["rate=0.01", "stage=decoder", "betas=[0.8, 0.9]"]).betas == (0.8, 0.9)
    with pytest.raises(CodecError, match='option "speed" not known'):
        TrainConfig().with_options(["speed=9"])
    with pytest.raises(CodecError, match='stage "hot" not known'):
        TrainConfig().with_options(["stage=hot"])
    assert TrainConfig().with_options(["stage=warm"]).stage == "pretrain", "the name in 0.1.0"
    assert TrainConfig.from_saved({**asdict(TrainConfig()), "stage": "warm"}) == TrainConfig()
    for option in ("steps=many", "steps=1.5", "rate=[1]", "frozen=expander"):
        with pytest.raises(CodecError, match=r"wrong type\. Give such as "):
            TrainConfig().with_options([option])


@pytest.mark.parametrize("kind", [TrainState, ResidualState])
@pytest.mark.parametrize("held", [b"hello garbage", b"e", b"", None], ids=["text", "a byte", "empty", "missing"])
def test_a_file_that_is_not_a_saved_state_is_refused(tmp_path: Path, held: bytes | None, kind: Any) -> None:
    if held is not None:
        (tmp_path / "state.pt").write_bytes(held)
    expected = (
        r"not a saved state .*(not a PyTorch checkpoint|empty).* Pass another directory"
        if held is not None
        else "no training was saved"
    )
    with pytest.raises(CodecError, match=expected):
        kind.load(tmp_path / "state.pt")


def test_a_checkpoint_goes_by_the_name_of_its_file(tmp_path: Path) -> None:
    """Tapes know a codec by it: a network of a user is not confused with the bundled one of the same sizes."""
    export(state_of(nano(random_weights(0).digest)), tmp_path / "mine.safetensors")
    mine, bundled = read(tmp_path / "mine.safetensors").config, config_of("nano")
    assert bundled is not None
    assert (mine.name, name_of(digest(mine)), name_of(digest(bundled))) == ("mine", None, "nano")


def test_curves_that_are_gone_on_with_keep_their_columns(tmp_path: Path) -> None:
    Curves(tmp_path / "curves.csv", ["step", "loss"]).add({"step": 1, "loss": 3.0})
    Curves(tmp_path / "curves.csv", ["step", "mel", "loss"]).add({"step": 2, "mel": 0.5, "loss": 2.0})
    assert (tmp_path / "curves.csv").read_text().splitlines() == ["step,loss", "1,3.0", "2,2.0"]


def test_a_folder_that_cannot_be_written_is_named_before_training(tmp_path: Path) -> None:
    (tmp_path / "taken").touch()
    with pytest.raises(OSError, match="taken"):
        run(state_of(), lambda seen: pytest.fail("trained"), tmp_path / "taken" / "run")


def test_the_command_trains_resumes_and_exports(folder: Path, tmp_path: Path) -> None:
    main(["--pack", str(folder), str(tmp_path / "pack")])
    start = tmp_path / "start.safetensors"
    export(state_of(), start)
    common = [str(tmp_path / "pack"), "--state", str(tmp_path / "run"), "--device", "cpu", "--set", "batch=1"]
    main([*common, "--weights", str(start), "--set", "steps=2"])
    main([*common, "--set", "stage=decoder", "--set", "steps=1"])
    state = TrainState.load(tmp_path / "run" / "state.pt")
    assert (state.step, state.seen, state.config.stage) == (1, 3, "decoder")
    main(["--state", str(tmp_path / "run"), "--export", str(tmp_path / "out.safetensors")])
    codec = load(str(tmp_path / "out.safetensors"))
    assert codec.spec.hop == SIZES.hop


def test_the_bundled_sizes_keep_their_promises() -> None:
    sizes = nano("0" * 64)
    assert sizes.hop <= 8192
    rate = sizes.latents * np.log2(float(sizes.cardinality)) * sizes.sample_rate / sizes.hop
    assert 2600 <= rate <= 6000
    assert sum(w.numel() for w in CoDiCodecNetwork(sizes).parameters()) < 16e6


def test_stretches_come_from_every_piece_and_a_short_one_is_surrounded_by_silence(folder: Path, tmp_path: Path) -> None:
    short = np.full((1000, 2), 0.5)
    soundfile.write(folder / "short.wav", short, 48000)
    build(folder, tmp_path / "pack", lambda line: None)
    pack = Pack([tmp_path / "pack"])
    drawn = pack.draw(np.random.default_rng(0), 100, 4096)
    constant = (drawn.abs() > 0).sum(-1) == 1000
    assert 0 < constant.sum() < 100
    assert torch.allclose(drawn[constant].sum(-1), torch.tensor(500.0), atol=0.1)


@pytest.mark.parametrize("db", [-9.0, 0.0, 6.0])
def test_a_flat_response_is_a_gain(db: float) -> None:
    audio = tones(0)
    shaped = shelve(audio, torch.full((2, 6), db))
    assert torch.allclose(shaped, audio * 10 ** (db / 20), atol=1e-5)
