"""The contract between codecs and everything that runs them.

An encoder turns each hop of samples into one frame, a decoder each frame into one hop. The output
lags the input by exactly `lookahead` samples beyond the hop. `tests/support/contract.py` holds
every codec to this contract: a stream gives the same samples as the whole file, and `reset()`
restores the initial state. Arrays are numpy's; nothing here knows torch, devices, threads or the
timeline.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

Audio = npt.NDArray[np.float32]  # [C, T], full scale is ±1
Tokens = npt.NDArray[np.int32]  # [tokens]

MODES = ("autoregressive", "parallel")  # ways to decode a whole file


class CodecError(Exception):
    """Error in a codec or its files.

    The message says what was given, what is allowed and what to do.
    """


class CodecProgramError(CodecError):
    """Error of a codec that is a program of its own, while it plays: loading it again would not help."""


@dataclass(frozen=True)
class CodecSpec:
    """Constants of a codec: rates, sizes and paths."""

    name: str
    sample_rate: int  # Hz
    channels: int
    hop: int  # samples in a frame
    lookahead: int  # samples by which the output lags the input, beyond the hop
    tokens: int  # tokens in a frame; 0 for a codec of byte packets (Opus)
    cardinality: int  # values of a token; 0 if there are no tokens
    latent: tuple[int, int]  # shape of a frame's continuous latent; (0, 0) if there is none
    paths: tuple[str, ...]  # ("continuous", "discrete"), ("continuous",) or ("discrete",)
    time_ordered: bool  # False: the tokens of a frame summarise it as a whole, in no order of time
    books: int = 0  # residual codebooks, of which a decoder can use fewer; 0: none

    @property
    def frame_rate(self) -> float:
        """Return the frames per second."""
        return self.sample_rate / self.hop

    @property
    def bounded(self) -> bool:
        """Return True if latents lie within -1 ... 1, as those of a codec that quantises them.

        The latents of a codec with the continuous path alone may have any finite value.
        """
        return "discrete" in self.paths

    def check_path(self, path: str) -> None:
        """Raise CodecError unless `path` is one of `paths`."""
        if path not in self.paths:
            raise CodecError(
                f'path "{path}" not offered by codec "{self.name}" ({", ".join(self.paths)}). '
                f"Pass {self.name}:{self.paths[0]}."
            )

    def check_chunk(self, chunk: Audio) -> None:
        """Raise CodecError unless the chunk is one hop, [channels, hop]."""
        if chunk.shape != (self.channels, self.hop):
            expected = [self.channels, self.hop]
            raise CodecError(f"chunk has shape {list(chunk.shape)}; {self.name} takes {expected}.")

    def check_tokens(self, frame: Frame) -> None:
        """Raise CodecError unless the frame has `tokens` tokens, each in [0, cardinality)."""
        tokens = frame.tokens
        if tokens.shape != (self.tokens,) or tokens.min() < 0 or tokens.max() >= self.cardinality:
            raise CodecError(
                f"frame {frame.index}: tokens {list(tokens.shape)} must be {self.tokens} values of "
                f"0 ... {self.cardinality - 1}."
            )


@dataclass(frozen=True)
class Frame:
    """One encoded hop."""

    index: int  # frames since reset()
    tokens: Tokens  # int32 [tokens]
    latent: npt.NDArray[np.float32] | None  # float32 [latent]: input of the continuous path
    bits: float  # bits of all tokens at fixed length, of the payload, or of a latent without tokens in float16
    payload: bytes = b""  # packet of a classic codec


@dataclass(frozen=True)
class DecoderControls:
    """Settings of a decoder for one frame. A codec ignores the ones it does not have."""

    steps: int = 2  # evaluations of a denoiser
    context_noise: float = 0.4  # 0 to 1 of the noise schedule, added to the previous frame
    seed: int = 0  # of the decoding noise
    books: int | None = None  # residual codecs: number of codebooks used; None or 0: all
    mute: tuple[int, ...] = ()  # residual codecs: a flag for each codebook that is left out; missing flags are 0
    solo: tuple[int, ...] = ()  # the same for soloed codebooks: if any is set, the others are left out


def sent_fraction(books: int, controls: DecoderControls) -> float:
    """Return the fraction of a frame's bits that is sent, 0 to 1.

    `books` is the codec's number of residual codebooks, 0 if it has none.
    """
    return min(controls.books or books, books) / books if books else 1.0


def audible_books(controls: DecoderControls, books: int) -> list[bool]:
    """Return a flag for each residual codebook: True if `controls` let it be decoded.

    The first `controls.books` (None or 0: all) are decoded. If some of these are soloed, only they
    are decoded. Muted codebooks never are.
    """
    sent = [book < (controls.books or books) for book in range(books)]
    soloed = [on and _is_set(controls.solo, book) for book, on in enumerate(sent)]
    chosen = soloed if any(soloed) else sent
    return [on and not _is_set(controls.mute, book) for book, on in enumerate(chosen)]


def _is_set(flags: tuple[int, ...], book: int) -> bool:
    """Return the flag of a book; missing flags are 0."""
    return book < len(flags) and bool(flags[book])


class Encoder(Protocol):
    """State of one encoded stream; used by one thread."""

    def encode(self, chunk: Audio) -> Frame:
        """Encode one hop, float32 [channels, hop]."""
        ...

    def reset(self) -> None:
        """Restore the initial state; the next frame has index 0."""
        ...


@runtime_checkable
class BlockEncoder(Encoder, Protocol):
    """Encoder that takes many hops at once, which is faster where all of a file is there."""

    def encode_block(self, block: Audio) -> list[Frame]:
        """Encode [channels, n * hop] to n frames: those of n calls of `encode`, up to rounding."""
        ...


class Decoder(Protocol):
    """State of one decoded stream on one path; used by one thread."""

    def decode(self, frame: Frame, controls: DecoderControls) -> Audio:
        """Decode one frame to float32 [channels, hop], `lookahead` samples after the input."""
        ...

    def reset(self) -> None:
        """Restore the initial state."""
        ...


@runtime_checkable
class WholeFile(Protocol):
    """Whole-file interface of codecs that can see all of a file at once."""

    config_hash: bytes

    def encode(self, audio: Audio, path: str = ...) -> npt.NDArray[np.generic]:
        """Encode [2, n] at the codec's rate.

        Return codes float32 [frames, latents, dims] or tokens int32 [frames, latents].
        """
        ...

    def decode(
        self, codes: npt.NDArray[np.generic], mode: str = ..., steps: int | None = ..., generator: int = ...
    ) -> Audio:
        """Decode codes or tokens to [2, frames * hop + lookahead], aligned with the input.

        For `mode` see MODES.
        """
        ...


@runtime_checkable
class Interpolating(Protocol):
    """Codec that interpolates the latents of two frames before its quantiser."""

    def between(self, first: Tokens, last: Tokens, position: float) -> Tokens:
        """Return the tokens of the latent at `position` between those of two frames.

        0 is the first frame, 1 the last.
        """
        ...


class Codec(Protocol):
    """Weights and settings, shared by all the encoders and decoders that it opens."""

    @property
    def spec(self) -> CodecSpec: ...

    def open_encoder(self) -> Encoder: ...

    def open_decoder(self, path: str) -> Decoder:
        """Return a new decoder of one of `spec.paths`.

        For another path, CodecError names those of the codec.
        """
        ...

    def decode_batch(self, work: Sequence[tuple[Decoder, Frame, DecoderControls]]) -> list[Audio]:
        """Decode one frame of each of several decoders of this codec.

        The results are those of their own `decode`.
        """
        ...
