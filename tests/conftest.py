"""Setup of every test run: our own packages, no display, and repeatable examples in CI."""

from __future__ import annotations

import importlib
import os
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest

from tests.support.rig_judgement import RigJudgement

if TYPE_CHECKING:
    from gui.window import Window
    from tests.support.desk import Desk
    from tests.support.gui_rig import FakeClient

ROOT = Path(__file__).resolve().parent.parent

# The user's own sessions, and those of other processes that run tests, are neither seen nor changed.
_home = tempfile.TemporaryDirectory(prefix="verdigris-tests-", ignore_cleanup_errors=True)
os.environ["XDG_CONFIG_HOME"] = _home.name
os.environ["XDG_RUNTIME_DIR"] = tempfile.mkdtemp(dir=_home.name)  # mode 0700
os.environ["VERDIGRIS_CACHE"] = os.path.join(_home.name, "weights")
os.environ["VERDIGRIS_OFFLINE"] = "1"  # no test downloads anything

os.environ["QT_QPA_PLATFORM"] = "offscreen"  # before anything imports Qt

# No deadline: a shared machine may stall for 100 ms, whatever our code does.
hypothesis.settings.register_profile("default", deadline=None)
hypothesis.settings.register_profile(
    "few", deadline=None, derandomize=True, max_examples=10
)  # where files are slow: Wine
hypothesis.settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
hypothesis.settings.load_profile("ci" if os.environ.get("CI") else "default")

pytest.register_assert_rewrite("tests.support.contract")


def foreign_packages(root: Path) -> list[str]:
    """Return one line for each package of ours that is not imported from `root`.

    `realtime` and `models` are common names: PyPI has a `realtime`, and an environment may hold
    another checkout. Tests against other code prove nothing.
    """
    problems = []
    for name in ("realtime", "models"):
        package = importlib.import_module(name)
        found = [Path(place).resolve() for place in package.__path__]
        if found != [root / name]:
            problems.append(f"{name} comes from {', '.join(map(str, found))}, expected {root / name}.")
    return problems


@pytest.fixture(autouse=True)
def own_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give each test an empty configuration: compute times, presets and latencies that another test
    has stored change what sessions plan.
    """
    monkeypatch.setenv("XDG_CONFIG_HOME", tempfile.mkdtemp(dir=_home.name))


@pytest.fixture(autouse=True)
def patience_with_wine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait longer for a process to start under Wine, where that takes seconds."""
    from realtime.system.platform.diagnosis import wine_version

    if wine_version():
        monkeypatch.setattr("realtime.effects.sandbox.START_S", 200.0)


@pytest.fixture(autouse=True)
def torch_threads() -> Iterator[None]:
    """Restore the number of torch threads after a test: a tuned codec sets it for the whole
    process.
    """
    before = sys.modules["torch"].get_num_threads() if "torch" in sys.modules else 0
    yield
    if before and sys.modules["torch"].get_num_threads() != before:
        sys.modules["torch"].set_num_threads(before)


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Desk:
    """Return a desk: an empty current directory with the command line."""
    from tests.support.desk import Desk

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
    """Return a client without an engine, for the window."""
    from tests.support.gui_rig import FakeClient

    return FakeClient()


@pytest.fixture
def window(client: FakeClient, tmp_path: Path) -> Iterator[Window]:
    """Open a window offscreen."""
    from tests.support.gui_rig import open_window

    with open_window(client, tmp_path) as made:
        yield made


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Run soaks only if `-m` names them, and repeat a failed rig test once."""
    for item in items:
        if item.get_closest_marker("rig"):
            item.add_marker(pytest.mark.flaky(reruns=1))
    if config.option.markexpr and "soak" not in config.option.markexpr:
        soaks = [item for item in items if item.get_closest_marker("soak")]
        config.hook.pytest_deselected(items=soaks)
        items[:] = [item for item in items if item not in soaks]


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(RigJudgement())
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as a shell's background jobs start; children inherit it
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        problems = foreign_packages(ROOT)
    except ModuleNotFoundError as missing:
        problems = [f"{missing.name} is not installed here."]
    if problems:
        remedy = f"Run the tests of this tree with: python3 {ROOT / 'dev.py'} test"
        raise pytest.UsageError("\n".join([*problems, remedy]))
