"""Compute times of earlier sessions in the latency plan, within bounds."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from realtime.cli.main import main
from realtime.worker import compute_history
from realtime.worker.codec_lane import CodecLane
from realtime.worker.lane_setup import warm_up
from realtime.worker.latency_budget import LatencyRequirement, contention_margin, plan
from realtime.worker.messages import LoadCodecs
from tests.conftest import ROOT
from tests.support.lockstep import lanes_of
from tests.support.systems import rounds


@pytest.fixture(autouse=True)
def own_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setattr(compute_history, "machine_load", lambda: 1.0)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    return tmp_path / "verdigris" / compute_history.FILE


def test_a_codec_without_history_is_planned_as_measured() -> None:
    assert compute_history.clamp_estimate("nano", 0.01) == 0.01


DAY_S = 24 * 3600.0


class Machine:
    """Clock and load of a machine, and its history."""

    def __init__(self) -> None:
        self.now, self.load = 1_000_000_000.0, 0.1
        self.history = compute_history.ComputeHistory(lambda: self.now, lambda: self.load)

    def session(self, seconds: float, load: float, codec: str = "nano") -> None:
        before, self.load = self.load, load
        self.history.store({codec: seconds})
        self.load = before
        self.now += 600

    def plans(self, measured: float, load: float) -> float:
        self.load = load
        return self.history.clamp_estimate("nano", measured)


def test_on_a_busy_machine_the_stored_time_counts_up_to_three_times_the_measured_one() -> None:
    here = Machine()
    here.session(0.02, load=2.0)
    assert here.plans(0.01, load=2.0) == 0.02
    assert here.plans(0.03, load=2.0) == 0.03
    assert here.plans(0.004, load=2.0) == pytest.approx(0.012)
    assert here.history.clamp_estimate("opus:24", 0.004) == 0.004


@given(
    sessions=st.lists(st.tuples(st.floats(1e-4, 10.0), st.floats(0.0, 20.0)), max_size=30),
    measured=st.floats(1e-5, 0.2),
    hop=st.sampled_from([320, 960, 1024, 8192]),
)
@settings(max_examples=rounds(60), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_on_a_quiet_machine_a_plan_is_that_of_a_fresh_configuration(
    sessions: list[tuple[float, float]], measured: float, hop: int
) -> None:
    """Within 10 %, whatever ran before."""

    def latency(seconds: float) -> int:
        seconds += contention_margin(seconds, hop / 48_000)
        need = LatencyRequirement(0, 0, hop, 0, 0, 64, seconds)
        return plan([need], rate=48_000, block=256).latency

    here = Machine()
    compute_history.forget()
    for session in sessions:
        here.session(*session)
    fresh, planned = latency(measured), latency(here.plans(measured, load=0.2))
    assert fresh <= planned <= 1.1 * fresh


def test_a_single_slow_session_changes_little() -> None:
    here = Machine()
    for seconds in (0.011, 0.012, 0.011, 0.09, 0.012):
        here.session(seconds, load=1.0)
    assert here.plans(0.01, load=1.0) == 0.012


def test_older_sessions_weigh_less_and_are_forgotten() -> None:
    here = Machine()
    for _ in range(3):
        here.session(0.02, load=1.0)
    here.now += 30 * DAY_S
    here.session(0.012, load=1.0)
    assert here.plans(0.01, load=1.0) == 0.012
    here.now += 61 * DAY_S
    assert here.plans(0.01, load=1.0) == 0.01


def test_only_recent_sessions_are_kept(own_settings: Path) -> None:
    here = Machine()
    for number in range(3 * compute_history.KEPT):
        here.session(0.01 + number / 1e4, load=1.0)
    (stored,) = json.loads(own_settings.read_text()).values()
    assert len(stored["nano"]) == compute_history.KEPT


def test_doctor_forgets_the_history(own_settings: Path, capsys: pytest.CaptureFixture[str]) -> None:
    compute_history.store({"nano": 0.02})
    assert main(["doctor", "--forget"]) == 0
    assert not own_settings.exists()
    assert main(["doctor", "--forget"]) == 0
    assert capsys.readouterr().out == "compute times deleted\nno compute times were stored\n"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        '{"x": 3}',
        '{"%s": {"nano": "soon"}}',
        '{"%s": {"nano": -1}}',
        '{"%s": {"nano": 0.02}}',
        '{"%s": {"nano": [[1, "x", 0], [1, 2]]}}',
    ],
)
def test_a_damaged_history_is_ignored(own_settings: Path, text: str) -> None:
    own_settings.parent.mkdir()
    own_settings.write_text(text.replace("%s", compute_history.machine()))
    assert compute_history.clamp_estimate("nano", 0.01) == 0.01
    compute_history.store({"nano": 0.02})
    assert compute_history.load() == {"nano": 0.02}


def test_another_machine_with_the_same_home_has_its_own_history(monkeypatch: pytest.MonkeyPatch) -> None:
    compute_history.store({"nano": 0.02})
    monkeypatch.setattr("platform.node", lambda: "elsewhere")
    assert compute_history.load() == {}
    compute_history.store({"nano": 0.05})
    assert compute_history.load() == {"nano": 0.05}


def test_the_start_reports_a_longer_time_from_earlier_sessions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CodecLane, "warm_up", lambda self: 0.010)
    request = LoadCodecs(((0, "opus:24", None),), 48_000)
    lanes = lanes_of("opus:24")
    assert warm_up(lanes, request) == ([0.010], ())
    compute_history.store({"opus:24 discrete float32": 0.020})
    compute_s, (remark,) = warm_up(lanes, request)
    assert compute_s == [0.020]
    assert "planned for 20.0 ms a frame, as seen in earlier sessions; just now the worst was 10.0 ms" in remark


@pytest.mark.slow
@pytest.mark.rig
def test_a_session_stores_its_compute_times() -> None:
    arguments = ["live", "--driver", "clock", "--a", "pcm", "--b", "off", "--seconds", "3", "--osc", "off"]
    subprocess.run([sys.executable, "-m", "realtime.cli.main", *arguments], cwd=ROOT, check=True, capture_output=True)
    assert list(compute_history.load()) == ["pcm discrete float32"]


def test_a_user_without_a_home_can_still_play(monkeypatch: pytest.MonkeyPatch) -> None:
    def nowhere() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CONFIG_HOME")
    monkeypatch.setattr(Path, "home", nowhere)
    compute_history.store({"nano": 0.02})
    assert compute_history.clamp_estimate("nano", 0.01) == 0.01
