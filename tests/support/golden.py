"""Golden vectors of the small CoDiCodec and of nano.

After an intended change, `python -m tests.support.golden` writes new ones.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from models.codec import DecoderControls
from models.codicodec.checkpoint import load_codec
from models.codicodec.codec import CoDiCodec
from tests.support.small_codec import CONFIGS, chunks, small_codec

FILE = Path(__file__).parent / "golden.npz"
FRAMES = 3
DECIMATION = 16  # of the samples


def vectors(codec: CoDiCodec) -> dict[str, np.ndarray]:
    """Return codes, tokens and decimated output of a chirp and a square wave."""
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
        live = [decoder.decode(frame, DecoderControls(seed=1)) for frame in frames]
        found[path] = np.concatenate(live, axis=1)[:, ::DECIMATION]
    found["parallel"] = codec.decode(tokens, "parallel", steps=3, generator=1)[:, ::DECIMATION]
    return found


def all_vectors() -> dict[str, np.ndarray]:
    small = {f"{name}.{key}": value for name in CONFIGS for key, value in vectors(small_codec(name)).items()}
    return small | {f"nano.{key}": value for key, value in vectors(bundled()).items()}


def bundled() -> CoDiCodec:
    """Return the bundled network."""
    return load_codec("nano")


if __name__ == "__main__":
    np.savez_compressed(FILE, **all_vectors())  # type: ignore[arg-type]
    print(f"{FILE.name}: {FILE.stat().st_size} bytes")
