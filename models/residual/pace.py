"""Compute time of a codec's frames on this machine."""

from __future__ import annotations

import time

import numpy as np

from models.codec import Codec, DecoderControls

WARM_UP = 2  # frames, which allocate memory and have no past
TIMED = 4  # frames


def worst_frame(codec: Codec, skip: int = 0) -> float:
    """Return the longest time, in seconds, that coding one of four frames of noise took.

    `skip` is the number of frames at the start of a stream that the decoder skips.
    """
    spec = codec.spec
    encoder, decoder = codec.open_encoder(), codec.open_decoder(spec.paths[-1])
    noise = 0.1 * np.random.default_rng(0).standard_normal((spec.channels, spec.hop)).astype(np.float32)
    seconds = []
    for _ in range(skip + WARM_UP + TIMED):
        started = time.perf_counter()
        decoder.decode(encoder.encode(noise), DecoderControls())
        seconds.append(time.perf_counter() - started)
    return max(seconds[-TIMED:])
