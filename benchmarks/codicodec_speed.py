"""Speed of CoDiCodec live, frame by frame, in the released size and as nano, compared with torch's
matrix products.

The codecs are timed in turns, so that a slow moment of the machine affects all. Operations are
those of the direct form, counted by torch in float32 (2 for each multiply-add of convolutions,
matrix products and attention). Winograd's convolution needs fewer, so a stage may exceed the peak
of matrix products. `cpu` is processor time over audio time, which depends less on other programs
than × RT.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.package import TimedCodec, package
from benchmarks.report import machine
from models.codec import Audio, DecoderControls
from models.codicodec.codec import CoDiCodec
from models.codicodec.config import SPECTRAL_CHANNELS, CoDiCodecConfig
from models.codicodec.device import evaluate, keep_freed_memory
from models.codicodec.network import CoDiCodecNetwork, Features
from models.codicodec.sampling import scales_of, sounds_of
from models.codicodec.start.digit_layout import REACH, SUPPORT, to_latent
from models.codicodec.start.frame_encoder import FrameEncoder
from models.codicodec.start.start_weights import StartWeights
from models.registry import NANO
from realtime.system.platform.priority import raise_priority

ROUNDS = {"official": 20, "nano": 80}
CODECS = {"official": "codicodec:random", "nano": "nano"}
REGRESSION_RATIO = 1.25  # time against a baseline, both in units of the matrix products' peak
STEPS = 2

Found = dict[str, Any]

# runs in a process of its own, so that start time and memory are those of the codec alone
_START = """
import json, pathlib, resource, sys, time
started = time.perf_counter()
import numpy as np
from models.codec import DecoderControls
from models.load import load
codec = load(sys.argv[1], precision=sys.argv[2])
encoder, decoder = codec.open_encoder(), codec.open_decoder("continuous")
decoder.decode(encoder.encode(np.zeros((2, codec.spec.hop), np.float32)), DecoderControls())
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
status = pathlib.Path("/proc/self/status")
if status.exists():  # on Linux, ru_maxrss includes the parent before exec
    peak = next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmHWM")) / 1024
