"""Chunks of odd length, with and without padding, and sound that ends within a sample."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from realtime.files.audio_file import AudioReader, check
from realtime.files.section import Section

SAMPLES = 1501
LAYOUTS = [(1, 8), (1, 16), (2, 16), (1, 24), (2, 24), (2, 32)]  # channels, bits
Chunk = Callable[[bytes, bytes], bytes]


def padded(name: bytes, content: bytes) -> bytes:
    return unpadded(name, content) + bytes(len(content) % 2)


def unpadded(name: bytes, content: bytes) -> bytes:
    return name + struct.pack("<I", len(content)) + content


def streamed(name: bytes, content: bytes) -> bytes:
    """A chunk of a program that writes to a pipe."""
    return name + struct.pack("<I", 0xFFFFFFFF) + content


def wav(
    channels: int, bits: int, sound: bytes, before: bytes = b"", chunk: Chunk = padded, after: bytes = b""
) -> bytes:
    block = channels * bits // 8
    format_ = padded(b"fmt ", struct.pack("<HHIIHH", 1, channels, 48_000, 48_000 * block, block, bits))
    body = b"WAVE" + before + format_ + before + chunk(b"data", sound) + after
    return b"RIFF" + struct.pack("<I", len(body)) + body


def played(path: Path) -> np.ndarray:
    reader = AudioReader(path)
    audio = reader.read(2 * SAMPLES)
    reader.close()
    return audio


@pytest.mark.parametrize(("channels", "bits"), LAYOUTS)
@pytest.mark.parametrize("chunk", [padded, unpadded, streamed])
def test_whole_samples_are_played_and_the_rest_of_one_is_named(
    channels: int, bits: int, chunk: Chunk, tmp_path: Path
) -> None:
    path, block = tmp_path / "a.wav", channels * bits // 8
    sound = np.random.default_rng(0).bytes((SAMPLES + 1) * block)
    path.write_bytes(wav(channels, bits, sound[: SAMPLES * block]))
    expected = played(path)
    assert expected.shape == (2, SAMPLES)
    for rest in range(block):
        path.write_bytes(wav(channels, bits, sound[: SAMPLES * block + rest], chunk=chunk))
        survey = check(path, decode=True)
        assert survey == check(path)
        assert survey.segments == ((48_000, SAMPLES),)
        assert np.array_equal(played(path), expected)
        if chunk is streamed:  # a byte of padding cannot be told from one of sound
            continue
        assert [remark.partition(": ")[2] for remark in survey.remarks] == [
            f"{rest} {'byte at the end is' if rest == 1 else 'bytes at the end are'} less than a sample, "
            f"and not played. {SAMPLES} samples are played."
        ][: bool(rest)]


@pytest.mark.parametrize(("channels", "bits"), LAYOUTS)
@pytest.mark.parametrize("other", [padded, unpadded])
@pytest.mark.parametrize("own", [padded, unpadded])
def test_a_chunk_without_its_padding_hides_neither_the_sound_nor_the_chunks_after_it(
    channels: int, bits: int, other: Chunk, own: Chunk, tmp_path: Path
) -> None:
    path, block = tmp_path / "a.wav", channels * bits // 8
    sound = np.random.default_rng(0).bytes(SAMPLES * block)
    path.write_bytes(wav(channels, bits, sound))
    expected = played(path)
    after = unpadded(b"LIST", b"INFOINAM\4\0\0\0abc\0")
    path.write_bytes(wav(channels, bits, sound, other(b"note", b"abc"), own, after))
    survey = check(path, decode=True)
    assert survey == check(path)
    assert (survey.segments, survey.remarks) == (((48_000, SAMPLES),), ())
    assert np.array_equal(played(path), expected)


@pytest.mark.parametrize(("channels", "bits"), [(1, 8), (1, 24), (2, 16)])
@pytest.mark.parametrize("padding", [b"\0", b""])
@pytest.mark.parametrize("name", [b"", b"abc"])
def test_an_aiff_may_lack_its_padding_too(
    channels: int, bits: int, padding: bytes, name: bytes, tmp_path: Path
) -> None:
    def chunk(kind: bytes, content: bytes) -> bytes:
        return kind + struct.pack(">I", len(content)) + content + padding[: len(content) % 2]

    rate = b"\x40\x0e\xbb\x80" + bytes(6)  # 48000 as an extended float
    common = struct.pack(">hIh", channels, SAMPLES, bits) + rate
    sound = np.random.default_rng(0).bytes(SAMPLES * channels * bits // 8)
    body = b"AIFF" + (chunk(b"NAME", name) if name else b"") + chunk(b"COMM", common)
    body += chunk(b"SSND", bytes(8) + sound)
    path = tmp_path / "a.aiff"
    path.write_bytes(b"FORM" + struct.pack(">I", len(body)) + body)
    survey = check(path, decode=True)
    assert survey == check(path)
    assert (survey.segments, survey.remarks) == (((48_000, SAMPLES),), ())
    first = np.frombuffer(sound[: bits // 8], {8: "i1", 16: ">i2"}[bits])[0] if bits != 24 else 0
    assert bits == 24 or played(path)[0, 0] == np.float32(first / 2 ** (bits - 1))


@pytest.mark.parametrize("size", [1, 3, 100])
def test_a_section_with_head_and_tail_reads_as_one_file(size: int) -> None:
    whole = b"HEAD" + b"23456789" + b"TAIL"
    section = Section(io.BytesIO(b"0123456789AB"), 2, 10, {3: b"xy"}, head=b"HEAD", tail=b"TAIL")
    expected = whole[:3] + b"xy" + whole[5:]
    pieces = list(iter(lambda: section.read(size), b""))
    assert b"".join(pieces) == expected
    assert section.seek(0, io.SEEK_END) == len(whole)
    for at in range(len(whole)):
        section.seek(at)
        assert section.read(size) == expected[at : at + size]
