"""Losses and metrics on signals whose answers are known."""

from __future__ import annotations

import base64
import json
import math
import re
from html import escape
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from models.codec import Audio, CodecError
from models.load import load
from models.training import metrics
from models.training.evaluate import evaluate, main
from models.training.html_page import Report
from models.training.losses import FIXED_WINDOWS, magnitudes, mel_filters, perceptual, pseudo_huber
from models.training.pictures import long_spectrogram, png, spectrogram
from models.training.pretrained.crepe import Crepe, to_rate
from models.training.result_tables import COLUMNS, markdown, means, tables, to_json
from models.training.runs import Run, code_clip, runs_of

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
    assert [float(part) for part in perceptual(x, x, FIXED_WINDOWS)] == [0, 0, 0]
    energy = perceptual(2 * x, x, FIXED_WINDOWS)[2]
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


def test_a_long_picture_keeps_partials_apart_at_rows_of_equal_ratios() -> None:
    time = np.arange(96000) / 48000
    pair = np.sin(2 * np.pi * 400 * time) + np.sin(2 * np.pi * 500 * time)
    picture, white = long_spectrogram(np.stack([pair, pair]).astype(np.float32))
    middle = picture[:, picture.shape[1] // 2].astype(int)
    places = [round(256 - 256 * math.log(hertz / 50) / math.log(16000 / 50)) for hertz in (400, 447, 500)]
    lines = [middle[place - 2 : place + 2].max() for place in places[::2]]
    assert lines == pytest.approx([255, 255], abs=12)
    assert middle[places[1]] < 100
    assert long_spectrogram(np.zeros((2, 96000), np.float32), white)[0].max() == 0


def test_the_report_is_one_page_with_a_picture_of_every_clip_and_run() -> None:
    report = Report()
    clips = {"a<b": noise(24000), "c": noise(24000, 1)}
    page = report.page(evaluate([Run("pcm", "discrete"), Run("mp3:64", "discrete")], clips, [report.add]))
    assert page.count("<img ") == 6
    assert page.count("data:image/png;base64,") == 6
    assert "a&lt;b" in page
    assert "<script" not in page
    assert "http" not in page
    assert all(escape(column.meaning) in page for column in COLUMNS)
    for picture in re.findall(r"base64,([^']+)", page):
        assert base64.b64decode(picture).startswith(b"\x89PNG")


def test_the_command_prints_tables_and_writes_json_report_and_pictures(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    soundfile.write(tmp_path / "clip.wav", noise(48000).T, 48000)
    given = [tmp_path / "clip.wav", "--json", tmp_path / "j", "--report", tmp_path / "r", "--pictures", tmp_path / "p"]
    main([*map(str, given), "--codec", "pcm", "--beside", "mp3:64"])
    out = capsys.readouterr().out
    assert out.count("| codec |") == 2
    assert "1 clips, 1.0 s" in out
    assert list(json.loads((tmp_path / "j").read_text())["clips"]["mp3:64"]) == ["clip"]
    assert (tmp_path / "r").read_text(encoding="utf-8").count("<figure>") == 3
    assert (tmp_path / "p" / "clip" / "mp364.png").is_file()


def test_the_command_takes_excerpts_of_a_split(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    soundfile.write(tmp_path / "a.wav", noise(6 * 48000).T, 48000)
    (tmp_path / "manifest.csv").write_text("path,split\na.wav,valid\n")
    chosen = ["--codec", "pcm", "--beside", "", "--data", str(tmp_path), "--seconds", "0.5"]
    main([*chosen, "--excerpts", "3"])
    assert "3 clips, 1.5 s" in capsys.readouterr().out
    for wrong in (["clip.wav"], ["--excerpts", "0"]):
        with pytest.raises(SystemExit):
            main([*chosen, *wrong])


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
    assert (row["side"], row["coherence"]) == (0, 0)
    assert row["envelope"] == pytest.approx(1)
    assert "| pcm |" in markdown(found["rows"])


def test_a_missing_value_is_a_dash_in_tables_and_null_in_json() -> None:
    found = evaluate([Run("pcm", "discrete")], {"noise": noise(48000)})
    first, second = tables(found).split("\n\n")
    assert first.splitlines()[2].startswith("| pcm | 3072.00 | 0.00 |")
    assert second.splitlines()[2:] == [
        "| original |" + " - |" * 12, "| pcm | - | - | - | - | - | - | - | - | 0.00 | 0.0 | 1.00 | - |",
    ]  # fmt: skip
    read = json.loads(to_json(found))
    assert read["clips"]["pcm"]["noise"]["pre_echo"] is None
    assert read["rows"]["pcm"]["si_sdr"] is None  # infinite
    assert read["clips"]["pcm"]["noise"]["attacks"] == 0


def test_means_are_over_the_clips_that_have_a_value() -> None:
    empty = {column.key: math.nan for column in COLUMNS}
    found = means([{**empty, "rise": 10.0, "side": -4.0}, {**empty, "side": 2.0}])
    assert (found["rise"], found["side"]) == (10, 3)
    assert math.isnan(found["mel"])


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
    heard = code_clip(load("opus:96"), Run("opus:96", "discrete"), clip)
    assert heard.audio.shape == clip.shape
    assert metrics.si_sdr(clip, heard.audio, 16)[1] == 0


@pytest.mark.parametrize("mode", ["autoregressive", "parallel"])
def test_the_continuous_path_takes_its_latent_in_float16(mode: str) -> None:
    clip, codec = noise(30000), load("nano")
    rates = {path: code_clip(codec, Run("nano", path, mode, 1), clip).bits for path in codec.spec.paths}
    fixed = codec.spec.tokens * math.log2(codec.spec.cardinality)
    assert rates["continuous"] / rates["discrete"] == pytest.approx(16 * math.prod(codec.spec.latent) / fixed)


def test_rows_are_chosen_by_the_start_of_their_names() -> None:
    assert [r.name for r in runs_of(["opus:12", "nano"], "opus;nano discrete, AR")] == [
        "opus:12", "nano discrete, AR 1", "nano discrete, AR 2", "nano discrete, AR 4",
    ]  # fmt: skip
