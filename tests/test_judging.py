"""Losses and metrics on signals whose answers are known."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from models.codec import Audio, CodecError
from models.load import load
from models.training import metrics
from models.training.crepe import Crepe, to_rate
from models.training.evaluate import Run, evaluate, hear, markdown, runs_of
from models.training.losses import ALWAYS, magnitudes, mel_filters, perceptual, pseudo_huber
from models.training.pictures import png, spectrogram

torch.set_num_threads(1)


def noise(samples: int = 24000, seed: int = 0) -> Audio:
    return (0.1 * np.random.default_rng(seed).standard_normal((2, samples))).astype(np.float32)


def test_a_scaled_copy_has_infinite_si_sdr_and_silence_none() -> None:
    x = noise()
    assert metrics.si_sdr(x, 0.25 * x) == (math.inf, 0)
    assert metrics.si_sdr(x, 0 * x)[0] == -math.inf


def test_si_sdr_of_equal_signal_and_noise_is_zero() -> None:
    x, y = noise(200_000), noise(200_000, 1)
    assert metrics.si_sdr(x, x + y)[0] == pytest.approx(0.0, abs=0.1)


@pytest.mark.parametrize("lag", [-7, 0, 12])
def test_the_lag_is_found(lag: int) -> None:
    x = noise()
    ratio, found = metrics.si_sdr(x, np.roll(x, lag, axis=1), 16)
    assert found == lag
    assert ratio > 60


def test_distances_of_identity_are_zero_and_grow_with_noise() -> None:
    x = noise()
    assert metrics.mel_distance(x, x) == 0
    assert metrics.stft_distance(x, x) == 0
    near, far = (metrics.mel_distance(x, x + part * noise(seed=1)) for part in (0.1, 1.0))
    assert 0 < near < far


def test_a_gain_of_ten_is_one_in_log_mel() -> None:
    x = noise()
    assert metrics.mel_distance(x, 10 * x) == pytest.approx(1.0, abs=0.06)  # some bands lie between bins
    assert metrics.level_difference(x, 10 * x) == pytest.approx(20.0, abs=1e-3)


def test_mel_filters_are_triangles_of_equal_area() -> None:
    filters = mel_filters(2048, 80)
    assert filters.shape == (1025, 80)
    areas = filters.sum(0) * 24000 / 1024
    assert areas[20:] == pytest.approx(np.ones(60), abs=0.05)


def test_magnitudes_of_a_sine_peak_at_its_bin() -> None:
    wave = torch.sin(2 * math.pi * 64 / 2048 * torch.arange(4096.0))
    size = magnitudes(wave, 2048, 1024)
    assert int(size[0].argmax()) == 64
    assert float(size[0].max()) == pytest.approx(512, rel=1e-3)  # half the window's sum


def test_perceptual_parts_vanish_at_identity_and_see_level() -> None:
    x = torch.from_numpy(noise())[None]
    assert [float(part) for part in perceptual(x, x, ALWAYS)] == [0, 0, 0]
    energy = perceptual(2 * x, x, ALWAYS)[2]
    assert float(energy) == pytest.approx(20 * math.log10(2) / 10, rel=0.02)


def test_pseudo_huber_is_the_distance_far_away_and_smooth_at_zero() -> None:
    a = torch.zeros(1, 100, requires_grad=True)
    assert float(pseudo_huber(a, torch.zeros(1, 100)).detach()) == 0
    far = pseudo_huber(a, torch.ones(1, 100))
    assert float(far.detach()) == pytest.approx(10 - 0.0054, abs=1e-4)
    far.sum().backward()
    assert a.grad is not None
    assert torch.isfinite(a.grad).all()


def test_frechet_distance_of_gaussians() -> None:
    rng = np.random.default_rng(0)
    a = rng.standard_normal((200_000, 3))
    assert metrics.frechet_distance(a, a) == pytest.approx(0, abs=1e-8)
    assert metrics.frechet_distance(a, a + [3.0, 0, 0]) == pytest.approx(9, abs=1e-6)
    assert metrics.frechet_distance(a, 2 * a) == pytest.approx(3, rel=0.02)  # (2 - 1)^2 in each dimension


def test_use_of_tokens() -> None:
    tokens = np.arange(121, dtype=np.int32)[:, None]  # every pair of two digits of 11 once
    used, bits = metrics.use_of_tokens(tokens, (11, 11))
    assert used == 1
    assert bits == pytest.approx(2 * math.log2(11))
    assert metrics.use_of_tokens(np.zeros((9, 4), np.int32), (11, 11)) == (2 / 22, 0)


def test_a_click_at_every_join_is_rough_and_noise_is_not() -> None:
    x = noise(48000)
    assert metrics.joint_roughness(x, 1000, 1000) == pytest.approx(1, abs=0.15)
    x[:, ::1000] += 1
    assert metrics.joint_roughness(x, 1000, 1000) > 10


def test_pictures_are_png_files_with_low_tones_low() -> None:
    time = np.arange(48000) / 48000
    low = np.stack([np.sin(2 * np.pi * 100 * time)] * 2).astype(np.float32)
    picture = spectrogram(low)
    assert picture.mean(1).argmax() > 200
    assert png(picture).startswith(b"\x89PNG")


def test_the_tracker_has_crepes_tiny_size_and_its_input_keeps_pitch() -> None:
    assert Crepe().eval()(torch.zeros(2, 1024)).shape == (2, 360)
    time = np.arange(48000) / 48000
    slower = to_rate(np.sin(2 * np.pi * 440 * time), 48000, 16000)
    assert slower.shape == (16000,)
    assert np.abs(np.fft.rfft(slower)).argmax() == 440


def test_pcm_is_judged_perfect() -> None:
    clips = {"noise": noise(48000)}
    found = evaluate([Run("pcm", "discrete")], clips)
    row = found["rows"]["pcm"]
    assert row["mel"] == 0
    assert row["si_sdr"] == math.inf
    assert row["level"] == 0
    assert "| pcm |" in markdown(found["rows"])


@pytest.mark.parametrize("name", ["nope", "encodec24:random"])
def test_a_codec_that_cannot_be_judged_is_named_before_any_is(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(CodecError, match=name):
        evaluate([Run("pcm", "discrete"), Run(name, "discrete")], {"noise": noise(4800)})
    assert capsys.readouterr().out == ""


def test_rows_that_are_not_there_are_refused_with_those_that_are() -> None:
    with pytest.raises(CodecError, match=r'no row begins with "aac" \(rows: pcm; opus:6\)'):
        runs_of(["pcm", "opus:6"], "aac")


def test_a_stream_is_aligned_with_its_clip() -> None:
    clip = noise(20000)
    heard = hear(load("opus:96"), Run("opus:96", "discrete"), clip)
    assert heard.audio.shape == clip.shape
    assert metrics.si_sdr(clip, heard.audio, 16)[1] == 0


@pytest.mark.parametrize("mode", ["autoregressive", "parallel"])
def test_the_continuous_path_takes_its_latent_in_float16(mode: str) -> None:
    clip, codec = noise(30000), load("nano")
    rates = {path: hear(codec, Run("nano", path, mode, 1), clip).bits for path in codec.spec.paths}
    fixed = codec.spec.tokens * math.log2(codec.spec.cardinality)
    assert rates["continuous"] / rates["discrete"] == pytest.approx(16 * math.prod(codec.spec.latent) / fixed)


def test_rows_are_chosen_by_the_start_of_their_names() -> None:
    assert [r.name for r in runs_of(["opus:12", "nano"], "opus;nano discrete, AR")] == [
        "opus:12", "nano discrete, AR 1", "nano discrete, AR 2", "nano discrete, AR 4",
    ]  # fmt: skip
