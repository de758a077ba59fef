"""The training audio: MIDI out of WADs, varied; parts that pack by themselves."""

from __future__ import annotations

import csv
import random
import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile

from models.codec import CodecError
from models.training.corpus.fetch import COLUMNS
from models.training.corpus.midi import vary, wad_midis
from models.training.corpus.parts import divide
from models.training.corpus.sources import SOURCES
from models.training.corpus.synthetic import tones_and_hits
from models.training.data import Pack, build


def song(*notes: int, channel: int = 0) -> bytes:
    """A MIDI file of one track: a piano, then the notes."""
    events = bytes([0, 0xC0 | channel, 0])
    for note in notes:
        events += bytes([0, 0x90 | channel, note, 100, 96, 0x80 | channel, note, 0])
    events += b"\0\xff\x2f\0"
    return b"MThd" + struct.pack(">IHHH", 6, 0, 1, 96) + b"MTrk" + struct.pack(">I", len(events)) + events


def wad(*lumps: tuple[bytes, bytes]) -> bytes:
    body = b"".join(data for _, data in lumps)
    table, at = b"", 12
    for name, data in lumps:
        table += struct.pack("<ii8s", at, len(data), name)
        at += len(data)
    return b"PWAD" + struct.pack("<ii", len(lumps), 12 + len(body)) + body + table


def test_a_wad_gives_each_of_its_midi_files_once(tmp_path: Path) -> None:
    one, other = song(60), song(62, 64)
    (tmp_path / "a.wad").write_bytes(wad((b"D_ONE", one), (b"D_AGAIN", one), (b"TEXT", b"MThd?"), (b"D_MUS", b"MUS")))
    (tmp_path / "b.wad").write_bytes(wad((b"D_OTHER", other), (b"D_ONE", one)))
    assert wad_midis(tmp_path) == {"a_D_ONE": one, "b_D_OTHER": other}


@pytest.mark.parametrize("seed", range(20))
def test_a_variation_moves_all_notes_alike_within_an_instrument_s_family(seed: int) -> None:
    given = song(60, 64, 67)
    varied = vary(given, random.Random(seed))
    assert len(varied) == len(given)
    at = [i for i in range(len(given)) if given[i] in (60, 64, 67)]
    assert len({varied[i] - given[i] for i in at}) == 1
    assert varied[24] < 8  # a piano still
    assert 0.84 * 96 <= struct.unpack_from(">H", varied, 12)[0] <= 1.19 * 96


@pytest.mark.parametrize("seed", range(5))
def test_drums_keep_their_notes(seed: int) -> None:
    given = song(36, 38, channel=9)
    assert vary(given, random.Random(seed))[14:] == given[14:]


def test_every_source_is_pinned_and_says_its_licence() -> None:
    for source in SOURCES:
        assert len(source.sha256) == 64
        assert source.version
        assert source.licence


def test_parts_are_packs_by_themselves_and_keep_the_split(tmp_path: Path) -> None:
    folder = tmp_path / "audio"
    folder.mkdir()
    rng = np.random.default_rng(0)
    rows = []
    for number in range(4):
        name = f"{number}.flac"
        soundfile.write(folder / name, 0.1 * rng.standard_normal((96000, 2)), 48000)
        rows.append((name, "here", 2.0, 48000, 2, 1, "CC0-1.0", "noise", "valid" if number == 1 else "train"))
    with (folder / "manifest.csv").open("w", newline="") as file:
        csv.writer(file).writerows([COLUMNS, *rows])
    parts = divide(folder, tmp_path / "parts", megabytes=0.06)  # a piece takes about 30 kB
    assert len(parts) > 1
    packs = [tmp_path / f"pack{number}" for number in range(len(parts))]
    pieces = [piece for place, pack in zip(parts, packs, strict=True) for piece in build(place, pack)]
    assert [piece.split for piece in pieces] == ["train", "valid", "train", "train"]
    assert all(abs(piece.length - 96000) < 2000 for piece in pieces)
    assert len(Pack(packs).pieces) == 3


def test_a_folder_that_was_not_fetched_is_not_divided(tmp_path: Path) -> None:
    with pytest.raises(CodecError, match="has no manifest"):
        divide(tmp_path, tmp_path / "parts", 60)


def test_a_synthetic_piece_depends_on_its_number_alone_and_does_not_clip() -> None:
    pieces = [tones_and_hits(np.random.default_rng([7, number])) for number in (0, 0, 1)]
    np.testing.assert_array_equal(pieces[0], pieces[1])
    assert not np.array_equal(pieces[0], pieces[2])
    assert all(0.05 < np.abs(piece).max() < 1 for piece in pieces)
