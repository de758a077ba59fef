"""Golden vectors of the small CoDiCodec: `python -m tests.golden` writes them anew, after a change that means to."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from models.codec import Controls
from models.codicodec import CoDiCodec
from tests.small_codec import CONFIGS, chunks, small_codec

FILE = Path(__file__).parent / "golden.npz"
FRAMES = 3
EVERY = 16  # of the samples, one in so many is kept


def vectors(codec: CoDiCodec) -> dict[str, np.ndarray]:
    """What encoders and decoders make of a chirp and a square wave, thinned to a few kilobytes."""
    time = np.arange(FRAMES * codec.spec.hop) / codec.spec.sample_rate
    chirp = 0.3 * np.sin(2 * np.pi * (200 + 40000 * time) * time)
    square = 0.1 * np.sign(np.sin(2 * np.pi * 523.25 * time))
    audio = np.stack([chirp, square]).astype(np.float32)
    encoder = codec.open_encoder()
    frames = [encoder.encode(chunk) for chunk in chunks(codec, audio)]
    codes = np.stack([frame.latent for frame in frames if frame.latent is not None])
    tokens = np.stack([frame.tokens for frame in frames])
    found: dict[str, np.ndarray] = {"codes": codes, "tokens": tokens}
    for path in codec.spec.paths:
        decoder = codec.open_decoder(path)
        live = [decoder.decode(frame, Controls(seed=1)) for frame in frames]
        found[path] = np.concatenate(live, axis=1)[:, ::EVERY]
    found["parallel"] = codec.decode(tokens, "parallel", steps=3, generator=1)[:, ::EVERY]
    return found


def all_vectors() -> dict[str, np.ndarray]:
    return {f"{name}.{key}": value for name in CONFIGS for key, value in vectors(small_codec(name)).items()}


if __name__ == "__main__":
    np.savez_compressed(FILE, **all_vectors())  # type: ignore[arg-type]
    print(f"{FILE.name}: {FILE.stat().st_size} bytes")
