"""Opus, MP3 and AAC against the contract; the reference is the same codec through a container."""

from __future__ import annotations

import io
from dataclasses import replace

import av
import numpy as np
import pytest

from models.classic.ffmpeg import AAC, MP3, OPUS, FfmpegCodec, FfmpegFormat
from models.codec import Audio, DecoderControls
from tests.support.contract import Offline, check_codec, chunks, decode, encode, sound

CONTROLS = DecoderControls()
CONTAINERS = {"opus": "ogg", "mp3": "mp3", "aac": "mp4"}  # each holds the number of samples to drop at the start

CASES = [
    (OPUS, 6, 48_000),
    (OPUS, 24, 48_000),
    (OPUS, 96, 48_000),
    (OPUS, 510, 48_000),
    (MP3, 32, 48_000),
    (MP3, 128, 44_100),
    (MP3, 320, 32_000),
    (AAC, 24, 48_000),
    (AAC, 96, 44_100),
    (AAC, 320, 48_000),
]


def named(case: object) -> str:
    return case.name if isinstance(case, FfmpegFormat) else str(case)


@pytest.mark.parametrize(("family", "kbps", "rate"), CASES, ids=named)
def test_contract(family: FfmpegFormat, kbps: int, rate: int) -> None:
    codec = FfmpegCodec(family, kbps, rate)
    speech_engine = family is OPUS and kbps <= 32
    check_codec(codec, offline=through_container(codec), slack=4 if speech_engine else 0)


def through_container(codec: FfmpegCodec) -> Offline:
    family, rate = codec.format, codec.spec.sample_rate
    codec = FfmpegCodec(family, codec.kbps, rate)  # its own: the extradata of a file may differ from the stream's

    def offline(audio: Audio, path: str) -> Audio:
        store = io.BytesIO()
        with av.open(store, "w", format=CONTAINERS[family.name]) as output:
            stream = output.add_stream(family.encoder, rate=rate, options=dict(family.encoder_options))
            assert isinstance(stream, av.AudioStream)
            stream.layout, stream.bit_rate = av.AudioLayout("stereo"), 1000 * codec.kbps
            stream.format = av.AudioFormat("flt" if family.interleaved else "fltp")
            # The file ends in silence, as the stream does: AAC codes its last hop otherwise when it
            # ends with it.
            whole = np.pad(audio, [(0, 0), (0, 2 * family.hop)])
            samples = whole.T.reshape(1, -1) if family.interleaved else whole
            frame = av.AudioFrame.from_ndarray(samples, format=stream.format.name, layout="stereo")
            frame.sample_rate, frame.pts = rate, 0  # MP4 needs a time to start from
            output.mux([*stream.encode(frame), *stream.encode(None)])
        store.seek(0)
        with av.open(store, "r") as container:
            written = container.streams.audio[0]
            decoder = written.codec_context
            if family is OPUS:  # av.open chooses FFmpeg's own decoder
                codec.extradata = decoder.extradata
                decoder = codec.new_decoder()
            packets = [packet for packet in container.demux(written) if packet.size]
            pieces = [piece.to_ndarray() for packet in packets for piece in decoder.decode(packet)]
        heard: Audio = np.concatenate(pieces, axis=1)
        if family.interleaved:
            heard = heard.reshape(-1, 2).T
        return heard[:, : audio.shape[1]]

    return offline


@pytest.mark.parametrize(("family", "kbps"), [(OPUS, 96), (MP3, 128), (AAC, 96)], ids=named)
@pytest.mark.parametrize("error", [-1, 1])
def test_a_lookahead_declared_one_sample_off_is_caught(family: FfmpegFormat, kbps: int, error: int) -> None:
    codec = FfmpegCodec(family, kbps, 48_000)
    codec.spec = replace(codec.spec, lookahead=family.lookahead + error)
    with pytest.raises(AssertionError, match=f"lags by {family.lookahead} samples"):
        check_codec(codec)


@pytest.mark.parametrize("kbps", [6, 24, 510])
def test_opus_and_mp3_keep_their_bitrate_exactly(kbps: int) -> None:
    for codec in (FfmpegCodec(OPUS, kbps, 48_000), FfmpegCodec(MP3, 128, 48_000)):
        frames = encode(codec.open_encoder(), sound(codec.spec, 8, seed=1), codec.spec)[1:]
        assert {frame.bits * codec.spec.frame_rate for frame in frames} == {1000 * codec.kbps}


@pytest.mark.parametrize("family", [OPUS, MP3, AAC], ids=named)
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e30, 3e38, 1e-42])
def test_samples_beyond_full_scale_decode_to_finite_samples(family: FfmpegFormat, bad: float) -> None:
    codec = FfmpegCodec(family, 64, 48_000)
    audio = sound(codec.spec, 12, seed=1)
    audio[0, 2000:2010] = audio[1, 7 * family.hop : 9 * family.hop] = bad
    encoder, decoder = codec.open_encoder(), codec.open_decoder("discrete")
    for chunk in chunks(audio, family.hop):
        assert np.isfinite(decoder.decode(encoder.encode(chunk), CONTROLS)).all()


@pytest.mark.parametrize("family", [OPUS, MP3, AAC], ids=named)
def test_a_damaged_packet_decodes_to_one_hop_and_the_stream_goes_on(family: FfmpegFormat) -> None:
    codec = FfmpegCodec(family, 64, 48_000)
    frames = encode(codec.open_encoder(), sound(codec.spec, 40, seed=1), codec.spec)
    whole = decode(codec.open_decoder("discrete"), frames, codec.spec)
    rng = np.random.default_rng(1)
    decoder = codec.open_decoder("discrete")
    heard = []
    for frame in frames:
        if 5 <= frame.index < 20:
            frame = replace(frame, payload=rng.bytes(len(frame.payload))[: rng.integers(1, 200)])
        heard.append(decoder.decode(frame, CONTROLS))
        assert heard[-1].shape == (2, family.hop)
    # Not equal: the noise that AAC fills in depends on earlier frames.
    last, expected = np.hstack(heard)[:, -4 * family.hop :], whole[:, -4 * family.hop :]
    assert np.corrcoef(last.ravel(), expected.ravel())[0, 1] > 0.9