print(json.dumps({"start_s": time.perf_counter() - started, "peak_mb": peak}))
"""


def measure(precision: str = "bfloat16", against: Sequence[str] = ()) -> Found:
    """Return every number of each model, and of the packages named in `against`.

    CodecError if one is not installed.
    """
    torch.set_num_threads(os.cpu_count() or 1)
    keep_freed_memory()  # this and the priority as in live use
    raise_priority()
    dtype = getattr(torch, precision)
    official = CoDiCodecNetwork(CoDiCodecConfig.official()).randomise(0).requires_grad_(False)
    networks = {"official": official, "nano": _nano()}
    codecs: dict[str, TimedCodec] = {}
    for name in against:
        codecs |= package(official, name)
    found: Found = {}
    for name, network in networks.items():
        _say(f"counting the operations of {name}, and its start")
        operations = {stage: count(run) for stage, run in stages(network).items()}
        exact = _outputs(network)
        network.set_precision(dtype)
        found[name] = {
            "precision": precision,
            "threads": torch.get_num_threads(),
            "gflop_per_frame": sum(operations.values()) / 1e9,
            "stages": {stage: {"gflop": done / 1e9} for stage, done in operations.items()},
            "error": _error(exact, _outputs(network)),
            **_start(CODECS[name], precision),
        }
        codecs[name] = ours(CoDiCodec(network), ROUNDS[name])
    for name, taken in interleave(codecs).items():
        found.setdefault(name, {"threads": torch.get_num_threads()}).update(taken)
    for name, network in networks.items():
        _time_stages(found[name], stages(network), matmul_peak(dtype))
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else math.nan
    return {**found, "machine": machine(), "load_average": load, "engine_overhead_percent": _engine_overhead()}


def ours(codec: CoDiCodec, rounds: int = 1) -> TimedCodec:
    """Return a stream of our codec that encodes and decodes frame by frame."""
    encoder, decoder = codec.open_encoder(), codec.open_decoder("continuous")

    def frame(chunk: Audio) -> None:
        decoder.decode(encoder.encode(chunk), DecoderControls(steps=STEPS))

    return TimedCodec(frame, codec.spec.hop, codec.spec.sample_rate, rounds)


def stages(network: CoDiCodecNetwork) -> dict[str, Callable[[], object]]:
    """Return the stages of a live frame as calls that can be repeated."""
    config = network.config
    shape = (1, SPECTRAL_CHANNELS, config.bins, config.columns)
    spectrum = torch.randn(shape, generator=torch.Generator().manual_seed(0))

    def encode() -> torch.Tensor:
        return network.encode(spectrum) if network.start is None else _encode_start(network.start)

    def decode_codes() -> Features:
        return network.features(codes, scales_of(network, sounds_of(network, codes)))

    with torch.inference_mode():
        condition, codes = network.condition(torch.tensor([1.0])), encode()
        features = decode_codes()
        kept = network.prefill_context(spectrum, condition, features)
    run: dict[str, Callable[[], object]] = {
        "encode": encode,
        "features": decode_codes,
        "left": lambda: network.prefill_context(spectrum, condition, features),
    }
    for step in range(STEPS):
        run[f"step {step + 1}"] = lambda: network.denoise_current(spectrum, condition, features, kept)
    return run


def _encode_start(start: StartWeights) -> torch.Tensor:
    """Return the codes of a frame of noise [1, latents, dims]."""
    noise = 0.1 * np.random.default_rng(0).standard_normal((2, SUPPORT + 2 * REACH)).astype(np.float32)
    return torch.from_numpy(to_latent(FrameEncoder(start).encode(noise)))[None]


def matmul_peak(dtype: torch.dtype) -> float:
    """Return the GFLOP/s of the faster of torch's matrix products and convolutions.

    At sizes of this network.
    """
    rows, weight = torch.randn(648, 512, dtype=dtype), torch.randn(2048, 512, dtype=dtype)
    image, kernel = torch.randn(1, 256, 128, 16, dtype=dtype), torch.randn(256, 256, 3, 3, dtype=dtype)
    image, kernel = (x.contiguous(memory_format=torch.channels_last) for x in (image, kernel))
    runs: dict[float, Callable[[], object]] = {
        2.0 * 648 * 512 * 2048: lambda: F.linear(rows, weight),
        2.0 * 256 * 256 * 9 * 128 * 16: lambda: F.conv2d(image, kernel, padding=1),
    }
    return max(done / _best(run, 20) / 1e9 for done, run in runs.items())


@torch.inference_mode()
def count(run: Callable[[], object]) -> int:
    """Return the number of floating point operations that a call executes."""
    mapping = {torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: _attention_flops}
    with FlopCounterMode(display=False, custom_mapping=mapping) as counter:
        run()
    return int(counter.get_total_flops())


def regressions(found: Found, baseline: Found) -> list[str]:
    """Return a line for each model that takes longer than in the baseline.

    Times are in units of each machine's own peak.
    """
    complaints = []
    for name in CODECS:
        now, before = (_relative_time(part[name]) for part in (found, baseline))
        if now > REGRESSION_RATIO * before:
            complaints.append(
                f"{name}: {now / before:.2f} × the baseline's time, in units of the matrix products' peak"
            )
    return complaints


def markdown(found: Found) -> str:
    """Return a table for the README."""
    lines = ["| model | precision | × RT p50 | p99 | worst | CPU | GFLOP a frame |", "|---|---|--:|--:|--:|--:|--:|"]
    for name, part in found.items():
        if isinstance(part, dict):
            factor = part["real_time_factor"]
            numbers = f"{factor['p50']:.2f} | {factor['p99']:.2f} | {factor['max']:.2f} | {part['cpu']:.2f}"
            lines.append(f"| {name} | {part.get('precision', '')} | {numbers} | {part.get('gflop_per_frame', 0):.0f} |")
    return "\n".join(lines)


def show(found: Found, *, as_json: bool) -> None:
    """Print the results, as JSON or as tables."""
    if as_json:
        print(json.dumps(found, indent=2))
        return
    print(f"{found['machine']}; load average {found['load_average']:.1f}; above 1 the times are not reliable\n")
    print(markdown(found), end="\n\n")
    for name in CODECS:
        part = found[name]
        print(
            f"{name}: peak of matrix products {part['ceiling']:.0f} GFLOP/s, start {part['start_s']:.1f} s, "
            f"{part['peak_mb']:.0f} MiB"
        )
        print(
            f"  error against float32: codes {part['error']['z']:.2g}, SNR of a step {part['error']['snr_db']:.0f} dB"
        )
        for stage, values in part["stages"].items():
            speed = values["gflop"] / values["s"]
            print(
                f"  {stage:10} {1000 * values['s']:8.1f} ms {speed:8.0f} GFLOP/s {100 * speed / part['ceiling']:6.0f} %"
            )
    print(f"engine beyond the codec: {found['engine_overhead_percent']:.2f} % of a hop")


def _say(what: str) -> None:
    print(f"codec: {what}", file=sys.stderr)


def _nano() -> CoDiCodecNetwork:
    from models.codicodec.checkpoint import read

    return read(NANO).requires_grad_(False)


def interleave(codecs: dict[str, TimedCodec]) -> dict[str, Found]:
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in codecs}
    rng = np.random.default_rng(0)
    chunks = {name: (0.1 * rng.standard_normal((2, c.samples))).astype(np.float32) for name, c in codecs.items()}
    for name, codec in codecs.items():
        for _ in range(2):  # the first frame of a stream is cheaper
            codec.frame(chunks[name])
    turns = max(codec.rounds for codec in codecs.values())
    for turn in range(turns):
        if turn % 5 == 0:
            _say(f"round {turn + 1} of {turns}")
        for name, codec in codecs.items():
            if turn < codec.rounds:
                started, used = time.perf_counter(), time.process_time()
                codec.frame(chunks[name])
                taken[name].append((time.perf_counter() - started, time.process_time() - used))
    found = {}
    for name, codec in codecs.items():
        wall, used = np.array(taken[name]).T * codec.rate / codec.samples
        p50, p99 = np.percentile(wall, [50, 99])
        factor = {"p50": float(p50), "p99": float(p99), "max": float(wall.max())}
        found[name] = {"real_time_factor": factor, "cpu": float(np.median(used)), "frames": len(wall)}
    return found


@torch.inference_mode()
def _time_stages(part: Found, runs: dict[str, Callable[[], object]], peak: float) -> None:
    part["ceiling"] = peak
    for stage, run in runs.items():
        part["stages"][stage]["s"] = _best(run, 5)


def _best(run: Callable[[], object], times: int) -> float:
    best = math.inf
    with torch.inference_mode():
        run()
        for _ in range(times):
            started = time.perf_counter()
            run()
            best = min(best, time.perf_counter() - started)
    return best


@torch.inference_mode()
def _outputs(network: CoDiCodecNetwork) -> tuple[torch.Tensor, torch.Tensor]:
    return evaluate(network)


def _error(exact: tuple[torch.Tensor, torch.Tensor], rounded: tuple[torch.Tensor, torch.Tensor]) -> Found:
    noise = (exact[1] - rounded[1]).square().mean() / exact[1].square().mean()
    snr = -10 * math.log10(max(float(noise), 1e-20))
    return {"z": float((exact[0] - rounded[0]).abs().max()), "snr_db": snr}


def _start(name: str, precision: str) -> Found:
    command = [sys.executable, "-c", _START, name, precision]
    answer = subprocess.run(command, check=True, capture_output=True, text=True)
    return dict(json.loads(answer.stdout))


def _engine_overhead() -> float:
    from benchmarks import worker

    return max(row.value for row in worker.measure())


def _relative_time(part: Found) -> float:
    work = part["gflop_per_frame"] / part["ceiling"] if part["gflop_per_frame"] else 1.0  # nano's start has no products
    return float(part["real_time_factor"]["p50"] / work)


def _attention_flops(query: Any, key: Any, value: Any, *args: Any, out_shape: Any = None, **kwargs: Any) -> int:
    batch, heads, rows, width = query
    return int(2 * batch * heads * rows * key[2] * (width + value[3]))
