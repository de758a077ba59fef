"""One file encoded to the tokens or latents of all its frames."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from models.codec import BlockEncoder, Codec, CodecError
from models.load import load
from realtime.dsp.blocks import with_channels
from realtime.files.audio_file import AudioReader
from realtime.files.tape import codec_hash
from realtime.system.signals import reraise_interrupt

KINDS = ("tokens", "latents")
BLOCK_S = 1.0  # seconds that are encoded at once by codecs that can
MAX_UINT16 = 1 << 16


@dataclass(frozen=True)
class EncodedFile:
    """Frames of one file: tokens uint16 or int32 [frames, tokens], or latents float16 [frames, D, S].

    The first `lookahead` samples of a decoder's output come before the file.
    """

    frames: npt.NDArray[Any]
    samples: int  # of the file, at the codec's rate
    remarks: tuple[str, ...]  # damage of the file


@lru_cache(maxsize=1)
def cached_codec(name: str, precision: str) -> Codec:
    """Return a codec that stays loaded for the next file."""
    return load(name, precision=precision)


def check_kind(codec: Codec, kind: str) -> None:
    """Raise CodecError if a codec has no frames of this kind."""
    spec = codec.spec
    have = {"tokens": spec.tokens > 0, "latents": 0 not in spec.latent}
    if not have[kind]:
        other = " and ".join(k for k in KINDS if have[k]) or "neither tokens nor latents"
        raise CodecError(f"{spec.name} has no {kind}; it has {other}. Pass a network, such as nano.")


def encode_file(codec: Codec, path: Path, kind: str) -> EncodedFile:
    """Encode a whole file at the codec's rate and channels; zeros follow until all of it is out.

    AudioFileError if it cannot be read, CodecError if the codec has no frames of this kind.
    """
    check_kind(codec, kind)
    spec = codec.spec
    encoder = codec.open_encoder()
    steps = max(1, round(BLOCK_S * spec.frame_rate)) if isinstance(encoder, BlockEncoder) else 1
    reader = AudioReader(path, spec.sample_rate)
    found, samples = [], 0
    try:
        while (block := reader.read(steps * spec.hop)).shape[1]:
            reraise_interrupt()
            samples += block.shape[1]
            found.append(_encode(encoder, block, spec.hop, spec.channels, kind))
        due = -(-(samples + spec.lookahead) // spec.hop) - -(-samples // spec.hop)  # frames of what is still inside
        if due:
            silence = np.zeros((spec.channels, due * spec.hop), np.float32)
            found.append(_encode(encoder, silence, spec.hop, spec.channels, kind))
        remarks = reader.remarks()
    finally:
        reader.close()
    if not samples:
        raise CodecError(f"{path}: has no samples. Leave it out.")
    frames = np.concatenate(found)
    if kind == "latents":
        return EncodedFile(frames.astype(np.float16), samples, tuple(remarks))
    return EncodedFile(
        frames.astype(np.uint16 if spec.cardinality <= MAX_UINT16 else np.int32), samples, tuple(remarks)
    )


def facts_of(codec: Codec) -> dict[str, Any]:
    """Return the constants of a codec that a reader of its frames needs."""
    spec = codec.spec
    return {
        "codec": spec.name,
        "config_hash": codec_hash(codec).hex(),
        "sample_rate": spec.sample_rate,
        "channels": spec.channels,
        "hop": spec.hop,
        "lookahead": spec.lookahead,
        "tokens": spec.tokens,
        "cardinality": spec.cardinality,
        "latent": list(spec.latent),
        "books": spec.books,
    }


def _encode(encoder: Any, block: npt.NDArray[np.float32], hop: int, channels: int, kind: str) -> npt.NDArray[Any]:
    """Return the frames of a block, which is padded with zeros to whole hops."""
    block = with_channels(np.pad(block, ((0, 0), (0, -block.shape[1] % hop))), channels)
    if isinstance(encoder, BlockEncoder):
        frames = encoder.encode_block(np.ascontiguousarray(block))
    else:
        chunks = block.reshape(channels, -1, hop).swapaxes(0, 1)
        frames = [encoder.encode(np.ascontiguousarray(chunk)) for chunk in chunks]
    return np.stack([np.asarray(frame.tokens if kind == "tokens" else frame.latent) for frame in frames])
