"""Bars in seconds: held by a quiet machine, skipped with a reason by a slow one."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from tests.support import machine_speed
from tests.support.rig_judgement import RigJudgement


def test_what_is_within_is_within_at_any_pace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine_speed, "pace", lambda: pytest.fail("asked"))
    machine_speed.within(0.2, 0.25, "it")


def test_what_is_over_fails_on_a_quiet_machine_and_is_skipped_on_a_slow_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine_speed, "pace", lambda: 1.0)
    with pytest.raises(AssertionError, match="it"):
        machine_speed.within(0.3, 0.25, "it")
    monkeypatch.setattr(machine_speed, "pace", lambda: 1.5)
    with pytest.raises(pytest.skip.Exception, match=r"it: 0\.300, the limit is 0\.25, on a machine 1\.50 times slower"):
        machine_speed.within(0.3, 0.25, "it")


def judged(monkeypatch: pytest.MonkeyPatch, error: Exception, slow: float, *, rig: bool = True) -> pytest.TestReport:
    """Return the report of a failed test after the judgement, on a machine that is so many times slower."""
    monkeypatch.setattr(machine_speed, "pace", lambda: slow)
    item = SimpleNamespace(
        path=Path("test_rig.py"), location=("test_rig.py", 3, "it"), get_closest_marker=lambda _: rig or None
    )
    report = pytest.TestReport("it", item.location, {}, "failed", None, "call")
    steps = RigJudgement().pytest_runtest_makereport(
        cast(pytest.Item, item), cast(pytest.CallInfo[None], SimpleNamespace(excinfo=SimpleNamespace(value=error)))
    )
    next(steps)
    with pytest.raises(StopIteration) as ended:
        steps.send(report)
    return cast(pytest.TestReport, ended.value.value)


def test_a_rig_that_fails_by_the_clock_is_not_judged_on_a_slow_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    report = judged(monkeypatch, AssertionError("5 dropouts"), 3.0)
    assert report.skipped
    assert isinstance(report.longrepr, tuple)
    assert "3.0 times slower" in report.longrepr[2]
    assert "5 dropouts" in report.longrepr[2]


def test_a_rig_is_judged_on_a_quiet_machine_and_so_is_an_error_of_another_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    assert judged(monkeypatch, AssertionError("5 dropouts"), 1.9).failed
    assert judged(monkeypatch, TypeError("no clock"), 3.0).failed
    assert judged(monkeypatch, AssertionError("wrong"), 3.0, rig=False).failed
