"""Opus (RFC 6716), MP3 and AAC through FFmpeg (PyAV): stereo, one packet per hop.

The lookahead is the codec's own delay (filters, overlap) and the hops that an encoder takes before
its first packet. The frames of those hops have an empty payload and decode to silence.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import av
import numpy as np

from models.codec import Audio, CodecError, CodecSpec, Decoder, DecoderControls, Encoder, Frame
from models.pcm import NO_TOKENS

CHANNELS = 2
# LAME aborts the whole process on NaN, infinity and values near the largest float (psymodel.c,
# calc_energy), and AAC fails to encode them. 24 dB above full scale is more than music needs and
# far below such values.
MAX_AMPLITUDE = 16.0


@dataclass(frozen=True)
class FfmpegFormat:
    """Bitrates and sample rates of one audio format, and FFmpeg's settings for it."""

    name: str
    bitrates: Sequence[int]  # kbit/s
    rates: Sequence[int]  # Hz, the default first
    hop: int
    lookahead: int
    encoder: str
    decoder: str
    interleaved: bool  # layout of FFmpeg's samples; else one plane for each channel
    encoder_options: Mapping[str, str] = field(default_factory=dict)
    decoder_options: Mapping[str, str] = field(default_factory=dict)
    needs_extradata: bool = False  # the decoder reads the encoder's extradata


OPUS = FfmpegFormat(
    name="opus",
    bitrates=range(6, 511),
    rates=(48_000,),
    hop=960,
    # As libopus declares: 120 samples of overlap and 192 that align its two engines. Where the
    # speech engine runs (up to about 32 kbit/s) measurements give 309 to 316, depending on bitrate
    # and music.
    lookahead=312,
    encoder="libopus",
    # Not FFmpeg's own "opus". No extradata: libopus would drop the first 312 samples, of one chunk.
    decoder="libopus",
    interleaved=True,
    encoder_options={"vbr": "off"},
    decoder_options={"request_sample_fmt": "flt"},  # the default rounds to 16 bits
)

MP3 = FfmpegFormat(
    name="mp3",
    bitrates=(32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),  # all those of MPEG-1 layer III
    rates=(48_000, 44_100, 32_000),
    hop=1152,
    lookahead=1152 + 576 + 529,  # LAME's first hop, its delay, the decoder's delay
    encoder="libmp3lame",
    decoder="mp3float",  # "mp3" rounds to 16 bits
    interleaved=False,
    # With a bit reservoir a packet waits for later ones, up to 9 hops at 32 kbit/s, depending on
    # the music.
    encoder_options={"reservoir": "0"},
)

AAC = FfmpegFormat(
    name="aac",
    bitrates=range(24, 321),  # beyond these, FFmpeg's encoder misses the target bitrate
    rates=(48_000, 44_100, 32_000),
    hop=1024,
    lookahead=1024 + 1024,  # the encoder's first hop, overlap
    encoder="aac",
    decoder="aac",
    interleaved=False,
    # The default search takes nearly the length of the hop for some drum hits (20 of 21 ms at 320
    # kbit/s), this 1.5 ms.
    encoder_options={"aac_coder": "fast"},
    needs_extradata=True,
)

FORMATS = {each.name: each for each in (OPUS, MP3, AAC)}


