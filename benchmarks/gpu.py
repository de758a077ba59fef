"""Everything that a GPU has to prove, by one command: parity, CUDA graphs, transfers, playing live.

    parity     a frame's codes, tokens and spectrum against the CPU in float32
    graphs     a frame with and without CUDA graphs: the same result, and the time of both
    transfers  a chunk of audio to the GPU and back, by pinned and by ordinary memory
    live       `verdigris live` by the clock, 30 s of each codec: × RT, dropouts

Nothing here needs a GPU to be imported or tested: another device can stand in for it.
"""

from __future__ import annotations

import json
import math
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch

from benchmarks.report import machine
from models.codec import CodecError
from models.codicodec.accelerator import cuda_available
from models.codicodec.checkpoint import load_codec
from models.codicodec.config import SPECTRAL_CHANNELS
from models.codicodec.cuda_graphs import use_cuda_graphs
from models.codicodec.device import evaluate
from models.codicodec.network import CoDiCodecNetwork

NETWORKS = ("codicodec:random",)  # nano has no learnt part
LIVE = ("codicodec:random:discrete", "nano:discrete", "swift")
PRECISIONS = ("float32", "bfloat16")
MAX_FRAME_MS = 10.0  # of the released size, on an H200
LIVE_S, REPEATS = 30.0, 20

Found = dict[str, Any]


def measure(
    device: str = "cuda",
    networks: Sequence[str] = NETWORKS,
    live: Sequence[str] = LIVE,
    seconds: float = LIVE_S,
    graphs: Callable[[CoDiCodecNetwork], None] = use_cuda_graphs,
) -> Found:
    """Return every number. CodecError, with the reason, if there is no GPU that can be used."""
    found: Found = {"machine": machine(), "torch": torch.__version__, "device": describe(device)}
    found["networks"] = [
        row for name in networks for precision in PRECISIONS for row in [network_row(name, precision, device, graphs)]
    ]
    found["transfers"] = transfers(device)
    found["live"] = [live_row(name, seconds) for name in live]
    return found


def describe(device: str) -> str:
    """Return the device's name, memory and driver. CodecError if torch cannot use it."""
    if device != "cuda":
        return device
    available, problem = cuda_available()
    if not available:
        raise CodecError(f"no GPU can be used: {problem or 'torch sees none'}. Run this on a machine that has one.")
    held = torch.cuda.get_device_properties(0)
    driver = f"CUDA {torch.version.cuda}, compute capability {held.major}.{held.minor}"
    return f"{held.name}, {held.total_memory / 1e9:.0f} GB, {driver}"


@torch.inference_mode()
def network_row(name: str, precision: str, device: str, graphs: Callable[[CoDiCodecNetwork], None]) -> Found:
    """Return parity and times of one network in one precision, without and with graphs."""
    _say(f"{name}, {precision}")
    network = load_codec(name, "float32", "cpu").network
    exact = evaluate(network)
    network.to(device).set_precision(getattr(torch, precision))
    plain = evaluate(network)
    plain_s = _frame_s(network, device)
    graphs(network)
    evaluate(network)  # captured
    replayed = evaluate(network)
    tokens = [network.fsq.cpu().tokens(codes) for codes in (exact[0], plain[0])]
    network.fsq.to(device)
    return {
        "network": name,
        "precision": precision,
        "codes_off": _largest(exact[0], plain[0]),
        "tokens_changed": float((tokens[0] != tokens[1]).float().mean()),
        "spectrum_db": _db(exact[1], plain[1]),
        "graphs_off": max(_largest(a, b) for a, b in zip(plain, replayed, strict=True)),
        "frame_ms": 1000 * plain_s,
        "frame_graphs_ms": 1000 * _frame_s(network, device),
        "frame_rt": plain_s * network.config.sample_rate / network.config.hop,
        "memory_mb": torch.cuda.max_memory_allocated() / 1e6 if device == "cuda" else math.nan,
    }


def transfers(device: str, samples: int = 1 << 15) -> list[Found]:
    """Return the milliseconds of stereo samples to the device and back, by kind of memory."""
    rows: list[Found] = []
    for kind in ("pinned", "ordinary"):
        try:
            host = torch.empty(2, samples, pin_memory=kind == "pinned")
        except RuntimeError as error:  # memory can be pinned for a GPU only
            rows.append({"memory": kind, "problem": str(error).splitlines()[0]})
            continue
        there = host.to(device)
        to = _median_s(partial(host.to, device, non_blocking=True), device)
        back = _median_s(partial(host.copy_, there, non_blocking=True), device)
        rows.append({"memory": kind, "to_ms": 1000 * to, "back_ms": 1000 * back})
    return rows


