"""Device and precision of a network, with a reason for the user.

A device is used only after a small network has given the CPU's results on it: some backends compute
plausible but wrong audio. Half precision is used on request only, and its error on the network is
measured.
"""

from __future__ import annotations

import copy
import ctypes
import math
import platform
import time

import torch
from torch import Tensor

from models import kernels
from models.codec import CodecError
from models.codicodec.accelerator import cuda_available, fall_back_to_cpu, first_line
from models.codicodec.config import SPECTRAL_CHANNELS, CoDiCodecConfig
from models.codicodec.network import CoDiCodecNetwork
from models.cores import cores_are_free, usable_cores

PRECISIONS = ("float32", "bfloat16", "auto")
MANY_PARAMETERS = 50_000_000  # with more, one thread is not tried
MAX_RELATIVE_TIME = 0.75  # of all cores to one thread, for all cores to be used
M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_THRESHOLD = -1, -2, -3  # options of glibc's malloc.h
MMAP_THRESHOLD, TRIM_THRESHOLD = 1 << 25, (1 << 31) - 1  # bytes, the largest possible
TOLERANCE = 1e-3  # of `probe`, whose values are about 1; float32 devices differ by about 1e-6


def place_network(network: CoDiCodecNetwork, device: str | None = None, precision: str | None = None) -> str:
    """Move the network to a device and precision; return both with the reason, in one line.

    Device None is CUDA, else MPS if its results are correct, else the CPU. Precision None is
    float32; "bfloat16" is measured and used; "auto" uses it only if it is faster here. A device
    that fails while the network moves there, for lack of memory or as it vanishes, is left for the
    CPU, unless it was asked for. Raise CodecError for an unknown precision, or a device that is
    missing or fails.
    """
    precision = precision or "float32"
    if precision not in PRECISIONS:
        raise CodecError(f'precision "{precision}" is unknown. Pass one of {", ".join(PRECISIONS)}.')
    torch.backends.cudnn.allow_tf32 = False  # float32 means float32, also in the probe; process-wide
    chosen, why = choose_device(device)
    try:
        return _place(network, chosen, why, precision)
    except RuntimeError as error:  # torch.OutOfMemoryError is one
        if chosen.type == "cpu":
            raise
        why = f"{chosen.type} refused ({first_line(error)})"
        if device is not None:
            raise CodecError(f'device "{device}" failed ({first_line(error)}). Pass device "cpu".') from error
        try:
            fall_back_to_cpu(network)
        except RuntimeError as lost:
            raise CodecError(f"{why}, and its weights cannot be read back. Load the codec again.") from lost
    return _place(network, torch.device("cpu"), why, precision)


def _place(network: CoDiCodecNetwork, chosen: torch.device, why: str, precision: str) -> str:
    """Move the network and return the line of `place_network`. RuntimeError if the device fails."""
    network.to(chosen)
    if precision == "float32":
        return f"{chosen.type}, float32: {why}"
    before = copy.deepcopy(network) if precision == "auto" else None
    exact, slow = time_frame(network)
    rounded, fast = time_frame(network.set_precision(torch.bfloat16))
    cost = f"{slow / fast:.2f} x the speed of float32, {_describe_error(network, exact, rounded)}"
    if chosen.type == "cpu" and (remark := kernels.load_library()[1]):
        cost += f"; {remark}"
    if before is None or fast < slow:
        return f"{chosen.type}, bfloat16: {why}; {cost}"
    network.set_precision(torch.float32).load_state_dict(before.state_dict())
    return f"{chosen.type}, float32: {why}; bfloat16 would be {cost}"


def choose_device(device: str | None) -> tuple[torch.device, str]:
    """Return the requested device, or the best one, and the reason.

    Raise CodecError if the requested device is missing or its results are wrong.
    """
    cuda, cuda_problem = cuda_available()
    present = {"cuda": cuda, "mps": torch.backends.mps.is_available(), "cpu": True}
    if device is not None:
        if not present.get(device, False):
            available = ", ".join(name for name in present if present[name])
            problem = f" ({cuda_problem})" if device == "cuda" and cuda_problem else ""
            raise CodecError(f'device "{device}" is not available{problem}. This machine has {available}.')
        if device != "cpu" and (error := probe(torch.device(device))) > TOLERANCE:
            raise CodecError(f'device "{device}" {_refusal(torch.device(device), error)} here. Pass device "cpu".')
        return torch.device(device), "requested"
    refused = f"cuda is not available ({cuda_problem}); " if cuda_problem else ""
    for name in ("cuda", "mps"):
        if present[name]:
            error = probe(torch.device(name))
            if error <= TOLERANCE:
                return torch.device(name), f"agrees with the CPU to {error:.1g}"
            refused += f"{name} refused, it {_refusal(torch.device(name), error)}; "
    return torch.device("cpu"), refused + ("no accelerator" if not refused else "the CPU is correct")


