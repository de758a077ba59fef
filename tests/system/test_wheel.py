"""A wheel of this tree, installed into a bare environment, as pipx and uv do: it plays with nothing else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

from realtime.plugin import build
from tests.conftest import ROOT
from tests.support.systems import needs_posix

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400), needs_posix("hatchling reads the tree of Linux")]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build a wheel of this tree."""
    place = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(place)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=380)
    (made,) = place.glob("*.whl")
    return made


@pytest.fixture(scope="module")
def bare(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install it into an environment of its own; the dependencies are those of this one, by path."""
    place = tmp_path_factory.mktemp("bare")
    venv.create(place, with_pip=True)
    python = str(place / "bin" / "python")
    install = [
        python,
        "-m",
        "pip",
        "install",
        "-q",
        "--no-deps",
        "--no-index",
        "--disable-pip-version-check",
        str(wheel),
    ]
    subprocess.run(install, check=True, timeout=300)
    found = subprocess.run(
        [python, "-c", "import sysconfig; print(sysconfig.get_paths()['purelib'])"],
        check=True,
        capture_output=True,
        text=True,
    )
    (Path(found.stdout.strip()) / "dependencies.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    return place


def run(bare: Path, place: Path, *arguments: str) -> str:
    """Run the installed command in an empty directory, with a home of its own; return its output."""
    own = {name: str(place / name) for name in ("HOME", "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR", "XDG_DATA_HOME")}
    for path in own.values():
        Path(path).mkdir(exist_ok=True)
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "DISPLAY")}
    done = subprocess.run(
        [bare / "bin" / "verdigris", *arguments],
        cwd=place,
        env={**environment, **own},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_it_carries_weights_demo_and_the_insert(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert any(name.startswith("models/weights/") for name in names)
    assert any(name.startswith("realtime/demo/") and name.endswith((".ogg", ".flac")) for name in names)
    here = build.target_here()
    assert f"realtime/plugin/binaries/{here.name}/verdigris.clap" in names
    if build.has_zig():
        assert wheel.name.endswith("-py3-none-any.whl")
        for target in build.TARGETS:
            assert f"realtime/plugin/binaries/{target.name}/verdigris.lv2/{target.library}" in names


def test_it_plays_the_demo_and_renders_by_a_network(bare: Path, tmp_path: Path) -> None:
    live = ("live", "--driver", "clock", "--seconds", "3", "--a", "nano:discrete", "--b", "swift", "--osc", "off")
    run(bare, tmp_path, *live, "--record", "take", "--report", "report.json")
    assert json.loads((tmp_path / "report.json").read_text())["codec_a"].startswith("nano")
    assert (tmp_path / "take" / "a.wav").stat().st_size > 3 * 48_000
    code = "import realtime; print(realtime.__path__[0])"
    where = subprocess.run([bare / "bin" / "python", "-I", "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert str(bare) in where.stdout  # not this tree


def test_it_installs_the_insert_without_a_compiler_and_the_desktop_entry(bare: Path, tmp_path: Path) -> None:
    said = run(bare, tmp_path, "plugin", "install")
    assert "compiled" not in said
    assert (tmp_path / "HOME" / ".clap" / "verdigris.clap").is_file() or build.target_here().system == "macos"
    run(bare, tmp_path, "desktop", "install")
    assert "removed" in run(bare, tmp_path, "desktop", "uninstall")
    assert "removed" in run(bare, tmp_path, "plugin", "uninstall")
