"""Table of a machine: what each codec takes live, beside the packages, in one run.

All contenders run in one process with one thread, in turns. Times are processor time over the
sound's duration (× RT): other programs hardly change it, and what is below 1 keeps up on one core.
The limit is the larger of two times, by speeds of this core measured in the same run: of the
multiplications at the peak of torch's own products, and of reading all weights once a frame where
they exceed a cache. "calls" is that of a codec whose time goes into many small calls.

`isa` avx2 limits torch (ATEN_CPU_CAPABILITY), oneDNN (ONEDNN_MAX_CPU_ISA), numpy, OpenBLAS and our
kernels to what CPUs without AVX-512 have, in the child process that measures.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from benchmarks.report import machine
from realtime.system.platform.machine import load as machine_load

# numpy's names of its groups of code: X86_V4 since 2.4, the others before. It ignores those that it does not have.
AVX512 = "X86_V4 AVX512F AVX512CD AVX512_SKX AVX512_CLX AVX512_CNL AVX512_ICL AVX512_SPR"
ISAS: dict[str, dict[str, str]] = {
    "native": {},
    "avx2": {
        "ATEN_CPU_CAPABILITY": "avx2",
        "ONEDNN_MAX_CPU_ISA": "AVX2",
        "MKL_ENABLE_INSTRUCTIONS": "AVX2",
        "OPENBLAS_CORETYPE": "Haswell",
        "NPY_DISABLE_CPU_FEATURES": AVX512,
        "VERDIGRIS_ISA": "avx2",
    },
}
# name, precision, rounds of 4 frames; the released size takes seconds a frame
CODECS = (
    ("swift", "float32", 12),
    ("nano", "float32", 8),
    ("nano", "bfloat16", 8),
    ("lyra:6", "float32", 12),
    ("encodec24:random", "float32", 12),
    ("encodec24:random:frames=8", "float32", 6),
    ("mimi:random", "float32", 4),
    ("codicodec:random", "float32", 1),
    ("codicodec:random", "bfloat16", 1),
)
PACKAGE_ROUNDS, FRAMES = 4, 4
CACHE_BYTES = 32 << 20  # of weights, that the last cache of a usual CPU may keep
_CHILD = "from benchmarks.machine_table import serve; serve()"

Found = dict[str, Any]
Call = Callable[[], object]


@dataclass(frozen=True)
class MachineRow:
    """A codec, ours or a package's, and what it takes; × RT on one thread."""

    name: str
    rt: float
    worst: float
    limit: float | None = None  # × RT of the multiplications alone
    compared_with: str = ""
    ratio: float | None = None  # their time over ours


def measure(isa: str = "native", *, quick: bool = False) -> Found:
    """Return the table of an instruction set, of ISAS; `quick` leaves the released size out."""
    environment = {**os.environ, **ISAS[isa], "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    environment["VERDIGRIS_THREADS"] = "1"
    command = [sys.executable, "-c", _CHILD, *(["quick"] if quick else [])]
    answer = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment)
    found: Found = json.loads(answer.stdout.splitlines()[-1])
    return {"isa": isa, "machine": f"{found.pop('cpu')}; {machine()}", **found}


def serve() -> None:
    """Measure in this process and print JSON. A child's main."""
    import torch

    from benchmarks.codicodec_speed import count
    from models.kernels.race import cpu_model

    torch.set_num_threads(1)
    peaks = {name: _peak(getattr(torch, name)) for name in ("float32", "bfloat16")}
    bandwidth = _bandwidth()
    calls: dict[str, tuple[Call, float, int]] = {}
    limits: dict[str, float] = {}
    for name, precision, rounds in CODECS:
        if "quick" in sys.argv and name.startswith("codicodec"):
            continue
        label = f"{name}, {precision}"
        print(f"machine: loading {label}", file=sys.stderr)
        try:
            call, hop_s, weights = _ours(name, precision)
        except Exception as error:  # noqa: BLE001 - weights or an extra that is not here
            print(f"machine: {label} left out: {error}", file=sys.stderr)
            continue
        calls[label] = (call, hop_s, rounds)
        if not name.startswith("swift"):
            whole = (call, hop_s, weights) if precision == "float32" else _ours(name, "float32")
            whole[0]()
            limits[label] = max(  # counted in float32, where torch sees all
                count(whole[0]) / (peaks[precision] * 1e9) / hop_s, _read_s(weights, bandwidth) / hop_s
            )
    calls |= _packages()
    taken = _in_turns(calls)
    rows = []
    for label, times in taken.items():
        theirs = next((name for name in taken if name.startswith("package") and _same(name, label)), "")
        rt, worst = float(np.median(times)), float(np.max(times))
        ratio = float(np.median(taken[theirs])) / rt if theirs else None
        rows.append(asdict(MachineRow(label, rt, worst, limits.get(label), theirs, ratio)))
    peak = {name: round(value) for name, value in peaks.items()}
    facts = {"cpu": cpu_model(), "peak_gflops": peak, "read_gb_s": round(bandwidth / 1e9, 1)}
    print(json.dumps({**facts, "load": machine_load(), "rows": rows}))


