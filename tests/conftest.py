"""What every test run needs: our own packages, no display, and the same examples each time in CI."""

from __future__ import annotations

import importlib
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest

if TYPE_CHECKING:
    from gui.window import Window
    from tests.desk import Desk
    from tests.gui_rig import FakeClient

ROOT = Path(__file__).resolve().parent.parent

# What the user's own sessions have kept is neither read nor changed.
_home = tempfile.TemporaryDirectory(prefix="verdigris-tests-", ignore_cleanup_errors=True)
os.environ["XDG_CONFIG_HOME"] = _home.name

os.environ["QT_QPA_PLATFORM"] = "offscreen"  # before anything imports Qt

# No deadline: a shared machine stalls for 100 ms now and then, and that is no fact about our code.
hypothesis.settings.register_profile("default", deadline=None)
hypothesis.settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
hypothesis.settings.load_profile("ci" if os.environ.get("CI") else "default")

pytest.register_assert_rewrite("tests.contract")


def foreign_packages(root: Path) -> list[str]:
    """What is imported under our names and does not come from `root`, one line each.

    `realtime` and `models` are common names: there is a `realtime` on PyPI, and an environment may hold another
    checkout. Tests that pass against someone else's code prove nothing.
    """
    problems = []
    for name in ("realtime", "models"):
        package = importlib.import_module(name)
        found = [Path(place).resolve() for place in package.__path__]
        if found != [root / name]:
            problems.append(f"{name} comes from {', '.join(map(str, found))}, expected {root / name}.")
    return problems


@pytest.fixture(autouse=True)
def torch_threads() -> Iterator[None]:
    """As before: a codec that is tuned sets them for the process, and on a busy machine they wait for each other."""
    before = sys.modules["torch"].get_num_threads() if "torch" in sys.modules else 0
    yield
    if before and sys.modules["torch"].get_num_threads() != before:
        sys.modules["torch"].set_num_threads(before)


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Desk:
    """A directory to work in, which is the current one, with the command line at hand."""
    from tests.desk import Desk

    place, runtime = tmp_path / "desk", tmp_path / "run"
    place.mkdir()
    runtime.mkdir()
    monkeypatch.chdir(place)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))

    def read() -> tuple[str, str]:
        said = capfd.readouterr()
        return said.out, said.err

    return Desk(place, runtime, read)


@pytest.fixture
def client() -> FakeClient:
    """Of the window: there is no engine."""
    from tests.gui_rig import FakeClient

    return FakeClient()


@pytest.fixture
def window(client: FakeClient, tmp_path: Path) -> Iterator[Window]:
    """Offscreen."""
    from tests.gui_rig import open_window

    with open_window(client, tmp_path) as made:
        yield made


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """A soak in a slow file runs when soaks are asked for, and not with `-m slow`. What a rig hears is asked twice."""
    for item in items:
        if item.get_closest_marker("rig"):
            item.add_marker(pytest.mark.flaky(reruns=1))
    if config.option.markexpr and "soak" not in config.option.markexpr:
        soaks = [item for item in items if item.get_closest_marker("soak")]
        config.hook.pytest_deselected(items=soaks)
        items[:] = [item for item in items if item not in soaks]


def pytest_configure(config: pytest.Config) -> None:
    try:
        problems = foreign_packages(ROOT)
    except ModuleNotFoundError as missing:
        problems = [f"{missing.name} is not installed here."]
    if problems:
        remedy = f"Run the tests of this tree with: python3 {ROOT / 'dev.py'} test"
        raise pytest.UsageError("\n".join([*problems, remedy]))
