"""ABX test: X is A or B, drawn at random for each trial. Logic only, no widgets and no sound.

The number of trials is fixed before the first one and the score is hidden until the last. Therefore
the p-value is the probability of at least that score by guessing (exact, binomial, one-sided).
"""

from __future__ import annotations

import csv
import io
import json
import random
from dataclasses import asdict, dataclass, field
from fractions import Fraction
from math import comb
from typing import Any, Protocol

SLOTS = ("a", "b")
BUTTONS = ("a", "b", "x")
TRIALS = 16  # 12 right of them is p = 0.038


class RandomChoice(Protocol):
    """Source of X."""

    def choice(self, of: tuple[str, ...]) -> str: ...


@dataclass(frozen=True)
class Trial:
    """Answered trial."""

    number: int  # from 1
    x: str  # "a" or "b"
    answer: str
    heard: dict[str, int]  # presses by button
    dropout: bool = False  # a dropout was heard: the trial does not count and was repeated

    @property
    def right(self) -> bool:
        return self.x == self.answer


@dataclass(frozen=True)
class Result:
    """Result of a test. `about`: codecs, gains and seconds of the comparison."""

    trials: tuple[Trial, ...]  # with those that were repeated
    planned: int  # trials that count
    about: dict[str, Any] = field(default_factory=dict)

    @property
    def counted(self) -> tuple[Trial, ...]:
        """Trials without a dropout."""
        return tuple(trial for trial in self.trials if not trial.dropout)

    @property
    def right(self) -> int:
        return sum(trial.right for trial in self.counted)

    @property
    def p_value(self) -> float:
        """Probability of at least this score by guessing."""
        return float(p_value(self.right, len(self.counted)))

    def in_words(self) -> str:
        early = "" if len(self.counted) == self.planned else f", ended before the planned {self.planned}"
        repeated = len(self.trials) - len(self.counted)
        again = f", {repeated} more with dropouts not counted" if repeated else ""
        return f"{self.right} right of {len(self.counted)}, p = {self.p_value:.3g}{early}{again}"

    def to_json(self) -> str:
        """Return score, answers and `about` as JSON."""
        facts = {"right": self.right, "trials": len(self.counted), "asked": self.planned, "p_value": self.p_value}
        facts["repeated"] = len(self.trials) - len(self.counted)
        answers = [asdict(trial) | {"right": trial.right} for trial in self.trials]
        return json.dumps(facts | {"about": self.about, "answers": answers}, indent=1)

    def to_csv(self) -> str:
        """Return one row for each trial as CSV."""
        out = io.StringIO()
        rows = csv.writer(out, lineterminator="\n")
        rows.writerow(["trial", "x", "answer", "right", *(f"heard_{button}" for button in BUTTONS), "dropout"])
        for trial in self.trials:
            heard = [trial.heard.get(button, 0) for button in BUTTONS]
            rows.writerow([trial.number, trial.x, trial.answer, int(trial.right), *heard, int(trial.dropout)])
        return out.getvalue()


class AbxTest:
    """Test in progress: `press` returns the slot to play, `answer` ends a trial, until `over`."""

    def __init__(
        self, trials: int = TRIALS, *, draws: RandomChoice | None = None, about: dict[str, Any] | None = None
    ) -> None:
        """`draws` chooses X; by default the random source of the system."""
        if trials < 1:
            raise ValueError(f"{trials} trials are not enough. Pass 1 or more.")
        self.planned, self._about = trials, about or {}
        self._draws: RandomChoice = draws or random.SystemRandom()
        self._done: list[Trial] = []
        self._start_trial()

    def _start_trial(self) -> None:
        self._x = self._draws.choice(SLOTS)
        self._heard = dict.fromkeys(BUTTONS, 0)
        self._disturbed = False

    @property
    def number(self) -> int:
        """Number of the current trial, from 1."""
        return self._counted + 1

    @property
    def over(self) -> bool:
        return self._counted >= self.planned

    @property
    def _counted(self) -> int:
        return sum(not trial.dropout for trial in self._done)

    @property
    def repeats(self) -> bool:
        """True if the trial before this one had a dropout, so that this one repeats it."""
        return bool(self._done) and self._done[-1].dropout

    def disturb(self) -> None:
        """Mark the current trial: a dropout was heard. Its answer will not count."""
        self._disturbed = True

    @property
    def may_answer(self) -> bool:
        """True once X has been heard in this trial."""
        return not self.over and self._heard["x"] > 0

    def press(self, button: str) -> str:
        """Return the slot to play for button "a", "b" or "x". It must not be shown."""
        self._heard[button] += 1
        return self._x if button == "x" else button

    def answer(self, slot: str) -> None:
        """Answer that X is "a" or "b"; ignored before X has been heard.

        A trial with a dropout is repeated with another X.
        """
        if slot not in SLOTS:
            raise ValueError(f"answer {slot} is not allowed. Pass a or b.")
        if self.may_answer:
            self._done.append(Trial(self.number, self._x, slot, self._heard, self._disturbed))
            self._start_trial()

    def end(self) -> Result:
        """End the test and return the result of the answered trials."""
        self.planned, planned = self._counted, self.planned
        return Result(tuple(self._done), planned, self._about)


def p_value(right: int, trials: int) -> Fraction:
    """Return P(at least `right` of `trials` by guessing); 1 without trials."""
    return Fraction(sum(comb(trials, k) for k in range(right, trials + 1)), 2**trials)
