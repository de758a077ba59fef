"""The plug-in in wheels and homes: compiled where possible, else omitted cleanly; found by hosts;
explained by doctor.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from realtime.plugin import build
from realtime.plugin import install as places
from tests.support.insert.insert_rig import library_path

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.delenv("LV2_PATH", raising=False)
    return tmp_path


@pytest.fixture
def bundle(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of a plug-in of this test's own."""
    monkeypatch.setattr(build, "BINARIES", home / "package")
    here = build.target_here()
    shutil.copytree(library_path().parent, here.lv2())
    shutil.copy(library_path(), here.clap())
    (here.lv2().parent / "sources").write_text(build.sources_hash())
    return here.lv2().parent


def test_it_is_linked_into_the_home_and_can_be_linked_again(bundle: Path, home: Path) -> None:
    for _ in range(2):
        said = places.install()
        assert (home / ".lv2" / "verdigris.lv2").resolve() == bundle / "verdigris.lv2"
        assert (home / ".clap" / "verdigris.clap").resolve() == bundle / "verdigris.clap"
    assert "verdigris live --driver plugin" in said[-1]
    found = places.examine()
    assert found["LV2"] == str(home / ".lv2" / "verdigris.lv2")
    if shutil.which("lv2ls"):
        assert found["LV2 hosts"] == "find it"


def test_copies_replace_each_other_and_are_removed(bundle: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On Windows users may not link."""
    monkeypatch.setattr(places, "COPIES", True)
    for _ in range(2):
        places.install()
    assert (home / ".clap" / "verdigris.clap").read_bytes() == (bundle / "verdigris.clap").read_bytes()
    assert places.examine()["LV2"] == str(home / ".lv2" / "verdigris.lv2")
    (bundle / "verdigris.clap").write_bytes(b"a newer one")
    assert "another one" in places.examine()["CLAP"]
    assert len(places.uninstall()) == 2
    assert not list((home / ".lv2").iterdir())
    assert places.uninstall() == ["it was not installed"]


def test_another_programs_file_is_not_replaced(bundle: Path, home: Path) -> None:
    (home / ".lv2" / "verdigris.lv2").mkdir(parents=True)
    for act in (places.install, places.uninstall):
        with pytest.raises(places.InstallError, match="not a link of Verdigris"):
            act()


def test_doctor_reports_what_is_missing_and_the_remedy(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "BINARIES", home / "none")
    monkeypatch.setattr(build, "compiler", lambda: None)
    found = places.examine()
    assert found["library"].endswith("install gcc or clang, then run verdigris plugin install")
    assert "run verdigris plugin install" in found["LV2"]
    assert found["engine"] == "none runs: start verdigris live --driver plugin"
    assert found["inserts"] == "none: no host has an active one"
    with pytest.raises(build.CompilerError, match="no C compiler found"):
        places.install()


def test_a_failing_compiler_is_reported_in_one_line(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", sys.executable)  # it takes none of a compiler's flags
    with pytest.raises(build.CompilerError, match="cannot compile the plug-in"):
        build.compile_library(home / "insert.so")
    monkeypatch.setenv("CC", "no-such-compiler")
    with pytest.raises(build.CompilerError, match="cannot be run"):
        build.compile_library(home / "insert.so")
    assert not list(home.glob("insert*"))


WITHOUT_ZIG = "import runpy, sys; sys.modules['ziglang'] = None; runpy.run_module('hatchling', run_name='__main__')"
ZIG = """
import sys
from pathlib import Path
path = Path(sys.argv[sys.argv.index("-o") + 1])
path.write_text(sys.argv[sys.argv.index("-target") + 1])
"""


def wheel(tree: Path, hatchling: list[str], **environment: str) -> zipfile.ZipFile:
    """Build a wheel of a tree that contains only the plug-in."""
    for package in ("gui", "models", "benchmarks"):
        (tree / package).mkdir(parents=True)
        (tree / package / "__init__.py").touch()
    for name in ("pyproject.toml", "README.md", "LICENSE", ".gitignore"):
        shutil.copy(ROOT / name, tree)
    shutil.copytree(
        ROOT / "realtime", tree / "realtime", ignore=shutil.ignore_patterns("binaries", "demo", "__pycache__")
    )
    (tree / "realtime" / "demo").mkdir()
    (tree / "realtime" / "demo" / "CREDITS.md").touch()
    command = [sys.executable, *hatchling, "build", "-t", "wheel"]
    done = subprocess.run(
        command, cwd=tree, env={**os.environ, **environment}, capture_output=True, text=True, timeout=100
    )
    assert done.returncode == 0, done.stderr
    (made,) = (tree / "dist").glob("*.whl")
    return zipfile.ZipFile(made)


@pytest.mark.slow
def test_a_wheel_has_the_plug_in_with_a_compiler_and_is_pure_without(tmp_path: Path) -> None:
    library_path()
    folder = f"realtime/plugin/binaries/{build.target_here().name}"
    library = f"{folder}/verdigris.lv2/{build.target_here().library}"
    with wheel(tmp_path / "with", ["-c", WITHOUT_ZIG]) as made:
        assert made.filename
        assert "-py3-none-linux_" in made.filename or "-py3-none-macosx_" in made.filename
        assert library in made.namelist()
        assert {f"{folder}/verdigris.lv2/insert.ttl", f"{folder}/verdigris.clap"} <= set(made.namelist())
    with wheel(tmp_path / "without", ["-c", WITHOUT_ZIG], PATH="", CC="") as made:
        assert made.filename
        assert made.filename.endswith("-py3-none-any.whl")
        assert library not in made.namelist()
        assert "realtime/plugin/native/playout.c" in made.namelist()  # to compile later


@pytest.mark.slow
def test_a_wheel_made_by_zig_has_the_plug_in_of_every_system(tmp_path: Path) -> None:
    """The compiler is a stand-in: `tests/plugin/test_insert_binaries.py` looks at what the real one makes."""
    package = tmp_path / "packages" / "ziglang"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "__main__.py").write_text(ZIG)
    with wheel(tmp_path / "tree", ["-m", "hatchling"], PYTHONPATH=str(package.parent), PATH="", CC="") as made:
        assert made.filename
        assert made.filename.endswith("-py3-none-any.whl")
        for target in build.TARGETS:
            library = f"realtime/plugin/binaries/{target.name}/verdigris.lv2/{target.library}"
            assert made.read(library).decode() == target.triple
