"""Tapes with gaps and repeats: every frame keeps its place."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from models import tape_registry
from models.codec import CodecError, Frame
from models.codicodec import checkpoint
from models.codicodec.config import CoDiCodecConfig
from models.codicodec.network import CoDiCodecNetwork
from models.load import codec_of_tape, load
from realtime.files.tape import TapeHeader, TapeWriter, codec_hash
from realtime.offline.play_tape import play_tape
from tests.support.small_codec import chunks, noise, small_codec


@pytest.mark.parametrize(
    "numbers", [[0, 1, 2, 3], [0, 1, 2, 1, 2, 3, 4], [0, 1, 4, 5], [3, 4, 9]], ids=["whole", "repeat", "gap", "gaps"]
)
def test_frame_i_of_a_tape_begins_at_i_hops_whatever_was_lost_before(tmp_path: Path, numbers: list[int]) -> None:
    codec = small_codec()
    path = tmp_path / "tiny.safetensors"
    checkpoint.save(CoDiCodecNetwork(CoDiCodecConfig.tiny()).randomise(0), path)
    encoder = codec.open_encoder()
    frames = [encoder.encode(chunk) for chunk in chunks(codec, noise(codec, 10))]
    with TapeWriter(tmp_path / "t.tape", TapeHeader.of(codec.spec, "tokens", 0, config_hash=codec_hash(codec))) as tape:
        for number in numbers:
            tape.write(Frame(number, frames[number].tokens, None, 0.0))
    play_tape(tmp_path / "t.tape", tmp_path / "t.wav", str(path))
    played, _ = soundfile.read(tmp_path / "t.wav", dtype="float32")
    hop, rows = codec.spec.hop, sorted(set(numbers))
    assert len(played) == (rows[-1] + 1) * hop
    silent = [not played[i * hop + 200 : (i + 1) * hop - 200].any() for i in range(rows[-1] + 1)]
    assert silent == [i not in rows for i in range(rows[-1] + 1)]
    assert np.isfinite(played).all()


@pytest.mark.parametrize("name", ["nano", "nano:slide=2", "swift", "swift:3", "swift:12"])
def test_a_tape_names_the_codec_it_was_recorded_with(name: str) -> None:
    assert codec_of_tape(codec_hash(load(name))) == name


def test_no_two_codecs_are_known_by_one_hash() -> None:
    names, hashes = zip(*tape_registry.known_codecs(), strict=True)
    assert {"nano", "codicodec", "codicodec:slide=4", "encodec24:6", "encodec48", "dac", "dac:random"} <= set(names)
    assert len(set(names)) == len(set(hashes)) == len(names)


@pytest.mark.parametrize("data", [b"", b"version https://git-lfs.github.com/spec/v1\n"], ids=["empty", "a pointer"])
def test_damaged_bundled_weights_are_reported(data: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "nano.safetensors").write_bytes(data)
    monkeypatch.setattr(checkpoint, "NANO", tmp_path / "nano.safetensors")
    with pytest.raises(CodecError, match=r'"nano.safetensors" is truncated or damaged\. Fetch it again\.'):
        codec_of_tape(bytes(32))


def test_a_tape_of_a_codec_without_a_name_is_refused_with_what_to_pass(tmp_path: Path) -> None:
    codec = small_codec()
    assert codec_of_tape(codec_hash(codec)) is None
    with TapeWriter(tmp_path / "t.tape", TapeHeader.of(codec.spec, "tokens", 0, config_hash=codec_hash(codec))):
        pass
    with pytest.raises(CodecError, match=r"a codec that is unknown here .*\. Pass --codec and the checkpoint"):
        play_tape(tmp_path / "t.tape", tmp_path / "t.wav")
    assert not (tmp_path / "t.wav").exists()
