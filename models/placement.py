"""Where a network computes and in what precision, with a reason to print.

A device is trusted only after a small network has given the CPU's results on it: some backends give sound that is
wrong rather than garbled. Half precision is used only when asked for, its error measured on this network first.
"""

from __future__ import annotations

import copy
import ctypes
import math
import os
import platform
import time

import torch
from torch import Tensor

from models import kernels
from models.codec import CodecError
from models.config import SPECTRAL_CHANNELS, CoDiCodecConfig
from models.network import CoDiCodecNetwork

PRECISIONS = ("float32", "bfloat16", "auto")
LARGE = 50_000_000  # parameters; such a network is not even tried on one thread
WORTHWHILE = 0.75  # of the time that one thread takes
M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_THRESHOLD = -1, -2, -3  # of glibc's malloc.h
KEPT_BLOCK, KEPT = 1 << 25, (1 << 31) - 1  # bytes: the largest threshold there is, and whatever is free
TOLERANCE = 1e-3  # of the probe, whose values are about 1; float32 devices differ from the CPU by about 1e-6


def place(network: CoDiCodecNetwork, device: str | None = None, precision: str | None = None) -> str:
    """Move the network to its device and precision; returns where it is and why, in one line.

    device None takes CUDA, else MPS if its results are right, else the CPU. precision None is float32; "bfloat16" is
    measured and used; "auto" uses it only if it is faster here.
    """
    precision = precision or "float32"
    if precision not in PRECISIONS:
        raise CodecError(f'precision "{precision}" not known; give one of {PRECISIONS}.')
    torch.backends.cudnn.allow_tf32 = False  # float32 means float32, also in the probe; process-wide
    chosen, why = choose_device(device)
    network.to(chosen)
    if precision == "float32":
        return f"{chosen.type}, float32: {why}"
    before = copy.deepcopy(network) if precision == "auto" else None
    exact, slow = _one_frame(network)
    rounded, fast = _one_frame(network.set_precision(torch.bfloat16))
    cost = f"{slow / fast:.2f} x the speed of float32, {_difference(network, exact, rounded)}"
    if chosen.type == "cpu" and (remark := kernels.opened()[1]):
        cost += f"; {remark}"
    if before is None or fast < slow:
        return f"{chosen.type}, bfloat16: {why}; {cost}"
    network.set_precision(torch.float32).load_state_dict(before.state_dict())
    return f"{chosen.type}, float32: {why}; bfloat16 would be {cost}"


def choose_device(device: str | None) -> tuple[torch.device, str]:
    """(device, why): the one asked for, or the best there is. CodecError if it is absent or its results are wrong."""
    present = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if device is not None:
        if not present.get(device, False):
            raise CodecError(f'device "{device}" not here; this machine has {[d for d in present if present[d]]}.')
        if device != "cpu" and (error := probe(torch.device(device))) > TOLERANCE:
            raise CodecError(f'device "{device}" computes wrongly here (error {error:.2g}); use device "cpu".')
        return torch.device(device), "asked for"
    refused = ""
    for name in ("cuda", "mps"):
        if present[name]:
            error = probe(torch.device(name))
            if error <= TOLERANCE:
                return torch.device(name), f"agrees with the CPU to {error:.1g}"
            refused += f"{name} refused, its results are off by {error:.2g}; "
    return torch.device("cpu"), refused + ("no accelerator" if not refused else "the CPU is right")


def keep_memory() -> None:
    """Have the C library keep what is freed, process-wide, where that is glibc; for live use.

    By default it gives large blocks back to the system, which clears them page by page when they are wanted again: for
    the activations of one frame of the official size 33 000 times.
    """
    if platform.libc_ver()[0] == "glibc":
        libc = ctypes.CDLL(None)
        for option, value in ((M_MMAP_THRESHOLD, KEPT_BLOCK), (M_TRIM_THRESHOLD, KEPT), (M_TOP_PAD, KEPT_BLOCK)):
            libc.mallopt(option, value)


def use_threads(network: CoDiCodecNetwork) -> int:
    """Have torch use every core if that is clearly faster here and now, else one thread; process-wide.

    Threads wait for each other many times in a frame. On a machine that is busy with other things, two of them were
    seen to take twenty times as long as one. Another number of threads may change results in the last bit.
    """
    cores = os.cpu_count() or 1
    torch.set_num_threads(cores)
    if cores == 1 or sum(p.numel() for p in network.parameters()) >= LARGE:
        return cores
    together = _one_frame(network)[1]
    torch.set_num_threads(1)
    alone = _one_frame(network)[1]
    if together < WORTHWHILE * alone:
        torch.set_num_threads(cores)
    return torch.get_num_threads()


@torch.inference_mode()
def probe(device: torch.device) -> float:
    """Largest difference of a small random network's results on this device from the CPU's; inf if it cannot run."""
    network = CoDiCodecNetwork(CoDiCodecConfig.tiny()).randomise(0)
    expected = _evaluate(network)
    try:
        found = _evaluate(network.to(device))
    except (RuntimeError, NotImplementedError):
        return math.inf
    error = max((a - b).abs().max().item() for a, b in zip(expected, found, strict=True))
    return error if math.isfinite(error) else math.inf


def _evaluate(network: CoDiCodecNetwork) -> tuple[Tensor, Tensor]:
    """One frame of fixed noise: its codes, and one denoising of them from noise."""
    config = network.config
    noise = torch.randn(1, SPECTRAL_CHANNELS, config.bins, config.columns, generator=torch.Generator().manual_seed(0))
    noise = noise.to(network.device)
    codes = network.encode(0.3 * noise)
    condition = network.condition(torch.tensor([config.sigma_max], device=network.device))
    estimate, _ = network.denoise_left(config.sigma_max * noise, condition, network.features(codes))
    return codes.cpu(), estimate.cpu()


@torch.inference_mode()
def _one_frame(network: CoDiCodecNetwork) -> tuple[tuple[Tensor, Tensor], float]:
    """What it gives, and the seconds it took: the less of a cold and a warm time."""
    took = []
    for _ in range(2):
        start = time.perf_counter()
        result = _evaluate(network)
        took.append(time.perf_counter() - start)
    return result, min(took)


def _difference(network: CoDiCodecNetwork, exact: tuple[Tensor, Tensor], rounded: tuple[Tensor, Tensor]) -> str:
    fsq = copy.deepcopy(network.fsq).cpu()
    codes = (exact[0] - rounded[0]).abs().max().item()
    tokens = (fsq.tokens(exact[0]) != fsq.tokens(rounded[0])).float().mean().item()
    noise = ((exact[1] - rounded[1]).square().mean() / exact[1].square().mean()).sqrt().item()
    return (
        f"codes off by at most {codes:.2g}, {100 * tokens:.1f} % of tokens changed, "
        f"spectrum off by {20 * math.log10(max(noise, 1e-12)):.0f} dB"
    )
