"""STFT and its inverse, in chunks of any size."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from models.codicodec.stft import Stft
from tests.support.small_codec import CONFIGS

both = pytest.mark.parametrize("name", CONFIGS)


def audio(seed: int, samples: int) -> torch.Tensor:
    return 0.2 * torch.randn(1, 2, samples, generator=torch.Generator().manual_seed(seed))


def without_nyquist(x: torch.Tensor, size: int) -> torch.Tensor:
    """Return smoothed noise, which has almost no energy in the Nyquist bin that is dropped."""
    kernel = torch.hann_window(31, periodic=False)
    return torch.nn.functional.conv1d(x, (kernel / kernel.sum()).expand(2, 1, -1), padding=15, groups=2)


@both
def test_the_inside_of_a_waveform_is_reconstructed(name: str) -> None:
    spectral = Stft(CONFIGS[name])
    x = without_nyquist(audio(0, 20 * spectral.hop + spectral.overlap), spectral.size)
    samples, tail = spectral.synthesise(spectral.analyse(x))
    y = torch.cat([samples, tail], dim=-1)
    inside = slice(spectral.overlap, -spectral.overlap)
    torch.testing.assert_close(y[..., inside], x[..., inside], atol=2e-5, rtol=0)


@both
def test_the_first_samples_fade_in_and_the_last_out(name: str) -> None:
    spectral = Stft(CONFIGS[name])
    samples, tail = spectral.synthesise(spectral.analyse(torch.ones(1, 2, 20 * spectral.hop + spectral.overlap)))
    assert abs(samples[0, 0, 0].item()) < 1e-6
    assert abs(tail[0, 0, -1].item()) < 1e-3


@given(st.sampled_from(list(CONFIGS)), st.lists(st.integers(1, 6), min_size=1, max_size=6), st.integers(0, 99))
def test_chunks_with_carried_overlap_equal_the_whole(name: str, pieces: list[int], seed: int) -> None:
    spectral = Stft(CONFIGS[name])
    x = audio(seed, sum(pieces) * spectral.hop + spectral.overlap)
    whole = spectral.analyse(x)
    position, pictures, sounds, tail = 0, [], [], None
    for columns in pieces:
        start = position * spectral.hop
        piece = spectral.analyse(x[..., start : start + columns * spectral.hop + spectral.overlap])
        sound, tail = spectral.synthesise(piece, tail)
        pictures.append(piece)
        sounds.append(sound)
        position += columns
    torch.testing.assert_close(torch.cat(pictures, dim=-1), whole, atol=1e-6, rtol=0)
    assert tail is not None
    expected = torch.cat(spectral.synthesise(whole), dim=-1)
    torch.testing.assert_close(torch.cat([*sounds, tail], dim=-1), expected, atol=1e-5, rtol=0)


@given(st.floats(-50, 50, width=32))
def test_companding_is_inverted(value: float) -> None:
    spectral = Stft(CONFIGS["tiny"])
    x = torch.tensor([value])
    torch.testing.assert_close(spectral.expand(spectral.compress(x)), x, atol=1e-6, rtol=1e-4)


def test_one_is_companded_to_the_scale() -> None:
    assert Stft(CONFIGS["tiny"]).compress(torch.tensor([1.0, -1.0, 0.0])).tolist() == pytest.approx([0.34, -0.34, 0])


def test_planes_are_real_and_imaginary_of_left_then_right() -> None:
    spectral = Stft(CONFIGS["tiny"])
    x = torch.zeros(1, 2, spectral.size)
    x[0, 1] = torch.cos(2 * torch.pi * 5 * torch.arange(spectral.size) / spectral.size)  # right, bin 5, real
    picture = spectral.analyse(x)[0, :, :, 0]
    assert picture.shape == (4, spectral.size // 2)
    assert (picture.abs() > 1).nonzero().tolist() == [[2, 4], [2, 5], [2, 6]]
