"""Coding of clips hop by hop as in live use, or as whole files by codecs with a parallel mode."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from models.codec import Audio, Codec, CodecError, CodecSpec, DecoderControls
from models.codicodec.codec import CoDiCodec
from models.load import is_residual

CLASSIC = ("opus:6", "opus:12", "opus:16", "opus:24", "aac:24", "mp3:32", "mp3:64")
NETWORK = tuple(
    (path, mode, steps)
    for path in ("discrete", "continuous")
    for mode, steps in (*(("autoregressive", s) for s in (1, 2, 4)), *(("parallel", s) for s in (1, 2, 4)))
)
PLAIN = ("opus", "aac", "mp3", "pcm", "vorbis", "swift", "encodec24", "encodec48", "dac")  # no modes of decoding


@dataclass(frozen=True)
class Run:
    """One codec, path and mode of decoding."""

    codec: str
    path: str
    mode: str = "stream"
    steps: int = 0

    @property
    def name(self) -> str:
        """The row's name in tables."""
        kind = {"autoregressive": "AR", "parallel": "parallel"}.get(self.mode)
        return self.codec if kind is None else f"{self.codec} {self.path}, {kind} {self.steps}"


@dataclass(frozen=True)
class Decoded:
    """A codec's output, aligned with the clip, and its cost."""

    audio: Audio
    bits: float
    seconds: float  # compute time
    tokens: npt.NDArray[Any] | None  # [frames, tokens]; None if the codec has none


def runs_of(names: Sequence[str], only: str | None) -> list[Run]:
    """Return the runs of these codecs: CoDiCodec networks in every mode, others in their only mode.

    `only` keeps the rows whose names start with one of its parts, separated by semicolons.
    CodecError if none does.
    """
    runs: list[Run] = []
    for name in names:
        plain = name.partition(":")[0] in PLAIN or is_residual(Path(name))
        modes = [mode for mode in NETWORK if mode[1] == "autoregressive" or ":slide=" not in name]
        runs += [Run(name, "discrete")] if plain else [Run(name, *mode) for mode in modes]
    kept = only.split(";") if only else [""]
    chosen = [run for run in runs if any(run.name.startswith(part.strip()) for part in kept)]
    if not chosen:
        known = "; ".join(run.name for run in runs)
        raise CodecError(f'no row begins with "{only}" (rows: {known}). Pass the beginning of one.')
    return chosen


def code_clip(codec: Codec, run: Run, clip: Audio) -> Decoded:
    """Encode and decode a clip float32 [2, n] at the codec's rate.

    The codec's declared latency is removed.
    """
    if run.mode == "parallel":
        return _code_clip_in_parallel(codec, run, clip)
    spec = codec.spec
    controls = DecoderControls(steps=max(run.steps, 1))
    hops = math.ceil((clip.shape[1] + spec.lookahead) / spec.hop)
    padded = np.pad(clip, ((0, 0), (0, hops * spec.hop - clip.shape[1])))
    encoder, decoder = codec.open_encoder(), codec.open_decoder(run.path)
    out, frames, bits = [], [], 0.0
    started = time.perf_counter()
    for hop in range(hops):
        frame = encoder.encode(padded[:, hop * spec.hop : (hop + 1) * spec.hop])
        out.append(decoder.decode(frame, controls))
        bits += frame_bits(spec, run.path, frame.bits)
        frames.append(frame.tokens)
    seconds = time.perf_counter() - started
    late = np.concatenate(out, axis=1)[:, spec.lookahead :]
    tokens = np.stack(frames) if spec.tokens else None
    return Decoded(late[:, : clip.shape[1]], bits * clip.shape[1] / (hops * spec.hop), seconds, tokens)


def frame_bits(spec: CodecSpec, path: str, tokens: float) -> float:
    """Return the bits of a frame on the wire.

    Those of its tokens, or of its latent in float16, as a tape stores it.
    """
    return 16.0 * math.prod(spec.latent) if path == "continuous" else tokens


def _code_clip_in_parallel(codec: Codec, run: Run, clip: Audio) -> Decoded:
    if not isinstance(codec, CoDiCodec):
        raise CodecError(f"{run.codec} has no parallel mode.")
    ahead = codec.spec.lookahead
    started = time.perf_counter()
    codes = codec.encode(np.pad(clip, ((0, 0), (ahead, ahead))), run.path)
    audio = codec.decode(codes, "parallel", run.steps)
    seconds = time.perf_counter() - started
    fixed = codec.spec.tokens * math.log2(codec.spec.cardinality)
    bits = len(codes) * frame_bits(codec.spec, run.path, fixed)
    return Decoded(audio[:, ahead : ahead + clip.shape[1]], bits, seconds, codes if run.path == "discrete" else None)
