"""Metadata that is damaged, or in an old encoding, costs itself and never the sound."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime.files.audio_file import AudioReader, check
from tests.support.desk import Desk, noise
from tests.support.sound_files import encode

SAMPLES = 500
NAMES = [
    b"LIST",
    b"bext",
    b"id3 ",
    b"iXML",
    b"cue ",
    b"smpl",
    b"fact",
    b"cart",
    b"JUNK",
    b"acid",
    b"NAME",
    b"MARK",
    b"abcd",
]


def sound(kind: str) -> bytes:
    """Return a file of 16 bits: 12 bytes of header, then chunks."""
    file = io.BytesIO()
    soundfile.write(file, noise(SAMPLES), 48_000, format=kind, subtype="PCM_16")
    return file.getvalue()


@settings(max_examples=150)
@given(
    kind=st.sampled_from(["WAV", "AIFF"]),
    name=st.sampled_from(NAMES),
    content=st.binary(max_size=40) | st.binary(max_size=40).map(lambda data: b"INFOINAM" + data),
    after=st.booleans(),
)
def test_any_chunk_of_metadata_leaves_the_sound_as_it_is(
    tmp_path_factory: pytest.TempPathFactory, kind: str, name: bytes, content: bytes, after: bool
) -> None:
    data, order = sound(kind), "<" if kind == "WAV" else ">"
    chunk = name + struct.pack(f"{order}I", len(content)) + content + b"\0" * (len(content) % 2)
    data = data + chunk if after else data[:12] + chunk + data[12:]
    path = tmp_path_factory.mktemp("a") / "a"
    path.write_bytes(data[:4] + struct.pack(f"{order}I", len(data) - 8) + data[8:])
    assert check(path).segments == ((48_000, SAMPLES),)
    expected, _ = soundfile.read(io.BytesIO(sound(kind)), dtype="float32")
    assert np.array_equal(AudioReader(path).read(SAMPLES + 1), expected.T)


LATIN = "Café".encode("cp1252")


def tagged(kind: str, data: bytes) -> bytes:
    """Return the file with a title in Windows' code page."""
    if kind == "wav":
        info = b"INFOINAM" + struct.pack("<I", len(LATIN)) + LATIN
        return data + b"LIST" + struct.pack("<I", len(info)) + info
    if kind == "flac":
        comment = struct.pack("<I", 1) + b"x" + struct.pack("<II", 1, 6 + len(LATIN)) + b"TITLE=" + LATIN
        first = data.index(b"fLaC") + 4
        return data[: first + 38] + b"\x04" + len(comment).to_bytes(3, "big") + comment + data[first + 38 :]
    if kind == "id3v1":
        return data + (b"TAG" + LATIN).ljust(128, b"\0")
    frame = b"TIT2" + struct.pack(">I", 1 + len(LATIN)) + b"\0\0\x03" + LATIN  # says that it is UTF-8
    return b"ID3\x03\0\0\0\0\0" + bytes([len(frame)]) + frame + data


@pytest.mark.parametrize("kind", ["wav", "flac", "id3v1", "id3v2"])
def test_tags_in_windows_code_page_are_read_and_kept(desk: Desk, kind: str) -> None:
    extension = kind if kind in ("wav", "flac") else "mp3"
    soundfile.write(desk.place / f"a.{extension}", noise(4800), 48_000)
    path = desk.place / f"a.{extension}"
    path.write_bytes(tagged(kind, path.read_bytes()))
    desk.done("render", path, "o.flac", "--codec", "pcm")
    reader = AudioReader(Path("o.flac"))
    assert reader.length == 4800
    assert reader.tags["title"] == "Café"


@pytest.mark.parametrize(
    ("container", "codec"), [("ac3", "ac3"), ("avi", "mp3"), ("flv", "aac"), ("mpegts", "aac"), ("mov", "pcm_s16le")]
)
def test_sound_in_containers_of_film_plays(container: str, codec: str, tmp_path: Path) -> None:
    path = encode(tmp_path / "a", noise(9600), 48_000, container, codec)
    ((rate, samples),) = check(path, decode=True).segments
    assert (rate, samples >= 9600) == (48_000, True)


@pytest.mark.parametrize("kind", ["AVR", "NIST", "PAF", "PVF", "VOC", "IRCAM"])
def test_old_containers_of_libsndfile_play_bit_for_bit(kind: str, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a", noise(960), 48_000, format=kind, subtype="PCM_16")
    expected, _ = soundfile.read(tmp_path / "a", dtype="float32")
    assert np.array_equal(AudioReader(tmp_path / "a").read(9999), expected.T)
