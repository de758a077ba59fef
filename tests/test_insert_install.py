"""The plug-in in wheels and homes: compiled where it can be, left out cleanly where not, found by hosts, explained."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from realtime.plugin import build, places
from tests.insert_rig import library_path

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.delenv("LV2_PATH", raising=False)
    return tmp_path


@pytest.fixture
def bundle(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A bundle of this test's own, compiled."""
    copied = home / "package"
    shutil.copytree(library_path().parent, copied)
    monkeypatch.setattr(build, "BUNDLE", copied)
    monkeypatch.setattr(build, "LIBRARY", copied / "insert.so")
    return copied


def test_it_is_linked_into_the_home_and_again(bundle: Path, home: Path) -> None:
    for _ in range(2):
        said = places.install()
        assert (home / ".lv2" / "verdigris.lv2").resolve() == bundle
        assert (home / ".clap" / "verdigris.clap").resolve() == bundle / "insert.so"
    assert "verdigris live --driver plugin" in said[-1]
    found = places.examine()
    assert found["LV2"] == str(home / ".lv2" / "verdigris.lv2")
    if shutil.which("lv2ls"):
        assert found["LV2 hosts"] == "find it"


def test_what_is_not_ours_is_not_replaced(bundle: Path, home: Path) -> None:
    (home / ".lv2" / "verdigris.lv2").mkdir(parents=True)
    with pytest.raises(places.InstallError, match="no link of ours"):
        places.install()


def test_doctor_says_what_is_missing_and_what_to_do(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "LIBRARY", home / "insert.so")
    monkeypatch.setattr(build, "compiler", lambda: None)
    assert not places.native_available()
    found = places.examine()
    assert found["library"].endswith("install gcc or clang, then run verdigris plugin install")
    assert "run verdigris plugin install" in found["LV2"]
    assert found["engine"] == "none runs: start verdigris live --driver plugin"
    assert found["inserts"] == "none: no host has one active"
    with pytest.raises(build.CompilerError, match="no C compiler here"):
        places.install()


def test_a_compiler_that_fails_is_told_in_a_line(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", "false")
    with pytest.raises(build.CompilerError, match="false does not compile the plug-in"):
        build.compile_library(home / "insert.so")
    monkeypatch.setenv("CC", "no-such-compiler")
    with pytest.raises(build.CompilerError, match="cannot be run"):
        build.compile_library(home / "insert.so")
    assert not list(home.glob("insert*"))


def wheel(tree: Path, path: str) -> zipfile.ZipFile:
    """What hatchling makes of a tree that has the plug-in and nothing else of ours."""
    for package in ("gui", "models", "benchmarks"):
        (tree / package).mkdir(parents=True)
        (tree / package / "__init__.py").touch()
    for name in ("pyproject.toml", "README.md", "LICENSE", ".gitignore"):
        shutil.copy(ROOT / name, tree)
    shutil.copytree(ROOT / "realtime", tree / "realtime", ignore=shutil.ignore_patterns("*.so", "demo", "__pycache__"))
    (tree / "realtime" / "demo").mkdir()
    (tree / "realtime" / "demo" / "CREDITS.md").touch()
    environment = {**os.environ, "PATH": path, "CC": ""}
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel"]
    done = subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    (made,) = (tree / "dist").glob("*.whl")
    return zipfile.ZipFile(made)


@pytest.mark.slow
def test_a_wheel_has_the_plug_in_where_there_is_a_compiler_and_is_pure_where_not(tmp_path: Path) -> None:
    library_path()
    library = "realtime/plugin/bundle/insert.so"
    with wheel(tmp_path / "with", os.environ["PATH"]) as made:
        assert made.filename
        assert "-py3-none-linux_" in made.filename or "-py3-none-macosx_" in made.filename
        assert library in made.namelist()
        assert "realtime/plugin/bundle/insert.ttl" in made.namelist()
    with wheel(tmp_path / "without", "") as made:
        assert made.filename
        assert made.filename.endswith("-py3-none-any.whl")
        assert library not in made.namelist()
        assert "realtime/plugin/host.c" in made.namelist()  # to compile later
