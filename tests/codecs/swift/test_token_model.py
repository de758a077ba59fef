"""Entropy coding of swift's tokens: bit by bit both ways, with savings on music, harmless on noise."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from models.codec import CodecError
from models.entropy.range_coding import PROB_ONE, decode, encode
from models.load import open_entropy_estimator
from realtime.files.tape import TapeHeader, TapeWriter, codec_hash
from realtime.offline.pack_tape import pack, unpack
from tests.codecs.swift.test_swift import clip, encoded, swift

needs_coder = pytest.mark.skipif(not find_spec("constriction"), reason="the extra entropy is not installed")


def tokens_of(kind: str, kbps: str, frames: int = 100) -> np.ndarray:
    if kind == "random":
        return np.random.default_rng(0).integers(1024, size=(frames, swift(kbps).spec.tokens)).astype(np.int32)
    audio = np.zeros((2, frames * 1280), np.float32) if kind == "silence" else clip()
    return np.stack([frame.tokens for frame in encoded(audio, kbps)])


@needs_coder
@pytest.mark.parametrize("kbps", ["3", "12", "12.375", "24"])
@pytest.mark.parametrize("kind", ["random", "silence", "music"])
def test_tokens_come_back_bit_by_bit(kind: str, kbps: str) -> None:
    tokens = tokens_of(kind, kbps)
    data = encode(tokens, swift(kbps).new_token_model())
    assert np.array_equal(decode(data, len(tokens), swift(kbps).new_token_model()), tokens)
    saved = 1 - 8 * len(data) / (10 * tokens.size)
    print(f"{kind} at {kbps} kbit/s: {100 * saved:.1f} % saved")
    assert saved > {"random": -0.5, "silence": 0.9, "music": 0.02}[kind]


@needs_coder
def test_the_bytes_are_as_many_as_the_estimate_says() -> None:
    tokens, model = tokens_of("music", "12"), swift("12").new_token_model()
    estimate = sum(model.frame_bits(frame, 32) for frame in tokens)
    assert 8 * len(encode(tokens, swift("12").new_token_model())) == pytest.approx(estimate, rel=0.002, abs=64)


def test_the_estimate_of_fewer_books_is_lower() -> None:
    tokens = tokens_of("music", "12")
    sums = []
    for books in (8, 16, 32):
        model = open_entropy_estimator(swift("12"))
        assert model is not None
        sums.append(sum(model.frame_bits(frame, books) for frame in tokens))
    assert sums[0] < 0.6 * sums[1] < 0.4 * sums[2]


def test_frequencies_are_whole_and_add_up_to_one() -> None:
    model = swift().new_token_model()
    for frame in tokens_of("music", "12")[:20].tolist():
        for position in range(32):
            found = model.frequencies(position, frame[:position])
            assert found.min() >= 1
            assert int(found.sum()) == PROB_ONE
        model.finish_step(frame)


@needs_coder
def test_a_tape_is_packed_with_the_model_of_its_codec(tmp_path: Path) -> None:
    codec = swift("6")
    header = TapeHeader.of(codec.spec, "tokens", 0, config_hash=codec_hash(codec))
    with TapeWriter(tmp_path / "a.tape", header) as writer:
        for frame in encoded(clip(), "6"):
            writer.write(frame)
    nominal, coded, _ = pack(tmp_path / "a.tape", tmp_path / "a.pack")
    assert coded < 0.97 * nominal
    unpack(tmp_path / "a.pack", tmp_path / "b.tape")
    assert (tmp_path / "b.tape").read_bytes() == (tmp_path / "a.tape").read_bytes()
    changed = bytearray((tmp_path / "a.pack").read_bytes())
    changed[8 + 32 + 100 + 3] ^= 1  # the digest of the model
    (tmp_path / "a.pack").write_bytes(changed)
    with pytest.raises(CodecError, match="was packed by a version of verdigris with other weights"):
        unpack(tmp_path / "a.pack", tmp_path / "b.tape")
