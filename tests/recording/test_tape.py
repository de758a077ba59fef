"""Tapes: packing, the file, what a crash leaves of it, and that it plays back the same."""

from __future__ import annotations

import re
import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from models.codec import CodecError, CodecSpec, DecoderControls, Frame
from realtime.files.tape import (
    HEADER_BYTES,
    TapeHeader,
    TapeWriter,
    pack_record,
    pack_tokens,
    packed_bytes,
    spec_hash,
    unpack_tokens,
)
from realtime.files.tape_reader import TapeReader
from tests.support.small_codec import chunks, noise, small_codec

OFFICIAL = CodecSpec("codicodec", 48000, 2, 32768, 1024, 128, 14641, (128, 4), ("continuous", "discrete"), False)
SMALL = replace(OFFICIAL, hop=1024, tokens=5, cardinality=120, latent=(5, 3))
ANY_FILE = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)


def frames(spec: CodecSpec, count: int, seed: int = 0) -> list[Frame]:
    rng = np.random.default_rng(seed)
    tokens = rng.integers(0, spec.cardinality, (count, spec.tokens), dtype=np.int32)
    latents = rng.uniform(-1, 1, (count, *spec.latent)).astype(np.float16).astype(np.float32)
    return [Frame(i, tokens[i], latents[i], 0.0) for i in range(count)]


def recorded(path: Path, spec: CodecSpec, kind: str, given_frames: list[Frame]) -> bytes:
    with TapeWriter(path, TapeHeader.of(spec, kind, latency=35000, seed=-3)) as tape:
        for frame in given_frames:
            tape.write(frame)
    return path.read_bytes()


def test_an_official_frame_of_tokens_is_222_bytes_and_of_latents_1024() -> None:
    assert packed_bytes(128, 14641) == packed_bytes(512, 11) == 222
    assert TapeHeader.of(OFFICIAL, "tokens", 0).payload_bytes == 222
    assert TapeHeader.of(OFFICIAL, "latents", 0).payload_bytes == 1024


