"""Layout of the source: sizes of files and folders, and names of modules."""

from __future__ import annotations

import statistics
from collections import defaultdict
from pathlib import Path

import pytest

from tests.conftest import ROOT

MAX_LINES, MAX_MEDIAN, MAX_MODULES = 450, 150, 20
# Names of parts that several families of codecs or of networks have; the package says whose part it is.
PARTS_OF_A_FAMILY = {"codec", "config", "registry", "checkpoint", "released_checkpoint", "network", "state", "train"}
NO_MODULES = {"__init__", "conftest"}  # their names are Python's and pytest's
COMMANDS = Path("realtime/cli/commands")  # a module there has the name of its command


def modules() -> list[Path]:
    """Return the Python files of the project and its tests, relative to its root."""
    tops = ("benchmarks", "gui", "models", "realtime", "tests")
    return sorted(path.relative_to(ROOT) for top in tops for path in (ROOT / top).rglob("*.py"))


def too_long(lines: dict[Path, int]) -> list[str]:
    return [f"{path}: {count} lines" for path, count in lines.items() if count > MAX_LINES]


def too_full(paths: list[Path]) -> list[str]:
    folders: dict[Path, list[str]] = defaultdict(list)
    for path in paths:
        if path.stem not in NO_MODULES:
            folders[path.parent].append(path.name)
    return [f"{folder}: {len(names)} modules" for folder, names in folders.items() if len(names) > MAX_MODULES]


def named_twice(paths: list[Path]) -> list[str]:
    names: dict[str, list[str]] = defaultdict(list)
    for path in paths:
        if path.stem not in PARTS_OF_A_FAMILY | NO_MODULES and path.parent != COMMANDS:
            names[path.stem].append(path.as_posix())
    return [", ".join(found) for found in names.values() if len(found) > 1]


def test_no_file_is_too_long_and_the_median_is_short() -> None:
    lines = {path: len((ROOT / path).read_text("utf-8").splitlines()) for path in modules()}
    assert too_long(lines) == []
    assert statistics.median(lines.values()) < MAX_MEDIAN


def test_no_folder_has_too_many_modules() -> None:
    assert too_full(modules()) == []


def test_no_module_has_the_name_of_another() -> None:
    assert named_twice(modules()) == []


@pytest.mark.parametrize(
    ("found", "problem"),
    [
        (too_long({Path("a.py"): 450, Path("b.py"): 451}), "b.py: 451 lines"),
        (too_full([Path(f"p/{number}.py") for number in range(21)]), "p: 21 modules"),
        (named_twice([Path("a/x.py"), Path("b/x.py"), Path("b/codec.py"), Path("a/codec.py")]), "a/x.py, b/x.py"),
    ],
)
def test_each_of_these_rules_can_be_broken(found: list[str], problem: str) -> None:
    assert found == [problem]
