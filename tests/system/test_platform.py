"""The operating system behind one package, and one clock for all processes."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from numba import njit

from realtime.system.platform import named_memory, shared_memory
from realtime.system.platform.child_process import background
from realtime.system.platform.compiled_clock import compile_clock
from realtime.system.platform.locks import try_lock
from realtime.system.platform.owned_file import OwnedFile, read_owned
from realtime.system.platform.stop_signals import ask_to_stop, is_running
from tests.conftest import ROOT

PRODUCT = ("realtime", "models", "gui", "benchmarks")


def lines_with(pattern: str, *, but: str = "-") -> list[str]:
    """Return the lines of the product's modules that match, outside files whose path begins with `but`."""
    found = []
    for package in PRODUCT:
        for path in sorted((ROOT / package).rglob("*.py")):
            where = path.relative_to(ROOT).as_posix()
            if not where.startswith(but):
                text = path.read_text(encoding="utf-8")
                found += [f"{where}: {line.strip()}" for line in text.splitlines() if re.search(pattern, line)]
    return found


def test_all_processes_measure_time_by_the_performance_counter() -> None:
    """On Windows `time.monotonic` moves in steps of 15.6 ms; on the other systems the two are one clock."""
    assert lines_with(r"\bmonotonic(_ns)?\(") == []


def test_only_the_platform_package_asks_which_system_this_is() -> None:
    pattern = r"\b(sys\.platform|os\.name|platform\.(system|platform))\b"
    found = lines_with(pattern, but="realtime/system/platform/")
    # models know nothing of realtime, and a process is confined on Linux alone
    assert [line for line in found if not line.startswith("models/scripted/")] == []


CHILD = """
import os, sys, time
from pathlib import Path
from realtime.system.platform import named_memory, shared_memory
kind, path = sys.argv[1:]
memory = {"named": named_memory, "shared": shared_memory}[kind].create(Path(path), 8192)
memory.map[:5] = b"hello"
print("ready", flush=True)
sys.stdin.read()
os._exit(9)
"""
KINDS = {"named": named_memory, "shared": shared_memory}


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    """Return each kind of shared memory: that of Windows and macOS works on Linux too."""
    return str(request.param)


