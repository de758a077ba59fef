"""What is started before all else is to take no time itself."""

from __future__ import annotations

import subprocess
import sys


def test_starting_a_worker_early_imports_neither_torch_nor_numba_nor_numpy() -> None:
    asked = "import sys, realtime.worker_process\nassert not {'torch', 'numba', 'numpy'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", asked], check=True, timeout=100)
