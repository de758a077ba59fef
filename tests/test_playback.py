"""Tapes with gaps and repeats: every frame keeps its place."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from models import checkpoint
from models.codec import Frame
from models.config import CoDiCodecConfig
from models.network import CoDiCodecNetwork
from realtime.playback import play_tape
from realtime.tape import TapeHeader, TapeWriter, codec_hash
from tests.small_codec import chunks, noise, small_codec


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