def live_row(name: str, seconds: float) -> Found:
    """Play a codec by the clock in a process of its own; return its load, dropouts and remarks."""
    _say(f"live {name}, {seconds:.0f} s")
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "report.json")
        command = [sys.executable, "-m", "realtime.cli.main", "live", "--driver", "clock", "--a", name, "--b", "off"]
        command += ["--precision", "auto", "--seconds", str(seconds), "--report", str(report), "--osc", "0"]
        answer = subprocess.run(command, capture_output=True, text=True, check=False)
        if answer.returncode or not report.is_file():
            last = (answer.stderr.strip().splitlines() or ["no message"])[-1]
            return {"codec": name, "problem": f"exit code {answer.returncode}: {last}"}
        played = json.loads(report.read_text(encoding="utf-8"))
    factor = played["real_time_factor"]
    return {
        "codec": name,
        "p50": factor["p50"],
        "p99": factor["p99"],
        "max": factor["max"],
        "misses": played["misses"],  # by kind
        "latency_ms": 1000 * played["latency_samples"] / played["sample_rate"],
        "remarks": [line for line in answer.stdout.splitlines() if "cuda" in line or "cpu," in line],
    }


def markdown(found: Found) -> str:
    """Return the tables for docs/performance.md."""
    lines = [f"{found['device']}; torch {found['torch']}; {found['machine']}", ""]
    lines += ["| network | precision | codes off | tokens changed | spectrum | graphs off | ms a frame | with graphs |"]
    lines += ["|---|---|--:|--:|--:|--:|--:|--:|"]
    for row in found["networks"]:
        parity = f"{row['codes_off']:.1g} | {100 * row['tokens_changed']:.1f} % | {row['spectrum_db']:.0f} dB"
        times = f"{row['frame_ms']:.1f} | {row['frame_graphs_ms']:.1f}"
        lines.append(f"| {row['network']} | {row['precision']} | {parity} | {row['graphs_off']:.1g} | {times} |")
    lines += ["", "| memory | to the device, ms | back, ms |", "|---|--:|--:|"]
    for row in found["transfers"]:
        both = row.get("problem") or f"{row['to_ms']:.3f} | {row['back_ms']:.3f}"
        lines.append(f"| {row['memory']} | {both} |")
    lines += ["", "| live | × RT p50 | p99 | worst | dropouts | latency, ms |", "|---|--:|--:|--:|---|--:|"]
    for row in found["live"]:
        if "problem" in row:
            lines.append(f"| {row['codec']} | {row['problem']} |")
        else:
            load = f"{row['p50']:.3f} | {row['p99']:.3f} | {row['max']:.3f}"
            lines.append(f"| {row['codec']} | {load} | {_dropouts(row) or 'none'} | {row['latency_ms']:.0f} |")
    return "\n".join(lines)


def complaints(found: Found) -> list[str]:
    """Return a line for everything that is not as it should be."""
    rows = found["networks"]
    wrong = [
        f"{row['network']} in {row['precision']}: graphs change the result by {row['graphs_off']:.2g}"
        for row in rows
        if row["graphs_off"] > 1e-3
    ]
    wrong += [
        f"{row['network']} in float32: codes are off by {row['codes_off']:.2g}"
        for row in rows
        if row["precision"] == "float32" and row["codes_off"] > 1e-2
    ]
    wrong += [
        f"{row['network']} in {row['precision']}: {row['frame_graphs_ms']:.1f} ms a frame, more than {MAX_FRAME_MS:.0f}"
        for row in rows
        if row["network"].startswith("codicodec") and row["precision"] == "bfloat16"
        if row["frame_graphs_ms"] > MAX_FRAME_MS
    ]
    wrong += [f"live {row['codec']}: {row['problem']}" for row in found["live"] if "problem" in row]
    return wrong + [f"live {row['codec']}: dropouts {said}" for row in found["live"] if (said := _dropouts(row))]


def _dropouts(row: Found) -> str:
    """Return the dropouts of a live run by kind, as text; "" for none."""
    return ", ".join(f"{kind} {count}" for kind, count in row.get("misses", {}).items() if count)


def _frame_s(network: CoDiCodecNetwork, device: str) -> float:
    """Return the median time of the network's part of a live frame with two steps."""
    config = network.config
    shape = (1, SPECTRAL_CHANNELS, config.bins, config.columns)
    spectrum = torch.randn(shape, generator=torch.Generator().manual_seed(0)).to(device)
    condition = network.condition(torch.tensor([1.0], device=device))

    def frame() -> object:
        features = network.features(network.encode(spectrum))
        kept = network.prefill_context(spectrum, condition, features)
        network.denoise_current(spectrum, condition, features, kept)
        return network.denoise_current(spectrum, condition, features, kept)

    return _median_s(frame, device)


def _median_s(run: Callable[[], object], device: str) -> float:
    taken = []
    for number in range(REPEATS + 3):
        started = time.perf_counter()
        run()
        if device == "cuda":
            torch.cuda.synchronize()
        if number >= 3:
            taken.append(time.perf_counter() - started)
    return sorted(taken)[len(taken) // 2]


def _largest(one: torch.Tensor, other: torch.Tensor) -> float:
    return float((one.cpu() - other.cpu()).abs().max())


def _db(exact: torch.Tensor, found: torch.Tensor) -> float:
    """Return the error of a spectrum, relative to it, in dB."""
    noise = (exact - found.cpu()).square().mean() / exact.square().mean()
    return 10 * math.log10(max(float(noise), 1e-20))


def _say(what: str) -> None:
    print(f"gpu: {what}", file=sys.stderr)
