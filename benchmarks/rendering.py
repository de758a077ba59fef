"""Speed and peak memory of rendering a long file, and one a tenth as long."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import soundfile

from benchmarks.report import Row

RATE = 48_000

# runs in a process of its own, so that the peak is that of rendering
_CHILD = """
import json, resource, sys
from pathlib import Path
from realtime.offline.job import Job
from realtime.offline.render_in_blocks import render
done = render(Job(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]))
print(json.dumps(done | {"peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))
"""


def measure(minutes: float = 60.0, codec: str = "opus:24") -> list[Row]:
    """Render noise of so many minutes, and of a tenth of that."""
    rows = []
    with tempfile.TemporaryDirectory() as directory:
        for length in (minutes / 10, minutes):
            source = Path(directory) / "long.wav"
            _write(source, length)
            started = time.perf_counter()
            command = [sys.executable, "-c", _CHILD, str(source), str(Path(directory) / "out.wav"), codec]
            answer = subprocess.run(command, check=True, capture_output=True, text=True)
            wall = time.perf_counter() - started
            rows.append(Row(f"render {length:g} min through {codec}, whole command", wall / (length * 60), "× RT"))
            peak = json.loads(answer.stdout)["peak_mb"]
            rows.append(Row(f"render {length:g} min, peak memory", peak, "MiB", "the same for both lengths"))
    return rows


def _write(path: Path, minutes: float) -> None:
    second = (np.random.default_rng(0).standard_normal((RATE, 2)) * 0.1).astype(np.float32)
    with soundfile.SoundFile(path, "w", RATE, 2, subtype="PCM_16") as file:
        for _ in range(round(minutes * 60)):
            file.write(second)
