"""The bundled network: properties of its output for any input."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch

from models.codec import Audio, Codec, DecoderControls
from models.load import load
from models.registry import FAMILIES
from models.training.data import decode
from models.training.metrics import joint_roughness, level_difference, mel_distance, stft_distance, use_of_tokens
from tests.support.contract import check_codec

torch.set_num_threads(1)

DEMO = Path(__file__).parents[3] / "realtime" / "demo"
PATHS = ("continuous", "discrete")


@cache
def nano() -> Codec:
    return load("nano")


def through(audio: Audio, path: str, steps: int = 1, codec: Codec | None = None) -> tuple[Audio, np.ndarray]:
    """Return (output without its lag, tokens [frames, K]) of a codec, nano by default."""
    codec = codec or nano()
    spec = codec.spec
    hops = -(-(audio.shape[1] + spec.lookahead) // spec.hop)
    padded = np.pad(audio, ((0, 0), (0, hops * spec.hop - audio.shape[1])))
    encoder, decoder = codec.open_encoder(), codec.open_decoder(path)
    frames = [encoder.encode(chunk) for chunk in np.split(padded, hops, axis=1)]
    out = [decoder.decode(frame, DecoderControls(steps=steps)) for frame in frames]
    heard = np.concatenate(out, axis=1)[:, spec.lookahead : spec.lookahead + audio.shape[1]]
    return heard, np.stack([frame.tokens for frame in frames]) if spec.tokens else np.zeros(0)


def rms(audio: Audio) -> float:
    """Return the level in dBFS."""
    return 20 * float(np.log10(np.sqrt(np.mean(np.square(audio))) + 1e-12))


def clip(name: str, seconds: float) -> Audio:
    pcm = decode(DEMO / name)[: round(seconds * 48000)]
    return np.ascontiguousarray(pcm.T, np.float32) / np.float32(32768)


def test_the_bundled_network_is_listed_without_being_loaded() -> None:
    spec = FAMILIES["nano"].spec()
    assert spec == nano().spec
    assert (spec.hop, spec.tokens, spec.cardinality) == (8192, 64, 11**4)


@pytest.mark.parametrize("path", PATHS)
def test_silence_in_gives_silence_out(path: str) -> None:
    heard, _ = through(np.zeros((2, 6 * 8192), np.float32), path)
    assert rms(heard) < -60


def signals() -> dict[str, Audio]:
    time = np.arange(4 * 8192) / 48000
    rng = np.random.default_rng(0)
    click = np.zeros(len(time))
    click[10000] = 1
    mono = {
        "sine": 0.5 * np.sin(2 * np.pi * 440 * time),
        "full scale": np.sin(2 * np.pi * 1000 * time),
        "faint": 1e-3 * np.sin(2 * np.pi * 440 * time),
        "click": click,
        "noise": 0.3 * rng.standard_normal(len(time)).clip(-3, 3),
        "square": np.sign(np.sin(2 * np.pi * 100 * time)),
    }
    return {name: np.stack([wave, wave]).astype(np.float32) for name, wave in mono.items()}


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("name", list(signals()))
def test_output_is_bounded(name: str, path: str) -> None:
    given = signals()[name]
    heard, _ = through(given, path)
    assert np.isfinite(heard).all()
    assert np.abs(heard).max() < 4 * np.abs(given).max() + 0.01


@pytest.mark.parametrize("path", PATHS)
def test_music_keeps_its_loudness(path: str) -> None:
    given = clip("rockmix_sectoid_MIT.ogg", 4)
    heard, _ = through(given, path)
    assert abs(level_difference(given, heard)) < 1.5


def test_music_is_nearer_to_its_original_than_silence_and_noise() -> None:
    given = clip("rockmix_sectoid_MIT.ogg", 3)
    heard, _ = through(given, "discrete")
    noise = np.random.default_rng(0).standard_normal(given.shape).astype(np.float32) * given.std()
    assert mel_distance(given, heard) < 0.6 * min(mel_distance(given, noise), mel_distance(given, 0 * given))


def test_at_5_kbits_clips_are_nearer_on_average_than_through_opus_at_12() -> None:
    clips = [clip(file.name, 2) for file in sorted(DEMO.glob("*.ogg"))]
    distances = [
        np.mean([mel_distance(given, through(given, "discrete", codec=codec)[0]) for given in clips])
        for codec in (nano(), load("opus:12"))
    ]
    assert distances[0] < distances[1]


def test_more_steps_do_not_make_it_worse() -> None:
    given = clip("guitar_sectoid_MIT.ogg", 3)
    one, four = (stft_distance(given, through(given, "discrete", steps)[0]) for steps in (1, 4))
    assert four < 1.03 * one


@pytest.mark.parametrize("steps", [1, 2, 4])
def test_frames_join_without_clicks(steps: int) -> None:
    heard, _ = through(clip("rockmix_sectoid_MIT.ogg", 3), "discrete", steps)
    spec = nano().spec
    assert joint_roughness(heard, spec.hop, spec.hop - spec.lookahead) < 1.2


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("hertz", [82.4, 146.8, 220.0, 329.6, 440.0])  # E2, D3, A3, E4, A4
def test_a_note_keeps_its_pitch(hertz: float, path: str) -> None:
    time = np.arange(6 * 8192) / 48000
    wave = 0.2 * sum(np.sin(2 * np.pi * n * hertz * time) / n for n in (1, 2, 3, 4))
    heard, _ = through(np.stack([wave, wave]).astype(np.float32), path)
    spectrum = np.abs(np.fft.rfft(heard.mean(0) * np.hanning(len(time)), 2**18))
    found = float(np.argmax(spectrum[: int(600 / 48000 * 2**18)])) * 48000 / 2**18
    assert abs(1200 * np.log2(found / hertz)) < 20  # cents


def test_every_level_is_in_use_on_music() -> None:
    used, _ = use_of_tokens(through(clip("rockmix_sectoid_MIT.ogg", 4), "discrete")[1], (11, 11, 11, 11))
    assert used == 1


def test_the_contract_is_kept() -> None:
    check_codec(nano(), hops=3, tolerance=1e-3, resembles=False)  # synthetic phases: waveforms do not correlate
