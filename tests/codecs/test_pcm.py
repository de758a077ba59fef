from __future__ import annotations

import time

import numpy as np
import pytest

from models.codec import CodecError, DecoderControls
from models.load import load
from models.pcm import Pcm

CONTROLS = DecoderControls()


def test_every_bit_of_every_sample_passes() -> None:
    codec = Pcm(hop=4, channels=2)
    bits = np.array([[0x7FC00001, 0xFF800000, 0x00000001, 0x80000000], [0x3F800000, 0, 0x7F7FFFFF, 0xFFC12345]])
    chunk = bits.astype(np.uint32).view(np.float32)  # NaN with payloads, infinity, denormal, minus zero
    heard = codec.open_decoder("discrete").decode(codec.open_encoder().encode(chunk), CONTROLS)
    assert (heard.view(np.uint32) == bits).all()


def test_lookahead_is_silence_first_and_then_the_input() -> None:
    codec = Pcm(hop=4, lookahead=6, channels=1)
    encoder, decoder = codec.open_encoder(), codec.open_decoder("discrete")
    dry = np.arange(1, 21, dtype=np.float32).reshape(1, 20)
    wet = np.hstack([decoder.decode(encoder.encode(dry[:, k : k + 4]), CONTROLS) for k in range(0, 20, 4)])
    assert wet[0].tolist() == [0] * 6 + list(range(1, 15))


def test_a_frame_is_32_bits_a_sample() -> None:
    frame = Pcm(hop=256, channels=2).open_encoder().encode(np.zeros((2, 256), np.float32))
    assert frame.bits == 32 * 2 * 256


def test_each_decode_takes_the_compute_time_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    codec = Pcm(hop=8, compute=0.25)
    encoder, decoder = codec.open_encoder(), codec.open_decoder("discrete")
    for _ in range(3):
        decoder.decode(encoder.encode(np.zeros((2, 8), np.float32)), CONTROLS)
    assert slept == [0.25] * 3


@pytest.mark.parametrize(
    "wrong", ["hop=0", "lookahead=-1", "channels=0", "rate=0", "rate=7", "compute=nan", "compute=inf"]
)
def test_settings_out_of_range_are_refused(wrong: str) -> None:
    with pytest.raises(CodecError, match=f'{wrong.split("=")[1]} of codec "pcm:{wrong}" is out of range'):
        load(f"pcm:{wrong}")
