"""Bars in seconds: held by a quiet machine, skipped with a reason by a slow one."""

from __future__ import annotations

import pytest

from tests.support import machine_speed


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
