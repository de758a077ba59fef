"""CoDiCodec as a codec: the contract, streams against whole files, seeds, paths, parallel decoding."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.codec import Audio, CodecError, DecoderControls, Frame
from models.codicodec import sampling
from models.codicodec.codec import CoDiCodec
from models.codicodec.sampling import decode_parallel
from tests.support.contract import check_codec
from tests.support.small_codec import CONFIGS, chunks, late, noise, small_codec, spy

both = pytest.mark.parametrize("name", CONFIGS)
paths = pytest.mark.parametrize("path", ["continuous", "discrete"])
CLOSE = 1e-5


def encoded(codec: CoDiCodec, audio: Audio) -> list[Frame]:
    encoder = codec.open_encoder()
    return [encoder.encode(chunk) for chunk in chunks(codec, audio)]


def decoded(codec: CoDiCodec, path: str, frames: list[Frame], controls: DecoderControls = DecoderControls()) -> Audio:  # noqa: B008
    decoder = codec.open_decoder(path)
    return np.concatenate([decoder.decode(frame, controls) for frame in frames], axis=1)


@both
def test_the_contract_is_kept(name: str) -> None:
    codec = small_codec(name)

    def offline(audio: Audio, path: str) -> Audio:
        flushed = np.pad(audio, ((0, 0), (0, codec.spec.lookahead)))
        return codec.decode(codec.encode(late(codec, flushed), path))[:, codec.spec.lookahead :][:, : audio.shape[1]]

    check_codec(codec, hops=4, offline=offline, tolerance=CLOSE, resembles=False)


@both
def test_encoding_hop_by_hop_equals_encoding_the_whole_file(name: str) -> None:
    codec = small_codec(name)
    audio = noise(codec, 7)
    frames = encoded(codec, audio)
    whole = codec.encode(late(codec, audio))
    latents = np.stack([frame.latent for frame in frames if frame.latent is not None])
    assert np.abs(latents - whole).max() < CLOSE
    assert np.array_equal(np.stack([frame.tokens for frame in frames]), codec.encode(late(codec, audio), "discrete"))


@both
@paths
@pytest.mark.parametrize("steps", [1, 2, 3])
def test_decoding_frame_by_frame_equals_decoding_the_whole_file(name: str, path: str, steps: int) -> None:
    codec = small_codec(name)
    audio = noise(codec, 4)
    live = decoded(codec, path, encoded(codec, audio), DecoderControls(steps=steps, seed=3))
    whole = codec.decode(codec.encode(late(codec, audio), path), steps=steps, generator=3)
    assert np.abs(whole[:, : live.shape[1]] - live).max() < CLOSE


@both
def test_tokens_are_the_latent_rounded(name: str) -> None:
    codec = small_codec(name)
    for frame in encoded(codec, noise(codec, 3)):
        assert np.array_equal(codec.network.fsq.tokens(torch.from_numpy(frame.latent)).numpy(), frame.tokens)


@both
def test_the_two_paths_give_different_sound(name: str) -> None:
    codec = small_codec(name)
    frames = encoded(codec, noise(codec, 4))
    continuous, discrete = (decoded(codec, path, frames) for path in codec.spec.paths)
    assert min(continuous.std(), discrete.std()) > 0.01
    assert (continuous - discrete).std() > 0.005 * continuous.std()


@settings(max_examples=15)
@given(st.lists(st.booleans(), min_size=2, max_size=6), st.sampled_from(list(CONFIGS)))
def test_a_path_switched_at_any_frame_decodes_the_other_code_from_there(switches: list[bool], name: str) -> None:
    codec = small_codec(name)
    frames = encoded(codec, noise(codec, len(switches)))
    decoder = codec.open_decoder("continuous")
    # reference: a continuous decoder that gets the rounded code on the discrete path
    fsq, reference = codec.network.fsq, codec.open_decoder("continuous")
    for frame, discrete in zip(frames, switches, strict=True):
        decoder.path = "discrete" if discrete else "continuous"
        code = fsq.codes(torch.from_numpy(frame.tokens)).numpy() if discrete else frame.latent
        expected = reference.decode(replace(frame, latent=code), DecoderControls())
        assert np.abs(decoder.decode(frame, DecoderControls()) - expected).max() < CLOSE


def test_the_same_seed_gives_the_same_samples_and_another_seed_others() -> None:
    codec = small_codec()
    frames = encoded(codec, noise(codec, 3))
    first, again = (decoded(codec, "discrete", frames, DecoderControls(seed=5)) for _ in range(2))
    assert np.array_equal(first, again)
    assert np.abs(first - decoded(codec, "discrete", frames, DecoderControls(seed=6))).max() > 1e-3


def test_a_changed_seed_restarts_the_noise() -> None:
    codec = small_codec()
    frame = encoded(codec, noise(codec, 1))[0]
    states = []
    for seeds in ([1, 2], [3, 3, 2]):
        decoder = codec.open_decoder("continuous")
        for seed in seeds:
            decoder.decode(frame, DecoderControls(seed=seed))
        states.append(decoder.generator.get_state())
    assert torch.equal(*states)


@settings(max_examples=15)
@given(st.lists(st.tuples(st.integers(1, 3), st.floats(0, 1), st.integers(0, 9)), min_size=2, max_size=4), st.data())
def test_decoding_as_a_batch_equals_decoding_separately(
    given_controls: list[tuple[int, float, int]], data: st.DataObject
) -> None:
    codec = small_codec(data.draw(st.sampled_from(list(CONFIGS))))
    controls = [DecoderControls(steps, level, seed) for steps, level, seed in given_controls]
    wanted = [data.draw(st.sampled_from(codec.spec.paths)) for _ in controls]
    ahead = [data.draw(st.booleans()) for _ in controls]  # some decoders have a past, some do not
    frames = encoded(codec, noise(codec, 3))
    apart, together = ([codec.open_decoder(path) for path in wanted] for _ in range(2))
    for decoders in (apart, together):
        for decoder, is_ahead in zip(decoders, ahead, strict=True):
            if is_ahead:
                decoder.decode(frames[0], DecoderControls())
    for frame in frames[1:]:
        outputs = codec.decode_batch([(d, frame, c) for d, c in zip(together, controls, strict=True)])
        for decoder, control, output in zip(apart, controls, outputs, strict=True):
            assert np.abs(decoder.decode(frame, control) - output).max() < CLOSE


def test_two_paths_of_one_codec_run_as_one_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    codec = small_codec()
    frame = encoded(codec, noise(codec, 1))[0]
    calls = spy(monkeypatch, codec.network, "features")
    decoders = [codec.open_decoder(path) for path in codec.spec.paths]
    codec.decode_batch([(decoder, frame, DecoderControls()) for decoder in decoders])
    assert calls == [("features", 2)]


def test_a_live_frame_computes_the_context_once(monkeypatch: pytest.MonkeyPatch) -> None:
    codec = small_codec()
    frames = encoded(codec, noise(codec, 2))
    decoder = codec.open_decoder("continuous")
    decoder.decode(frames[0], DecoderControls())
    methods = ("encode", "expand_tokens", "upsample_features", "prefill_context", "denoise_context", "denoise_current")
    calls = spy(monkeypatch, codec.network, *methods)
    decoder.decode(frames[1], DecoderControls(steps=3))
    assert [name for name, _ in calls] == [
        "expand_tokens",
        "upsample_features",
        "prefill_context",
        *3 * ["denoise_current"],
    ]


def test_a_moving_context_noise_does_not_grow_memory() -> None:
    codec = small_codec()
    frame = encoded(codec, noise(codec, 1))[0]
    decoder = codec.open_decoder("continuous")
    for level in np.linspace(0, 1, 2 * sampling.CONDITIONS_KEPT):
        decoder.decode(frame, DecoderControls(steps=1, context_noise=float(level)))
    assert len(codec.conditions.cache) <= sampling.CONDITIONS_KEPT


@both
@pytest.mark.parametrize("frames", [1, 2, 3, 6])
def test_the_batch_size_of_parallel_pairs_does_not_matter(
    name: str, frames: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    codec = small_codec(name)
    codes = codec.encode(noise(codec, frames + 1))[:frames]
    together = codec.decode(codes, "parallel", steps=3)
    monkeypatch.setattr(sampling, "PARALLEL_PAIRS", 1)
    assert np.abs(codec.decode(codes, "parallel", steps=3) - together).max() < CLOSE
    assert together.shape == (2, frames * codec.spec.hop + codec.spec.lookahead)


def test_parallel_decoding_holds_no_more_feature_maps_for_a_longer_file(monkeypatch: pytest.MonkeyPatch) -> None:
    codec = small_codec()
    calls = spy(monkeypatch, codec.network, "upsample_features")
    codes = np.zeros((23, *codec.spec.latent), np.float32)
    codec.decode(codes, "parallel", steps=2)
    assert max(batch for _, batch in calls) <= sampling.PARALLEL_PAIRS


def test_parallel_decoding_pairs_each_frame_with_either_neighbour_in_turn() -> None:
    codec = small_codec()
    codes = codec.encode(noise(codec, 5))[:4]
    changed = codes.copy()
    changed[3] = -changed[3]

    def spectrum(values: np.ndarray, steps: int) -> torch.Tensor:
        generator = torch.Generator().manual_seed(0)
        with torch.inference_mode():
            return decode_parallel(codec.conditions, torch.from_numpy(values), steps, generator)

    columns = codec.network.config.columns
    for steps, reached in ((1, [3]), (2, [3]), (3, [3])):  # a frame never depends on the next one
        moved = (spectrum(codes, steps) - spectrum(changed, steps)).abs().amax(dim=(0, 1, 2)).unflatten(0, (4, columns))
        assert (moved.amax(dim=1) > 0).nonzero().flatten().tolist() == reached
    changed = codes.copy()
    changed[0] = -changed[0]
    for steps, reached in ((1, [0, 1]), (2, [0, 1, 2]), (3, [0, 1, 2, 3])):
        moved = (spectrum(codes, steps) - spectrum(changed, steps)).abs().amax(dim=(0, 1, 2)).unflatten(0, (4, columns))
        assert (moved.amax(dim=1) > 0).nonzero().flatten().tolist() == reached


def test_mono_is_copied_to_both_channels() -> None:
    codec = small_codec()
    mono = noise(codec, 2)[:1]
    expected = codec.encode(np.repeat(mono, 2, axis=0))
    assert np.array_equal(codec.encode(mono), expected)
    assert np.array_equal(codec.encode(mono[0]), expected)


def test_progress_counts_to_the_end() -> None:
    codec = small_codec()
    seen: list[tuple[int, int]] = []
    codes = codec.encode(noise(codec, 6), progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (6, 6)
    for mode, steps, total in (("autoregressive", 2, 6), ("parallel", 3, 18)):
        seen.clear()
        codec.decode(codes, mode, steps, progress=lambda done, total: seen.append((done, total)))
        assert seen[-1] == (total, total)


def test_output_never_exceeds_full_scale() -> None:
    codec = small_codec()
    loud = 30 * codec.encode(noise(codec, 3))
    assert np.abs(codec.decode(loud)).max() <= 1


@pytest.mark.parametrize(
    ("codes", "complaint"),
    [
        (np.zeros((2, 16, 3), np.float32), r"float32 \[2, 16, 3\]"),
        (np.zeros((0, 16, 4), np.float32), "cannot be decoded"),
        (np.full((2, 16), 14641, np.int32), "0 ... 14640"),
        (np.full((2, 16), -1, np.int64), "0 ... 14640"),
        (np.zeros((2, 16), np.float32), "cannot be decoded"),
    ],
)
def test_codes_of_another_shape_or_range_are_refused(codes: np.ndarray, complaint: str) -> None:
    with pytest.raises(CodecError, match=complaint):
        small_codec().decode(codes)


@pytest.mark.parametrize(
    ("controls", "complaint"),
    [
        (DecoderControls(steps=0), "1 ... 8"),
        (DecoderControls(steps=9), "1 ... 8"),
        (DecoderControls(context_noise=1.1), "0 ... 1"),
    ],
)
def test_controls_out_of_range_are_refused(controls: DecoderControls, complaint: str) -> None:
    codec = small_codec()
    with pytest.raises(CodecError, match=complaint):
        codec.open_decoder("discrete").decode(encoded(codec, noise(codec, 1))[0], controls)


def test_a_frame_that_is_not_finite_is_refused_and_leaves_no_trace() -> None:
    codec = small_codec()
    frames = encoded(codec, noise(codec, 2))
    decoder, untouched = codec.open_decoder("continuous"), codec.open_decoder("continuous")
    first = decoder.decode(frames[0], DecoderControls())
    for bad in (None, np.full(codec.spec.latent, np.nan, np.float32), np.zeros((3, 3), np.float32)):
        with pytest.raises(CodecError, match="finite latent"):
            decoder.decode(replace(frames[1], latent=bad), DecoderControls())
    assert np.array_equal(first, untouched.decode(frames[0], DecoderControls()))
    assert np.array_equal(decoder.decode(frames[1], DecoderControls()), untouched.decode(frames[1], DecoderControls()))


def test_too_short_audio_and_unknown_names_are_refused() -> None:
    codec = small_codec()
    with pytest.raises(CodecError, match="at least one STFT window of 256"):
        codec.encode(np.zeros((2, 255), np.float32))
    with pytest.raises(CodecError, match="pass \\[samples\\]"):
        codec.encode(np.zeros((3, 4096), np.float32))
    with pytest.raises(CodecError, match='path "analogue"'):
        codec.encode(noise(codec, 1), "analogue")
    with pytest.raises(CodecError, match='mode "sideways"'):
        codec.decode(codec.encode(noise(codec, 1)), "sideways")


def test_a_decoder_of_another_codec_is_refused() -> None:
    codec, other = small_codec(), small_codec("patched")
    with pytest.raises(CodecError, match="opened by another codec"):
        codec.decode_batch([(other.open_decoder("discrete"), encoded(codec, noise(codec, 1))[0], DecoderControls())])
