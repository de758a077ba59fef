"""How far a codec is to slide from one frame to the next: as given, or the least that this machine sustains.

A frame takes as long to compute however short the hop, so sliding by h of n columns costs n / h times as much.
"""

from __future__ import annotations

import time

import numpy as np

from models.codec import CodecError, Controls
from models.codicodec import CoDiCodec, slides

SHARE = 0.6  # of the hop, that the worst frame may take
FRAMES = 8


def slid(codec: CoDiCodec, given: str) -> CoDiCodec:
    """This codec sliding by so many columns; "auto": the fewest in which this machine encodes, and decodes both paths.

    For "auto" the number of threads is chosen first (`CoDiCodec.tune`), since it decides.
    """
    if given != "auto":
        if not given.isdecimal():
            columns = ", ".join(map(str, slides(codec.config)))
            raise CodecError(f"slide={given} is not possible. Pass a number of columns ({columns}) or auto.")
        return CoDiCodec(codec.network, codec.reason, int(given))
    codec.tune()
    worst = worst_frame(codec)
    second = codec.config.sample_rate / codec.config.stft_hop  # in columns
    fitting = [h for h in slides(codec.config) if worst * second <= SHARE * h]
    chosen = fitting[0] if fitting else codec.config.columns
    found = f"a frame takes at most {1000 * worst:.0f} ms, "
    if fitting:
        found += f"so it slides by {chosen} columns of {codec.config.columns}"
    else:
        found += f"more than {100 * SHARE:.0f} % of it: this machine sustains no sliding, it goes frame by frame"
    return CoDiCodec(codec.network, f"{codec.reason}; {found}", chosen)


def worst_frame(codec: CoDiCodec) -> float:
    """The longest, in seconds, that a frame took to encode and to decode on both paths, of some."""
    encoder, decoders = codec.open_encoder(), [codec.open_decoder(path) for path in codec.spec.paths]
    noise = 0.1 * np.random.default_rng(0).standard_normal((codec.spec.channels, codec.spec.hop)).astype(np.float32)
    taken = []
    for _ in range(2 + FRAMES):
        started = time.perf_counter()
        frame = encoder.encode(noise)
        codec.decode_together([(decoder, frame, Controls()) for decoder in decoders])
        taken.append(time.perf_counter() - started)
    return max(taken[2:])  # the first ones allocate, and are without a past
