"""Threads of torch: their busy-waiting, set before torch is imported, and their number."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

OMP_SPIN_COUNT, OMP_SPIN_COUNT_PREFERRED = "2000", "200000"  # about 0.1 and 10 ms


def limit_openmp_spinning(*, preferred: bool = False) -> None:
    """Limit OpenMP busy-waiting (GOMP_SPINCOUNT).

    Must run before torch is imported; only the first call counts. torch's threads wait for each
    other many times in a frame. Spinning threads can take the core from the thread that they wait
    for. `preferred` is for a process that the system schedules before others, where longer spinning
    pays.
    """
    os.environ.setdefault("GOMP_SPINCOUNT", OMP_SPIN_COUNT_PREFERRED if preferred else OMP_SPIN_COUNT)


def torch_threads() -> int:
    """Return how many threads torch uses in the calling thread; 0 if torch is not imported."""
    torch = sys.modules.get("torch")
    return torch.get_num_threads() if torch else 0


def use_torch_threads(count: int) -> None:
    """Let torch use so many threads in the calling thread; 0 changes nothing."""
    torch = sys.modules.get("torch")
    if torch and count:
        torch.set_num_threads(count)


@contextmanager
def one_torch_thread() -> Iterator[None]:
    """Let torch use one thread of the calling thread's in the with block, as for loading weights.

    Many small operations gain nothing by several threads, and on a busy machine these wait for each
    other.
    """
    before = torch_threads()
    use_torch_threads(1)
    try:
        yield
    finally:
        use_torch_threads(before)
