"""Lyra V2 with the released weights; skipped unless they are beside the repository."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import soundfile
from scipy.signal import resample_poly

from models.codec import Audio, CodecError, Decoder, DecoderControls, Frame
from models.lyra import BITRATES, BOOKS, DECODER, ENCODER, FILES, QUANTISER, Lyra, load_lyra, names
from realtime.files.tape import TapeHeader, TapeWriter, codec_hash
from realtime.files.tape_reader import TapeReader
from tests.support.contract import check_codec, check_same, check_same_frames, chunks, decode, encode, sound

WEIGHTS = Path(__file__).parents[3] / "shared/data/lyra"
VOICE = Path(__file__).parents[2] / "realtime/demo/voice_flite_slt.ogg"
ALL = DecoderControls()

needs_package = pytest.mark.skipif(not find_spec("ai_edge_litert"), reason="the extra lyra is not installed")
_missing = [file.name for file in FILES if not (WEIGHTS / file.name).is_file()]
needs_weights = pytest.mark.skipif(
    bool(_missing) or not find_spec("ai_edge_litert"),
    reason=f"{', '.join(_missing)} not in {WEIGHTS}" if _missing else "the extra lyra is not installed",
)


def lyra_in(kbps: str, folder: Path) -> Lyra:
    return load_lyra(kbps, [folder / file.name for file in FILES])


@pytest.fixture(scope="module")
def lyra() -> Lyra:
    return lyra_in("", WEIGHTS)


@pytest.fixture(scope="module")
def voice() -> Audio:
    """Return speech [1, n] at 16 kHz, whole hops."""
    samples, rate = soundfile.read(VOICE, dtype="float32", always_2d=True)
    assert rate == 48_000
    mono = resample_poly(samples.mean(axis=1), 1, 3)
    return mono[: len(mono) // 320 * 320].astype(np.float32)[None]


@pytest.fixture(scope="module")
def frames(lyra: Lyra, voice: Audio) -> list[Frame]:
    return encode(lyra.open_encoder(), voice, lyra.spec)


def play(decoder: Decoder, frames: list[Frame], controls: DecoderControls = ALL) -> Audio:
    return np.concatenate([decoder.decode(frame, controls) for frame in frames], axis=1)


@needs_weights
@pytest.mark.parametrize("kbps", ["", "6", "3.2"])
def test_contract(kbps: str) -> None:
    check_codec(lyra_in(kbps, WEIGHTS), hops=24)


@needs_weights
@pytest.mark.parametrize("error", [1, 320])
def test_a_lookahead_that_is_not_zero_is_caught(lyra: Lyra, error: int) -> None:
    wrong = Lyra(lyra.graphs)
    wrong.spec = replace(lyra.spec, lookahead=error)
    with pytest.raises(AssertionError, match="lags by 0 samples"):
        check_codec(wrong, hops=24)


@needs_weights
def test_output_of_speech_is_aligned_with_input(voice: Audio, frames: list[Frame], lyra: Lyra) -> None:
    heard = decode(lyra.open_decoder("discrete"), frames, lyra.spec)
    length = voice.shape[1]
    spectra = np.fft.rfft(heard[0], 2 * length) * np.conj(np.fft.rfft(voice[0], 2 * length))
    correlation = np.fft.irfft(spectra) / np.linalg.norm(heard) / np.linalg.norm(voice)
    assert np.argmax(correlation) == 0
    assert correlation[0] > 0.9


@needs_weights
@pytest.mark.parametrize("books", [1, 16, 30, 46])
def test_tokens_and_samples_are_those_of_the_graphs_run_directly(books: int, voice: Audio) -> None:
    from ai_edge_litert.interpreter import Interpreter

    encoder, quantiser, decoder = (
        Interpreter(model_path=str(WEIGHTS / file.name), num_threads=1) for file in (ENCODER, QUANTISER, DECODER)
    )
    features_of, sound_of = encoder.get_signature_runner(), decoder.get_signature_runner()
    quantise, sum_of = quantiser.get_signature_runner("encode"), quantiser.get_signature_runner("decode")
    codec = lyra_in(f"{0.2 * books:.4g}", WEIGHTS)
    ours, back = codec.open_encoder(), codec.open_decoder("discrete")
    for chunk in chunks(voice, 320):
        features = features_of(input_audio=chunk)["output_0"]
        tokens = quantise(input_frames=features, num_quantizers=np.array(books, np.int32))["output_0"]
        expected = sound_of(input_audio=sum_of(encoding_indices=tokens)["output_0"])["output_0"]
        frame = ours.encode(chunk)
        assert frame.tokens.tolist() == tokens.ravel()[:books].tolist()
        np.testing.assert_allclose(back.decode(frame, ALL), expected, rtol=0, atol=1e-6)


@needs_weights
def test_each_number_of_books_gives_the_first_tokens_of_all_of_them(frames: list[Frame], voice: Audio) -> None:
    for kbps, books in BITRATES.items():
        codec = lyra_in(kbps, WEIGHTS)
        encoder = codec.open_encoder()
        for frame, chunk in zip(frames[:12], chunks(voice, 320), strict=False):
            fewer = encoder.encode(chunk)
            assert fewer.tokens.tolist() == frame.tokens[:books].tolist()
            assert fewer.bits == 4 * books
        assert codec.spec.frame_rate * fewer.bits == pytest.approx(1000 * float(kbps))
    assert set(BITRATES.values()) == set(range(1, BOOKS + 1))


@needs_weights
@pytest.mark.parametrize("books", [1, 16, 45])
def test_books_of_a_decoder_equal_a_codec_that_sends_as_many(lyra: Lyra, frames: list[Frame], books: int) -> None:
    fewer = lyra_in(f"{0.2 * books:.4g}", WEIGHTS)
    sent = [replace(frame, tokens=frame.tokens[:books].copy()) for frame in frames[:30]]
    expected = play(fewer.open_decoder("discrete"), sent)
    given = play(lyra.open_decoder("discrete"), frames[:30], DecoderControls(books=books))
    check_same(expected, given, "books")
    assert np.abs(given - play(lyra.open_decoder("discrete"), frames[:30])).max() > 1e-3


@needs_weights
def test_a_muted_book_is_missing_from_the_sum(lyra: Lyra, frames: list[Frame]) -> None:
    """Features of all codebooks minus those of one equal the features without it."""
    features = lyra.run_new(QUANTISER, "decode")
    tokens = frames[60].tokens.reshape(-1, 1, 1)
    for book in (0, 7, 45):
        hole, alone = tokens.copy(), np.full_like(tokens, -1)
        hole[book], alone[book] = -1, tokens[book]
        whole, less, one = (features(encoding_indices=given)["output_0"] for given in (tokens, hole, alone))
        np.testing.assert_allclose(less, whole - one, rtol=0, atol=1e-4)
        assert np.abs(one).max() > 1e-2


@needs_weights
def test_mute_and_solo_choose_the_books_that_are_decoded(lyra: Lyra, frames: list[Frame]) -> None:
    def heard(**given: object) -> Audio:
        return play(lyra.open_decoder("discrete"), frames[40:60], DecoderControls(**given))  # type: ignore[arg-type]

    first = heard(books=1)
    check_same(first, heard(solo=(1,)), "solo of the first book")
    check_same(first, heard(mute=(0, *[1] * 45)), "mute of all others")
    check_same(heard(books=2, mute=(1,)), heard(solo=(0, 1)), "solo of the second book")
    check_same(heard(), heard(solo=(0, 0), mute=(0, 0)), "no flag")
    assert np.abs(heard(mute=(1,)) - heard()).max() > 1e-2


@needs_weights
def test_all_books_muted_is_the_same_for_all_tokens(lyra: Lyra, frames: list[Frame]) -> None:
    none = DecoderControls(mute=(1,) * 46)
    early, late = (play(lyra.open_decoder("discrete"), part, none) for part in (frames[:60], frames[60:120]))
    check_same(early, late, "all books muted")
    assert np.abs(early).max() < 0.1  # zeros are not the features of silence


@needs_weights
def test_reset_repeats_bit_for_bit_and_other_streams_go_on(lyra: Lyra, voice: Audio, frames: list[Frame]) -> None:
    encoder, decoder, other = lyra.open_encoder(), lyra.open_decoder("discrete"), lyra.open_decoder("discrete")
    heard, beside = play(decoder, frames[:40]), play(other, frames[:20])
    encode(encoder, voice[:, -6400:], lyra.spec)
    encoder.reset()
    decoder.reset()
    check_same_frames(frames[:40], encode(encoder, voice[:, : 40 * 320], lyra.spec), "after reset()")
    check_same(heard, play(decoder, frames[:40]), "after reset()")
    check_same(heard, np.concatenate([beside, play(other, frames[20:40])], axis=1), "beside another's reset()")


@needs_weights
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e30, 3e38, 1e-42])
def test_samples_beyond_full_scale_decode_to_finite_samples(lyra: Lyra, voice: Audio, bad: float) -> None:
    damaged = voice[:, : 60 * 320].copy()
    damaged[0, 2000:2010] = damaged[0, 3200:3840] = bad
    encoder, decoder = lyra.open_encoder(), lyra.open_decoder("discrete")
    frames = [encoder.encode(chunk) for chunk in chunks(damaged, 320)]
    heard = play(decoder, frames)
    assert np.isfinite(heard).all()
    tail, expected = heard[:, 40 * 320 :], voice[:, 40 * 320 : 60 * 320]
    assert np.corrcoef(tail.ravel(), expected.ravel())[0, 1] > 0.9


@needs_weights
@pytest.mark.parametrize("tokens", [np.zeros(45), np.full(46, 16), np.full(46, -1), np.zeros((46, 1))])
def test_tokens_that_are_not_of_this_codec_are_refused(lyra: Lyra, tokens: np.ndarray) -> None:
    frame = Frame(7, tokens.astype(np.int32), None, 184)
    with pytest.raises(CodecError, match=r"frame 7: tokens .* must be 46 values of 0 \.\.\. 15"):
        lyra.open_decoder("discrete").decode(frame, ALL)


@needs_weights
def test_random_tokens_decode_to_finite_samples(lyra: Lyra) -> None:
    rng = np.random.default_rng(1)
    decoder = lyra.open_decoder("discrete")
    for index in range(50):
        tokens = rng.integers(0, 16, 46).astype(np.int32)
        heard = decoder.decode(Frame(index, tokens, None, 184), ALL)
        assert np.isfinite(heard).all()
        assert np.abs(heard).max() <= 4


@needs_weights
def test_a_chunk_that_is_not_one_hop_is_refused(lyra: Lyra) -> None:
    with pytest.raises(CodecError, match=r"shape \[2, 320\]; lyra takes \[1, 320\]"):
        lyra.open_encoder().encode(np.zeros((2, 320), np.float32))


@needs_weights
def test_a_tape_plays_back_the_same(lyra: Lyra, frames: list[Frame], tmp_path: Path) -> None:
    path = tmp_path / "voice.tape"
    with TapeWriter(path, TapeHeader.of(lyra.spec, "tokens", 0, config_hash=codec_hash(lyra))) as tape:
        for frame in frames[:50]:
            tape.write(frame)
    reader = TapeReader(path)
    reader.check(codec_hash(lyra_in("", WEIGHTS)), "lyra")
    assert reader.header.record_bytes == 4 + 23 + 4
    again = play(lyra.open_decoder("discrete"), list(reader))
    check_same(play(lyra.open_decoder("discrete"), frames[:50]), again, "tape")
    with pytest.raises(CodecError, match='not recorded with codec "lyra:6"'):
        reader.check(codec_hash(lyra_in("6", WEIGHTS)), "lyra:6")


@needs_weights
def test_the_codec_of_a_tape_is_found_by_its_hash() -> None:
    known = dict(names())
    assert len(set(known.values())) == len(known) == 47
    for kbps, name in (("", "lyra"), ("3.2", "lyra:3.2")):
        codec = lyra_in(kbps, WEIGHTS)
        assert codec.spec.name == name
        assert codec.config_hash == known[name]
        assert len(codec.config_hash) == 32


@needs_package
@pytest.mark.parametrize("kbps", ["0", "9.4", "3.3", "six", "6.0", "-1", " "])
def test_a_bitrate_that_is_not_offered_is_named(kbps: str, tmp_path: Path) -> None:
    with pytest.raises(CodecError, match=rf"{kbps} kbit/s not offered by lyra \(0\.2 to 9\.2 in steps of 0\.2"):
        lyra_in(kbps, tmp_path)


@needs_package
def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(CodecError, match=r"soundstream_encoder\.tflite.*does not exist.*google/lyra/v1\.3\.2"):
        lyra_in("", tmp_path)


def halved(content: bytes) -> bytes:
    return content[: len(content) // 2]


def altered(content: bytes) -> bytes:
    return content[:1000] + bytes([content[1000] ^ 1]) + content[1001:]


@needs_weights
@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (halved, r"is truncated: \d+ of \d+ bytes"),
        (altered, "is damaged or of another release"),
        (lambda content: content + b"\0", "is damaged or of another release"),
        (lambda content: b"", "is not a TensorFlow Lite file"),
        (lambda content: b"version https://git-lfs", "is not a TensorFlow Lite file"),
    ],
    ids=["truncated", "altered", "longer", "empty", "text"],
)
def test_a_damaged_file_is_named_in_one_line(
    file: object, damage: Callable[[bytes], bytes], message: str, tmp_path: Path
) -> None:
    for each in FILES:
        content = (WEIGHTS / each.name).read_bytes()
        (tmp_path / each.name).write_bytes(damage(content) if each is file else content)
    with pytest.raises(CodecError, match=message) as refusal:
        lyra_in("", tmp_path)
    assert getattr(file, "name", "") in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_without_the_package_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "ai_edge_litert.interpreter", None)
    with pytest.raises(CodecError, match=r"pip install 'verdigris\[lyra\]'"):
        lyra_in("", tmp_path)


@needs_weights
def test_lyra_needs_no_torch() -> None:
    program = "import sys; from models.load import load; load('lyra').open_encoder(); print('torch' in sys.modules)"
    environment = os.environ | {"VERDIGRIS_WEIGHTS": str(WEIGHTS)}
    command = [sys.executable, "-c", program]
    told = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    assert told.stdout.strip() == "False"


@needs_weights
def test_silence_stays_silent(lyra: Lyra) -> None:
    quiet = np.zeros_like(sound(lyra.spec, 60, seed=1))
    heard = decode(lyra.open_decoder("discrete"), encode(lyra.open_encoder(), quiet, lyra.spec), lyra.spec)
    assert np.abs(heard).max() < 0.01
