"""swift, the bundled codec: what a player may rely on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile

from benchmarks.latency import lag
from models.codec import Audio, CodecError, DecoderControls, Frame
from models.load import load
from models.registry import FAMILIES
from models.swift.codec import Swift, SwiftDecoder
from models.swift.frame_layout import CHANNELS, HOP, MIN_TOKENS, TOKENS
from models.training.data import decode as read
from models.training.judge import judge
from models.training.metrics import level_difference, mel_distance, si_sdr
from realtime.cli.main import main
from realtime.engine.engine_settings import Settings
from realtime.files.audio_file import AudioReader
from realtime.session.config import SessionConfig
from realtime.session.live_session import play
from tests.codecs.residual.test_residual_live import missed, switching_in_time
from tests.conftest import ROOT
from tests.support.contract import check_codec, check_frame, check_output
from tests.support.machine_speed import within

DEMO = ROOT / "realtime" / "demo"
CLIP = DEMO / "rockmix_sectoid_MIT.ogg"
ALL = DecoderControls()


@cache
def swift(kbps: str = "") -> Swift:
    codec = load(f"swift:{kbps}" if kbps else "swift")
    assert isinstance(codec, Swift)
    return codec


@cache
def clip(name: str = CLIP.name, seconds: float = 3.0) -> Audio:
    pcm = read(DEMO / name)[: round(seconds * 48000)]
    return np.ascontiguousarray(pcm.T[:, : len(pcm) // HOP * HOP], np.float32) / np.float32(32768)


def encoded(audio: Audio, kbps: str = "") -> list[Frame]:
    encoder = swift(kbps).open_encoder()
    return [encoder.encode(chunk) for chunk in np.split(audio, audio.shape[1] // HOP, axis=1)]


def decoded(frames: list[Frame], *controls: DecoderControls, kbps: str = "") -> Audio:
    """Return what the frames decode to, each with one of the controls in turn."""
    decoder, controls = swift(kbps).open_decoder("discrete"), controls or (ALL,)
    return np.concatenate([decoder.decode(f, controls[i % len(controls)]) for i, f in enumerate(frames)], axis=1)


def through(audio: Audio, *controls: DecoderControls, kbps: str = "") -> Audio:
    """Return what comes out, in time with the input."""
    late = swift().spec.lookahead
    padded = np.pad(audio, ((0, 0), (0, late + -late % HOP)))
    return decoded(encoded(padded, kbps), *controls, kbps=kbps)[:, late : late + audio.shape[1]]


def high(audio: Audio) -> Audio:
    """Return the part above 1 kHz."""
    spectrum = np.fft.rfft(audio)
    spectrum[:, : audio.shape[1] // 48] = 0
    return np.fft.irfft(spectrum, audio.shape[1]).astype(np.float32)


def loudness(audio: Audio) -> np.ndarray:
    """Return the level of each hop in dB."""
    hops = audio.reshape(2, -1, HOP)
    return 10 * np.log10(np.square(hops).mean((0, 2)) + 1e-12)


def test_it_is_what_the_readme_says() -> None:
    spec = FAMILIES["swift"].spec()
    assert spec == swift().spec
    assert spec is not None
    assert (spec.sample_rate, spec.channels, spec.hop, spec.lookahead) == (48_000, CHANNELS, 1280, 1408)
    assert (spec.tokens, spec.books, spec.cardinality) == (32, 32, 1024)


@pytest.mark.parametrize("kbps", ["3", "6", "", "24"])
def test_it_keeps_the_contract(kbps: str) -> None:
    check_codec(swift(kbps), hops=12, slack=2)


def test_its_bitrate_is_from_three_to_twenty_four() -> None:
    for tokens in range(MIN_TOKENS, TOKENS + 1):
        codec = load(f"swift:{0.375 * tokens:g}")
        frame = codec.open_encoder().encode(np.zeros((2, HOP), np.float32))
        check_frame(frame, 0, codec.spec)
        assert frame.bits * codec.spec.frame_rate == 375 * tokens
    with pytest.raises(CodecError, match=r"2 kbit/s not offered by swift \(3 to 24 in steps of 0.375, 8 to 64 tokens"):
        load("swift:2")


def test_loading_it_imports_no_torch() -> None:
    program = "import sys\nfrom models import load\nload('swift')\nsys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=False).returncode == 0


@pytest.mark.parametrize("kbps", ["", "24"])
def test_silence_in_gives_silence_out(kbps: str) -> None:
    assert not through(np.zeros((2, 20 * HOP), np.float32), kbps=kbps)[:, 2 * HOP :].any()
    sounding = np.concatenate([clip(seconds=1), np.zeros((2, 30 * HOP), np.float32)], axis=1)
    assert not through(sounding, kbps=kbps)[:, -HOP:].any()


@pytest.mark.parametrize("kind", ["sine", "full scale", "click", "noise", "square", "loud", "nan", "inf"])
def test_what_comes_out_is_bounded(kind: str) -> None:
    time = np.arange(20 * HOP) / 48000
    rng = np.random.default_rng(0)
    wave = {
        "sine": 0.5 * np.sin(2 * np.pi * 440 * time),
        "full scale": np.sin(2 * np.pi * 1000 * time),
        "click": np.eye(1, len(time), 9_000)[0],
        "noise": 0.3 * rng.standard_normal(len(time)).clip(-3, 3),
        "square": np.sign(np.sin(2 * np.pi * 100 * time)),
        "loud": 1e6 * rng.standard_normal(len(time)),
        "nan": np.full(len(time), np.nan),
        "inf": np.where(np.arange(len(time)) % 7000 == 5000, np.inf, 0),
    }[kind]
    found = through(np.stack([wave, -wave]).astype(np.float32), kbps="24")
    assert np.isfinite(found).all()
    assert np.abs(found).max() <= (2.5 if kind not in ("loud", "inf") else 4)


def test_sound_after_bad_samples_is_as_without_them() -> None:
    bad = clip().copy()
    bad[:, : 2 * HOP] = np.nan
    good = clip().copy()
    good[:, : 2 * HOP] = 0
    np.testing.assert_array_equal(through(bad), through(good))


def test_tokens_of_another_codec_are_refused_in_one_line() -> None:
    frame = swift().open_encoder().encode(np.zeros((2, HOP), np.float32))
    decoder = swift().open_decoder("discrete")
    with pytest.raises(CodecError, match=r"tokens \[32\] must be 32 values of 0 ... 1023"):
        decoder.decode(replace(frame, tokens=frame.tokens + 1024), ALL)
    with pytest.raises(CodecError, match=r"tokens \[8\] must be 32 values"):
        decoder.decode(replace(frame, tokens=frame.tokens[:8]), ALL)
    with pytest.raises(CodecError, match=r"chunk has shape \[2, 100\]; swift takes \[2, 1280\]"):
        swift().open_encoder().encode(np.zeros((2, 100), np.float32))


def test_more_tokens_are_nearer_to_the_sound() -> None:
    ratios = [si_sdr(clip(), through(clip(), kbps=kbps))[0] for kbps in ("3", "6", "12", "24")]
    assert all(fewer + 0.5 < more for fewer, more in pairwise(ratios))


@pytest.mark.parametrize("kept", [8, 11, 16, 32, 33, 40, 64])
def test_any_first_tokens_are_what_a_codec_of_so_many_decodes(kept: int) -> None:
    frames = encoded(clip(seconds=1), "24")
    cut = [replace(frame, tokens=frame.tokens[:kept]) for frame in frames]
    by_control = decoded(frames, DecoderControls(books=kept), kbps="24")
    np.testing.assert_array_equal(by_control, decoded(cut, kbps=f"{0.375 * kept:g}"))


def test_any_number_of_first_tokens_decodes_even_the_attack_alone() -> None:
    frames = encoded(clip(seconds=1))
    for books in range(1, 9):
        found = decoded(frames, DecoderControls(books=books))
        assert np.isfinite(found).all()


def test_music_is_nearer_than_silence_and_keeps_its_loudness() -> None:
    found = through(clip())
    assert mel_distance(clip(), found) < 0.3 * mel_distance(clip(), 0 * clip())
    assert abs(level_difference(clip(), found)) < 1.5


def test_muting_shapes_leaves_noise_of_their_energy_above_600_hertz() -> None:
    shapes = tuple(int(place >= 4) for place in range(32))
    noise = through(clip(), DecoderControls(mute=shapes))
    assert abs(level_difference(high(clip()), high(noise))) < 3
    assert si_sdr(clip(), noise)[0] < si_sdr(clip(), through(clip()))[0] - 3


def test_soloed_shapes_sound_at_the_mean_energies() -> None:
    soloed = through(clip(), DecoderControls(solo=tuple(int(place >= 4) for place in range(32))))
    assert np.isfinite(soloed).all()
    assert loudness(soloed).max() > -60


@pytest.mark.parametrize("muted", range(32))
def test_what_was_muted_is_forgotten_as_soon_as_it_is_heard_again(muted: int) -> None:
    """Muting changes what is heard and not the state; the overlap lasts one frame."""
    frames = encoded(clip(seconds=1))
    mute = DecoderControls(mute=tuple(int(place == muted) for place in range(32)))
    decoder, other = swift().open_decoder("discrete"), swift().open_decoder("discrete")
    for number, frame in enumerate(frames):
        found = decoder.decode(frame, mute if number < 10 else ALL)
        expected = other.decode(frame, ALL)
        if number > 11:
            np.testing.assert_allclose(found, expected, atol=1e-6)


def test_every_attack_token_is_decoded() -> None:
    frame = encoded(clip(seconds=0.5))[-1]
    for attack in (0, 1, 3, 4, 100, 323, 324, 1023):
        decoder = swift().open_decoder("discrete")
        tokens = frame.tokens.copy()
        tokens[0] = attack
        for _ in range(3):
            check_output(decoder.decode(replace(frame, tokens=tokens), ALL), frame.index, swift().spec)


def most_sudden(frames: list[Frame]) -> int:
    """Return the number of the frame with the greatest attack."""
    return int(np.argmax([frame.tokens[0] // 4 % 8 if frame.tokens[0] >= 4 else -1 for frame in frames]))


@pytest.mark.parametrize("kbps", ["3", "12", "24"])
@pytest.mark.parametrize("name", ["drums_arovane_CC0.ogg", "loop_perc_CC0.flac"])
def test_a_frozen_frame_stays_as_loud_as_it_was(name: str, kbps: str) -> None:
    """Also at an attack, whose energies and gain would add up."""
    frames = encoded(clip(name), kbps)
    real = loudness(decoded(frames, kbps=kbps)).max()
    for at in {most_sudden(frames), 10, 30, 50}:
        frozen = decoded(frames[: at + 1] + [frames[at]] * 60, kbps=kbps)
        assert loudness(frozen)[at:].max() < real + 6
        steady = loudness(frozen)[-50:]
        assert steady.max() - steady.min() < 6  # the noise alone differs


def test_after_a_freeze_the_sound_is_itself_again_within_a_second() -> None:
    frames = encoded(clip(seconds=3))
    whole = decoded(frames)
    frozen = decoded(frames[:30] + [frames[29]] * 10 + frames[40:])
    after = slice(70 * HOP, None)
    assert np.abs(frozen[:, after] - whole[:, after]).max() < 0.3 * np.abs(whole[:, after]).max()
    assert si_sdr(whole[:, after], frozen[:, after])[0] > 15


def test_after_lost_frames_the_sound_is_as_near_as_before_within_a_second() -> None:
    """Not the same: the noise is that of another frame."""
    frames = encoded(clip(seconds=3))
    whole, lost = decoded(frames)[:, 70 * HOP :], decoded(frames[:30] + frames[34:])[:, 66 * HOP :]
    original = clip(seconds=3)[:, 70 * HOP - swift().spec.lookahead :][:, : whole.shape[1]]
    assert si_sdr(original, lost)[0] > si_sdr(original, whole)[0] - 0.5


@pytest.mark.parametrize("kbps", ["3", "12", "24"])
def test_random_and_swapped_tokens_are_bounded(kbps: str) -> None:
    frames = encoded(clip(), kbps)
    real = loudness(decoded(frames, kbps=kbps)).max()
    rng = np.random.default_rng(0)
    drawn = [replace(f, tokens=rng.integers(1024, size=len(f.tokens)).astype(np.int32)) for f in frames]
    swapped = [frames[place] for place in rng.permutation(len(frames))]
    reversed_tokens = [replace(f, tokens=f.tokens[::-1].copy()) for f in frames]
    for bent in (drawn, swapped, reversed_tokens):
        found = decoded(bent, kbps=kbps)
        assert np.isfinite(found).all()
        assert np.abs(found).max() <= 4
        assert loudness(found).max() < real + 24
    assert loudness(decoded(swapped, kbps=kbps)).max() < real + 12


def test_an_encoder_mirrors_the_decoder_where_frames_repeat() -> None:
    """Hits with digital silence between them, in which frames repeat."""
    hits = np.concatenate([clip("drums_arovane_CC0.ogg")[:, : 9 * HOP], np.zeros((2, 12 * HOP), np.float32)], axis=1)
    encoder, decoder, repeated = swift().open_encoder(), swift().open_decoder("discrete"), 0
    before: Frame | None = None
    for chunk in np.split(np.tile(hits, 3), 63, axis=1):
        frame = encoder.encode(chunk)
        decoder.decode(frame, ALL)
        repeated += before is not None and np.array_equal(frame.tokens, before.tokens)
        before = frame
        assert np.array_equal(encoder.energies, decoder.energies)  # type: ignore[attr-defined]
        assert encoder.analyser.curve == decoder.curve  # type: ignore[attr-defined]
    assert repeated > 12


def test_the_order_of_tokens_does_not_depend_on_threads_or_rounding(tmp_path: Path) -> None:
    """A decoder whose energies come from tokens alone places every shape, whatever the machine computes sums with."""
    frames = encoded(clip(seconds=1), "24")
    np.savez(tmp_path / "tokens.npz", tokens=np.stack([frame.tokens for frame in frames]))
    program = (
        "import sys, hashlib, numpy as np\nfrom models import load\nfrom models.swift.allocation import order\n"
        "weights = load('swift:24').weights\nenergies, found = weights.energies.mean, hashlib.sha256()\n"
        "for tokens in np.load(sys.argv[1])['tokens']:\n"
        "    energies = weights.energies.decode(energies, tokens[1:4])\n"
        "    found.update(order(weights.priorities, energies).astype('<i4').tobytes())\nprint(found.hexdigest())"
    )
    found = set()
    for threads in ("1", "2", "4"):
        numbers = {f"{library}_NUM_THREADS": threads for library in ("OMP", "OPENBLAS", "MKL")}
        command = [sys.executable, "-c", program, str(tmp_path / "tokens.npz")]
        found.add(subprocess.run(command, cwd=ROOT, env=os.environ | numbers, check=True, capture_output=True).stdout)
    assert len(found) == 1


def test_float_noise_in_the_state_of_a_decoder_changes_no_order() -> None:
    frames = encoded(clip(seconds=1))
    decoder = swift().open_decoder("discrete")
    assert isinstance(decoder, SwiftDecoder)
    for frame in frames:
        decoder.decode(frame, ALL)
    assert decoder.energies.dtype == np.int64


def jumps(audio: Audio, every: int) -> float:
    """Return the energy of the second difference within 8 samples after joins, over that elsewhere."""
    rough = np.square(np.diff(audio.astype(np.float64), 2, axis=-1)).mean(0)
    near = np.arange(len(rough)) % every < 8
    near[:every] = False
    return float(rough[near].mean() / rough[~near].mean())


def test_switching_books_does_not_click() -> None:
    few, many = DecoderControls(books=8), DecoderControls(books=32)
    switched = through(clip(), few, few, many, many)
    steady = max(jumps(through(clip(), controls), 2 * HOP) for controls in (few, many))
    assert jumps(switched, 2 * HOP) < 1.5 * steady + 0.2


@pytest.mark.parametrize(
    ("name", "tones"),
    [("guitar_sectoid_MIT.ogg", 0.4), ("piano_satie_CC-BY.ogg", 0.3), ("synth_void_sensor_CC-BY.ogg", 0.7)],
)
def test_partials_between_470_and_2000_hertz_are_kept(name: str, tones: float) -> None:
    """A vocoder that fills bands with noise keeps less than a tenth of them."""
    audio = clip(name, 6.0)
    scores = judge(audio, through(audio))
    print(f"{name}: tones {scores.tones_low} / {scores.tones_mid}")
    assert scores.tones_mid is not None
    assert scores.tones_mid > tones


def test_hits_come_when_they_come() -> None:
    audio = clip("drums_arovane_CC0.ogg", 6.0)
    scores = judge(audio, through(audio))
    assert scores.pre_echo is not None
    assert scores.pre_echo < 8


@cache
def valid_tokens() -> np.ndarray:
    """Return more than 20 000 frames of 64 tokens: of all demo clips, at places of the hop."""
    found = []
    for path in sorted([*DEMO.glob("*.ogg"), *DEMO.glob("*.flac")]):
        for late in range(0, HOP, HOP // 16):
            audio = np.pad(clip(path.name, 60.0), ((0, 0), (late, HOP - late)))
            found += [frame.tokens for frame in encoded(audio, "24")]
    return np.stack(found)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_every_book_is_in_use_on_music() -> None:
    """Books with 16 tokens an entry. The first, of energies, has few different frames in 39 s of clips."""
    tokens = valid_tokens()
    assert len(tokens) >= 20_000
    use = [len(np.unique(seen)) / 1024 for seen in swift("24").tokens_by_book([tokens])]
    print(f"{len(tokens)} frames, {len(use)} books with 16384 tokens or more; the worst uses {min(use):.3f}")
    assert len(use) > 25
    assert min(use[1:]) >= 0.85
    assert use[0] >= 0.75


@pytest.mark.slow
@pytest.mark.rig
def test_switching_books_live_misses_nothing(tmp_path: Path) -> None:
    report = switching_in_time("swift", str(CLIP), tmp_path)
    assert missed(report) == 0
    assert 1 < report["bitrate_a"] < 11.9
    assert 0 < report["coded_a"] < 1.05 * report["bitrate_a"]


@pytest.mark.slow
@pytest.mark.rig
@pytest.mark.parametrize(("kbps", "share"), [("3", 0.1), ("6", 0.1), ("12", 0.1), ("24", 0.2)])
def test_a_frame_takes_a_tenth_of_real_time_at_most(kbps: str, share: float) -> None:
    """On one core, the median frame, in this thread's own time; the best of five."""
    encoder, decoder = swift(kbps).open_encoder(), swift(kbps).open_decoder("discrete")
    medians = []
    for _ in range(5):
        taken = []
        for chunk in np.split(clip(), clip().shape[1] // HOP, axis=1):
            begun = time.thread_time()
            decoder.decode(encoder.encode(chunk), ALL)
            taken.append(time.thread_time() - begun)
        medians.append(37.5 * float(np.median(taken)))
    print(f"swift:{kbps}: {min(medians):.3f} x RT on one core, at most {max(medians):.3f}")
    within(min(medians), share, f"swift:{kbps}, x RT on one core")


@pytest.mark.slow
@pytest.mark.rig
def test_the_whole_latency_is_under_ninety_milliseconds(capsys: pytest.CaptureFixture[str]) -> None:
    found = []
    for _ in range(8):  # compute is measured, and another process may have been in the way
        assert main(["plan", "--a", "swift", "--b", "pcm", "--block", "128", "--json"]) == 0
        found.append(json.loads(capsys.readouterr().out)["latency_samples"])
    assert min(found) / 48 < 90


@pytest.mark.slow
@pytest.mark.rig
@pytest.mark.parametrize("block", [128, 441])
def test_what_is_planned_is_measured(block: int, tmp_path: Path) -> None:
    """The lag of what was played behind the clip, by the clock."""
    source = AudioReader(CLIP, 48_000)
    settings = Settings(48_000, block, ("swift", None), ("pcm", None))
    try:
        report = play(
            SessionConfig(settings, "clock", block, source, seconds=4.0, record=tmp_path, values={"monitor": "a"})
        )  # fmt: skip
    finally:
        source.close()
    played, given = (soundfile.read(tmp_path / name, dtype="float32")[0] for name in ("monitor.wav", "input.wav"))
    assert lag(played, given) == report["latency_samples"]
