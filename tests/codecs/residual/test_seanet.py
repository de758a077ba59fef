"""Residual codecs under the contract: a stream is the whole file, exactly as late as it says."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from models.codec import Audio, CodecError, DecoderControls, audible_books
from models.residual.codec import ResidualCodec
from models.residual.dac import DacConfig, dac_44khz
from models.residual.network import Config, ResidualNetwork, from_json, to_json, whole_file
from models.residual.rvq import QuantiserConfig
from models.residual.seanet import SeanetConfig, encodec_24khz, encodec_32khz, soundstream
from models.residual.streaming_layers import Layer
from tests.support.contract import check_codec, sound
from tests.support.residual import narrow

torch.set_num_threads(1)

# The members as they are, but narrow: what they do with time is the same.
NARROW: dict[str, Config] = {
    "narrow": narrow(8, 32),
    "soundstream": replace(soundstream(), width=4, quantiser=QuantiserConfig(16, 8, 32)),
    "encodec:24": replace(encodec_24khz(), width=4, mirror=False, quantiser=QuantiserConfig(16, 8, 32)),
    "dac": DacConfig("dac", 44100, 1, 4, 64, (2, 4, 8, 8), QuantiserConfig(16, 9, 32, lookup=4, cosine=True)),
    "dac16": DacConfig("dac16", 16000, 1, 4, 64, (2, 4, 5, 8), QuantiserConfig(16, 9, 32, lookup=4, cosine=True)),
    "encodec:32": replace(encodec_32khz(), width=4, mirror=False, quantiser=QuantiserConfig(16, 4, 64)),
    "groups": narrow(4, 32, groups=2),
}


def codec_of(config: Config) -> ResidualCodec:
    return ResidualCodec(ResidualNetwork(config).randomise(0))


def offline(codec: ResidualCodec):
    return lambda audio, path: whole_file(codec.network, audio)[1]


@pytest.mark.parametrize("name", NARROW)
def test_every_member_keeps_the_contract(name: str) -> None:
    codec = codec_of(NARROW[name])
    hops = 16 + codec.network.encoder_delay_frames
    # A stream's file ends with silence, the whole run with nothing at all: what looks ahead is compared before that.
    check_codec(codec, hops=hops, offline=None if codec.spec.lookahead else offline(codec), tolerance=1e-4,
                resembles=False)  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("config", [soundstream(), replace(encodec_24khz(), mirror=False), dac_44khz()])
def test_every_member_keeps_the_contract_at_its_own_size(config: Config) -> None:
    codec = codec_of(config)
    check_codec(codec, hops=3 + codec.network.encoder_delay_frames, tolerance=1e-3, resembles=False,
                offline=None if codec.spec.lookahead else offline(codec))  # fmt: skip


@pytest.mark.parametrize("name", NARROW)
def test_a_stream_is_the_whole_file_after_exactly_the_lookahead(name: str) -> None:
    codec = codec_of(NARROW[name])
    spec, late = codec.spec, codec.spec.lookahead
    audio = sound(spec, 40, seed=3)
    tokens, whole = whole_file(codec.network, audio)
    streamed, frames = stream(codec, audio)
    sure = audio.shape[1] - late - 8 * spec.hop  # near its end the whole run sees that there is no more
    np.testing.assert_allclose(streamed[:, late : late + sure], whole[:, :sure], atol=1e-4)
    steps = sure // spec.hop
    skip = codec.network.encoder_delay_frames
    assert np.array_equal(frames[:, skip : skip + steps], tokens[:, :steps])


@pytest.mark.parametrize("name", NARROW)
def test_later_input_never_changes_earlier_output(name: str) -> None:
    codec = codec_of(NARROW[name])
    spec = codec.spec
    audio = sound(spec, 24, seed=4)
    at = 12 * spec.hop
    other = audio.copy()
    other[:, at:] = sound(spec, 24, seed=5)[:, at:]
    one, two = stream(codec, audio)[0], stream(codec, other)[0]
    assert np.array_equal(one[:, :at], two[:, :at])
    assert not np.array_equal(one[:, at:], two[:, at:])


def test_the_look_ahead_of_networks_follows_from_their_layers() -> None:
    networks = {name: ResidualNetwork(config) for name, config in NARROW.items()}
    assert {name: n.encoder_delay_frames for name, n in networks.items() if n.encoder_delay_frames} == {
        "dac": 8,
        "dac16": 8,
        "encodec:32": 4,
    }
    assert {name: n.decoder_delay_samples for name, n in networks.items() if n.decoder_delay_samples} == {
        "dac": 4757,
        "dac16": 3141,
        "encodec:32": 2402,
    }
    spec = codec_of(NARROW["dac"]).spec
    assert (spec.hop, spec.lookahead) == (512, 8 * 512 + 4757)


@given(st.lists(st.integers(0, 700), min_size=1, max_size=12), st.sampled_from(sorted(NARROW)))
def test_steps_of_any_length_add_up_to_the_whole(sizes: list[int], name: str) -> None:
    """The decoder takes any number of codes, and puts out as many samples as `output_length` says."""
    network = ResidualNetwork(NARROW[name]).randomise(1).eval()
    sizes = [size % 5 for size in sizes]
    x = torch.randn(1, network.config.quantiser.width, sum(sizes), generator=torch.Generator().manual_seed(2))
    with torch.inference_mode():
        whole = network.decoder(torch.cat([x, torch.zeros(1, x.shape[1], 20)], -1)) if sum(sizes) else None
        step, given, out = network.decoder.new_stream(), 0, []
        for part in x[0].T.split(sizes):
            out.append(step(part))
            given += len(part)
            assert sum(map(len, out)) == network.decoder.output_length(given)
    if whole is not None:
        streamed = torch.cat(out).T
        late = network.decoder.output_length(given)
        # the whole run went on with zeros: the same up to what is certain
        torch.testing.assert_close(streamed, whole[0, :, :late], atol=1e-4, rtol=1e-4)


def test_the_bitrate_is_that_of_the_formula() -> None:
    """R = frames a second x books x log2(entries)."""
    codec = codec_of(replace(encodec_24khz(8), width=4, quantiser=QuantiserConfig(8, 8)))
    frame = codec.open_encoder().encode(np.zeros((1, 320), np.float32))
    assert frame.bits * codec.spec.frame_rate == 6000
    nine = dac_44khz()
    assert nine.quantiser.bits * nine.sample_rate / nine.stride == pytest.approx(7751.95, abs=0.01)


@given(st.integers(0, 8), st.lists(st.booleans(), max_size=9), st.lists(st.booleans(), max_size=9))
def test_audible_are_the_soloed_of_the_first_books_less_the_muted(
    books: int, mute: list[bool], solo: list[bool]
) -> None:
    kept = audible_books(DecoderControls(books=books, mute=tuple(mute), solo=tuple(solo)), 8)
    first = range(books or 8)
    alone = [book for book in first if book < len(solo) and solo[book]]
    wanted = {book for book in (alone or first) if not (book < len(mute) and mute[book])}
    assert {book for book, on in enumerate(kept) if on} == wanted


def test_fewer_books_decode_the_same_tokens_more_coarsely() -> None:
    codec = codec_of(NARROW["narrow"])
    audio = sound(codec.spec, 8, seed=6)
    everything, coarse, first = (stream(codec, audio, DecoderControls(books=n))[0] for n in (None, 3, 1))
    assert np.array_equal(everything, stream(codec, audio, DecoderControls(books=8))[0])
    assert not np.array_equal(everything, coarse)
    assert np.array_equal(first, stream(codec, audio, DecoderControls(solo=(1,)))[0])
    assert np.array_equal(coarse, stream(codec, audio, DecoderControls(mute=(0, 0, 0, 1, 1, 1, 1, 1)))[0])


def test_streams_share_weights_and_no_state() -> None:
    codec = codec_of(NARROW["encodec:24"])
    before = {name: weight.clone() for name, weight in codec.network.state_dict().items()}
    stream(codec, sound(codec.spec, 4, seed=7))
    after = codec.network.state_dict()
    assert all(torch.equal(weight, after[name]) for name, weight in before.items())
    assert not any(isinstance(part, Layer) and part.training for part in codec.network.modules())


def test_tokens_of_another_codec_are_refused_in_one_line() -> None:
    codec = codec_of(NARROW["narrow"])
    frame = codec.open_encoder().encode(np.zeros((2, 320), np.float32))
    with pytest.raises(CodecError, match=r"tokens \[8\] must be 8 values of 0 ... 31"):
        codec.open_decoder("discrete").decode(replace(frame, tokens=frame.tokens + 32), DecoderControls())
    with pytest.raises(CodecError, match=r"chunk has shape \[2, 100\]; narrow takes \[2, 320\]"):
        codec.open_encoder().encode(np.zeros((2, 100), np.float32))


@pytest.mark.parametrize("name", NARROW)
def test_sizes_survive_their_text(name: str) -> None:
    assert from_json(to_json(NARROW[name])) == NARROW[name]
    with pytest.raises(CodecError, match="config cannot be read"):
        from_json(to_json(NARROW[name]).replace('"kind"', '"kin"'))


def test_sizes_that_disagree_are_named() -> None:
    with pytest.raises(CodecError, match="width 15 must be a multiple of compress 2"):
        SeanetConfig("x", 48000, 2, 15, (2,), QuantiserConfig(8, 1))
    with pytest.raises(CodecError, match="width 9 must be a multiple of groups 2"):
        QuantiserConfig(9, 1, groups=2)
    with pytest.raises(CodecError, match=r"strides \(0,\): give 1 or more"):
        DacConfig("x", 44100, 1, 4, 64, (0,), QuantiserConfig(8, 1))


def stream(
    codec: ResidualCodec,
    audio: Audio,
    controls: DecoderControls = DecoderControls(),  # noqa: B008
) -> tuple[Audio, np.ndarray]:
    """(what comes out, tokens [K, frames])."""
    hop = codec.spec.hop
    encoder, decoder = codec.open_encoder(), codec.open_decoder("discrete")
    frames = [encoder.encode(audio[:, at : at + hop]) for at in range(0, audio.shape[1], hop)]
    out = [decoder.decode(frame, controls) for frame in frames]
    return np.concatenate(out, axis=1), np.stack([frame.tokens for frame in frames], axis=1)
