"""The ABX test: drawing of X, trials and result."""

from __future__ import annotations

import csv
import io
import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gui.model.abx_trials import AbxTest, p_value


def answered(test: AbxTest, *answers: str) -> AbxTest:
    for answer in answers:
        test.press("x")
        test.answer(answer)
    return test


@pytest.mark.parametrize(
    ("right", "trials", "p"), [(0, 0, 1.0), (5, 5, 1 / 32), (12, 16, 2517 / 65536), (8, 16, 0.5981903076171875)]
)
def test_the_p_value_is_binomial(right: int, trials: int, p: float) -> None:
    assert float(p_value(right, trials)) == p


@given(trials=st.integers(0, 60))
def test_the_p_value_falls_from_one_with_every_right_answer(trials: int) -> None:
    values = [p_value(right, trials) for right in range(trials + 1)]
    assert values[0] == 1
    assert values == sorted(values, reverse=True)
    assert values[-1] * 2**trials == 1


@given(seed=st.integers(0, 2**32), guesses=st.lists(st.sampled_from("ab"), min_size=1, max_size=30))
def test_the_score_counts_the_right_answers(seed: int, guesses: list[str]) -> None:
    test = AbxTest(len(guesses), draws=random.Random(seed))
    again = random.Random(seed)
    drawn = [again.choice(("a", "b")) for _ in guesses]
    for x, guess in zip(drawn, guesses, strict=True):
        assert test.press("a") == "a"
        assert test.press("b") == "b"
        assert test.press("x") == x
        test.answer(guess)
    assert test.over
    assert test.end().right == sum(x == guess for x, guess in zip(drawn, guesses, strict=True))


def test_x_is_drawn_anew_by_the_random_source_of_the_system() -> None:
    test = AbxTest(200)
    drawn = set()
    for _ in range(200):
        drawn.add(test.press("x"))
        test.answer("a")
    assert drawn == {"a", "b"}


def test_an_answer_counts_only_after_x_was_heard_and_within_the_planned_trials() -> None:
    test = AbxTest(1)
    test.answer("a")
    assert test.number == 1
    answered(test, "a", "b")
    assert len(test.end().trials) == 1
    with pytest.raises(ValueError, match="Pass a or b"):
        test.answer("x")
    with pytest.raises(ValueError, match="Pass 1 or more"):
        AbxTest(0)


def test_the_result_names_an_early_end() -> None:
    result = answered(AbxTest(10), "a", "b").end()
    assert len(result.trials) == 2
    assert "ended before the planned 10" in result.in_words()
    assert "ended" not in answered(AbxTest(1), "a").end().in_words()


def test_json_and_csv_agree() -> None:
    test = AbxTest(3, draws=random.Random(1), about={"a": "nano:discrete", "b": "opus:6", "seconds": 2.56})
    test.press("a")
    result = answered(test, "a", "b", "a").end()
    facts, rows = json.loads(result.to_json()), list(csv.DictReader(io.StringIO(result.to_csv())))
    assert (facts["right"], facts["trials"], facts["p_value"]) == (result.right, 3, result.p_value)
    assert facts["about"]["b"] == "opus:6"
    assert [row["x"] for row in rows] == [answer["x"] for answer in facts["answers"]]
    assert sum(int(row["right"]) for row in rows) == result.right
    assert [int(row["heard_a"]) for row in rows] == [1, 0, 0]


def test_a_trial_with_a_dropout_is_marked_and_repeated_and_does_not_count() -> None:
    test = AbxTest(2, draws=random.Random(1))
    answered(test, "a")
    test.press("x")
    test.disturb()
    test.answer("a")
    assert (test.number, test.over, test.repeats) == (2, False, True)
    answered(test, "b")
    assert (test.over, test.repeats) == (True, False)
    result = test.end()
    assert [trial.number for trial in result.trials] == [1, 2, 2]
    assert [trial.dropout for trial in result.trials] == [False, True, False]
    assert result.right == sum(trial.right for trial in result.trials if not trial.dropout)
    assert result.p_value == float(p_value(result.right, 2))
    assert "of 2" in result.in_words()
    assert "1 more with dropouts not counted" in result.in_words()
    facts = json.loads(result.to_json())
    assert (facts["trials"], facts["repeated"]) == (2, 1)
    assert [answer["dropout"] for answer in facts["answers"]] == [False, True, False]
    assert [row["dropout"] for row in csv.DictReader(io.StringIO(result.to_csv()))] == ["0", "1", "0"]