def markdown(found: Found) -> str:
    """Return the table for docs/performance.md."""
    peaks = ", ".join(f"{name} {value}" for name, value in found["peak_gflops"].items())
    lines = [
        f"{found['machine']}; instruction set {found['isa']}; one thread; peak of torch's products {peaks} GFLOP/s; "
        f"{found['read_gb_s']} GB/s read; load average {found['load']:.1f}",
        "",
        "| codec | × RT, one core | worst | limit | the package's own |",
        "|---|--:|--:|--:|---|",
    ]
    for row in found["rows"]:
        limit = "calls" if row["limit"] is None else f"{row['limit']:.2f}"
        limit = "" if row["name"].startswith("package") else limit
        theirs = f"{row['ratio']:.1f} × this" if row["ratio"] is not None else ""
        lines.append(f"| {row['name']} | {row['rt']:.3f} | {row['worst']:.3f} | {limit} | {theirs} |")
    return "\n".join(lines)


def _ours(name: str, precision: str) -> tuple[Call, float, int]:
    """Return a call that codes a stream's next frame, the frame's seconds, and bytes of weights."""
    from models.codec import DecoderControls
    from models.load import load

    codec = load(name, precision=precision)
    spec = codec.spec
    encoder, decoder = codec.open_encoder(), codec.open_decoder(spec.paths[0])
    noise = (0.1 * np.random.default_rng(0).standard_normal((spec.channels, spec.hop))).astype(np.float32)
    network = getattr(codec, "network", None)
    weights = sum(weight.nbytes for weight in network.state_dict().values()) if network else 0
    return lambda: decoder.decode(encoder.encode(noise), DecoderControls()), spec.hop / spec.sample_rate, weights


def _peak(dtype: Any) -> float:
    """Return the GFLOP/s of torch's products of 648 x 512 by 512 x 2048, by processor time."""
    import torch
    from torch.nn import functional as F

    rows, weight = torch.randn(648, 512, dtype=dtype), torch.randn(2048, 512, dtype=dtype)
    return 2 * 648 * 512 * 2048 / _least(lambda: F.linear(rows, weight)) / 1e9


def _bandwidth() -> float:
    """Return the bytes a second that one thread reads from memory, by processor time."""
    import torch

    much = torch.ones(1 << 26)
    return much.nbytes / _least(much.sum)


def _read_s(weights: int, bandwidth: float) -> float:
    """Return the seconds that reading weights takes; 0 if they stay in a cache."""
    return weights / bandwidth if weights > CACHE_BYTES else 0.0


def _least(run: Call, times: int = 10) -> float:
    """Return the least processor time of a call in seconds."""
    taken = []
    run()
    for _ in range(times):
        started = time.process_time()
        run()
        taken.append(time.process_time() - started)
    return min(taken)


def _packages() -> dict[str, tuple[Call, float, int]]:
    """Return the package `encodec` where it is installed: a hop at a time without state, and a file."""
    import torch

    from benchmarks.references import reference
    from models.codec import CodecError

    try:
        through = reference("encodec24").through
    except CodecError as error:
        print(f"machine: left out: {error}", file=sys.stderr)
        return {}

    def call(samples: int) -> Call:
        x = 0.1 * torch.randn(1, 1, samples)

        def run() -> None:
            with torch.inference_mode():
                through(x)

        return run

    return {
        "package encodec, 24 kHz, a hop": (call(320), 320 / 24_000, PACKAGE_ROUNDS),
        "package encodec, 24 kHz, 8 hops": (call(2560), 2560 / 24_000, PACKAGE_ROUNDS),
    }


def _same(package: str, label: str) -> bool:
    """Return True if a package's row is that of our codec, with as long a frame."""
    return label.startswith("encodec24") and package.endswith("8 hops") == ("frames=8" in label)


def _in_turns(calls: dict[str, tuple[Call, float, int]]) -> dict[str, list[float]]:
    """Return the × RT of each timed frame, by processor time."""
    taken: dict[str, list[float]] = {name: [] for name in calls}
    for call, _, rounds in calls.values():
        for _ in range(1 if rounds == 1 else FRAMES):  # the first frames of a stream are cheaper, or allocate
            call()
    for number in range(max(rounds for _, _, rounds in calls.values())):
        print(f"machine: round {number + 1}", file=sys.stderr)
        for name, (call, seconds, rounds) in calls.items():
            if number < rounds:
                for _ in range(1 if rounds == 1 else FRAMES):
                    started = time.process_time()
                    call()
                    taken[name].append((time.process_time() - started) / seconds)
    return taken
