"""Rigs that fail on a machine that is much slower than the one on which their limits were measured."""

from __future__ import annotations

import subprocess
from collections.abc import Generator

import pytest

MUCH = 2.0  # times slower than a quiet machine
BY_THE_CLOCK = (AssertionError, TimeoutError, subprocess.TimeoutExpired, pytest.fail.Exception)  # slowness causes these


class RigJudgement:
    """Plug-in that turns such a failure of a test marked rig into a skip that tells it.

    A rig plays in real time. Where the machine has no time for that, its failure shows nothing
    about the program. The pace is measured when the rig has failed, for it changes by the minute.
    Errors that slowness does not cause, such as a TypeError, still fail.
    """

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        if not report.failed or call.excinfo is None or item.get_closest_marker("rig") is None:
            return report
        if not isinstance(call.excinfo.value, BY_THE_CLOCK):
            return report
        from tests.support.machine_speed import pace

        slow = pace()
        if slow > MUCH:
            failure = " ".join(str(call.excinfo.value).split())[:300] or type(call.excinfo.value).__name__
            report.outcome = "skipped"
            reason = (
                f"Skipped: not judged on a machine {slow:.1f} times slower than a quiet one. It failed with: {failure}"
            )
            report.longrepr = (str(item.path), item.location[1] or 0, reason)
        return report
