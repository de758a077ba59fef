"""Sound that few programs write: samples narrower than their place, G.711 and ADPCM that are cut, tags and
pages of impossible size or order, names that lead to no file.
"""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile

from realtime.files.audio_file import AudioFileError, AudioReader, check
from tests.support.desk import noise
from tests.support.systems import needs_posix

RATE, SAMPLES = 48_000, 6000
PCM_GUID = bytes.fromhex("0100000000001000800000aa00389b71")
INTEGERS = (noise(SAMPLES) * 2**23).astype("<i4") << 8  # 24 bits, in the upper bytes of 32


def wav(format_: bytes, sound: bytes) -> bytes:
    body = b"WAVEfmt " + struct.pack("<I", len(format_)) + format_ + b"data" + struct.pack("<I", len(sound)) + sound
    return b"RIFF" + struct.pack("<I", len(body)) + body


def head(tag: int, bits: int, block: int) -> bytes:
    return struct.pack("<HHIIHH", tag, 2, RATE, RATE * block, block, bits)


def extensible(bits: int, valid: int, mask: int = 3) -> bytes:
    return head(0xFFFE, bits, bits // 4) + struct.pack("<HHI", 22, valid, mask) + PCM_GUID


@pytest.mark.parametrize("format_", [extensible(32, 24), extensible(32, 0), extensible(32, 20), head(1, 24, 8)])
def test_24_bits_in_32_are_read_as_they_are(format_: bytes, tmp_path: Path) -> None:
    """FFmpeg alone takes them for an old format of floating point: noise, or not a number."""
    (tmp_path / "a.wav").write_bytes(wav(format_, INTEGERS.tobytes()))
    assert check(tmp_path / "a.wav", decode=True).remarks == ()
    expected = (INTEGERS / 2**31).astype(np.float32).T
    assert np.array_equal(AudioReader(tmp_path / "a.wav").read(2 * SAMPLES), expected)


@pytest.mark.parametrize(("bits", "valid"), [(16, 12), (24, 20), (16, 16), (16, 40)])
def test_valid_bits_do_not_change_the_samples(bits: int, valid: int, tmp_path: Path) -> None:
    sound = b"".join(sample.tobytes()[4 - bits // 8 :] for sample in INTEGERS.reshape(-1))
    for name, format_ in (("a.wav", extensible(bits, valid)), ("b.wav", head(1, bits, bits // 4))):
        (tmp_path / name).write_bytes(wav(format_, sound))
    a, b = (AudioReader(tmp_path / name).read(2 * SAMPLES) for name in ("a.wav", "b.wav"))
    assert a.shape == (2, SAMPLES)
    assert np.array_equal(a, b)


@pytest.mark.parametrize("mask", [0, 1, 0x3F, 0x80000001, 0xFFFFFFFF])
def test_a_mask_of_speakers_that_cannot_be_is_ignored(mask: int, tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(wav(extensible(32, 32, mask), INTEGERS.tobytes()))
    assert AudioReader(tmp_path / "a.wav").read(2 * SAMPLES).shape == (2, SAMPLES)


def test_integers_of_64_bits_play(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(wav(head(1, 64, 16), (INTEGERS.astype("<i8") << 32).tobytes()))
    expected = (INTEGERS / 2**31).astype(np.float32).T
    np.testing.assert_allclose(AudioReader(tmp_path / "a.wav").read(2 * SAMPLES), expected, atol=1e-7)


@pytest.mark.parametrize(
    ("subtype", "says"),
    [
        ("ULAW", "truncated to "),
        ("ALAW", "truncated to "),
        ("IMA_ADPCM", "bytes are missing"),
        ("MS_ADPCM", "bytes are missing"),
    ],
)
def test_compressed_wav_that_is_cut_says_so(subtype: str, says: str, tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, noise(SAMPLES), RATE, format="WAV", subtype=subtype)
    assert check(path, decode=True).remarks == ()
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    survey = check(path, decode=True)
    assert says in survey.remarks[0]
    assert 0 < survey.segments[0][1] < SAMPLES


@pytest.mark.parametrize("declared", [0, 50, 1 << 27])
def test_an_id3_tag_of_a_wrong_size_hides_no_sound(declared: int, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.mp3", noise(SAMPLES), RATE)
    size = bytes(declared >> shift & 127 for shift in (21, 14, 7, 0))
    tag = b"ID3\x04\0\0" + size + b"TIT2\0\0\0\4\0\0\3abc" + bytes(200)
    (tmp_path / "b.mp3").write_bytes(tag + (tmp_path / "a.mp3").read_bytes())
    survey = check(tmp_path / "b.mp3", decode=True)
    assert survey.segments == check(tmp_path / "a.mp3", decode=True).segments
    assert "bytes are not part of a frame" in survey.remarks[0]


@pytest.mark.parametrize("kind", ["missing", "repeated or out of order"])
def test_pages_that_are_missing_or_repeated_are_counted(kind: str, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.ogg", noise(4 * RATE), RATE)
    data = (tmp_path / "a.ogg").read_bytes()
    starts = [at for at in range(len(data)) if data[at : at + 5] == b"OggS\0"]
    middle, after = starts[len(starts) // 2], starts[len(starts) // 2 + 1]
    page = b"" if kind == "missing" else 2 * data[middle:after]
    (tmp_path / "a.ogg").write_bytes(data[:middle] + page + data[after:])
    assert f"1 page is {kind}" in check(tmp_path / "a.ogg", decode=True).remarks[0]


@needs_posix("links to devices")
@pytest.mark.parametrize("device", ["/dev/zero", "/dev/null", "/dev/urandom"])
def test_a_device_is_not_an_audio_file(device: str, tmp_path: Path) -> None:
    (tmp_path / "a.wav").symlink_to(device)
    with pytest.raises(AudioFileError, match="this is a pipe or a device"):
        check(tmp_path / "a.wav")