def _refusal(device: torch.device, error: float) -> str:
    """Return how a device failed its probe: with an error of torch, or with wrong results."""
    if math.isfinite(error):
        return f"computes wrongly, its results are off by {error:.2g}"
    try:
        evaluate(CoDiCodecNetwork(CoDiCodecConfig.tiny()).randomise(0).to(device))
    except (RuntimeError, NotImplementedError) as failed:
        return f"cannot compute ({first_line(failed)})"
    return "gives numbers that are not finite"


def keep_freed_memory() -> None:
    """Configure glibc to keep freed memory, for the whole process; for live use.

    By default it returns large blocks to the system, and new ones are page faults: 33 000 for the
    activations of one frame of the released size. Does nothing with other C libraries.
    """
    if platform.libc_ver()[0] == "glibc":
        libc = ctypes.CDLL(None)
        libc.mallopt(M_MMAP_THRESHOLD, MMAP_THRESHOLD)
        libc.mallopt(M_TRIM_THRESHOLD, TRIM_THRESHOLD)
        libc.mallopt(M_TOP_PAD, MMAP_THRESHOLD)


def choose_threads(network: CoDiCodecNetwork) -> int:
    """Set torch's threads to all cores if they are free and that is clearly faster, else to one.

    Return the number. The setting is of the whole process. Threads wait for each other many times
    in a frame: on a busy machine, two can take 20 times as long as one, and even trying them takes
    seconds. The number of threads may change results in the last bit.
    """
    cores = usable_cores()
    torch.set_num_threads(cores)
    if cores == 1 or sum(p.numel() for p in network.parameters()) >= MANY_PARAMETERS:
        return cores
    if not cores_are_free():
        torch.set_num_threads(1)
        return 1
    all_cores = time_frame(network)[1]
    torch.set_num_threads(1)
    one_thread = time_frame(network)[1]
    if all_cores < MAX_RELATIVE_TIME * one_thread:
        torch.set_num_threads(cores)
    return torch.get_num_threads()


@torch.inference_mode()
def probe(device: torch.device) -> float:
    """Return the largest difference of a small network's results on a device from the CPU's.

    Return infinity if the network cannot run there.
    """
    network = CoDiCodecNetwork(CoDiCodecConfig.tiny()).randomise(0)
    expected = evaluate(network)
    try:
        found = evaluate(network.to(device))
    except (RuntimeError, NotImplementedError):
        return math.inf
    error = max((a - b).abs().max().item() for a, b in zip(expected, found, strict=True))
    return error if math.isfinite(error) else math.inf


def evaluate(network: CoDiCodecNetwork) -> tuple[Tensor, Tensor]:
    """Return the codes of a frame of fixed noise, and one denoising of them.

    With a start, codes and loudness are fixed: those are numpy's, and do not depend on the network.
    """
    config, generator = network.config, torch.Generator().manual_seed(0)
    noise = torch.randn(1, SPECTRAL_CHANNELS, config.bins, config.columns, generator=generator).to(network.device)
    scales = None
    if config.start:
        codes = noise[0, 0, : config.latents, : len(config.levels)].clamp(-1, 1)[None]
        scales = torch.zeros(1, 2, config.bins, config.columns, device=network.device)
    else:
        codes = network.encode(0.3 * noise)
    condition = network.condition(torch.tensor([config.sigma_max], device=network.device))
    estimate, _ = network.denoise_context(config.sigma_max * noise, condition, network.features(codes, scales))
    return codes.cpu(), estimate.cpu()


@torch.inference_mode()
def time_frame(network: CoDiCodecNetwork) -> tuple[tuple[Tensor, Tensor], float]:
    """Return the results of `evaluate` and its time in seconds, the shorter of two."""
    times = []
    for _ in range(2):
        start = time.perf_counter()
        result = evaluate(network)
        times.append(time.perf_counter() - start)
    return result, min(times)


def _describe_error(network: CoDiCodecNetwork, exact: tuple[Tensor, Tensor], rounded: tuple[Tensor, Tensor]) -> str:
    """Return the errors of codes, tokens and spectrum in half precision, as text."""
    fsq = copy.deepcopy(network.fsq).cpu()
    codes = (exact[0] - rounded[0]).abs().max().item()
    tokens = (fsq.tokens(exact[0]) != fsq.tokens(rounded[0])).float().mean().item()
    noise = ((exact[1] - rounded[1]).square().mean() / exact[1].square().mean()).sqrt().item()
    return (
        f"codes off by at most {codes:.2g}, {100 * tokens:.1f} % of tokens changed, "
        f"spectrum off by {20 * math.log10(max(noise, 1e-12)):.0f} dB"
    )
