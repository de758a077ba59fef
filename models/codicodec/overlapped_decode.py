"""Distance of overlapping frames: as given, or the smallest that this machine sustains.

Computing a frame takes the same time for any hop, so frames that are h of n columns apart cost n /
h times as much.
"""

from __future__ import annotations

import time

import numpy as np

from models.codec import CodecError, DecoderControls
from models.codicodec.codec import CoDiCodec, valid_hops

MAX_HOP_LOAD = 0.6  # longest compute time of a frame over the duration of the hop, for "auto"
WARMUP_FRAMES, TIMED_FRAMES = 2, 8


def with_hop(codec: CoDiCodec, given: str) -> CoDiCodec:
    """Return the codec with frames `given` columns apart.

    "auto" is the smallest distance at which this machine encodes and decodes both paths in real
    time; the codec is tuned first (`CoDiCodec.tune`). Raise CodecError if the distance is not
    possible.
    """
    if given != "auto":
        if not given.isdecimal():
            columns = ", ".join(map(str, valid_hops(codec.config)))
            raise CodecError(f"slide={given} is not possible. Pass a number of columns ({columns}) or auto.")
        return CoDiCodec(codec.network, codec.reason, int(given))
    codec.tune()
    worst = worst_frame(codec)
    columns_per_second = codec.config.sample_rate / codec.config.stft_hop
    fitting = [h for h in valid_hops(codec.config) if worst * columns_per_second <= MAX_HOP_LOAD * h]
    chosen = fitting[0] if fitting else codec.config.columns
    found = f"a frame takes at most {1000 * worst:.0f} ms, "
    if fitting:
        found += f"so it slides by {chosen} columns of {codec.config.columns}"
    else:
        found += f"more than {100 * MAX_HOP_LOAD:.0f} % of it: this machine sustains no overlap, frames do not slide"
    return CoDiCodec(codec.network, f"{codec.reason}; {found}", chosen)


def worst_frame(codec: CoDiCodec) -> float:
    """Return the longest time, in seconds, to encode a frame and decode it on both paths."""
    encoder, decoders = codec.open_encoder(), [codec.open_decoder(path) for path in codec.spec.paths]
    noise = 0.1 * np.random.default_rng(0).standard_normal((codec.spec.channels, codec.spec.hop)).astype(np.float32)
    times = []
    for _ in range(WARMUP_FRAMES + TIMED_FRAMES):
        started = time.perf_counter()
        frame = encoder.encode(noise)
        codec.decode_batch([(decoder, frame, DecoderControls()) for decoder in decoders])
        times.append(time.perf_counter() - started)
    return max(times[WARMUP_FRAMES:])
