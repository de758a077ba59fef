"""Kernels chosen by a race: in turns, kept by CPU model, with the favourite where nothing is clearly faster."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from models import kernels
from models.kernels import race as race_module
from models.kernels.race import MARGIN, cpu_model, kept_winner, race, winner


class Clock:
    """Clock that only the contenders advance."""

    def __init__(self) -> None:
        self.now, self.calls = 0.0, ""

    def __call__(self) -> float:
        return self.now

    def runner(self, name: str, seconds: list[float]) -> Callable[[], None]:
        """Return a contender whose calls take these times, the last one again and again."""

        def run() -> None:
            self.calls += name
            self.now += seconds.pop(0) if len(seconds) > 1 else seconds[0]

        return run


def test_contenders_run_in_turns_and_a_disturbed_run_does_not_count() -> None:
    clock = Clock()
    contenders = {"a": clock.runner("a", [9.0, 1.0, 50.0, 1.0]), "b": clock.runner("b", [9.0, 2.0, 2.0])}
    assert race(contenders, 3, clock) == {"a": 1.0, "b": 2.0}
    assert clock.calls == "ab" * 4


@pytest.mark.parametrize(("other", "wins"), [(1.0, False), (0.99, False), (1 / MARGIN + 0.01, False), (0.5, True)])
def test_the_favourite_wins_unless_another_is_clearly_faster(other: float, wins: bool) -> None:
    assert winner({"ours": 1.0, "torch": other}, "ours") == ("torch" if wins else "ours")


def test_a_winner_is_kept_by_cpu_model_and_not_raced_again(tmp_path: Path) -> None:
    clock = Clock()
    contenders = {"ours": clock.runner("o", [1.0]), "torch": clock.runner("t", [1.0])}
    file = tmp_path / "sub" / "race.json"
    file.parent.mkdir()
    file.write_text('{"this CPU": "torch", "gone": "nonsense"}')
    assert kept_winner(file, "this CPU", contenders, "ours") == "torch"
    assert clock.calls == "", "known"
    assert kept_winner(file, "another CPU", contenders, "ours") == "ours"
    ran = clock.calls
    assert ran
    assert kept_winner(file, "another CPU", contenders, "ours") == "ours"
    assert clock.calls == ran
    assert kept_winner(file, "gone", contenders, "ours") == "ours", "a winner that does not exist is raced for again"


@pytest.mark.parametrize("content", ["", "[]", "nonsense", '{"cpu": 3}'])
def test_a_damaged_file_costs_a_race(tmp_path: Path, content: str) -> None:
    (tmp_path / "race.json").write_text(content)
    assert kept_winner(tmp_path / "race.json", "cpu", {"ours": int, "torch": int}, "ours") in ("ours", "torch")
    assert '"cpu"' in (tmp_path / "race.json").read_text()


def test_a_folder_that_cannot_be_written_costs_a_race() -> None:
    assert kept_winner(Path("/proc/none/race.json"), "cpu", {"ours": int}, "ours") == "ours"


def test_the_cpu_model_is_that_of_the_system(tmp_path: Path) -> None:
    (tmp_path / "cpuinfo").write_text(
        "processor\t: 0\nvendor_id\t: GenuineIntel\nmodel\t\t: 143\nmodel name\t: Xeon\nstepping\t: 8\n\n"
        "processor\t: 1\nmodel name\t: other\n"
    )
    assert cpu_model(tmp_path / "cpuinfo") == "GenuineIntel Xeon 143 8"
    assert cpu_model(tmp_path / "missing")


@pytest.mark.parametrize(("fastest", "owns"), [(kernels.OURS, True), (kernels.TORCH, False)])
def test_the_winner_multiplies(monkeypatch: pytest.MonkeyPatch, fastest: str, owns: bool) -> None:
    monkeypatch.setattr(kernels, "library", lambda: object())
    monkeypatch.setattr(kernels, "fastest", lambda: fastest)
    assert kernels.owns_matmul(64) == owns
    assert not kernels.owns_matmul(33)


def test_the_instruction_set_can_be_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(kernels.ISA_VARIABLE, "avx2")
    flags = kernels._cpu_flags.__wrapped__()
    assert not [flag for flag in flags if flag.startswith(("avx512", "amx"))]


@pytest.mark.skipif(kernels.library() is None, reason="the kernels need AVX512_BF16 and a C compiler")
def test_both_ways_run_here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(race_module, "cache_folder", lambda: tmp_path)
    assert kernels.fastest.__wrapped__() in (kernels.OURS, kernels.TORCH)
    assert (tmp_path / "race.json").is_file()
