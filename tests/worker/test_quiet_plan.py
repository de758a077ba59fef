"""Plan of a quiet machine, measured: that of a fresh configuration, whatever ran before."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import pytest

from realtime.worker import compute_history
from realtime.worker.compute_history import QUIET_LOAD, ComputeHistory, machine_load
from tests.conftest import ROOT

CODECS = ("swift", "opus:24")
SLOW_S = {"swift discrete float32": 0.06, "opus:24 discrete float32": 0.011}  # as seen beside ten other programs


def planned(configuration: Path) -> int:
    """Return the latency of `verdigris plan` in samples, in a process of its own."""
    command = [sys.executable, "-m", "realtime.cli.main", "plan", "--a", CODECS[0], "--b", CODECS[1], "--json"]
    environment = {**os.environ, "XDG_CONFIG_HOME": str(configuration), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=True, timeout=60)
    return int(json.loads(done.stdout)["latency_samples"])


@pytest.mark.slow
@pytest.mark.rig
def test_a_quiet_machine_plans_as_with_a_fresh_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if machine_load() >= QUIET_LOAD:
        pytest.skip(f"this machine is busy: {machine_load():.1f} programs want each core")
    used = tmp_path / "used"
    monkeypatch.setenv("XDG_CONFIG_HOME", str(used))
    for day in range(6):  # busy ones, and one that ended when the machine had become quiet
        ComputeHistory(lambda day=day: time.time() - 86_400 * day, lambda day=day: 5.0 * (day > 0)).store(SLOW_S)  # type: ignore[misc]
    assert (used / "verdigris" / compute_history.FILE).exists()
    fresh, after = [], []
    for number in range(5):
        fresh.append(planned(tmp_path / f"fresh-{number}"))
        after.append(planned(used))
    assert statistics.median(after) == pytest.approx(statistics.median(fresh), rel=0.1), (fresh, after)


@pytest.mark.parametrize(("waiting", "load"), [(0.01, 0.0), (0.5, 3.0), (None, 3.0)])
def test_a_machine_on_which_no_program_waits_any_more_is_quiet(
    monkeypatch: pytest.MonkeyPatch, waiting: float | None, load: float
) -> None:
    """The load is a mean of the last minute, so it stays high after the other programs have ended."""
    monkeypatch.setattr(compute_history, "waiting_share", lambda: waiting)
    monkeypatch.setattr(compute_history, "system_load", lambda: 3.0 * (os.cpu_count() or 1))
    assert compute_history.machine_load() == load
