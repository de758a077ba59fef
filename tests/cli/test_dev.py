import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import dev
from tests.conftest import ROOT, foreign_packages, pytest_collection_modifyitems
from tests.support.systems import needs_posix


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in ("pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path)
    return tmp_path


def test_stamp_repeats_while_nothing_changes(tree: Path):
    assert dev.stamp(tree, "3.11") == dev.stamp(tree, "3.11")


@pytest.mark.parametrize("name", ["pyproject.toml", "constraints.txt"])
def test_stamp_changes_with_either_file(tree: Path, name: str):
    before = dev.stamp(tree, "3.11")
    (tree / name).write_text((tree / name).read_text() + "# one line more\n")
    assert dev.stamp(tree, "3.11") != before


def test_stamp_changes_with_python_and_with_the_place_of_the_tree(tree: Path, tmp_path: Path):
    moved = tmp_path / "elsewhere"
    shutil.copytree(tree, moved)
    assert len({dev.stamp(tree, "3.11"), dev.stamp(tree, "3.12"), dev.stamp(moved, "3.11")}) == 3


def test_only_packages_dpkg_has_installed_count():
    listing = "installed libegl1\nconfig-files libgl1\nnot-installed libx11-6\n"
    assert dev.not_installed(["libegl1", "libgl1", "libx11-6", "libportaudio2"], listing) == [
        "libgl1",
        "libx11-6",
        "libportaudio2",
    ]


def test_a_package_renamed_for_64_bit_time_counts_as_itself():
    assert dev.not_installed(["libglib2.0-0"], "installed libglib2.0-0t64\n") == []


@pytest.mark.parametrize(("manager", "says"), [("dnf", "sudo dnf install portaudio"), ("pacman", "sudo pacman -S")])
def test_other_systems_get_the_command_to_type(manager: str, says: str):
    assert says in (dev.advice("linux", [manager]) or "")


def test_an_unknown_linux_gets_the_names_of_all_libraries():
    line = dev.advice("linux", []) or ""
    assert all(name in line for name in dev.SYSTEM_LIBRARIES)
    assert "\n" not in line


@pytest.mark.parametrize("platform", ["darwin", "win32"])
def test_nothing_is_printed_where_wheels_contain_everything(platform: str):
    assert dev.advice(platform, []) is None


@needs_posix("apt")
@pytest.mark.parametrize("may_use_apt", [True, False])
def test_apt_is_used_in_one_clear_line_and_not_at_all_if_refused(
    may_use_apt: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    calls: list[list[str]] = []

    def call(command: list[str]) -> int:
        calls.append(command)
        return 0

    monkeypatch.setattr("dev.shutil.which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr("dev.subprocess.run", lambda *_, **__: SimpleNamespace(stdout=""))
    monkeypatch.setattr("dev.subprocess.call", call)
    dev.install_system_libraries(may_use_apt=may_use_apt)
    said = capsys.readouterr()
    assert bool(calls) == may_use_apt
    if may_use_apt:
        assert said.out.startswith("Installing system libraries with apt (--no-apt refuses): libportaudio2 ")
        assert len(said.out.splitlines()) == 1
    else:
        assert said.err.startswith("apt was not used. Sound cards and the window need: sudo apt-get install")


@pytest.mark.parametrize(
    ("platform", "missing", "says"),
    [
        ("win32", ("venv", "ensurepip"), "Python has no venv and no ensurepip. The embeddable package, for one"),
        ("win32", ("ensurepip",), "with the installer of python.org, or: winget install Python.Python.3.13. Then open"),
        ("linux", ("ensurepip",), "Python has no ensurepip. Install your system's package for venv and pip"),
    ],
)
def test_a_python_that_can_make_no_venv_gets_one_line_with_the_remedy_of_its_system(
    platform: str, missing: tuple[str, ...], says: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("dev.sys.platform", platform)
    monkeypatch.setattr("dev.shutil.which", lambda name: None)
    monkeypatch.setattr("dev.importlib.util.find_spec", lambda name: None if name in missing else name)
    with pytest.raises(dev.SetupError) as raised:
        dev.install_system_libraries(may_use_apt=True)
    assert says in str(raised.value)
    assert "\n" not in str(raised.value)


def test_no_apt_is_a_flag_of_dev_and_not_of_the_command(monkeypatch: pytest.MonkeyPatch):
    prepared: list[bool] = []
    started: list[tuple[str, ...]] = []
    monkeypatch.setattr(dev, "prepare", lambda *, again, may_use_apt: prepared.append(may_use_apt))
    monkeypatch.setattr(dev, "become", lambda *command: started.append(command))
    dev.main(["run", "--no-apt", "live"])
    dev.main(["run", "live"])
    assert prepared == [False, True]
    assert started == [("verdigris", "live")] * 2


@pytest.mark.parametrize("version", [(3, 10), (3, 15)])
def test_a_python_out_of_range_gets_one_line_with_the_way_out(version: tuple[int, int]):
    line = dev.python_problem(version) or ""
    assert f"this is {version[0]}.{version[1]}." in line
    assert "\n" not in line


@pytest.mark.parametrize("version", [(3, 11), (3, 14)])
def test_a_python_in_range_is_no_problem(version: tuple[int, int]):
    assert dev.python_problem(version) is None


def test_bare_dev_prints_help_and_an_unknown_command_is_wrong_usage():
    bare = subprocess.run([sys.executable, ROOT / "dev.py"], capture_output=True, text=True)
    wrong = subprocess.run([sys.executable, ROOT / "dev.py", "tset"], capture_output=True, text=True)
    assert bare.returncode == 0
    assert all(f"dev.py {command}" in bare.stdout for command in ("run", "test", "check", "bench", "wheel", "setup"))
    assert wrong.returncode == 2
    assert len(wrong.stderr.splitlines()) == 1


def test_constraints_hold_exact_versions_only():
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if line and line[0] != "#"]
    assert all("==" in line.split(";")[0] for line in lines)


def test_packages_of_another_tree_are_named_with_the_place_expected(tmp_path: Path):
    problems = foreign_packages(tmp_path)
    assert [str(tmp_path / name) in line for name, line in zip(("realtime", "models"), problems, strict=True)] == [
        True,
        True,
    ]


def test_a_stranger_named_models_stops_the_tests(tmp_path: Path):
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "__init__.py").touch()
    start = f"import sys, pytest; sys.path.insert(0, {str(tmp_path)!r}); sys.exit(pytest.console_main())"
    command = [sys.executable, "-c", start, "--collect-only", "-q", "tests/cli/test_dev.py"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert f"models comes from {tmp_path / 'models'}" in done.stderr


@pytest.mark.parametrize(
    ("asked", "left"), [("slow", 1), ("not parity", 1), ("soak", 2), ("slow and not soak", 2), ("", 2)]
)
def test_soaks_in_slow_files_run_only_if_they_are_named(asked: str, left: int):
    """Items that stay are for pytest to select."""
    items: list[Any] = [SimpleNamespace(get_closest_marker=marks.split().count) for marks in ("soak slow", "slow")]
    hook = SimpleNamespace(pytest_deselected=lambda items: None)
    config: Any = SimpleNamespace(option=SimpleNamespace(markexpr=asked), hook=hook)
    pytest_collection_modifyitems(config, items)
    assert len(items) == left


def test_a_failed_rig_test_and_no_other_runs_again() -> None:
    added: list[Any] = []
    items: list[Any] = [
        SimpleNamespace(
            get_closest_marker=marks.split().count, add_marker=lambda mark, marks=marks: added.append((marks, mark))
        )
        for marks in ("slow rig", "slow", "")
    ]
    pytest_collection_modifyitems(SimpleNamespace(option=SimpleNamespace(markexpr="")), items)  # type: ignore[arg-type]
    assert added == [("slow rig", pytest.mark.flaky(reruns=1))]
