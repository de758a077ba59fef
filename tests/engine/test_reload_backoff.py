"""Back-off of reloads: at once, then twice as late each time, announced once each way."""

from __future__ import annotations

import itertools
import os
import signal
import time

import pytest

from realtime.engine import reload_backoff
from realtime.engine.engine_settings import Settings
from realtime.engine.reload_backoff import LONGEST_S, SETTLED_S, ReloadBackoff
from realtime.engine.start import start_engine


class Clock:
    """Time that a test sets."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def wait_of_attempt(backoff: ReloadBackoff, clock: Clock) -> float:
    """Return the seconds until the planned attempt."""
    began = clock.now
    while not backoff.take_attempt():
        clock.now += 0.25
    assert not backoff.take_attempt(), "each attempt is made once"
    return clock.now - began


def test_attempts_come_at_once_and_then_twice_as_late_each_time() -> None:
    backoff, waits = ReloadBackoff(clock := Clock()), []
    for _ in range(9):
        backoff.fail("it failed", "loading it again")
        waits.append(wait_of_attempt(backoff, clock))
        backoff.loaded("it is back")
    assert waits == [0, 1, 2, 4, 8, 16, 32, LONGEST_S, LONGEST_S]


def test_a_series_of_failures_is_announced_once_each_way() -> None:
    backoff, said = ReloadBackoff(clock := Clock()), []
    for _ in range(5):
        said += [backoff.fail("it failed", "loading it again"), backoff.loaded("it is back"), backoff.settle()]
    clock.now += SETTLED_S
    said += [backoff.settle(), backoff.settle()]
    assert [message for message in said if message] == [
        "it failed; loading it again",
        "it is back",
        "it failed; trying more and more seldom, dry meanwhile",
        "the codecs play again",
    ]


def test_a_failure_after_it_has_settled_is_repaired_at_once() -> None:
    backoff = ReloadBackoff(clock := Clock())
    for _ in range(3):
        assert backoff.fail("it failed", "loading it again") == "it failed; loading it again"
        assert wait_of_attempt(backoff, clock) == 0
        backoff.loaded("it is back")
        clock.now += SETTLED_S
        assert backoff.settle() is None, "a single failure needs no further word"


def test_nothing_is_attempted_while_something_else_loads_or_after_a_reset() -> None:
    backoff = ReloadBackoff(Clock())
    backoff.fail("it failed", "loading it again")
    assert not backoff.take_attempt(busy=True)
    assert backoff.take_attempt()
    backoff.retry()
    assert backoff.take_attempt()
    backoff.fail("it failed", "loading it again")
    backoff.reset()
    assert not backoff.take_attempt()


@pytest.mark.slow
@pytest.mark.rig
def test_a_worker_that_dies_again_and_again_is_started_seldom_and_announced_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reload_backoff, "SETTLED_S", 3.0)
    engine = start_engine(Settings(48_000, 256, ("pcm", None), ("pcm", None)))
    said: list[str] = []
    killed: dict[int, float] = {}

    def step() -> None:
        if message := engine.supervise():
            said.append(message)
        time.sleep(0.01)

    try:
        while len(killed) < 4:
            if (pid := engine.worker_pid) and pid not in killed:
                os.kill(pid, signal.SIGKILL)
                killed[pid] = time.monotonic()
            step()
        deadline = time.monotonic() + 60
        while "the codecs play again" not in said and time.monotonic() < deadline:
            step()
    finally:
        engine.close()
    times = list(killed.values())
    gaps = [after - before for before, after in itertools.pairwise(times)]
    assert (gaps[1] > 0.9, gaps[2] > 1.9) == (True, True), gaps
    assert engine.restarts >= 1
    assert len(said) == 3, said
    assert said[0] == "the worker died; starting another, dry meanwhile"
    assert said[1].endswith("trying more and more seldom, dry meanwhile")
