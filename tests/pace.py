"""Whether this machine is as quick as where bars in seconds were measured.

Others that share its caches take up to half of its speed for minutes, which no run of a test can wait out. Seen by one
thread that goes through weights that its own cache does not hold and others have just pushed out.
"""

from __future__ import annotations

import time

import numpy as np
import pytest
import torch

# Once, in turns with swift's frames: this where they took 0.22 to 0.24 of real time, 1.3 where 0.27, 1.6 where 0.42.
# Not measured where they take 0.18, on a machine that is quieter yet.
QUIET_S = 1.15e-3
_generator = torch.Generator().manual_seed(0)
_WEIGHTS = [0.05 * torch.randn(480, 480, generator=_generator) for _ in range(12)]
_OTHERS = torch.zeros(1 << 22)  # 16 MB


def pace(passes: int = 100) -> float:
    """Times longer than on a quiet machine; by this thread's own time."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # those that wait for one another spend time too
    took = []
    for _ in range(passes):
        _OTHERS.sum()
        begun = time.thread_time()
        x = torch.ones(1, 480)
        for weights in 3 * _WEIGHTS:
            x = torch.tanh(x @ weights)
            x = torch.cat([x[:, 240:], x[:, :240]], 1)
        took.append(time.thread_time() - begun)
    torch.set_num_threads(threads)
    return float(np.median(took)) / QUIET_S


def within(found: float, bar: float, what: str) -> None:
    """Fail if what was found is over the bar; skip, and say so, if it is and the machine is slow at the moment."""
    if found > bar and (slow := pace()) > 1.08:
        pytest.skip(f"{what}: {found:.3f}, the bar is {bar}, on a machine {slow:.2f} times slower than a quiet one")
    assert found <= bar, what
