"""CoDiCodec at its released size: one live frame against the package `codicodec` in the same run, and its arithmetic.

All have the same random weights and two threads, and take turns, so that a slow moment of the machine meets all.
Float32 is compared with float32; our bfloat16 stands beside them. Operations are counted by torch as they
are executed (2 for each multiply-add of convolutions, matrix products and attention), not taken from a formula.
"""

from __future__ import annotations

import copy
import math
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.report import Row
from models.codec import Audio, CodecError, Controls
from models.codicodec import CoDiCodec
from models.config import CoDiCodecConfig
from models.network import CoDiCodecNetwork
from models.official import to_official

THREADS = 2
ROUNDS = 5
AGAINST = ("codicodec",)

Frames = Callable[[Audio], None]  # takes the next hop through encode and decode


def measure(against: str | None = None) -> list[Row]:
    """Seconds (best of 5) and GFLOP of a live frame (encode + two-step decode), ours in float32 and in bfloat16.

    Beside them the package's in float32, if it is named. CodecError if the package is asked for and not installed.
    """
    torch.set_num_threads(THREADS)
    busy = os.getloadavg()[0] if hasattr(os, "getloadavg") else math.nan  # two threads that share a core wait for it
    network = CoDiCodecNetwork(CoDiCodecConfig.official()).randomise(0)
    rounded = copy.deepcopy(network).set_precision(torch.bfloat16)
    contenders = {"verdigris": ours(CoDiCodec(network)), "verdigris, bfloat16": ours(CoDiCodec(rounded))}
    if against is not None:
        contenders[against] = package(network, against)
    hop, rate = network.config.hop, network.config.sample_rate
    noise = 0.1 * np.random.default_rng(0).standard_normal((2 + ROUNDS, 2, hop)).astype(np.float32)
    print(f"codec: counting the operations of {', '.join(contenders)}", file=sys.stderr)
    for frame in contenders.values():
        frame(noise[0])  # the first frame of a stream is cheaper
    gigaflops = {name: count(frame, noise[1]) / 1e9 for name, frame in contenders.items()}
    taken: dict[str, list[float]] = {name: [] for name in contenders}
    for number, chunk in enumerate(noise[2:], start=1):
        print(f"codec: round {number} of {ROUNDS}", file=sys.stderr)
        for name, frame in contenders.items():
            started = time.perf_counter()
            frame(chunk)
            taken[name].append(time.perf_counter() - started)
    seconds = {name: min(times) for name, times in taken.items()}
    rows = [Row("load average before; the rest means little above 1", busy, "processes", "< 1")]
    for name in contenders:
        what = f"{name}: live frame, official size, {THREADS} threads"
        rows += [
            Row(what, seconds[name], "s"),
            Row(what, seconds[name] * rate / hop, "× RT"),
            Row(what, gigaflops[name], "GFLOP"),
            Row(what, gigaflops[name] / seconds[name], "GFLOP/s"),
        ]
    if against is not None:
        rows.append(
            Row(f"verdigris is faster than {against} by", seconds[against] / seconds["verdigris"], "×", ">= 1.5")
        )
        rows.append(Row("arithmetic saved", 100 * (1 - gigaflops["verdigris"] / gigaflops[against]), "%"))
    return rows


def ours(codec: CoDiCodec) -> Frames:
    encoder, decoder = codec.open_encoder(), codec.open_decoder("continuous")

    def frame(chunk: Audio) -> None:
        decoder.decode(encoder.encode(chunk), Controls(steps=2))

    return frame


def package(network: CoDiCodecNetwork, name: str) -> Frames:
    """The package with these weights, float32; it reads a chunk and its lookahead anew for every frame."""
    model = package_model(network, name)
    lookahead = torch.zeros(2, network.config.lookahead)

    def frame(chunk: Audio) -> None:
        nonlocal lookahead
        samples = torch.cat([lookahead, torch.from_numpy(chunk)], dim=-1)
        lookahead = samples[:, -lookahead.shape[-1] :]
        with torch.no_grad():
            model.decode_next(model.encode(samples).reshape(8, 64), denoising_steps=2)

    return frame


def package_model(network: CoDiCodecNetwork, name: str = "codicodec") -> Any:
    """The package's model with our weights, through a file; half precision off, its hub not asked."""
    if name not in AGAINST:
        raise CodecError(f'cannot compare with "{name}"; give one of {AGAINST}.')
    try:
        import codicodec.inference
    except ImportError as error:
        raise CodecError(f'package "{name}" cannot be imported ({error}). Install the extra "parity".') from error
    codicodec.inference.download_model = lambda *args, **kwargs: None
    for module in list(sys.modules.values()):
        if getattr(module, "__name__", "").startswith("codicodec") and hasattr(module, "mixed_precision"):
            vars(module)["mixed_precision"] = False
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "codicodec.pt"
        torch.save({"gen_state_dict": to_official(network)}, path)
        model = codicodec.EncoderDecoder(load_path_inference=str(path), device="cpu")
    model.gen.requires_grad_(False)
    return model


def count(frame: Frames, chunk: Audio) -> int:
    """Floating point operations of one frame, as executed."""
    counter = FlopCounterMode(
        display=False,
        custom_mapping={torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: _attention_flops},
    )
    with counter:
        frame(chunk)
    return counter.get_total_flops()


def _attention_flops(query: Any, key: Any, value: Any, *args: Any, out_shape: Any = None, **kwargs: Any) -> int:
    batch, heads, rows, width = query
    return 2 * batch * heads * rows * key[2] * (width + value[3])
