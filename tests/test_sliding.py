"""Sliding decode: a frame every few columns, of which only those are new."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from models import sliding
from models.codec import Audio, CodecError, Controls
from models.codicodec import CoDiCodec, slides
from models.decoding import Conditions, Past, Task, advance
from models.sliding import SHARE, slid
from models.spectral import Spectral
from models.training.data import decode as read
from models.training.metrics import joint_roughness, mel_distance
from tests.contract import check_codec
from tests.small_codec import small_codec
from tests.test_nano import DEMO, nano

torch.set_num_threads(1)
COLUMNS = small_codec().config.columns


def sliding_codec(columns: int) -> CoDiCodec:
    return CoDiCodec(small_codec().network, slide=columns)


def stream(codec: CoDiCodec, audio: Audio, path: str = "continuous", steps: int = 2) -> tuple[Audio, np.ndarray]:
    """(all that comes out, latents of the frames)."""
    encoder, decoder = codec.open_encoder(), codec.open_decoder(path)
    frames = [encoder.encode(audio[:, at : at + codec.spec.hop]) for at in range(0, audio.shape[1], codec.spec.hop)]
    heard = [decoder.decode(frame, Controls(steps=steps)) for frame in frames]
    return np.concatenate(heard, axis=1), np.stack([np.asarray(frame.latent) for frame in frames])


def sound(frames: int) -> Audio:
    hop = small_codec().spec.hop
    return (0.1 * np.random.default_rng(0).standard_normal((2, frames * hop))).astype(np.float32)


@pytest.mark.parametrize("columns", [1, 2, 4])
def test_the_contract(columns: int) -> None:
    check_codec(sliding_codec(columns), hops=12, tolerance=2e-5, resembles=False)


def test_sliding_by_a_whole_frame_is_not_sliding() -> None:
    audio = sound(4)
    whole, latents = stream(small_codec(), audio)
    slid_whole, slid_latents = stream(sliding_codec(COLUMNS), audio)
    assert np.array_equal(whole, slid_whole)
    assert np.array_equal(latents, slid_latents)


@pytest.mark.parametrize("columns", [1, 2, 4])
def test_frames_are_those_of_the_file_begun_later(columns: int) -> None:
    """Frame i of a stream is what a whole-file encode of the last `columns` columns up to there gives."""
    codec, audio = sliding_codec(columns), sound(3)
    _, latents = stream(codec, audio)
    whole, hop = small_codec(), small_codec().spec.hop
    late = np.pad(audio, ((0, 0), (hop + codec.spec.lookahead, 0)))
    for index, latent in enumerate(latents):
        end = hop + (index + 1) * codec.spec.hop + codec.spec.lookahead
        expected = whole.encode(late[:, end - hop - codec.spec.lookahead : end])
        np.testing.assert_allclose(latent, expected[0], atol=1e-5)


@pytest.mark.parametrize("columns", [2, 4])
@torch.inference_mode()
def test_a_stream_is_one_spectrum_that_grows_at_its_end(columns: int) -> None:
    """The whole spectrum decoded by other means, and synthesised at once, is what the stream played."""
    codec, audio = sliding_codec(columns), sound(4)
    heard, latents = stream(codec, audio)
    network, spectral = codec.network, Spectral(codec.config)
    conditions, generator = Conditions(network), torch.Generator().manual_seed(0)
    spectrum = torch.zeros(1, 4, codec.config.bins, 2 * COLUMNS - columns)  # silence before the stream
    found: list[Past] = []
    for index, latent in enumerate(latents):
        end = spectrum.shape[-1] + columns
        before = index - COLUMNS // columns
        left = spectrum[..., end - 2 * COLUMNS : end - COLUMNS]
        past = None if before < 0 else Past(left, found[before].features)
        begun = spectrum[..., end - COLUMNS :]
        task = Task(torch.from_numpy(latent)[None], past, 2, 0.4, generator, begun)
        found += advance(conditions, [task])
        assert torch.equal(found[-1].spectrum[..., :-columns], begun), "what is decoded stays as it is"
        spectrum = torch.cat([spectrum, found[-1].spectrum[..., -columns:]], dim=-1)
    whole, _ = spectral.synthesise(spectrum[..., 2 * COLUMNS - columns :])
    np.testing.assert_allclose(heard, whole[0].clamp(-1, 1).numpy(), atol=1e-6)


def test_the_true_bitrate_is_that_of_all_frames_sent() -> None:
    whole, codec = small_codec(), sliding_codec(2)
    hop = np.zeros((2, codec.spec.hop), np.float32)
    bits = codec.open_encoder().encode(hop).bits * codec.spec.frame_rate
    assert bits == pytest.approx(whole.spec.tokens * np.log2(whole.spec.cardinality) * whole.spec.frame_rate * 4)


@pytest.mark.parametrize("given", ["0", "3", "16", "-1", "x", "1.5", ""])
def test_what_it_cannot_slide_by_is_refused_with_what_it_can(given: str) -> None:
    with pytest.raises(CodecError, match=r"Pass a number of columns \(1, 2, 4, 8\) or auto"):
        slid(small_codec(), given)


def test_whole_files_are_refused() -> None:
    codec = sliding_codec(2)
    with pytest.raises(CodecError, match="only streams"):
        codec.encode(sound(2))
    with pytest.raises(CodecError, match="only streams"):
        codec.decode(np.zeros((1, *codec.spec.latent), np.float32))


def test_a_tape_of_one_slide_is_not_of_another() -> None:
    assert len({small_codec().config_hash, *(sliding_codec(h).config_hash for h in slides(small_codec().config))}) == 5


@pytest.mark.parametrize(("load", "columns"), [(0.0, 1), (0.9, 1), (1.1, 2), (3.9, 4), (7.9, 8), (30.0, 8)])
def test_auto_takes_the_least_that_is_sustained(load: float, columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    codec = CoDiCodec(small_codec().network)
    column = codec.config.stft_hop / codec.config.sample_rate
    monkeypatch.setattr(sliding, "worst_frame", lambda codec: load * SHARE * column)
    monkeypatch.setattr(CoDiCodec, "tune", lambda self: None)
    chosen = slid(codec, "auto")
    assert chosen.spec.hop == columns * codec.config.stft_hop
    words = f"slides by {columns} columns of 8" if load < 8 else "sustains no sliding, it goes frame by frame"
    assert words in chosen.reason


@pytest.mark.slow
@pytest.mark.parametrize("columns", [1, 2, 4])
def test_nano_sliding_keeps_its_sound_and_its_joins(columns: int) -> None:
    """Within 10 % of full frames in mel distance; energy where hops meet within 1.2 of that elsewhere."""
    whole = nano()
    assert isinstance(whole, CoDiCodec)
    codec = CoDiCodec(whole.network, slide=columns)
    hop = whole.spec.hop
    clip = (read(DEMO / "rockmix_sectoid_MIT.ogg")[: 12 * hop].T / np.float32(32768)).astype(np.float32)
    ahead = codec.spec.lookahead
    full, slid_ = (stream(c, clip, "discrete")[0][:, ahead:] for c in (whole, codec))
    given = clip[:, : full.shape[1]]
    assert mel_distance(given, slid_) < 1.1 * mel_distance(given, full)
    assert joint_roughness(slid_, codec.spec.hop, 0) < 1.2