def test_tokens_packed_are_their_base_eleven_digits_packed() -> None:
    tokens = frames(OFFICIAL, 1)[0].tokens
    digits = (tokens[:, None] // 11 ** np.arange(4) % 11).astype(np.int32).ravel()
    assert pack_tokens(tokens, 14641) == pack_tokens(digits, 11)


@given(st.integers(1, 2**31 - 1), st.data())
def test_tokens_of_any_cardinality_come_back(cardinality: int, data: st.DataObject) -> None:
    count = data.draw(st.integers(0, 40))
    tokens = data.draw(npst.arrays(np.int32, (count,), elements=st.integers(0, cardinality - 1)))
    packed = pack_tokens(tokens, cardinality)
    assert len(packed) == packed_bytes(count, cardinality)
    assert np.array_equal(unpack_tokens(packed, count, cardinality), tokens)


@pytest.mark.parametrize("token", [-1, 120])
def test_tokens_out_of_range_are_not_packed(token: int) -> None:
    with pytest.raises(CodecError, match=r"give 0 \.\.\. 119"):
        pack_tokens(np.array([3, token], np.int32), 120)


@pytest.mark.parametrize("kind", ["tokens", "latents"])
@pytest.mark.parametrize("spec", [OFFICIAL, SMALL], ids=["official", "small"])
def test_a_tape_comes_back(spec: CodecSpec, kind: str, tmp_path: Path) -> None:
    given_frames = frames(spec, 9)
    size = len(recorded(tmp_path / "a.tape", spec, kind, given_frames))
    reader = TapeReader(tmp_path / "a.tape")
    back = list(reader)
    assert size == HEADER_BYTES + 9 * reader.header.record_bytes
    assert reader.lost_bytes == 0
    assert [frame.index for frame in back] == list(range(9))
    for frame, original in zip(back, given_frames, strict=True):
        if kind == "tokens":
            assert np.array_equal(frame.tokens, original.tokens)
        else:
            assert frame.latent is not None
            assert original.latent is not None
            assert np.array_equal(frame.latent, original.latent)


def test_the_header_comes_back(tmp_path: Path) -> None:
    header = TapeHeader.of(SMALL, "latents", latency=4711, seed=-(2**63), steps=3, context_noise=0.25)
    TapeWriter(tmp_path / "a.tape", header).close()
    assert TapeReader(tmp_path / "a.tape").header == header
    assert header.config_hash == spec_hash(SMALL)
    assert (header.sample_rate, header.latency, header.seed) == (48000, 4711, -(2**63))


@ANY_FILE
@given(cut=st.integers(0, 400))
def test_a_tape_cut_anywhere_gives_every_whole_frame_before_the_cut(cut: int, tmp_path: Path) -> None:
    data = recorded(tmp_path / "a.tape", SMALL, "tokens", frames(SMALL, 20))
    kept = data[: len(data) - min(cut, len(data) - HEADER_BYTES)]
    (tmp_path / "a.tape").write_bytes(kept)
    reader = TapeReader(tmp_path / "a.tape")
    whole, rest = divmod(len(kept) - HEADER_BYTES, reader.header.record_bytes)
    assert len(list(reader)) == whole
    assert reader.lost_bytes == rest


@ANY_FILE
@given(place=st.integers(0, 219), bit=st.integers(0, 7))
def test_a_tape_with_any_bit_flipped_loses_one_frame_and_says_which(place: int, bit: int, tmp_path: Path) -> None:
    given_frames = frames(SMALL, 20)
    data = bytearray(recorded(tmp_path / "a.tape", SMALL, "tokens", given_frames))
    place = min(place, len(data) - HEADER_BYTES - 1)
    data[HEADER_BYTES + place] ^= 1 << bit
    (tmp_path / "a.tape").write_bytes(data)
    reader = TapeReader(tmp_path / "a.tape")
    bad = place // reader.header.record_bytes
    kept = given_frames[:bad] + given_frames[bad + 1 :]
    assert [(f.index, f.tokens.tolist()) for f in reader] == [(f.index, f.tokens.tolist()) for f in kept]
    assert reader.lost_bytes == reader.header.record_bytes
    assert str(reader.damage[0]) == f"record {bad + 1} (at {bad * SMALL.hop / SMALL.sample_rate:.3f} s) is damaged"


@ANY_FILE
@given(at=st.integers(0, 219), count=st.integers(1, 25), more=st.booleans())
def test_bytes_that_are_missing_or_too_many_cost_no_more_than_the_records_they_are_in(
    at: int, count: int, more: bool, tmp_path: Path
) -> None:
    given_frames = frames(SMALL, 20)
    data = recorded(tmp_path / "a.tape", SMALL, "tokens", given_frames)
    at = HEADER_BYTES + min(at, len(data) - HEADER_BYTES - 1)
    data = data[:at] + b"\x55" * count + data[at:] if more else data[:at] + data[at + count :]
    (tmp_path / "a.tape").write_bytes(data)
    reader = TapeReader(tmp_path / "a.tape")
    size = reader.header.record_bytes
    whole = [frame.index for frame in reader]
    assert whole == sorted(set(whole))
    assert len(whole) >= 20 - (1 if more else 2 + (count - 1) // size)
    assert len(whole) * size + reader.lost_bytes == len(data) - HEADER_BYTES


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"hop": 0}, "hop 0, allowed are 1 to"),
        ({"sample_rate": 0}, "sample rate 0"),
        ({"sample_rate": 2**32 - 1}, "sample rate 4.29497e+09"),
        ({"channels": 0}, "channels 0"),
        ({"tokens": 0}, "tokens in a frame 0"),
        ({"tokens": 2**32 - 1}, "tokens in a frame"),
        ({"tokens": 2**16, "cardinality": 2**32 - 1}, "values of a token"),
        ({"cardinality": 0}, "values of a token 0"),
        ({"kind": "latents", "latent": (0, 4)}, "elements of a latent 0"),
        ({"kind": "latents", "latent": (2**31, 2**31)}, "elements of a latent"),
        ({"steps": 0}, "steps 0"),
        ({"steps": 2**31}, "steps"),
        ({"context_noise": float("nan")}, "context noise nan"),
    ],
    ids=str,
)
def test_a_header_field_that_no_tape_has_is_refused(changes: dict[str, Any], says: str, tmp_path: Path) -> None:
    header = replace(TapeHeader.of(SMALL, "tokens", 0), **changes)
    (tmp_path / "a.tape").write_bytes(header.pack() + bytes(500))
    with pytest.raises(CodecError, match=f"has a wrong header: {re.escape(says)}"):
        TapeReader(tmp_path / "a.tape")


def test_a_payload_that_no_tokens_have_and_a_latent_that_is_not_finite_are_damage(tmp_path: Path) -> None:
    header = TapeHeader.of(SMALL, "tokens", 0)
    (tmp_path / "a.tape").write_bytes(header.pack() + pack_record(0, b"\xff" * header.payload_bytes))
    latents = TapeHeader.of(SMALL, "latents", 0)
    nan = np.full(SMALL.latent, np.nan, np.float16).tobytes()
    (tmp_path / "b.tape").write_bytes(latents.pack() + pack_record(0, nan) + pack_record(1, bytes(len(nan))))
    for name, left in (("a.tape", []), ("b.tape", [1])):
        reader = TapeReader(tmp_path / name)
        assert [frame.index for frame in reader] == left
        assert len(reader.damage) == 1


