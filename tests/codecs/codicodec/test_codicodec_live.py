"""CoDiCodec in the instrument: live, rendered, taped and played back, with a small random
checkpoint.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from benchmarks.latency import lag
from models.codicodec import checkpoint
from models.codicodec.config import CoDiCodecConfig, spec_of
from models.codicodec.network import CoDiCodecNetwork
from models.codicodec.released_checkpoint import to_official
from realtime.cli.main import main
from realtime.engine.swap import resolved
from realtime.worker.messages import LoadCodecs, SlotInfo
from tests.support.lockstep import noise

RATE = 48_000
torch.set_num_threads(1)  # as in tests/support/small_codec.py


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    checkpoint.save(CoDiCodecNetwork(CoDiCodecConfig.tiny()).randomise(0), path)
    return str(path)


@pytest.fixture
def clip(tmp_path: Path) -> str:
    soundfile.write(tmp_path / "clip.wav", 0.3 * noise(6_000), RATE, subtype="FLOAT")
    return str(tmp_path / "clip.wav")


def read(path: Path) -> np.ndarray:
    return soundfile.read(path, dtype="float32")[0]


def live(weights: str, clip: str, place: Path, *more: str, driver: str = "file") -> dict:
    arguments = ["live", "--driver", driver, "--input", clip, "--record", str(place), "--report", str(place / "r.json")]
    assert main([*arguments, "--a", f"{weights}:continuous", "--b", f"{weights}:discrete", *more]) == 0
    return json.loads((place / "r.json").read_text())


def test_both_paths_of_one_codec_play_at_once_and_differ(weights: str, clip: str, tmp_path: Path) -> None:
    report = live(weights, clip, tmp_path, "--monitor", "dry")
    a, b, given = (read(tmp_path / name) for name in ("a.wav", "b.wav", "input.wav"))
    assert len(a) == len(b) == len(given) == 6_000
    assert np.abs(a).max() > 0.001
    assert np.abs(a - b).max() > 0.001 * np.abs(a).max()
    assert (report["codec_a"], report["codec_b"]) == ("tiny:continuous", "tiny:discrete")
    assert report["bitrate_b"] < report["bitrate_a"]
    assert lag(read(tmp_path / "monitor.wav"), given) == report["latency_samples"]


def test_latency_and_bitrate_of_overlapping_frames_follow_their_own_hop(
    weights: str, clip: str, tmp_path: Path
) -> None:
    takes = tmp_path / "whole", tmp_path / "slides"
    for take in takes:
        take.mkdir()
    whole = live(weights, clip, takes[0], "--monitor", "dry")
    slides = live(f"{weights}:slide=2", clip, takes[1], "--monitor", "dry")
    assert slides["codec_a"] == "tiny:slide=2:continuous"
    assert slides["latency_terms"]["hop"] == whole["latency_terms"]["hop"] // 4 == 2 * 128
    assert slides["latency_terms"]["lookahead"] == whole["latency_terms"]["lookahead"]
    assert slides["bitrate_b"] == pytest.approx(4 * whole["bitrate_b"], rel=0.05)
    assert lag(read(takes[1] / "monitor.wav"), read(takes[1] / "input.wav")) == slides["latency_samples"]
    tape = takes[1] / "b.tape"
    assert main(["play", str(tape), str(tmp_path / "again.wav"), "--codec", f"{weights}:slide=2"]) == 0
    assert main(["play", str(tape), str(tmp_path / "other.wav"), "--codec", weights]) == 1
    played, recorded = read(tmp_path / "again.wav"), read(takes[1] / "b.wav")
    length = min(len(played), len(recorded))
    assert np.abs(played[:length] - recorded[:length]).max() < 1e-6


def test_a_new_worker_keeps_the_hop_that_the_first_one_chose() -> None:
    request = LoadCodecs(((0, "nano:slide=auto", None), (1, "opus:6", None)), RATE)
    spec = replace(spec_of(CoDiCodecConfig.tiny()), name="nano:slide=4")
    settled = resolved(
        request, [SlotInfo(0, spec.name, "continuous", spec, b""), SlotInfo(1, "opus", "discrete", spec, b"")]
    )
    assert settled.slots == ((0, "nano:slide=4", None), (1, "opus:6", None))


@pytest.mark.slow
@pytest.mark.rig
def test_planned_latency_is_measured_by_the_clock_too(weights: str, clip: str, tmp_path: Path) -> None:
    report = live(weights, clip, tmp_path, "--monitor", "dry", "--latency", "100000", driver="clock")
    assert lag(read(tmp_path / "monitor.wav"), read(tmp_path / "input.wav")) == report["latency_samples"] == 100_000


def test_a_tape_decoded_twice_is_the_same_and_is_what_was_rendered(weights: str, clip: str, tmp_path: Path) -> None:
    for path in ("discrete", "continuous"):
        tape, rendered = tmp_path / f"{path}.tape", tmp_path / f"{path}.wav"
        codec = ["--codec", weights, "--path", path, "--seed", "5", "--steps", "3"]
        assert main(["render", clip, str(rendered), *codec, "--tokens", str(tape)]) == 0
        played = []
        for name in ("one.wav", "two.wav"):
            assert main(["play", str(tape), str(tmp_path / name), "--codec", weights]) == 0
            played.append(read(tmp_path / name))
        assert np.array_equal(played[0], played[1])
        length = min(len(played[0]), 6_000)
        assert length > 4_500
        # tokens are exact; latents are float16 on the tape
        tolerance = 1e-6 if path == "discrete" else 0.02
        assert np.abs(played[0][:length] - read(rendered)[:length]).max() < tolerance


def test_a_live_tape_plays_what_the_slot_played(weights: str, clip: str, tmp_path: Path) -> None:
    live(weights, clip, tmp_path)
    for slot, tolerance in (("a", 0.02), ("b", 1e-6)):  # latents are float16 on the tape
        out = tmp_path / f"{slot}.played.wav"
        assert main(["play", str(tmp_path / f"{slot}.tape"), str(out), "--codec", weights]) == 0
        played, recorded = read(out), read(tmp_path / f"{slot}.wav")
        length = min(len(played), len(recorded))
        assert length > 4_500
        assert np.abs(played[:length] - recorded[:length]).max() < tolerance


def test_parallel_rendering_has_the_inputs_length_at_its_rate(weights: str, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "clip.wav", 0.3 * noise(9_001), 44_100, subtype="FLOAT")
    out = tmp_path / "out.wav"
    assert main(["render", str(tmp_path / "clip.wav"), str(out), "--codec", weights, "--mode", "parallel"]) == 0
    assert soundfile.info(out).frames == 9_001
    assert soundfile.info(out).samplerate == 44_100
    one = tmp_path / "one.wav"
    clip = str(tmp_path / "clip.wav")
    assert main(["render", clip, str(one), "--codec", weights, "--mode", "parallel", "--steps", "1"]) == 0
    assert np.abs(read(one) - read(out)).max() > 1e-6, "one step is one step"
    assert np.abs(read(out)).max() > 0.001


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--codec", "opus:24", "--mode", "parallel"], 'mode "parallel" not offered by codec "opus:24"'),
        (["--codec", "vorbis:96", "--mode", "parallel"], 'mode "parallel" not offered by codec "vorbis:96"'),
        (["--codec", "opus:24", "--tokens", "x.tape"], "has no tokens to record"),
        (["--codec", "codicodec:small"], 'codec "codicodec:small" is unknown'),
    ],
    ids=["opus", "vorbis", "tokens", "name"],
)
def test_an_unsupported_option_is_reported_in_one_line(
    clip: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert main(["render", clip, str(tmp_path / "out.wav"), *arguments]) == 1
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert sorted(p.name for p in tmp_path.iterdir()) == ["clip.wav"]


def test_a_tape_of_another_codec_and_a_missing_tape_are_refused(
    weights: str, clip: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tape = tmp_path / "t.tape"
    assert main(["render", clip, str(tmp_path / "o.wav"), "--codec", weights, "--tokens", str(tape)]) == 0
    for given, codec, message in ((tape, "opus:24", "was not recorded with codec"), (clip, weights, "is not a tape")):
        assert main(["play", str(given), str(tmp_path / "p.wav"), "--codec", codec]) == 1
        assert message in capsys.readouterr().err
    assert not (tmp_path / "p.wav").exists()


def test_a_file_that_is_not_a_checkpoint_is_reported_in_one_line(
    clip: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("x.pt", "x.safetensors"):
        (tmp_path / name).write_bytes(Path(clip).read_bytes())
        assert main(["render", clip, str(tmp_path / "o.wav"), "--codec", str(tmp_path / name)]) == 1
        error = capsys.readouterr().err
        assert name in error
        assert error.count("\n") == 1


def test_convert_makes_a_checkpoint_that_plays(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    config = CoDiCodecConfig.tiny()
    monkeypatch.setattr(CoDiCodecConfig, "official", classmethod(lambda cls: config))
    network = CoDiCodecNetwork(config).randomise(3)
    torch.save({"gen_state_dict": to_official(network)}, tmp_path / "codicodec.pt")
    assert main(["convert", str(tmp_path / "codicodec.pt"), str(tmp_path / "out.safetensors")]) == 0
    converted = checkpoint.read(tmp_path / "out.safetensors").state_dict()
    assert all(torch.equal(value, converted[name]) for name, value in network.state_dict().items())
    assert "CC BY-NC" in capsys.readouterr().out
