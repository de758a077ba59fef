"""What earlier sessions took is planned with, within bounds."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from realtime import seen
from realtime.lane import Lane
from realtime.service import Request, warm_up
from tests.conftest import ROOT
from tests.lockstep import lanes_of


@pytest.fixture(autouse=True)
def own_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    return tmp_path / "verdigris" / seen.FILE


def test_what_was_never_seen_changes_nothing() -> None:
    assert seen.refine("nano", 0.01) == 0.01


def test_what_was_seen_is_planned_with_but_never_less_than_measured_nor_more_than_three_times_that() -> None:
    seen.remember({"nano": 0.02})
    assert seen.refine("nano", 0.01) == 0.02
    assert seen.refine("nano", 0.03) == 0.03
    assert seen.refine("nano", 0.004) == pytest.approx(0.012)
    assert seen.refine("opus:24", 0.004) == 0.004


def test_a_slower_session_counts_at_once_and_a_faster_one_by_half() -> None:
    seen.remember({"nano": 0.02})
    seen.remember({"nano": 0.04})
    assert seen.recall() == {"nano": 0.04}
    seen.remember({"nano": 0.02})
    assert seen.recall() == {"nano": pytest.approx(0.03)}


@pytest.mark.parametrize("text", ["", "[]", '{"x": 3}', '{"%s": {"nano": "soon"}}', '{"%s": {"nano": -1}}'])
def test_a_damaged_memory_is_no_memory(own_settings: Path, text: str) -> None:
    own_settings.parent.mkdir()
    own_settings.write_text(text.replace("%s", seen.machine()))
    assert seen.refine("nano", 0.01) == 0.01
    seen.remember({"nano": 0.02})
    assert seen.recall() == {"nano": 0.02}


def test_another_machine_with_the_same_home_has_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    seen.remember({"nano": 0.02})
    monkeypatch.setattr("platform.node", lambda: "elsewhere")
    assert seen.recall() == {}
    seen.remember({"nano": 0.05})
    assert seen.recall() == {"nano": 0.05}


def test_the_start_says_what_it_plans_with_and_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Lane, "warm_up", lambda self: 0.010)
    request = Request(((0, "opus:24", None),), 48_000)
    lanes = lanes_of("opus:24")
    assert warm_up(lanes, request) == ([0.010], ())
    seen.remember({"opus:24 discrete float32": 0.020})
    compute_s, (remark,) = warm_up(lanes, request)
    assert compute_s == [0.020]
    assert "planned for 20.0 ms a frame, as seen in earlier sessions; just now the worst was 10.0 ms" in remark


@pytest.mark.slow
@pytest.mark.rig
def test_a_session_leaves_what_its_frames_took() -> None:
    arguments = ["live", "--driver", "clock", "--a", "pcm", "--b", "off", "--seconds", "3", "--osc", "off"]
    subprocess.run([sys.executable, "-m", "realtime.cli", *arguments], cwd=ROOT, check=True, capture_output=True)
    assert list(seen.recall()) == ["pcm discrete float32"]


def test_a_user_without_a_home_plays_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    def nowhere() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CONFIG_HOME")
    monkeypatch.setattr(Path, "home", nowhere)
    seen.remember({"nano": 0.02})
    assert seen.refine("nano", 0.01) == 0.01