def test_an_index_hours_after_the_one_before_is_damage(tmp_path: Path) -> None:
    given_frames = frames(SMALL, 3)
    given_frames[1] = replace(given_frames[1], index=2**32 - 1)
    recorded(tmp_path / "a.tape", SMALL, "tokens", given_frames)
    reader = TapeReader(tmp_path / "a.tape")
    assert [frame.index for frame in reader] == [0, 2]
    assert reader.damage[0].record == 2


def test_a_tape_can_be_read_while_it_is_written(tmp_path: Path) -> None:
    with TapeWriter(tmp_path / "a.tape", TapeHeader.of(SMALL, "tokens", 0)) as tape:
        for count, frame in enumerate(frames(SMALL, 3)):
            tape.write(frame)
            assert len(list(TapeReader(tmp_path / "a.tape"))) == count + 1


@pytest.mark.parametrize("place", [10, 30, 70, 97])
def test_a_damaged_header_is_refused(place: int, tmp_path: Path) -> None:
    data = bytearray(recorded(tmp_path / "a.tape", SMALL, "tokens", []))
    data[place] ^= 4
    (tmp_path / "a.tape").write_bytes(data)
    with pytest.raises(CodecError, match="damaged header"):
        TapeReader(tmp_path / "a.tape")


def test_a_tape_of_a_later_version_and_a_file_of_something_else_are_refused(tmp_path: Path) -> None:
    data = recorded(tmp_path / "a.tape", SMALL, "tokens", [])
    (tmp_path / "a.tape").write_bytes(data[:8] + struct.pack("<H", 2) + data[10:])
    with pytest.raises(CodecError, match="version 2, this program reads 1"):
        TapeReader(tmp_path / "a.tape")
    (tmp_path / "b.tape").write_bytes(b"RIFF" + bytes(200))
    with pytest.raises(CodecError, match="is not a tape"):
        TapeReader(tmp_path / "b.tape")


def test_frames_and_codecs_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CodecError, match="opus has no tokens to record"):
        TapeHeader.of(CodecSpec("opus", 48000, 2, 960, 312, 0, 0, (0, 0), ("discrete",), True), "tokens", 0)
    with TapeWriter(tmp_path / "a.tape", TapeHeader.of(SMALL, "tokens", 0)) as tape:
        with pytest.raises(CodecError, match="of another codec"):
            tape.write(Frame(0, np.zeros(50, np.int32), None, 0.0))
    with TapeWriter(tmp_path / "b.tape", TapeHeader.of(SMALL, "latents", 0)) as tape:
        with pytest.raises(CodecError, match="no latent to record"):
            tape.write(Frame(0, np.zeros(5, np.int32), None, 0.0))
    with pytest.raises(CodecError, match='not recorded with codec "codicodec"'):
        TapeReader(tmp_path / "a.tape").check(spec_hash(OFFICIAL), "codicodec")


@pytest.mark.parametrize(("kind", "path"), [("tokens", "discrete"), ("latents", "continuous")])
def test_a_tape_decoded_twice_with_its_seed_is_identical(kind: str, path: str, tmp_path: Path) -> None:
    codec = small_codec()
    encoder = codec.open_encoder()
    live = [encoder.encode(chunk) for chunk in chunks(codec, noise(codec, 4))]
    header = TapeHeader.of(codec.spec, kind, 0, seed=11, config_hash=codec.config_hash)
    with TapeWriter(tmp_path / "a.tape", header) as tape:
        for frame in live:
            tape.write(frame)
    heard = []
    for _ in range(2):
        reader, decoder = TapeReader(tmp_path / "a.tape"), codec.open_decoder(path)
        reader.check(codec.config_hash, codec.spec.name)
        controls = DecoderControls(reader.header.steps, reader.header.context_noise, reader.header.seed)
        heard.append(np.concatenate([decoder.decode(frame, controls) for frame in reader], axis=1))
    assert np.array_equal(heard[0], heard[1])
    decoder = codec.open_decoder(path)
    played = np.concatenate([decoder.decode(frame, DecoderControls(seed=11)) for frame in live], axis=1)
    assert np.abs(heard[0] - played).max() < (1e-6 if kind == "tokens" else 5e-3)
