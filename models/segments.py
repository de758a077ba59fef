"""EnCodec at 48 kHz: segments of a second, each coded on its own, faded into the next over their last hundredth.

    segment i     |<--------------- 48 000 --------------->|
    segment i + 1                                     |<--------------- 48 000 ...
                  |<------------ hop 47 520 ---------->| 480

A network that normalises over time has no steps. So a frame is a segment, its last sample that of the hop; what comes
out waits for the next segment, 480 samples: the look-ahead. A segment is divided by its loudness, which is sent beside
its tokens: float32 bits as four tokens of ten bits.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from models.codec import Audio, CodecError, CodecSpec, Controls, Decoder, Frame, Tokens
from models.residual import LOUDEST, PLACE, ResidualNetwork, check_chunk, check_tokens, digest, heard, spec_of
from models.rvq import Lookup

SECONDS = 1.0
OVERLAP = 0.01  # of a segment
SCALE_TOKENS = 4
SCALE_BITS = 32
SILENCE = 1e-8


class SegmentCodec:
    """Weights, shared by all the encoders and decoders it opens; frozen by this."""

    def __init__(self, network: ResidualNetwork, seconds: float = SECONDS, reason: str = PLACE) -> None:
        config = network.config
        self.network = network.eval().requires_grad_(False)
        self.reason = reason
        self.config_hash = digest(config)
        self.lookup = Lookup(network.quantiser)
        self.length = round(seconds * config.sample_rate)
        self.overlap = round(OVERLAP * self.length)
        if self.length % config.stride:
            raise CodecError(f"segments of {self.length} samples are no multiple of {config.stride}")
        if config.quantiser.size != 1 << 10:
            raise CodecError(
                f"books of {config.quantiser.size} entries: a segment's loudness is sent in tokens of 1024"
            )
        self.steps = self.length // config.stride
        quantised = self.steps * config.quantiser.tokens
        self.spec: CodecSpec = replace(
            spec_of(config, self.overlap), hop=self.length - self.overlap, tokens=quantised + SCALE_TOKENS
        )

    def tune(self) -> None:
        """For live use: every core, process-wide. A segment is a second of work at once."""
        torch.set_num_threads(os.cpu_count() or 1)

    def open_encoder(self) -> SegmentEncoder:
        return SegmentEncoder(self)

    def open_decoder(self, path: str) -> SegmentDecoder:
        self.spec.check_path(path)
        return SegmentDecoder(self)

    def decode_together(self, work: Sequence[tuple[Decoder, Frame, Controls]]) -> list[Audio]:
        return [decoder.decode(frame, controls) for decoder, frame, controls in work]

    @torch.inference_mode()
    def encode_segment(self, audio: Tensor) -> tuple[Tensor, float]:
        """[channels, length] to tokens [steps, K] and the loudness it was divided by."""
        loudness = float(audio.mean(0).square().mean().sqrt()) + SILENCE
        return self.lookup.tokens(self.network.encoder(audio[None] / loudness)[0].T), loudness

    @torch.inference_mode()
    def decode_segment(self, tokens: Tensor, loudness: float, kept: list[bool]) -> Tensor:
        """Inverse, to [channels, length]."""
        return self.network.decoder(self.lookup.codes(tokens, kept).T[None])[0] * loudness

    def weights(self) -> Tensor:
        """Of a segment's samples where segments overlap: a triangle over the segment, never zero."""
        place = torch.arange(1, self.length + 1, dtype=torch.float64) / (self.length + 1)
        return (0.5 - (place - 0.5).abs()).float()


class SegmentEncoder:
    """The end of the last segment."""

    def __init__(self, codec: SegmentCodec) -> None:
        self._codec = codec
        self.reset()

    def reset(self) -> None:
        self._carried = torch.zeros(self._codec.spec.channels, self._codec.overlap)
        self._index = 0

    def encode(self, chunk: Audio) -> Frame:
        """One hop, float32 [channels, hop], and the overlap before it."""
        codec = self._codec
        check_chunk(chunk, codec.spec)
        segment = torch.cat([self._carried, torch.from_numpy(np.array(chunk, np.float32))], dim=-1)
        self._carried = segment[:, -codec.overlap :].clone()
        tokens, loudness = codec.encode_segment(segment)
        quantised = tokens.flatten().numpy().astype(np.int32)
        bits = codec.steps * codec.network.config.quantiser.bits + SCALE_BITS
        frame = Frame(self._index, np.concatenate([quantised, to_tokens(loudness)]), None, bits)
        self._index += 1
        return frame


class SegmentDecoder:
    """The end of the last segment, not yet given out."""

    def __init__(self, codec: SegmentCodec) -> None:
        self._codec = codec
        self._weights = codec.weights()
        self.reset()

    def reset(self) -> None:
        self._tail: Tensor | None = None

    @torch.inference_mode()
    def decode(self, frame: Frame, controls: Controls) -> Audio:
        """One frame to float32 [channels, hop], the overlap late."""
        codec, weights = self._codec, self._weights
        hop, overlap = codec.spec.hop, codec.overlap
        tokens = check_tokens(frame, codec.spec)
        loudness = min(from_tokens(frame.tokens[-SCALE_TOKENS:]), LOUDEST)
        steps = tokens[:-SCALE_TOKENS].reshape(codec.steps, -1)
        made = codec.decode_segment(steps, loudness, heard(controls, codec.spec.books))
        out = made[:, :hop].clone()
        if self._tail is not None:
            late, early = weights[hop:], weights[:overlap]
            out[:, :overlap] = (self._tail * late + made[:, :overlap] * early) / (late + early)
        self._tail = made[:, hop:]
        return out.clamp(-LOUDEST, LOUDEST).numpy()


def to_tokens(value: float) -> Tokens:
    """A float32 as four tokens of ten bits, the lowest first."""
    (bits,) = np.array([value], "<f4").view("<u4").tolist()
    return np.array([bits >> 10 * place & 1023 for place in range(SCALE_TOKENS)], np.int32)


def from_tokens(tokens: Tokens) -> float:
    """Inverse of `to_tokens`; bent tokens that are no positive number give 0."""
    bits = sum(int(token) << 10 * place for place, token in enumerate(tokens)) & 0xFFFFFFFF
    value = float(np.array([bits], "<u4").view("<f4")[0])
    return value if np.isfinite(value) and value > 0 else 0.0
