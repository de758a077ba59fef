"""The plug-in as a wheel carries it for every system, and the memory that it makes on macOS."""

from __future__ import annotations

import ctypes
import itertools
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from realtime.plugin import build
from realtime.plugin.build import TARGETS, Target
from realtime.system.platform import named_memory
from realtime.timeline.layout import HEADER_BYTES, TELEMETRY_BYTES, runtime_directory
from tests.support.insert import clap_rig
from tests.support.insert.binary_formats import read_library
from tests.support.insert.insert_rig import Engine, L, library_path, noise, play, private_inserts

EXPORTS = {"lv2_descriptor", "clap_entry"}


@pytest.fixture(params=TARGETS, ids=lambda target: target.name)
def target(request: pytest.FixtureRequest) -> Target:
    """Return each target that `dev.py wheel` has compiled."""
    found: Target = request.param
    if not found.is_current():
        pytest.skip("not compiled for other systems here: python3 dev.py wheel")
    return found


def files(target: Target) -> list[Path]:
    clap = target.clap()
    return [target.lv2() / target.library, clap / "Contents" / "MacOS" / "verdigris" if clap.is_dir() else clap]


def test_each_library_is_of_its_system_and_exports_the_two_interfaces_only(target: Target) -> None:
    for path in files(target):
        library = read_library(path.read_bytes())
        assert (library.system, library.processor) == (target.system, target.processor)
        assert library.exports == EXPORTS
        assert library.signed or target.name != "macos-arm64"  # that system loads no code without a signature


def test_each_bundle_names_its_library_and_contains_nothing_else(target: Target) -> None:
    assert {path.name for path in target.lv2().iterdir()} == {"manifest.ttl", "insert.ttl", target.library}
    manifest = (target.lv2() / "manifest.ttl").read_text(encoding="utf-8")
    assert f"lv2:binary <{target.library}>" in manifest
    assert (target.lv2() / "insert.ttl").read_bytes() == (build.BUNDLE / "insert.ttl").read_bytes()
    assert (target.clap() / "Contents" / "Info.plist").is_file() == (target.system == "macos")


@pytest.mark.slow
def test_each_bundle_is_valid(target: Target) -> None:
    if shutil.which("lv2_validate") is None or shutil.which("sord_validate") is None:
        pytest.skip("no lv2_validate here: apt-get install lv2-dev sordi")
    descriptions = map(str, sorted(target.lv2().glob("*.ttl")))
    done = subprocess.run(["lv2_validate", *descriptions], capture_output=True, text=True)
    assert done.returncode == 0
    assert "Found 0 errors among" in done.stdout + done.stderr


@pytest.mark.parametrize("block", [64, 256, 1000])
def test_the_plug_in_of_a_wheel_is_aligned_and_nulls_on_this_system(
    block: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Load it in a small host: without an engine it is the input, with one the codec, both later by L."""
    here = build.target_here()
    if not here.is_current():
        pytest.skip("not compiled here: python3 dev.py wheel")
    monkeypatch.setattr(clap_rig, "library", lambda: ctypes.CDLL(str(files(here)[1])))
    with private_inserts(tmp_path, monkeypatch):
        host, x = clap_rig.ClapHost().activate(), noise(30_000)
        assert host.latency == L
        out = host.play(x, itertools.repeat(block))
        assert np.array_equal(out[:, L:], x[:, :-L])
        host.activate()
        out = play(host, Engine("pcm:gain=-1"), x, itertools.repeat(block))
        assert np.array_equal(out[:, L:], -x[:, :-L])
        host.close()


def test_the_library_of_this_machine_exports_the_two_interfaces(tmp_path: Path) -> None:
    library_path()
    made = build.compile_library(tmp_path / "insert.so")
    assert read_library(made.read_bytes()).exports == EXPORTS


def test_memory_with_a_name_is_found_by_the_engine_and_gone_with_its_host(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Compile the variant of macOS, and read it by the module of macOS."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    library_path()
    path = build.compile_library(tmp_path / "named.so", "-DNAMED_MEMORY=1", "-fvisibility=default")
    host = (
        "import ctypes, sys; x = ctypes.CDLL(sys.argv[1]); x.insert_new.restype = ctypes.c_void_p; "
        "x.insert_activate.argtypes = [ctypes.c_void_p, ctypes.c_double, ctypes.c_int64, ctypes.c_int64]; "
        "x.insert_free.argtypes = [ctypes.c_void_p]; i = x.insert_new(); "
        "print(x.insert_activate(i, 48000, 256, 256) & 1, flush=True); sys.stdin.readline(); x.insert_free(i); "
        "i = x.insert_new(); x.insert_activate(i, 48000, 256, 256); print(2, flush=True); sys.stdin.readline(); "
        "import os; os._exit(9)"
    )
    command = [sys.executable, "-c", host, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin
        assert process.stdout
        assert process.stdout.readline() == "1\n"
        (found,) = runtime_directory().glob("insert-*.timeline")
        memory = named_memory.attach(found, write=True)
        assert memory.size > HEADER_BYTES + TELEMETRY_BYTES
        assert ctypes.c_int64.from_buffer(memory.map, 16).value == memory.size  # Field.SIZE
        assert [memory.owner_gone] == [False]
        process.stdin.write("\n")
        process.stdin.flush()
        assert process.stdout.readline() == "2\n"
        assert [memory.owner_gone] == [True]
        (found,) = runtime_directory().glob("insert-*.timeline")
        process.communicate("\n")
    assert named_memory.remove_if_stale(found)
    assert not [name for name in os.listdir("/dev/shm") if name.startswith("vd-")]
