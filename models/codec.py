"""The contract between codecs and everything that runs them.

A codec is fed chunk by chunk and answers chunk by chunk; its declared `lookahead` is exactly how many samples the
output lags the input beyond the hop. The law that `tests/contract.py` holds every codec to: fed hop by hop, it gives
the samples it gives for the whole file, and `reset()` makes it new. Numpy at the border: nothing here knows torch,
devices, threads or the timeline.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

Audio = npt.NDArray[np.float32]  # [C, T], full scale is ±1
Tokens = npt.NDArray[np.int32]  # [tokens]

MODES = ("autoregressive", "parallel")  # of decoding a whole file


class CodecError(Exception):
    """A codec that cannot be had or made to work; the message says what was given, what is allowed, what to do."""


@dataclass(frozen=True)
class CodecSpec:
    """What a codec is, fixed for its life."""

    name: str
    sample_rate: int  # Hz
    channels: int
    hop: int  # samples one frame stands for
    lookahead: int  # samples the output lags the input, beyond the hop
    tokens: int  # tokens in a frame; 0 if the codec has none (Opus: bytes)
    cardinality: int  # values of a token; 0 if it has none
    latent: tuple[int, int]  # shape of a frame's continuous latent; (0, 0) if it has none
    paths: tuple[str, ...]  # ("continuous", "discrete") or ("discrete",)
    time_ordered: bool  # False: the tokens of a frame summarise it, in no time order
    books: int = 0  # residual codebooks, which a decoder may be told to use fewer of; 0: it has none

    @property
    def frame_rate(self) -> float:
        """Frames per second."""
        return self.sample_rate / self.hop

    def check_path(self, path: str) -> None:
        """CodecError unless it is one of the codec's."""
        if path not in self.paths:
            raise CodecError(
                f'path "{path}" not offered by codec "{self.name}" ({", ".join(self.paths)}). '
                f"Pass {self.name}:{self.paths[0]}."
            )


@dataclass(frozen=True)
class Frame:
    """One encoded hop."""

    index: int  # frames since reset()
    tokens: Tokens  # int32 [tokens]
    latent: npt.NDArray[np.float32] | None  # float32 [latent]; what the continuous path decodes from
    bits: float  # size on the wire at fixed length
    payload: bytes = b""  # classic codecs: the packet


@dataclass(frozen=True)
class Controls:
    """What a decoder may be told per frame; a codec ignores what it lacks."""

    steps: int = 2
    context_noise: float = 0.4
    seed: int = 0
    books: int | None = None  # residual codecs: how many codebooks; None or 0: all
    mute: tuple[int, ...] = ()  # residual codecs: for each codebook whether it is left out; what is missing is 0
    solo: tuple[int, ...] = ()  # and whether it is heard while those that are not soloed are left out


def part_sent(books: int, controls: Controls) -> float:
    """Of a frame's bits the part that is sent, by a codec of so many residual books (0: none, all is sent)."""
    return min(controls.books or books, books) / books if books else 1.0


class Encoder(Protocol):
    """All the state of one running encode; owned by one thread."""

    def encode(self, chunk: Audio) -> Frame:
        """Encode exactly one hop, float32 [channels, hop]."""
        ...

    def reset(self) -> None:
        """Forget everything heard; the next frame has index 0."""
        ...


class Decoder(Protocol):
    """All the state of one running decode, on one path; owned by one thread."""

    def decode(self, frame: Frame, controls: Controls) -> Audio:
        """Decode one frame to float32 [channels, hop], `lookahead` samples late."""
        ...

    def reset(self) -> None:
        """Forget everything decoded."""
        ...


@runtime_checkable
class WholeFile(Protocol):
    """What a codec offers beyond the stream, if it can look at all of a file at once."""

    config_hash: bytes

    def encode(self, audio: Audio, path: str = ...) -> npt.NDArray[np.generic]:
        """[2, n] at the codec's rate to codes float32 [frames, latents, dims] or tokens int32 [frames, latents]."""
        ...

    def decode(
        self, codes: npt.NDArray[np.generic], mode: str = ..., steps: int | None = ..., generator: int = ...
    ) -> Audio:
        """Codes or tokens to [2, frames * hop + lookahead], aligned with what was encoded; mode: see MODES."""
        ...


class Codec(Protocol):
    """Weights and settings; shared by all the encoders and decoders it opens."""

    @property
    def spec(self) -> CodecSpec: ...

    def open_encoder(self) -> Encoder: ...

    def open_decoder(self, path: str) -> Decoder:
        """A decoder of one of `spec.paths`; CodecError names the paths there are."""
        ...

    def decode_together(self, work: Sequence[tuple[Decoder, Frame, Controls]]) -> list[Audio]:
        """Decode several frames of decoders of this codec, each as its own `decode` would: a loop, or one batch."""
        ...
