"""The insert makes no system call and no allocation in the audio thread, and this test would detect
one.
"""

from __future__ import annotations

import functools
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from realtime.plugin import build
from tests.support.insert.insert_process import environment
from tests.support.insert.insert_rig import library_path

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform != "linux", reason="seccomp is Linux's")]
CALLS = 200_000
NOT_ALLOWED = 77


@functools.cache
def harness() -> Path:
    program = library_path().with_name("safety")
    source = Path(__file__).parents[1].joinpath("support", "insert", "insert_safety.c")
    compiler = build.compiler()
    assert compiler
    flags = ["-std=c11", "-D_GNU_SOURCE", "-O2", "-Wall", "-Wextra", "-Werror", "-rdynamic", "-fno-builtin"]
    subprocess.run([*compiler, *flags, str(source), "-ldl", "-o", str(program)], check=True)
    return program


def run(
    place: Path, *, calls: int = CALLS, engine: bool = False, freewheel: bool = False, malloc: bool = False
) -> tuple[int, str]:
    switches = [str(int(on)) for on in (engine, freewheel, malloc)]
    find = f"ls {place}/run/verdigris/insert-*.timeline"
    done = subprocess.run(
        [str(harness()), str(library_path()), str(calls), *switches, find],
        env=environment(place),
        capture_output=True,
        text=True,
        timeout=100,
    )
    if done.returncode == NOT_ALLOWED:
        pytest.skip("seccomp filters are not allowed here")
    return done.returncode, done.stdout


@pytest.mark.parametrize("engine", [False, True], ids=["without an engine", "with an engine"])
def test_200_000_blocks_of_1_to_4096_make_no_system_call_or_allocation(tmp_path: Path, engine: bool) -> None:
    code, said = run(tmp_path, engine=engine)
    assert code == 0, "a system call" if code == -signal.SIGSYS else code
    calls, allocations, wet = map(int, said.split())
    assert (calls, allocations) == (CALLS, 0)
    assert (wet > CALLS // 2) == engine


def test_the_filter_ends_a_playout_that_waits(tmp_path: Path) -> None:
    code, _ = run(tmp_path, calls=100, freewheel=True)
    assert code == -signal.SIGSYS


def test_an_allocation_would_be_counted(tmp_path: Path) -> None:
    code, said = run(tmp_path, calls=10, malloc=True)
    assert (code, said.split()[1]) == (0, "2")
