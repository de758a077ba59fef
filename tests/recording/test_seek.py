"""Reading of files from a sample in the middle on: exact, and without decoding what is before it."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from realtime.files.audio_file import AudioReader
from realtime.files.decoded_file import DecodedFile
from realtime.files.decoder import PartDecoder
from tests.support.desk import noise
from tests.support.sound_files import ENCODED, RATE, WRITTEN, encode, sound_files

SECONDS = 8
MORE = {"a.mp2": ("mp2", "mp2"), "a.wv": ("wv", "wavpack"), "a.tta": ("tta", "tta"), "a.ac3": ("ac3", "ac3")}
REMEMBERING = {"aac.m4a", "a.aac", "a.ac3", "a.mp2"}  # decoders with random noise or dither, which is never reset
EVERY = (*WRITTEN, *ENCODED, *MORE, "voice.opus", "bursts.ogg")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a long file of every container and codec."""
    place = tmp_path_factory.mktemp("files")
    sound_files(place, SECONDS * RATE)
    for name, (container, codec) in MORE.items():
        encode(place / name, noise(SECONDS * RATE), RATE, container, codec)
    voice = noise(SECONDS * 48_000, 1) * np.sin(np.arange(SECONDS * 48_000) / 9000)[:, None]
    encode(place / "voice.opus", voice.astype(np.float32), 48_000, "ogg", "libopus", bit_rate=10_000)
    bursts = noise(SECONDS * RATE) * (np.arange(SECONDS * RATE) % 9000 < 700)[:, None]
    soundfile.write(place / "bursts.ogg", bursts.astype(np.float32), RATE)  # of short and long blocks
    return place


@cache
def whole(path: Path) -> np.ndarray:
    return AudioReader(path).read(1 << 24)


@pytest.mark.parametrize("name", EVERY)
@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(part=st.floats(0, 1), loop=st.booleans())
def test_samples_after_a_seek_are_those_of_a_full_decode(name: str, part: float, loop: bool, files: Path) -> None:
    sound = whole(files / name)
    start = round(part * (sound.shape[1] - 1))
    reader = AudioReader(files / name, loop=loop, start=start)
    heard = reader.read(30_000)
    rest = sound[:, start : start + 30_000]
    np.testing.assert_array_equal(heard[:, : rest.shape[1]], rest)
    if loop:
        np.testing.assert_array_equal(heard[:, rest.shape[1] :], sound[:, : 30_000 - rest.shape[1]])
    else:
        assert heard.shape == rest.shape


@pytest.mark.parametrize("name", [name for name in EVERY if name not in REMEMBERING])
def test_only_seconds_before_the_place_are_decoded(name: str, files: Path) -> None:
    file = DecodedFile(files / name)
    (part,) = file._layout.parts
    first = 7 * file.rate
    landed, _ = PartDecoder(file._file, part)._approach(first)
    assert first - 2 * file.rate < landed <= first


@pytest.mark.parametrize("name", ["a.mp3", "a.ogg", "a.flac"])
def test_a_damaged_file_has_the_samples_of_a_full_decode_too(name: str, files: Path, tmp_path: Path) -> None:
    data = bytearray((files / name).read_bytes())
    for at in range(len(data) // 3, len(data) // 3 + 3000, 150):
        data[at] ^= 0x5A
    (tmp_path / name).write_bytes(data)
    sound = whole(tmp_path / name)
    start = round(0.9 * sound.shape[1])
    np.testing.assert_array_equal(AudioReader(tmp_path / name, start=start).read(1 << 20), sound[:, start:])