class FfmpegCodec:
    """Codec of one format at one bitrate (kbit/s) and sample rate (Hz).

    CodecError lists the allowed values.
    """

    def __init__(self, format: FfmpegFormat, kbps: int, sample_rate: int) -> None:
        name = f"{format.name}:{kbps}"
        if kbps not in format.bitrates:
            raise CodecError(
                f"{kbps} kbit/s not offered by {format.name} ({_listed(format.bitrates)}). "
                f"Pass such as {format.name}:{min(format.bitrates, key=lambda offered: abs(offered - kbps))}."
            )
        if sample_rate not in format.rates:
            raise CodecError(
                f'sample rate {sample_rate} not offered by codec "{name}" ({_listed(format.rates)}). '
                f"Resample to {format.rates[0]}."
            )
        self.format = format
        self.kbps = kbps
        self.spec = CodecSpec(
            name=name,
            sample_rate=sample_rate,
            channels=CHANNELS,
            hop=format.hop,
            lookahead=format.lookahead,
            tokens=0,
            cardinality=0,
            latent=(0, 0),
            paths=("discrete",),
            time_ordered=True,
        )
        self.extradata = self.new_encoder().extradata if format.needs_extradata else None

    def open_encoder(self) -> Encoder:
        return FfmpegEncoder(self)

    def open_decoder(self, path: str) -> Decoder:
        self.spec.check_path(path)
        return FfmpegDecoder(self)

    def decode_batch(self, work: Sequence[tuple[Decoder, Frame, DecoderControls]]) -> list[Audio]:
        return [decoder.decode(frame, controls) for decoder, frame, controls in work]

    def new_encoder(self) -> av.AudioCodecContext:
        context = self._context(self.format.encoder, "w", self.format.encoder_options)
        context.format = av.AudioFormat("flt" if self.format.interleaved else "fltp")
        context.bit_rate = 1000 * self.kbps
        context.open()
        return context

    def new_decoder(self) -> av.AudioCodecContext:
        context = self._context(self.format.decoder, "r", self.format.decoder_options)
        context.extradata = self.extradata
        context.open()
        return context

    def _context(self, name: str, mode: Literal["r", "w"], options: Mapping[str, str]) -> av.AudioCodecContext:
        context = av.CodecContext.create(name, mode)
        if not isinstance(context, av.AudioCodecContext):
            raise CodecError(f"{name} is not an audio codec of this FFmpeg. Install another build of PyAV.")
        context.sample_rate = self.spec.sample_rate
        context.layout = av.AudioLayout("stereo")
        context.options = dict(options)
        return context


class FfmpegEncoder:
    """State of one encoded stream; used by one thread."""

    def __init__(self, codec: FfmpegCodec) -> None:
        self.codec = codec
        self.reset()

    def encode(self, chunk: Audio) -> Frame:
        """Encode one hop, float32 [2, hop].

        NaN is encoded as 0; samples beyond ±MAX_AMPLITUDE are clipped.
        """
        self.codec.spec.check_chunk(chunk)
        chunk = sanitise(chunk)
        samples = av.AudioFrame.from_ndarray(
            chunk.T.reshape(1, -1) if self.codec.format.interleaved else np.ascontiguousarray(chunk),
            format=self.context.format.name,
            layout="stereo",
        )
        samples.sample_rate = self.codec.spec.sample_rate
        payload = b"".join(bytes(packet) for packet in self.context.encode(samples))
        frame = Frame(index=self.index, tokens=NO_TOKENS, latent=None, bits=8 * len(payload), payload=payload)
        self.index += 1
        return frame

    def reset(self) -> None:
        self.context = self.codec.new_encoder()  # flushing keeps some state (rate control, noise seeds)
        self.index = 0


class FfmpegDecoder:
    """State of one decoded stream; used by one thread."""

    def __init__(self, codec: FfmpegCodec) -> None:
        self.codec = codec
        self.reset()

    def decode(self, frame: Frame, controls: DecoderControls) -> Audio:
        """Decode one frame to float32 [2, hop]; silence for an empty or unreadable payload."""
        silence = np.zeros((CHANNELS, self.codec.spec.hop), np.float32)
        if not frame.payload:
            return silence
        try:
            pieces = [piece.to_ndarray() for piece in self.context.decode(av.Packet(frame.payload))]
        except av.FFmpegError:
            return silence
        if sum(piece.size for piece in pieces) != silence.size:  # a damaged header: mono or another rate
            return silence
        decoded: Audio = np.concatenate(pieces, axis=1)
        return np.ascontiguousarray(decoded.reshape(-1, CHANNELS).T) if self.codec.format.interleaved else decoded

    def reset(self) -> None:
        self.context = self.codec.new_decoder()


def sanitise(chunk: Audio) -> Audio:
    """Return the chunk without NaN, infinity and values beyond ±MAX_AMPLITUDE.

    The array itself is returned if it has none of these.
    """
    if np.abs(chunk).max() <= MAX_AMPLITUDE:  # False for NaN
        return chunk
    return np.nan_to_num(chunk, nan=0.0, posinf=MAX_AMPLITUDE, neginf=-MAX_AMPLITUDE).clip(
        -MAX_AMPLITUDE, MAX_AMPLITUDE
    )


def _listed(allowed: Sequence[int]) -> str:
    return f"{allowed[0]} to {allowed[-1]}" if isinstance(allowed, range) else ", ".join(map(str, allowed))
