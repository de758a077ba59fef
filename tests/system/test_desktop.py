"""Entry in the menu of applications, and completion in shells."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from realtime.cli.main import main
from realtime.system.platform import desktop


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("HOME", "USERPROFILE", "APPDATA", "XDG_DATA_HOME"):
        monkeypatch.setenv(name, str(tmp_path))
    return tmp_path


def test_the_entry_is_installed_twice_and_removed(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(2):
        assert main(["desktop", "install"]) == 0
    assert all(place.exists() and place.is_relative_to(home) for place in desktop.places())
    assert main(["desktop", "uninstall"]) == 0
    assert not any(place.exists() for place in desktop.places())
    assert main(["desktop", "uninstall"]) == 0
    assert capsys.readouterr().out.endswith("it was not installed\n")


def test_the_entry_starts_the_program(home: Path) -> None:
    desktop.install()
    content = desktop.places()[0].read_bytes()
    program = desktop.command()[0]
    assert program.encode() in content or Path(program).stem.encode() in content
    if shutil.which("desktop-file-validate") and desktop.places()[0].suffix == ".desktop":
        subprocess.run(["desktop-file-validate", desktop.places()[0]], check=True)


@pytest.mark.parametrize("shell", ["bash", "zsh", "tcsh"])
def test_completion_knows_commands_and_flags(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    assert "render" in script
    assert "screenshot" in script
    if shell == "bash" and shutil.which("bash"):
        subprocess.run(["bash", "-n"], input=script, text=True, check=True)
