"""Accelerators: which ones torch sees, why one is not used, and the way back to the CPU.

A GPU may be there and of no use: its driver is too old for this torch, this torch has no code for
its architecture, its memory is taken, or it stops answering. Each is told in one line.
"""

from __future__ import annotations

import contextlib
import warnings
from pathlib import Path

import torch

from models.codicodec.cuda_graphs import GRAPHED_METHODS, GraphedFunction
from models.codicodec.network import CoDiCodecNetwork

NVIDIA_DRIVER = Path("/proc/driver/nvidia/version")
LONGEST_REASON = 160  # characters


def cuda_available() -> tuple[bool, str]:
    """Return True if torch can use an NVIDIA GPU; else why not, "" if there is no sign of one."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        try:
            if torch.cuda.is_available():
                return True, ""
        except (RuntimeError, AssertionError, OSError) as error:
            return False, first_line(error)
    if said:  # such as a driver that is too old for this torch
        return False, first_line(said[-1].message)
    if NVIDIA_DRIVER.exists() and torch.version.cuda is None:
        return False, "this build of torch has no CUDA; install the one for it"
    return False, ""


def first_line(error: object) -> str:
    """Return the first line of an error of torch, which may have a page of advice below."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0][:LONGEST_REASON]


def fall_back_to_cpu(network: CoDiCodecNetwork) -> None:
    """Move a network back to the CPU, in float32 and without graphs.

    RuntimeError if the device does not answer any more: then the weights on it are lost.
    """
    for name in GRAPHED_METHODS:
        if isinstance(getattr(network, name), GraphedFunction):
            delattr(network, name)  # the class's own method is below
    network.to("cpu")
    network.set_precision(torch.float32)
    with contextlib.suppress(RuntimeError):
        torch.cuda.empty_cache()
