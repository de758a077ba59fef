"""A blind test: X is A or B, drawn anew for each trial; is it heard which? Logic only, no widgets and no sound.

The score is not told before the last trial, and how many there are is fixed before the first: then the p-value is what
it says, the chance of doing at least as well by guessing (exact, binomial, one-sided).
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


class Draws(Protocol):
    """Where X comes from."""

    def choice(self, of: tuple[str, ...]) -> str: ...


@dataclass(frozen=True)
class Trial:
    """One that was answered."""

    number: int  # from 1
    x: str  # what it was, "a" or "b"
    answer: str
    heard: dict[str, int]  # how often each button was pressed

    @property
    def right(self) -> bool:
        return self.x == self.answer


@dataclass(frozen=True)
class Result:
    """What came out. `about` is what the test was of: codecs, gains, seconds, as the window knows them."""

    trials: tuple[Trial, ...]
    asked: int  # trials that were to be
    about: dict[str, Any] = field(default_factory=dict)

    @property
    def right(self) -> int:
        return sum(trial.right for trial in self.trials)

    @property
    def p_value(self) -> float:
        """The chance that a coin does at least as well."""
        return float(p_value(self.right, len(self.trials)))

    def in_words(self) -> str:
        whole = "" if len(self.trials) == self.asked else f", ended before the {self.asked} that were to be"
        return f"{self.right} right of {len(self.trials)}, p = {self.p_value:.3g}{whole}"

    def to_json(self) -> str:
        """All of it."""
        facts = {"right": self.right, "trials": len(self.trials), "asked": self.asked, "p_value": self.p_value}
        answers = [asdict(trial) | {"right": trial.right} for trial in self.trials]
        return json.dumps(facts | {"about": self.about, "answers": answers}, indent=1)

    def to_csv(self) -> str:
        """A row for each trial."""
        out = io.StringIO()
        rows = csv.writer(out, lineterminator="\n")
        rows.writerow(["trial", "x", "answer", "right", *(f"heard_{button}" for button in BUTTONS)])
        for trial in self.trials:
            heard = [trial.heard.get(button, 0) for button in BUTTONS]
            rows.writerow([trial.number, trial.x, trial.answer, int(trial.right), *heard])
        return out.getvalue()


class Abx:
    """A test in progress: `press` a button for what is to be heard, `answer` what X is, until `over`."""

    def __init__(
        self, trials: int = TRIALS, *, draws: Draws | None = None, about: dict[str, Any] | None = None
    ) -> None:
        """`draws` is the system's own randomness unless a test of this gives another."""
        if trials < 1:
            raise ValueError(f"{trials} trials: a test has at least 1.")
        self.asked, self._about = trials, about or {}
        self._draws: Draws = draws or random.SystemRandom()
        self._done: list[Trial] = []
        self._begin()

    def _begin(self) -> None:
        self._x = self._draws.choice(SLOTS)
        self._heard = dict.fromkeys(BUTTONS, 0)

    @property
    def number(self) -> int:
        """Of the trial that is asked now, from 1."""
        return len(self._done) + 1

    @property
    def over(self) -> bool:
        return len(self._done) >= self.asked

    @property
    def may_answer(self) -> bool:
        """Whether X has been heard in this trial."""
        return not self.over and self._heard["x"] > 0

    def press(self, button: str) -> str:
        """What is to be heard for "a", "b" or "x": "a" or "b", for the engine and not for the eye."""
        self._heard[button] += 1
        return self._x if button == "x" else button

    def answer(self, slot: str) -> None:
        """X is "a" or "b". Counts only where X was heard."""
        if slot not in SLOTS:
            raise ValueError(f"{slot}: X is a or b.")
        if self.may_answer:
            self._done.append(Trial(self.number, self._x, slot, self._heard))
            self._begin()

    def end(self) -> Result:
        """What came out, of the trials that were answered; the test is over with it."""
        self.asked, asked = len(self._done), self.asked
        return Result(tuple(self._done), asked, self._about)


def p_value(right: int, trials: int) -> Fraction:
    """P(at least so many right of so many, by guessing); 1 of none."""
    return Fraction(sum(comb(trials, k) for k in range(right, trials + 1)), 2**trials)
