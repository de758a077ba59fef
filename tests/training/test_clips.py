"""Excerpts of the validation split, from made-up data."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile

from models.codec import CodecError
from models.training.clips import excerpts, read_clips
from models.training.data import build

RATE = 48000


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder of fetched data: each sample of a piece tells its second."""
    rows = ["path,lossless,split"]
    pieces = {"a": (9, "valid"), "a~1": (9, "valid"), "b": (6, "valid"), "c": (4, "valid"), "d": (9, "train")}
    for name, (seconds, split) in pieces.items():
        ramp = np.repeat(np.arange(seconds), RATE) / 100
        soundfile.write(tmp_path / f"{name}.wav", np.stack([ramp, ramp], axis=1), RATE, subtype="PCM_16")
        rows.append(f"{name}.wav,1,{split}")
    (tmp_path / "manifest.csv").write_text("\n".join(rows))
    return tmp_path


def test_excerpts_are_of_the_split_long_enough_and_of_no_second_performance(data: Path) -> None:
    assert [name.partition("@")[0] for name in excerpts(data, "valid", 1, each=1)] == ["a.wav", "b.wav"]
    assert [name.partition("@")[0] for name in excerpts(data, "train", 1, each=1)] == ["d.wav"]


def test_an_excerpt_is_named_by_its_second_and_begins_four_seconds_in_or_later(data: Path) -> None:
    for name, audio in excerpts(data, "valid", 2).items():
        second = float(name.partition("@")[2])
        assert audio.shape == (2, 2 * RATE)
        assert audio.dtype == np.float32
        assert second >= 4
        assert audio[0, 0] == pytest.approx(int(second + 0.05) / 100, abs=0.0101)


def test_excerpts_of_one_piece_do_not_overlap_and_are_no_more_than_fit(data: Path) -> None:
    for each, count in ((1, 1), (2, 2), (3, 3), (9, 3)):  # five seconds are left of it
        seconds = [float(name.partition("@")[2]) for name in excerpts(data, "train", 1.5, each)]
        assert len(seconds) == count
        assert all(later - earlier >= 1.4 for earlier, later in pairwise(seconds))
        assert seconds[-1] + 1.5 <= 9.05


def test_a_pack_gives_the_excerpts_of_its_folder(data: Path, tmp_path: Path) -> None:
    build(data, tmp_path / "pack")
    one, other = excerpts(data, "valid", 1.5), excerpts(tmp_path / "pack", "valid", 1.5)
    assert one.keys() == other.keys()
    assert all(np.array_equal(one[name], other[name]) for name in one)


def test_excerpts_that_are_not_there_are_refused(data: Path, tmp_path: Path) -> None:
    with pytest.raises(CodecError, match=r"no pieces of 24 s or more"):
        excerpts(data, "valid", 20)
    (tmp_path / "empty").mkdir()
    with pytest.raises(CodecError, match=r"no index.json and no manifest.csv"):
        excerpts(tmp_path / "empty", "valid", 1)


def test_clips_are_cut_to_the_seconds_asked_for(data: Path) -> None:
    assert {name: clip.shape for name, clip in read_clips([data / "b.wav"], 0.5).items()} == {"b": (2, RATE // 2)}
