"""Our CoDiCodec against the package `codicodec` 0.1.2 (CC BY-NC 4.0), used as a black box: the same
random weights, the same noise, float32. Needs the package (the `parity` extra); the largest
differences are printed (pytest -s).

What this does not verify: the released weights, half precision, any device but the CPU.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from benchmarks.package import package_model
from models.codec import DecoderControls
from models.codicodec.codec import CoDiCodec
from models.codicodec.config import CoDiCodecConfig
from models.codicodec.network import CoDiCodecNetwork

pytestmark = [pytest.mark.parity, pytest.mark.timeout(1800)]  # the package takes minutes on a laptop
pytest.importorskip("codicodec", reason="the parity extra is not installed (pip install codicodec==0.1.2)")

LIMIT = 1e-4
SEEDS = (0, 1)


@pytest.fixture(scope="module", params=SEEDS)
def both(request: pytest.FixtureRequest) -> tuple[CoDiCodec, Any]:
    """Our codec and the package's, with the same random weights."""
    torch.set_num_threads(2)
    network = CoDiCodecNetwork(CoDiCodecConfig.official()).randomise(request.param)
    return CoDiCodec(network), package_model(network)


def music(seed: int, frames: int) -> np.ndarray:
    """Return noise and tones [2, samples] of exactly `frames` frames."""
    rng = np.random.default_rng(seed)
    time = np.arange(32768 * frames + 1024) / 48000
    tones = sum(np.sin(2 * np.pi * f * time + rng.uniform(0, 6)) for f in rng.uniform(50, 8000, 12)) / 20
    return (tones * np.array([[1.0], [0.6]]) + 0.05 * rng.standard_normal((2, len(time)))).astype(np.float32)


def check(what: str, ours: Any, theirs: Any) -> None:
    ours, theirs = (torch.as_tensor(np.asarray(x)).double() for x in (ours, theirs))
    error = (ours - theirs).abs().max().item()
    print(f"\n  {what}: max abs error {error:.2e} of max {theirs.abs().max().item():.2f}", end="")
    assert ours.shape == theirs.shape
    assert error <= LIMIT


def their_latents(codec: CoDiCodec, codes: np.ndarray) -> torch.Tensor:
    """Return continuous codes as public latents [frames, 8, 64], the package's input."""
    from models.codicodec.fsq import to_public

    return to_public(torch.from_numpy(codes), codec.network.config.latent_scale).reshape(len(codes), 8, 64)


def test_spectrum_and_waveform_agree(both: tuple[CoDiCodec, Any]) -> None:
    import codicodec.inference as package

    ours, _ = both
    audio = torch.from_numpy(music(0, 2))
    picture = ours.stft.analyse(audio[None])
    check("spectrum", picture, package.to_representation_encoder(audio[None]))
    samples, tail = ours.stft.synthesise(picture)
    waveform = torch.cat([samples, tail], dim=-1).clamp(-1, 1)
    check("waveform", waveform, package.to_waveform(picture))


@torch.no_grad()
def test_continuous_latents_agree_and_tokens_are_exact(both: tuple[CoDiCodec, Any]) -> None:
    ours, theirs = both
    audio = music(1, 3)
    codes = ours.encode(audio)
    check("public latents", their_latents(ours, codes).reshape(3, 8, 64), theirs.encode(audio).reshape(3, 8, 64))
    check("continuous codes", codes, torch.tanh(0.8 * theirs.encode(audio)).reshape(3, 128, 4))
    tokens = theirs.encode(audio, discrete=True).numpy().reshape(3, 128)
    wrong = int((ours.encode(audio, "discrete") != tokens).sum())
    print(f"\n  tokens: {wrong} of {tokens.size} differ", end="")
    assert wrong == 0


@torch.no_grad()
@pytest.mark.parametrize("frames", [1, 2, 3])
def test_autoregressive_decoding_agrees(both: tuple[CoDiCodec, Any], frames: int) -> None:
    ours, theirs = both
    codes = ours.encode(music(2, frames))
    mine = ours.decode(codes, generator=5)
    if frames == 1:  # the package's `decode` raises on a single frame; its live decoder gives it without the tail
        theirs.reset()
        torch.manual_seed(5)
        reference = theirs.decode_next(their_latents(ours, codes)[0]).reshape(2, -1)
        mine = mine[:, :32768]
    else:
        torch.manual_seed(5)
        reference = theirs.decode(their_latents(ours, codes), mode="autoregressive").reshape(2, -1)
    check(f"autoregressive, {frames} frames", mine, reference)


@torch.no_grad()
@pytest.mark.parametrize(("steps", "frames"), [(3, 3), (4, 4)])
def test_parallel_decoding_agrees(both: tuple[CoDiCodec, Any], steps: int, frames: int) -> None:
    ours, theirs = both
    codes = ours.encode(music(3, frames))
    torch.manual_seed(6)
    reference = theirs.decode(their_latents(ours, codes), mode="parallel", denoising_steps=steps).reshape(2, -1)
    check(f"parallel, {frames} frames, {steps} steps", ours.decode(codes, "parallel", steps, generator=6), reference)


@torch.no_grad()
@pytest.mark.parametrize("path", ["continuous", "discrete"])
def test_live_decoding_agrees_with_decode_next(both: tuple[CoDiCodec, Any], path: str) -> None:
    ours, theirs = both
    audio = music(4, 3)[:, : 3 * 32768]
    encoder, decoder = ours.open_encoder(), ours.open_decoder(path)
    frames = [encoder.encode(chunk) for chunk in np.split(audio, 3, axis=1)]
    mine = [decoder.decode(frame, DecoderControls(seed=7)) for frame in frames]
    theirs.reset()
    torch.manual_seed(7)
    for index, frame in enumerate(frames):
        assert frame.latent is not None
        given = torch.from_numpy(frame.tokens) if path == "discrete" else their_latents(ours, frame.latent[None])[0]
        reference = theirs.decode_next(given, discrete=path == "discrete")
        check(f"live, {path}, frame {index}", mine[index], reference.reshape(2, -1))