@pytest.fixture
def child(kind: str, tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Start a process that owns memory under tmp_path / "x.timeline"."""
    command = [sys.executable, "-c", CHILD, kind, str(tmp_path / "x.timeline")]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT)
    assert process.stdout
    assert process.stdout.readline().strip() == b"ready"
    yield process
    process.communicate()


def test_memory_is_shared_by_path_and_gone_when_its_owner_closes_it(kind: str, tmp_path: Path) -> None:
    module: ModuleType = KINDS[kind]
    mine = module.create(tmp_path / "x.timeline", 8192)
    other = module.attach(mine.path, write=True)
    watching = module.attach(mine.path, write=False)
    other.map[100:103] = b"abc"
    assert (mine.map[100:103], watching.map[100:103]) == (b"abc", b"abc")
    with pytest.raises(TypeError):
        watching.map[0] = 1
    assert not other.owner_gone
    assert not module.remove_if_stale(mine.path)
    other.close()
    assert mine.path.exists()
    mine.close()
    assert watching.owner_gone
    assert list(tmp_path.iterdir()) == []
    watching.close()


def test_another_memory_under_the_same_path_is_not_mistaken_for_the_first(kind: str, tmp_path: Path) -> None:
    module: ModuleType = KINDS[kind]
    first = module.create(tmp_path / "x.timeline", 4096)
    seen = module.attach(first.path, write=True)
    first.close()
    second = module.create(tmp_path / "x.timeline", 4096)
    seen.map[:3] = b"old"
    assert seen.owner_gone
    assert second.map[:3] == bytes(3)
    seen.close()
    second.close()


def test_memory_of_a_process_that_died_is_removed(kind: str, child: subprocess.Popen[bytes], tmp_path: Path) -> None:
    module: ModuleType = KINDS[kind]
    path = tmp_path / "x.timeline"
    seen = module.attach(path, write=False)
    assert seen.map[:5] == b"hello"
    assert not module.remove_if_stale(path)
    assert not seen.owner_gone
    child.communicate()
    assert seen.map[:5] == b"hello"  # as long as it is mapped
    assert module.remove_if_stale(path)
    assert seen.owner_gone
    seen.close()


def test_an_owned_file_keeps_its_latest_content_and_is_not_removed(tmp_path: Path) -> None:
    file = OwnedFile(tmp_path / "x", b"a long content")
    file.write(b"short")
    assert (read_owned(file.path) or b"").rstrip() == b"short"
    file.close()
    assert not file.path.exists()
    file.path.write_bytes(b"left")
    assert read_owned(file.path) is None
    assert not file.path.exists()


def test_a_locked_file_is_refused_and_can_be_read(tmp_path: Path) -> None:
    with (tmp_path / "x").open("w+") as mine, (tmp_path / "x").open("r+") as other:
        assert try_lock(mine.fileno())
        mine.write("17")
        mine.flush()
        assert not try_lock(other.fileno())
        assert other.read() == "17"
    with (tmp_path / "x").open("r+") as other:
        assert try_lock(other.fileno())


def test_compiled_code_reads_the_clock_of_python() -> None:
    now_ns, scratch = compile_clock(), np.zeros(2, np.int64)
    address = scratch.ctypes.data
    compiled = njit(lambda at: now_ns(at))
    compiled(address)
    for _ in range(100):
        before = time.perf_counter_ns()
        between = compiled(address)
        assert before <= between <= time.perf_counter_ns()


LISTENER = """
import signal, sys, time
from realtime.system import signals
signals.install_interrupt_handler()
try:
    print("ready", flush=True)
    while True: time.sleep(0.01)
except KeyboardInterrupt:
    sys.exit(5)
"""


def test_a_program_in_the_background_is_asked_to_stop_and_ends_by_itself() -> None:
    process = subprocess.Popen([sys.executable, "-c", LISTENER], stdout=subprocess.PIPE, cwd=ROOT, **background())
    assert process.stdout
    assert process.stdout.readline().strip() == b"ready"
    assert is_running(process.pid)
    ask_to_stop(process.pid)
    assert process.wait(30) == 5
    process.stdout.close()
    assert not is_running(process.pid)


PRINTED = """
import ctypes, signal, sys
from realtime.system import signals
signals.install_interrupt_handler()
for error in ("signal.raise_signal(signal.SIGINT)", "0 / 0"):  # C code that prints an error and goes on
    ctypes.pythonapi.PyRun_SimpleString(f"import signal; {error}".encode())
"""


def test_c_code_that_prints_an_interrupt_shows_nothing_but_other_errors() -> None:
    done = subprocess.run([sys.executable, "-c", PRINTED], capture_output=True, text=True, cwd=ROOT)
    assert done.stderr.count("Traceback") == 1
    assert "ZeroDivisionError" in done.stderr
    assert "KeyboardInterrupt" not in done.stderr


ORPHAN = """
import os, subprocess, sys
from realtime.system.platform.child_process import bind_child
code = "import os, sys, time; from realtime.system.platform.child_process import bind_to_parent; " \
    "bind_to_parent(os.getppid()); print(os.getpid(), flush=True); time.sleep(60)"
child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
bind_child(child)
print(child.stdout.readline().decode().strip(), flush=True)
sys.stdin.read()
os._exit(9)
"""


def test_a_bound_child_ends_with_its_parent() -> None:
    parent = subprocess.Popen([sys.executable, "-c", ORPHAN], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT)
    assert parent.stdout
    pid = int(parent.stdout.readline())
    assert is_running(pid)
    parent.communicate()
    until = time.perf_counter() + 30
    while is_running(pid) and not _is_zombie(pid):
        assert time.perf_counter() < until
        time.sleep(0.01)


def _is_zombie(pid: int) -> bool:
    """Return True if an ended process waits for a parent that asks after it, as in a container."""
    status = Path(f"/proc/{pid}/stat")
    return os.path.exists(status) and status.read_text().rpartition(")")[2].split()[0] == "Z"


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere there is no fork server")
def test_a_fork_server_that_still_prepares_ends_with_its_parent(tmp_path: Path) -> None:
    module = """
        import os, time
        from pathlib import Path
        from realtime.system.platform.child_process import ends_with_parent
        with ends_with_parent():
            Path("started").write_text(str(os.getpid()))
            Path("started").rename("pid")
            time.sleep(120)
    """
    program = """
        import os, threading, time
        from realtime.system.platform.child_process import prepared_context
        process = prepared_context("slow_to_prepare").Process(target=print)
        threading.Thread(target=process.start, daemon=True).start()
        while not os.path.exists("pid"):
            time.sleep(0.01)
        os._exit(0)
    """
    (tmp_path / "slow_to_prepare.py").write_text(textwrap.dedent(module))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join((str(ROOT), str(tmp_path)))}
    command = [sys.executable, "-c", textwrap.dedent(program)]
    subprocess.run(command, cwd=tmp_path, env=environment, check=True, timeout=60)
    server = int((tmp_path / "pid").read_text())
    deadline = time.monotonic() + 30
    while is_running(server):
        assert time.monotonic() < deadline
        time.sleep(0.05)
