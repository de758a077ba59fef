"""Throughput of `verdigris tokens` beside the package `encodec` on the same files, in turns, in one
run.

EnCodec at 24 kHz with 6 kbit/s and random weights of the same sizes. Contenders, each a process
with its start:

- ours, by one process on each core (`verdigris tokens`)
- ours, by one process
- the package, all files in one process with torch's own number of threads: what its script does,
  without its start for each file
- the package's own script, one process for each file: on the first files only, and scaled

A package that is not installed is left out. Reading and resampling are part of it: ours decodes
with FFmpeg, the package's part here reads with soundfile at the right rate already.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile

from benchmarks.report import Row

RATE, CODEC = 24_000, "encodec24:random"
FILES, ROUNDS = 8, 2

_PACKAGE = """
import sys, time
import soundfile, torch
from pathlib import Path
from benchmarks.references import reference
with torch.no_grad():
    model = reference("encodec24").model
    model.set_target_bandwidth(24.0)
    for path in sys.argv[1:]:
        audio, rate = soundfile.read(path, dtype="float32")
        frames = model.encode(torch.from_numpy(audio)[None, None])
        torch.save([codes for codes, _ in frames], path + ".pt")
"""


def measure(seconds: float = 10.0) -> list[Row]:
    """Return the seconds of audio that each contender encodes in a second.

    `seconds` is the length of each of eight files.
    """
    with tempfile.TemporaryDirectory() as directory:
        place = Path(directory)
        files = _write(place / "in", seconds)
        target = 0

        def ours(jobs: int) -> None:
            nonlocal target
            target += 1
            out = str(place / f"out{target}")
            command = ["tokens", str(place / "in"), out, "--codec", CODEC, "--jobs", str(jobs), "--shard", "1"]
            _run([sys.executable, "-m", "realtime.cli.main", *command])

        contenders: dict[str, tuple[Callable[[], None], int]] = {
            f"tokens, {os.cpu_count()} processes": (lambda: ours(os.cpu_count() or 1), FILES),
            "tokens, 1 process": (lambda: ours(1), FILES),
            "package encodec, one process, its threads": (lambda: _package(files), FILES),
            "package encodec, one process for each file": (lambda: _package(files[:1]), 1),
        }
        taken: dict[str, list[float]] = {name: [] for name in contenders}
        for number in range(ROUNDS):
            for name, (run, _) in contenders.items():
                print(f"batch: round {number + 1} of {ROUNDS}, {name}", file=sys.stderr)
                started = time.perf_counter()
                try:
                    run()
                except subprocess.CalledProcessError as error:
                    print(f"batch: left out, {error.stderr.splitlines()[-1]}", file=sys.stderr)
                    continue
                taken[name].append(time.perf_counter() - started)
    speeds = {name: count * seconds / min(taken[name]) for name, (_, count) in contenders.items() if taken[name]}
    first = next(iter(speeds.values()))
    return [Row(f"{name}, encodec24, {FILES} files", speed, "s of audio/s") for name, speed in speeds.items()] + [
        Row(f"ours over: {name}", first / speed, "×", "> 1") for name, speed in list(speeds.items())[1:]
    ]


def _package(files: list[str]) -> None:
    _run([sys.executable, "-c", _PACKAGE, *files])


def _run(command: list[str]) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True)


def _write(folder: Path, seconds: float) -> list[str]:
    folder.mkdir()
    names = []
    for number in range(FILES):
        noise = np.random.default_rng(number).standard_normal(round(seconds * RATE)) * 0.1
        names.append(str(folder / f"{number}.wav"))
        soundfile.write(names[-1], noise.astype(np.float32), RATE, subtype="PCM_16")
    return names
