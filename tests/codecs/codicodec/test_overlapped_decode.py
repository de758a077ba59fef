"""Decoding of overlapping frames, of which only the last columns are new."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from models.codec import Audio, CodecError, DecoderControls
from models.codicodec import overlapped_decode
from models.codicodec.codec import CoDiCodec, valid_hops
from models.codicodec.overlapped_decode import MAX_HOP_LOAD, with_hop
from models.codicodec.sampling import ConditionCache, DecodedFrame, DecodeJob, decode_frames
from models.codicodec.stft import Stft
from models.training.data import decode as read
from models.training.metrics import joint_roughness, mel_distance
from tests.codecs.codicodec.test_nano import DEMO, nano
from tests.support.contract import check_codec
from tests.support.small_codec import small_codec

torch.set_num_threads(1)
COLUMNS = small_codec().config.columns


def sliding_codec(columns: int) -> CoDiCodec:
    return CoDiCodec(small_codec().network, slide=columns)


def stream(codec: CoDiCodec, audio: Audio, path: str = "continuous", steps: int = 2) -> tuple[Audio, np.ndarray]:
    """Return (the whole output, the latents of the frames)."""
    encoder, decoder = codec.open_encoder(), codec.open_decoder(path)
    frames = [encoder.encode(audio[:, at : at + codec.spec.hop]) for at in range(0, audio.shape[1], codec.spec.hop)]
    heard = [decoder.decode(frame, DecoderControls(steps=steps)) for frame in frames]
    return np.concatenate(heard, axis=1), np.stack([np.asarray(frame.latent) for frame in frames])


def sound(frames: int) -> Audio:
    hop = small_codec().spec.hop
    return (0.1 * np.random.default_rng(0).standard_normal((2, frames * hop))).astype(np.float32)


@pytest.mark.parametrize("columns", [1, 2, 4])
def test_the_contract_is_kept(columns: int) -> None:
    check_codec(sliding_codec(columns), hops=12, tolerance=2e-5, resembles=False)


def test_a_slide_of_a_whole_frame_equals_no_slide() -> None:
    audio = sound(4)
    whole, latents = stream(small_codec(), audio)
    slid_whole, slid_latents = stream(sliding_codec(COLUMNS), audio)
    assert np.array_equal(whole, slid_whole)
    assert np.array_equal(latents, slid_latents)


@pytest.mark.parametrize("columns", [1, 2, 4])
def test_frames_are_those_of_the_file_from_a_later_start(columns: int) -> None:
    """Frame i of a stream equals a whole-file encode of the last `columns` columns before it."""
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
def test_a_stream_equals_the_synthesis_of_one_growing_spectrum(columns: int) -> None:
    """The stream's output equals one synthesis of the spectrum, which is decoded separately."""
    codec, audio = sliding_codec(columns), sound(4)
    heard, latents = stream(codec, audio)
    network, spectral = codec.network, Stft(codec.config)
    conditions, generator = ConditionCache(network), torch.Generator().manual_seed(0)
    spectrum = torch.zeros(1, 4, codec.config.bins, 2 * COLUMNS - columns)  # silence before the stream
    found: list[DecodedFrame] = []
    for index, latent in enumerate(latents):
        end = spectrum.shape[-1] + columns
        before = index - COLUMNS // columns
        left = spectrum[..., end - 2 * COLUMNS : end - COLUMNS]
        past = None if before < 0 else DecodedFrame(left, found[before].features)
        known_columns = spectrum[..., end - COLUMNS :]
        task = DecodeJob(torch.from_numpy(latent)[None], past, 2, 0.4, generator, known_columns)
        found += decode_frames(conditions, [task])
        assert torch.equal(found[-1].spectrum[..., :-columns], known_columns), "decoded columns do not change"
        spectrum = torch.cat([spectrum, found[-1].spectrum[..., -columns:]], dim=-1)
    whole, _ = spectral.synthesise(spectrum[..., 2 * COLUMNS - columns :])
    np.testing.assert_allclose(heard, whole[0].clamp(-1, 1).numpy(), atol=1e-6)


def test_the_true_bitrate_is_that_of_all_frames_sent() -> None:
    whole, codec = small_codec(), sliding_codec(2)
    hop = np.zeros((2, codec.spec.hop), np.float32)
    bits = codec.open_encoder().encode(hop).bits * codec.spec.frame_rate
    assert bits == pytest.approx(whole.spec.tokens * np.log2(whole.spec.cardinality) * whole.spec.frame_rate * 4)


@pytest.mark.parametrize("given", ["0", "3", "16", "-1", "x", "1.5", ""])
def test_an_impossible_slide_is_refused_and_the_possible_ones_are_named(given: str) -> None:
    with pytest.raises(CodecError, match=r"Pass a number of columns \(1, 2, 4, 8\) or auto"):
        with_hop(small_codec(), given)


def test_whole_files_are_refused() -> None:
    codec = sliding_codec(2)
    with pytest.raises(CodecError, match="is for streams only"):
        codec.encode(sound(2))
    with pytest.raises(CodecError, match="is for streams only"):
        codec.decode(np.zeros((1, *codec.spec.latent), np.float32))


def test_tapes_of_different_slides_have_different_hashes() -> None:
    assert (
        len({small_codec().config_hash, *(sliding_codec(h).config_hash for h in valid_hops(small_codec().config))}) == 5
    )


@pytest.mark.parametrize(("load", "columns"), [(0.0, 1), (0.9, 1), (1.1, 2), (3.9, 4), (7.9, 8), (30.0, 8)])
def test_auto_takes_the_smallest_sustained_slide(load: float, columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    codec = CoDiCodec(small_codec().network)
    column = codec.config.stft_hop / codec.config.sample_rate
    monkeypatch.setattr(overlapped_decode, "worst_frame", lambda codec: load * MAX_HOP_LOAD * column)
    monkeypatch.setattr(CoDiCodec, "tune", lambda self: None)
    chosen = with_hop(codec, "auto")
    assert chosen.spec.hop == columns * codec.config.stft_hop
    words = f"slides by {columns} columns of 8" if load < 8 else "sustains no overlap, frames do not slide"
    assert words in chosen.reason


@pytest.mark.slow
@pytest.mark.parametrize("columns", [1, 2, 4])
def test_nano_with_overlapping_frames_keeps_its_sound_without_clicks(columns: int) -> None:
    """The mel distance is within 10 % of full frames, the energy at hop borders within 1.2 of
    elsewhere.
    """
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
