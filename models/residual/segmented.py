"""EnCodec at 48 kHz: segments of a second, each coded on its own, crossfaded over their last
hundredth.

    segment i     |<--------------- 48 000 --------------->|
    segment i + 1                                     |<--------------- 48 000 ...
                  |<------------ hop 47 520 ---------->| 480

The network normalises over time and so cannot run step by step. A frame is a segment, which ends
with the hop's last sample. The last 480 samples wait for the next segment: this is the look-ahead.
A segment is divided by its RMS level, which is sent beside its tokens as float32 bits in four
tokens of ten bits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from models.codec import Audio, CodecError, CodecSpec, Decoder, DecoderControls, Frame, Tokens, audible_books
from models.cores import usable_cores
from models.residual.codec import DEVICE_NOTE
from models.residual.network import MAX_SAMPLE, ResidualNetwork, digest, spec_of

SECONDS = 1.0
OVERLAP = 0.01  # part of a segment
LEVEL_TOKENS = 4
LEVEL_BITS = 32
SILENCE = 1e-8  # RMS added to a segment's level, so that it is never 0


class SegmentCodec:
    """Weights, shared by all encoders and decoders it opens. A frame is a segment of `seconds`.

    The network is set to evaluation and its weights are frozen. CodecError if a segment is not a
    whole number of steps, or if books do not have the 1024 entries that the level's tokens need.
    """

    def __init__(self, network: ResidualNetwork, seconds: float = SECONDS, reason: str = DEVICE_NOTE) -> None:
        config = network.config
        self.network = network.eval().requires_grad_(False)
        self.reason = reason
        self.config_hash = digest(config)
        self.quantiser = network.quantiser.freeze()
        self.length = round(seconds * config.sample_rate)
        self.overlap = round(OVERLAP * self.length)
        if self.length % config.stride:
            raise CodecError(f"segments of {self.length} samples are not a multiple of {config.stride}")
        if config.quantiser.size != 1 << 10:
            raise CodecError(
                f"books of {config.quantiser.size} entries: a segment's level is sent in tokens of 1024 values"
            )
        self.steps = self.length // config.stride
        quantised = self.steps * config.quantiser.tokens
        self.spec: CodecSpec = replace(
            spec_of(config, self.overlap), hop=self.length - self.overlap, tokens=quantised + LEVEL_TOKENS
        )

    def tune(self) -> None:
        """Let torch use all cores, process-wide, since a segment is a second of work at once."""
        torch.set_num_threads(usable_cores())

    def open_encoder(self) -> SegmentEncoder:
        """Return the encoder of a new stream."""
        return SegmentEncoder(self)

    def open_decoder(self, path: str) -> SegmentDecoder:
        """Return the decoder of a new stream; CodecError if the path is not "discrete"."""
        self.spec.check_path(path)
        return SegmentDecoder(self)

    def decode_batch(self, work: Sequence[tuple[Decoder, Frame, DecoderControls]]) -> list[Audio]:
        """Decode frames of several decoders, one after another."""
        return [decoder.decode(frame, controls) for decoder, frame, controls in work]

    @torch.inference_mode()
    def encode_segment(self, audio: Tensor) -> tuple[Tensor, float]:
        """Return the tokens [steps, K] and the RMS level of audio [channels, length].

        The audio is divided by its level before it is encoded.
        """
        level = float(audio.mean(0).square().mean().sqrt()) + SILENCE
        return self.quantiser.encode(self.network.encoder(audio[None] / level)[0].T), level

    @torch.inference_mode()
    def decode_segment(self, tokens: Tensor, level: float, audible: list[bool]) -> Tensor:
        """Return the audio [channels, length] of tokens [steps, K] at a level.

        `audible` has a flag for each book.
        """
        return self.network.decoder(self.quantiser.decode(tokens, audible).T[None])[0] * level

    def crossfade_weights(self) -> Tensor:
        """Return the triangular weights [length] of a segment's samples in overlaps, never 0."""
        position = torch.arange(1, self.length + 1, dtype=torch.float64) / (self.length + 1)
        return (0.5 - (position - 0.5).abs()).float()


class SegmentEncoder:
    """Encoder of one stream.

    It keeps the end of the last segment. Use it in one thread at a time.
    """

    def __init__(self, codec: SegmentCodec) -> None:
        self._codec = codec
        self.reset()

    def reset(self) -> None:
        """Start a new stream."""
        self._carry = torch.zeros(self._codec.spec.channels, self._codec.overlap)
        self._index = 0

    def encode(self, chunk: Audio) -> Frame:
        """Encode one hop, float32 [channels, hop], with the overlap before it.

        CodecError if the shape differs.
        """
        codec = self._codec
        codec.spec.check_chunk(chunk)
        segment = torch.cat([self._carry, torch.from_numpy(np.array(chunk, np.float32))], dim=-1)
        self._carry = segment[:, -codec.overlap :].clone()
        tokens, level = codec.encode_segment(segment)
        quantised = tokens.flatten().numpy().astype(np.int32)
        bits = codec.steps * codec.network.config.quantiser.bits + LEVEL_BITS
        frame = Frame(self._index, np.concatenate([quantised, float_to_tokens(level)]), None, bits)
        self._index += 1
        return frame


class SegmentDecoder:
    """Decoder of one stream.

    It keeps the end of the last segment. Use it in one thread at a time.
    """

    def __init__(self, codec: SegmentCodec) -> None:
        self._codec = codec
        self._weights = codec.crossfade_weights()
        self.reset()

    def reset(self) -> None:
        """Start a new stream."""
        self._tail: Tensor | None = None

    @torch.inference_mode()
    def decode(self, frame: Frame, controls: DecoderControls) -> Audio:
        """Decode one frame to float32 [channels, hop], late by the overlap.

        CodecError if the tokens are not of this codec.
        """
        codec, weights = self._codec, self._weights
        hop, overlap = codec.spec.hop, codec.overlap
        codec.spec.check_tokens(frame)
        tokens = torch.from_numpy(frame.tokens.astype(np.int64))
        level = min(tokens_to_float(frame.tokens[-LEVEL_TOKENS:]), MAX_SAMPLE)
        steps = tokens[:-LEVEL_TOKENS].reshape(codec.steps, -1)
        segment = codec.decode_segment(steps, level, audible_books(controls, codec.spec.books))
        out = segment[:, :hop].clone()
        if self._tail is not None:
            late, early = weights[hop:], weights[:overlap]
            out[:, :overlap] = (self._tail * late + segment[:, :overlap] * early) / (late + early)
        self._tail = segment[:, hop:]
        return out.clamp(-MAX_SAMPLE, MAX_SAMPLE).numpy()


def float_to_tokens(value: float) -> Tokens:
    """Return the bits of a float32 as four tokens of ten bits, the lowest first."""
    (bits,) = np.array([value], "<f4").view("<u4").tolist()
    return np.array([bits >> 10 * place & 1023 for place in range(LEVEL_TOKENS)], np.int32)


def tokens_to_float(tokens: Tokens) -> float:
    """Return the float32 of four tokens; 0 if bent tokens do not hold a positive finite number."""
    bits = sum(int(token) << 10 * place for place, token in enumerate(tokens)) & 0xFFFFFFFF
    value = float(np.array([bits], "<u4").view("<f4")[0])
    return value if np.isfinite(value) and value > 0 else 0.0
