"""The worker process starts before everything else, so it must import nothing slow."""

from __future__ import annotations

import subprocess
import sys


def test_starting_a_worker_early_imports_neither_torch_nor_numba_nor_numpy() -> None:
    code = "import sys, realtime.worker.worker_process\nassert not {'torch', 'numba', 'numpy'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=100)
