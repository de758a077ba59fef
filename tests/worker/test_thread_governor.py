"""Threads of a lane, by what the machine has free."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime.system.cpu_contention import Contention, ContentionMeter
from realtime.worker.thread_governor import HOLD_S, INTERVAL_S, MAX_HOLD_S, ThreadGovernor
from tests.support.systems import needs_posix

FREE, CROWDED = Contention(0.0, 1.5), Contention(0.5, 0.0)
LOOKS_UNTIL_BACK = round(HOLD_S / INTERVAL_S) + 1


class Machine:
    """Clock and meter under a test's control."""

    def __init__(self) -> None:
        self.now, self.contention = 0.0, FREE

    def clock(self) -> float:
        return self.now

    def read(self) -> Contention | None:
        return self.contention

    def look(self, governor: ThreadGovernor, contention: Contention) -> int:
        """Let time pass until the next look, and return the threads after it."""
        self.now, self.contention = self.now + INTERVAL_S, contention
        governor.update()
        return governor.threads


def governor_of(machine: Machine, threads: int = 2) -> ThreadGovernor:
    return ThreadGovernor(threads, machine, machine.clock)


def test_threads_that_wait_become_one_and_return_when_cores_stay_idle() -> None:
    machine = Machine()
    governor = governor_of(machine)
    assert machine.look(governor, FREE) == 2
    assert machine.look(governor, CROWDED) == 1
    seen = [machine.look(governor, FREE) for _ in range(LOOKS_UNTIL_BACK)]
    assert seen == [1] * (LOOKS_UNTIL_BACK - 1) + [2]


def test_a_core_that_is_idle_now_and_then_is_not_enough() -> None:
    machine = Machine()
    governor = governor_of(machine)
    machine.look(governor, CROWDED)
    for _ in range(50):
        assert machine.look(governor, FREE) == 1
        assert machine.look(governor, Contention(0.0, 0.5)) == 1


def test_returns_that_fail_become_rare() -> None:
    machine = Machine()
    governor = governor_of(machine)
    returns, before = [], 2
    while machine.now < 4 * MAX_HOLD_S:  # idle whenever one thread runs, crowded whenever two do
        threads = machine.look(governor, FREE if before == 1 else CROWDED)
        if threads == 2:
            returns.append(machine.now)
        before = threads
    gaps = [b - a for a, b in itertools.pairwise(returns)]
    assert gaps == sorted(gaps)
    assert gaps[-1] >= MAX_HOLD_S
    assert len(returns) < 12


@given(st.lists(st.builds(Contention, st.floats(0, 1), st.floats(0, 4)) | st.none(), max_size=60), st.integers(0, 4))
def test_there_is_one_thread_or_as_many_as_were_fastest(seen: list[Contention], threads: int) -> None:
    machine = Machine()
    governor = governor_of(machine, threads)
    for contention in seen:
        assert machine.look(governor, contention) in {threads, min(1, threads)}


def test_between_two_looks_nothing_is_read() -> None:
    machine = Machine()
    governor = governor_of(machine)
    machine.now, machine.contention = INTERVAL_S / 2, CROWDED
    assert not governor.update()
    assert governor.threads == 2


def proc(place: Path, ran: float, waited: float, idle: float) -> Path:
    """Write the files of /proc that a meter reads; all in seconds, of one thread and 100 ticks a second."""
    (place / "self" / "task" / "1").mkdir(parents=True, exist_ok=True)
    (place / "self" / "task" / "1" / "schedstat").write_text(f"{round(ran * 1e9)} {round(waited * 1e9)} 5\n")
    (place / "stat").write_text(f"cpu  10 0 10 {round(idle * 100)} 0 0 0 0 0 0\ncpu0 1 2 3\n")
    return place


@needs_posix("/proc")
def test_the_meter_reads_waiting_and_idling(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr("time.perf_counter", lambda: now)
    monkeypatch.setattr("os.sysconf", lambda name: 100)
    meter = ContentionMeter(proc(tmp_path, 1.0, 1.0, 100.0))
    now = 2.0
    proc(tmp_path, 1.6, 1.2, 103.0)
    found = meter.read()
    assert found is not None
    assert found.wait_share == pytest.approx(0.25)
    assert found.idle_cores == pytest.approx(1.5)


def test_a_system_that_tells_nothing_leaves_the_threads_alone(tmp_path: Path) -> None:
    meter = ContentionMeter(tmp_path / "missing")
    assert meter.read() is None
    machine = Machine()
    governor = ThreadGovernor(2, meter, machine.clock)
    machine.now = 10 * INTERVAL_S
    assert not governor.update()


@pytest.mark.skipif(not Path("/proc/self/schedstat").exists(), reason="needs Linux' /proc")
def test_this_machine_tells_numbers_in_range() -> None:
    meter = ContentionMeter()
    sum(range(300_000))
    found = meter.read()
    assert found is not None
    assert 0 <= found.wait_share <= 1
    assert found.idle_cores >= 0
