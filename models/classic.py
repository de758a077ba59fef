"""Opus, MP3 and AAC, stereo, one packet per hop, as FFmpeg has them (through PyAV).

Their lookahead is the codec's own (filters, overlap) and the hops an encoder swallows before its first packet: for
those, a frame's payload is empty and decodes to silence.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import av
import numpy as np

from models.codec import Audio, CodecError, CodecSpec, Controls, Decoder, Encoder, Frame
from models.pcm import NO_TOKENS

CHANNELS = 2
# LAME aborts the whole process on NaN, infinity and numbers near the largest float (psymodel.c, calc_energy), and AAC
# refuses packets. 24 dB above full scale is more than music needs and far less than hurts.
LOUDEST = 16.0


@dataclass(frozen=True)
class Family:
    """What one family of codecs offers, and how FFmpeg is asked for it."""

    name: str
    bitrates: Sequence[int]  # kbit/s
    rates: Sequence[int]  # Hz, the default first
    hop: int
    lookahead: int
    encoder: str
    decoder: str
    packed: bool  # samples of both channels interleaved, else one plane each
    encoder_options: Mapping[str, str] = field(default_factory=dict)
    decoder_options: Mapping[str, str] = field(default_factory=dict)
    headed: bool = False  # the decoder needs the encoder's extradata


OPUS = Family(
    name="opus",
    bitrates=range(6, 511),
    rates=(48_000,),
    hop=960,
    # What libopus declares: 120 of overlap and 192 that align its two engines. Where the speech engine runs (up to
    # about 32 kbit/s) it has been measured between 309 and 316, by bitrate and music.
    lookahead=312,
    encoder="libopus",
    # Not FFmpeg's own "opus". No extradata (headed): libopus would drop the first 312 samples, of one chunk.
    decoder="libopus",
    packed=True,
    encoder_options={"vbr": "off"},
    decoder_options={"request_sample_fmt": "flt"},  # or it rounds to 16 bits
)

MP3 = Family(
    name="mp3",
    bitrates=(32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),  # MPEG-1 layer III has these only
    rates=(48_000, 44_100, 32_000),
    hop=1152,
    lookahead=1152 + 576 + 529,  # a hop that LAME swallows, its delay, the decoder's
    encoder="libmp3lame",
    decoder="mp3float",  # "mp3" rounds to 16 bits
    packed=False,
    # A packet with a reservoir waits for later ones: as many as 9 hops at 32 kbit/s, a number the music decides.
    encoder_options={"reservoir": "0"},
)

AAC = Family(
    name="aac",
    bitrates=range(24, 321),  # beyond these FFmpeg's encoder leaves the target by itself
    rates=(48_000, 44_100, 32_000),
    hop=1024,
    lookahead=1024 + 1024,  # a hop that the encoder swallows, overlap
    encoder="aac",
    decoder="aac",
    packed=False,
    # The default search takes as long as the hop lasts for some drum hits (20 of 21 ms at 320 kbit/s); this one 1.5 ms.
    encoder_options={"aac_coder": "fast"},
    headed=True,
)

FAMILIES = {family.name: family for family in (OPUS, MP3, AAC)}


class Classic:
    """One family at one bitrate (kbit/s) and sample rate (Hz)."""

    def __init__(self, family: Family, kbps: int, sample_rate: int) -> None:
        name = f"{family.name}:{kbps}"
        if kbps not in family.bitrates:
            raise CodecError(
                f"{kbps} kbit/s not offered by {family.name} ({_listed(family.bitrates)}). "
                f"Pass such as {family.name}:{min(family.bitrates, key=lambda offered: abs(offered - kbps))}."
            )
        if sample_rate not in family.rates:
            raise CodecError(
                f'sample rate {sample_rate} not offered by codec "{name}" ({_listed(family.rates)}). '
                f"Resample to {family.rates[0]}."
            )
        self.family = family
        self.kbps = kbps
        self.spec = CodecSpec(
            name=name,
            sample_rate=sample_rate,
            channels=CHANNELS,
            hop=family.hop,
            lookahead=family.lookahead,
            tokens=0,
            cardinality=0,
            latent=(0, 0),
            paths=("discrete",),
            time_ordered=True,
        )
        self.extradata = self.new_encoder().extradata if family.headed else None

    def open_encoder(self) -> Encoder:
        return ClassicEncoder(self)

    def open_decoder(self, path: str) -> Decoder:
        self.spec.check_path(path)
        return ClassicDecoder(self)

    def decode_together(self, work: Sequence[tuple[Decoder, Frame, Controls]]) -> list[Audio]:
        return [decoder.decode(frame, controls) for decoder, frame, controls in work]

    def new_encoder(self) -> av.AudioCodecContext:
        context = self._context(self.family.encoder, "w", self.family.encoder_options)
        context.format = av.AudioFormat("flt" if self.family.packed else "fltp")
        context.bit_rate = 1000 * self.kbps
        context.open()
        return context

    def new_decoder(self) -> av.AudioCodecContext:
        context = self._context(self.family.decoder, "r", self.family.decoder_options)
        context.extradata = self.extradata
        context.open()
        return context

    def _context(self, name: str, mode: Literal["r", "w"], options: Mapping[str, str]) -> av.AudioCodecContext:
        context = av.CodecContext.create(name, mode)
        assert isinstance(context, av.AudioCodecContext)
        context.sample_rate = self.spec.sample_rate
        context.layout = av.AudioLayout("stereo")
        context.options = dict(options)
        return context


class ClassicEncoder:
    def __init__(self, codec: Classic) -> None:
        self.codec = codec
        self.reset()

    def encode(self, chunk: Audio) -> Frame:
        assert chunk.shape == (CHANNELS, self.codec.spec.hop), chunk.shape
        samples = av.AudioFrame.from_ndarray(
            tamed(chunk).T.reshape(1, -1) if self.codec.family.packed else np.ascontiguousarray(tamed(chunk)),
            format=self.context.format.name,
            layout="stereo",
        )
        samples.sample_rate = self.codec.spec.sample_rate
        payload = b"".join(bytes(packet) for packet in self.context.encode(samples))
        frame = Frame(index=self.index, tokens=NO_TOKENS, latent=None, bits=8 * len(payload), payload=payload)
        self.index += 1
        return frame

    def reset(self) -> None:
        self.context = self.codec.new_encoder()  # flushing leaves traces (rate control, noise seeds)
        self.index = 0


class ClassicDecoder:
    def __init__(self, codec: Classic) -> None:
        self.codec = codec
        self.reset()

    def decode(self, frame: Frame, controls: Controls) -> Audio:
        """Silence for an empty payload, and for one that cannot be read."""
        silence = np.zeros((CHANNELS, self.codec.spec.hop), np.float32)
        if not frame.payload:
            return silence
        try:
            pieces = [piece.to_ndarray() for piece in self.context.decode(av.Packet(frame.payload))]
        except av.FFmpegError:
            return silence
        if sum(piece.size for piece in pieces) != silence.size:  # a damaged header: mono, another rate
            return silence
        heard: Audio = np.concatenate(pieces, axis=1)
        return np.ascontiguousarray(heard.reshape(-1, CHANNELS).T) if self.codec.family.packed else heard

    def reset(self) -> None:
        self.context = self.codec.new_decoder()


def tamed(chunk: Audio) -> Audio:
    """The chunk itself if FFmpeg can take it, else one without NaN, infinity or numbers beyond LOUDEST."""
    if np.abs(chunk).max() <= LOUDEST:  # False for NaN
        return chunk
    return np.nan_to_num(chunk, nan=0.0, posinf=LOUDEST, neginf=-LOUDEST).clip(-LOUDEST, LOUDEST)


def _listed(allowed: Sequence[int]) -> str:
    return f"{allowed[0]} to {allowed[-1]}" if isinstance(allowed, range) else ", ".join(map(str, allowed))
