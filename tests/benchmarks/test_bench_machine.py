"""`verdigris bench machine`, `bench busy` and `--isa`: tables, limits, and processes that end."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from benchmarks import busy, machine_table
from tests.support.desk import Desk

ROWS = [
    {"name": "swift, float32", "rt": 0.06, "worst": 0.1, "limit": None, "compared_with": "", "ratio": None},
    {"name": "encodec24:random, float32", "rt": 0.66, "worst": 0.9, "limit": 0.2, "compared_with": "p", "ratio": 3.1},
    {
        "name": "package encodec, 24 kHz, a hop",
        "rt": 2.0,
        "worst": 2.1,
        "limit": None,
        "compared_with": "",
        "ratio": None,
    },
]
FOUND = {
    "isa": "avx2", "machine": "a CPU", "peak_gflops": {"float32": 90}, "read_gb_s": 20.0, "load": 0.5, "rows": ROWS,
}  # fmt: skip


def test_a_row_has_its_limit_and_the_packages_time_over_ours() -> None:
    text = machine_table.markdown(FOUND)
    assert "instruction set avx2; one thread; peak of torch's products float32 90 GFLOP/s; 20.0 GB/s read" in text
    assert "| swift, float32 | 0.060 | 0.100 | calls |  |" in text
    assert "| encodec24:random, float32 | 0.660 | 0.900 | 0.20 | 3.1 × this |" in text
    assert "| package encodec, 24 kHz, a hop | 2.000 | 2.100 |  |  |" in text


@pytest.mark.parametrize(
    ("package", "label", "same"),
    [
        ("package encodec, 24 kHz, a hop", "encodec24:random, float32", True),
        ("package encodec, 24 kHz, 8 hops", "encodec24:random, float32", False),
        ("package encodec, 24 kHz, 8 hops", "encodec24:random:frames=8, float32", True),
        ("package encodec, 24 kHz, a hop", "nano, float32", False),
    ],
)
def test_a_package_is_compared_with_frames_of_its_length(package: str, label: str, same: bool) -> None:
    assert machine_table._same(package, label) == same


def test_an_instruction_set_that_is_not_known_is_refused(desk: Desk) -> None:
    assert "sse is not native or avx2" in desk.refused("bench", "machine", "--isa", "sse", code=2)


@pytest.mark.slow
def test_a_limited_process_has_no_avx512() -> None:
    code = (
        "import torch, numpy\n"
        "from numpy._core._multiarray_umath import __cpu_features__ as found\n"
        "assert torch.backends.cpu.get_cpu_capability() in ('AVX2', 'DEFAULT', 'NO AVX')\n"
        "assert not found['X86_V4' if 'X86_V4' in found else 'AVX512_SKX']\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ, **machine_table.ISAS["avx2"]})


def test_busy_processes_run_while_a_codec_is_measured_and_then_end() -> None:
    with busy._hogs(2) as hogs:
        assert len(hogs) == 2
        assert all(hog.poll() is None for hog in hogs)
    assert all(hog.poll() is not None for hog in hogs)
