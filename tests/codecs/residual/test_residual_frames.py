"""Residual codecs of several steps a frame: the same steps as with one, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from models.codec import CodecError, DecoderControls
from models.load import load
from models.residual import registry
from models.residual.checkpoint import save
from models.residual.codec import ResidualCodec
from models.residual.dac import DacConfig
from models.residual.network import Config, ResidualNetwork, whole_file
from models.residual.registry import codec_of, load_family, split_frames
from models.residual.rvq import QuantiserConfig
from models.residual.seanet import encodec_24khz, encodec_32khz, encodec_48khz
from realtime.files.tape import TapeHeader, TapeWriter, codec_hash
from realtime.files.tape_reader import TapeReader
from tests.support.contract import check_codec, chunks, sound

torch.set_num_threads(1)

NARROW: dict[str, Config] = {
    "encodec24": replace(encodec_24khz(), name="encodec24", width=4, mirror=False, quantiser=QuantiserConfig(8, 6, 32)),
    "encodec32": replace(encodec_32khz(), width=4, mirror=False, quantiser=QuantiserConfig(8, 4, 64)),
    "dac": DacConfig("dac", 44100, 1, 4, 64, (2, 4, 8, 8), QuantiserConfig(16, 3, 32, lookup=4, cosine=True)),
}


def network(name: str) -> ResidualNetwork:
    return ResidualNetwork(NARROW[name]).randomise(0)


@pytest.mark.parametrize("name", NARROW)
@pytest.mark.parametrize("frames", [2, 3, 8])
def test_codecs_of_several_steps_a_frame_keep_the_contract(name: str, frames: int) -> None:
    codec = ResidualCodec(network(name), frames=frames)
    late = codec.spec.lookahead
    whole = None if late else lambda audio, path: whole_file(codec.network, audio)[1]
    check_codec(
        codec, hops=4 + codec.network.encoder_delay_frames // frames, tolerance=1e-4, resembles=False, offline=whole
    )


@pytest.mark.parametrize("name", NARROW)
@pytest.mark.parametrize("frames", [2, 3, 8])
def test_steps_and_samples_are_those_of_frames_of_one_step(name: str, frames: int) -> None:
    one, several = ResidualCodec(network(name)), ResidualCodec(network(name), frames=frames)
    assert several.spec.lookahead == one.spec.lookahead
    assert (several.spec.hop, several.spec.tokens) == (frames * one.spec.hop, frames * one.spec.tokens)
    audio = sound(one.spec, 48, seed=1)[:, : 48 * one.spec.hop]
    tokens, samples = [], []
    for codec in (one, several):
        encoder, decoder = codec.open_encoder(), codec.open_decoder("discrete")
        found = [encoder.encode(chunk) for chunk in chunks(audio, codec.spec.hop)]
        tokens.append(np.concatenate([frame.tokens for frame in found]))
        samples.append(np.concatenate([decoder.decode(frame, DecoderControls(books=2)) for frame in found], 1))
    assert np.array_equal(tokens[0], tokens[1])
    np.testing.assert_allclose(samples[0], samples[1], atol=1e-5)


def test_a_frame_of_four_steps_costs_four_times_the_bits() -> None:
    codecs = [ResidualCodec(network("dac"), frames=frames) for frames in (1, 4)]
    frames = [codec.open_encoder().encode(np.zeros((1, codec.spec.hop), np.float32)) for codec in codecs]
    assert frames[1].bits == 4 * frames[0].bits


def test_a_name_ends_in_the_steps_of_a_frame() -> None:
    assert codec_of(network("encodec24"), "x", "1.5", "4").spec.name == "x:1.5:frames=4"
    assert [split_frames(name) for name in ("6:frames=4", "frames=auto", "6", "")] == [
        ("6", "4"), ("", "auto"), ("6", ""), ("", ""),
    ]  # fmt: skip


def test_a_tape_of_other_steps_a_frame_is_another_codecs(tmp_path: Path) -> None:
    one, two = ResidualCodec(network("dac")), ResidualCodec(network("dac"), frames=2)
    assert codec_hash(one) != codec_hash(two)
    path = tmp_path / "x.tape"
    encoder, decoder = two.open_encoder(), two.open_decoder("discrete")
    frames = [encoder.encode(chunk) for chunk in chunks(sound(two.spec, 12, seed=2), two.spec.hop)]
    with TapeWriter(path, TapeHeader.of(two.spec, "tokens", 0, config_hash=codec_hash(two))) as tape:
        for frame in frames:
            tape.write(frame)
    reader = TapeReader(path)
    reader.check(codec_hash(two), two.spec.name)
    other = two.open_decoder("discrete")
    for frame, played in zip(frames, reader, strict=True):
        assert np.array_equal(decoder.decode(frame, DecoderControls()), other.decode(played, DecoderControls()))
    with pytest.raises(CodecError, match="not recorded with codec"):
        reader.check(codec_hash(one), one.spec.name)


def test_every_name_of_the_family_has_a_hash_of_its_own() -> None:
    found, hashes = zip(*registry.names(), strict=True)
    assert len(set(found)) == len(set(hashes)) == len(found)
    assert {"encodec24:6:frames=4", "dac16:random:frames=8", "encodec48:12", "dac44-16"} <= set(found)
    assert "encodec48:12:frames=2" not in found
    for name in ("encodec24:random", "encodec24:random:frames=2", "dac16:random:frames=4"):
        codec = load_family(*name.split(":", 1))
        assert (codec.spec.name, codec_hash(codec)) in set(zip(found, hashes, strict=True))


@pytest.mark.parametrize(("loads", "frames"), [([0.9, 0.5], 2), ([0.1], 1), ([2.0, 1.5, 1.2, 1.1], 8)])
def test_auto_takes_the_fewest_steps_that_are_in_time(
    loads: list[float], frames: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = iter(loads)
    monkeypatch.setattr(ResidualCodec, "hop_load", lambda codec: next(found))
    codec = codec_of(network("encodec24"), "encodec24", frames="auto")
    assert isinstance(codec, ResidualCodec)
    assert codec.frames == frames
    assert f"{frames} step(s) a frame, which take {loads[-1]:.2f} × real time here" in codec.reason


@pytest.mark.parametrize("frames", ["0", "3", "x", "-1", "16"])
def test_other_numbers_of_steps_are_refused_before_anything_is_fetched(
    frames: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "find", lambda family: pytest.fail("looked for weights"))
    with pytest.raises(CodecError, match=f"frames={frames} is not offered by dac. Pass one of 1, 2, 4, 8, auto"):
        load_family("dac", f"frames={frames}")
    with pytest.raises(CodecError, match="whose frames are a second long"):
        load_family("encodec48", "6:frames=2")
    with pytest.raises(CodecError, match="frames=0 is not possible"):
        ResidualCodec(network("dac"), frames=0)


def test_a_checkpoint_of_ours_may_have_several_steps_a_frame(tmp_path: Path) -> None:
    save(network("dac"), tmp_path / "x.safetensors")
    assert registry.load_file(tmp_path / "x.safetensors", "8").spec.hop == 8 * 512
    assert load(str(tmp_path / "x.safetensors")).spec.hop == 512


def test_a_wide_network_is_timed_and_says_when_it_is_too_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ResidualNetwork, "is_large", True)
    monkeypatch.setattr("models.residual.codec.worst_frame", lambda codec, skip: 3 / codec.spec.frame_rate)
    one, eight = (ResidualCodec(network("dac"), frames=frames) for frames in (1, 8))
    one.tune()
    eight.tune()
    torch.set_num_threads(1)
    slow = "3.00 × real time here with 1 thread(s), too slow to play: "
    assert slow + "pass several steps a frame (:frames=8), render a file" in one.reason
    assert slow + "render a file, or take another codec" in eight.reason


def test_stereo_segments_take_no_frames() -> None:
    narrow = replace(encodec_48khz(), width=4)
    with pytest.raises(CodecError, match="frames=2 is not offered by x"):
        codec_of(ResidualNetwork(narrow), "x", frames="2")
