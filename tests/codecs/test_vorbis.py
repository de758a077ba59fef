from __future__ import annotations

import itertools

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from models.classic.vorbis import transcode
from models.codec import Audio, CodecError
from models.pcm import Pcm
from tests.support.contract import measured_lag, sound


def through_vorbis(blocks: list[Audio], rate: int = 48_000, kbps: int = 96) -> Audio:
    channels = blocks[0].shape[0]
    return np.concatenate([np.zeros((channels, 0), np.float32), *transcode(iter(blocks), rate, channels, kbps)], axis=1)


@pytest.mark.parametrize("rate", [8_000, 44_100, 48_000, 192_000])
@pytest.mark.parametrize("channels", [1, 2, 8])
def test_vorbis_keeps_length_and_alignment(rate: int, channels: int) -> None:
    dry = sound(Pcm(rate, channels, hop=20_001).spec, 1, seed=1)
    wet = through_vorbis([dry], rate, 256)
    assert wet.shape == dry.shape
    assert wet.dtype == np.float32
    assert measured_lag(dry, wet) == 0


@settings(max_examples=10)
@given(cuts=st.lists(st.integers(0, 20_000), max_size=5))
def test_the_sizes_of_input_blocks_do_not_matter(cuts: list[int]) -> None:
    dry = sound(Pcm(hop=20_000).spec, 1, seed=1)
    places = [0, *sorted(cuts), 20_000]
    blocks = [dry[:, start:stop] for start, stop in itertools.pairwise(places)]
    assert np.array_equal(through_vorbis(blocks), through_vorbis([dry]))


def test_an_empty_file_stays_empty() -> None:
    assert list(transcode(iter([]), 48_000, 2, 96)) == []


def test_samples_that_are_not_finite_become_finite_and_bounded() -> None:
    dry = sound(Pcm(hop=20_000).spec, 1, seed=1)
    dry[0, 5000:5010], dry[1, 9000] = np.nan, np.inf
    wet = through_vorbis([dry])
    assert np.abs(wet).max() < 100


def test_unsupported_bitrates_and_rates_are_refused_before_input_is_read() -> None:
    unread = iter(np.zeros((1, 2, 8), np.float32))
    with pytest.raises(CodecError, match=r"100 kbit/s not offered by vorbis \(64, 80, .*\)\. Pass such as vorbis:96\."):
        transcode(unread, 48_000, 2, 100)
    with pytest.raises(CodecError, match=r"sample rate 250000 not offered by vorbis \(8000 to 192000\)\. Resample"):
        transcode(unread, 250_000, 2, 96)
    assert len(list(unread)) == 1


def test_a_full_disk_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: soundfile.SoundFile, data: object) -> None:
        raise soundfile.LibsndfileError(2)

    monkeypatch.setattr(soundfile.SoundFile, "write", full)
    with pytest.raises(CodecError, match=r"could not write to .*Make room there"):
        through_vorbis([np.zeros((2, 100), np.float32)])
