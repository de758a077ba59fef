"""Page of the ABX test. Trials and score are those of model/abx_trials.py."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QFileDialog, QGridLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from gui.model.abx_trials import AbxTest, RandomChoice, Result

LISTEN = {"a": "1  A", "b": "2  B", "x": "3  X"}
ANSWERS = {"a": "4  X is A", "b": "5  X is B"}
KEYS = {"1": ("press", "a"), "2": ("press", "b"), "3": ("press", "x"), "4": ("answer", "a"), "5": ("answer", "b")}
HOW = (
    "The last seconds play in a loop. A and B are equally loud, their seeds are locked, and everything that could "
    "tell them apart is hidden. Listen to A, B and X as often as you like, then answer which of them X is. The "
    "score comes after the last trial."
)


class AbxPage(QWidget):
    """Signals: `started` and `ended` of a test; `heard(slot)`, to be played and not shown."""

    started = Signal()
    ended = Signal()
    heard = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self.about: Callable[[], dict[str, Any]] = dict  # facts of the comparison, saved with the result
        self.test: AbxTest | None = None
        self.result: Result | None = None
        self.draws: RandomChoice | None = None  # None: the random source of the system
        how = QLabel(HOW)
        how.setWordWrap(True)
        how.setObjectName("muted")
        self.start_button = self._button("Begin", "begin a blind test, or end it", self._start_or_end)
        self.progress, self.score = QLabel(), QLabel()
        self.score.setWordWrap(True)
        grid = QGridLayout()
        self.listen, self.answers = {}, {}
        for column, (name, label) in enumerate(LISTEN.items()):
            button = self._button(label, f"blind test: listen to {name.upper()}", partial(self.press, name))
            button.setCheckable(True)
            self.listen[name] = button
            grid.addWidget(button, 0, column)
        for column, (name, label) in enumerate(ANSWERS.items()):
            button = self._button(label, f"blind test: X is {name.upper()}", partial(self.answer, name))
            self.answers[name] = button
            grid.addWidget(button, 1, column)
        self.export = self._button("Export …", "write the trials to a file, CSV or JSON", self._export)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for part in (how, self.start_button, self.progress):
            layout.addWidget(part)
        layout.addLayout(grid)
        layout.addWidget(self.score)
        layout.addWidget(self.export)
        layout.addStretch(1)
        self._show()

    @staticmethod
    def _button(label: str, name: str, act: Callable[[], object]) -> QPushButton:
        button = QPushButton(label)
        button.setAccessibleName(name)
        button.clicked.connect(lambda _=False: act())
        return button

    @property
    def running(self) -> bool:
        return self.test is not None

    def start(self) -> None:
        """Start a test."""
        self.test, self.result = AbxTest(draws=self.draws, about=self.about()), None
        self.started.emit()
        self.press("a")

    def end(self) -> None:
        """End the test with the trials answered so far."""
        if self.test is None:
            return
        self.result, self.test = self.test.end(), None
        self.ended.emit()
        self._show()

    def press(self, name: str) -> None:
        """Play A, B or X."""
        if self.test is None:
            return
        self.heard.emit(self.test.press(name))
        self._show(name)

    def answer(self, name: str) -> None:
        """Answer that X is a or b; ignored before X has been heard."""
        if self.test is None or not self.test.may_answer:
            return
        self.test.answer(name)
        if self.test.over:
            self.end()
        else:
            self.press("a")

    def disturb(self) -> None:
        """Mark the current trial: a dropout was heard. It will be repeated."""
        if self.test is not None:
            self.test.disturb()

    def key(self, key: str) -> None:
        """Press the button of one of KEYS."""
        method, name = KEYS[key]
        getattr(self, method)(name)

    def _start_or_end(self) -> None:
        if self.running:
            self.end()
        else:
            self.start()

    def _show(self, playing: str = "") -> None:
        test = self.test
        for name, button in self.listen.items():
            button.setEnabled(test is not None)
            button.setChecked(name == playing)
        for button in self.answers.values():
            button.setEnabled(test is not None and test.may_answer)
        self.start_button.setText("Begin" if test is None else "End")
        self.export.setEnabled(self.result is not None)
        again = ", once more: a dropout was heard" if test is not None and test.repeats else ""
        self.progress.setText("" if test is None else f"Trial {test.number} of {test.planned}{again}")
        self.score.setText(f"{self.result.in_words()} (probability by guessing)" if self.result else "")

    def _export(self) -> None:
        path, _ = QFileDialog.getSaveFileName(self, "Export the trials", "abx.csv", "CSV (*.csv);;JSON (*.json)")
        if path and self.result:
            self.write(Path(path))

    def write(self, path: Path) -> None:
        """Write the result as JSON or CSV, by the suffix of the file."""
        assert self.result
        text = self.result.to_json() if path.suffix == ".json" else self.result.to_csv()
        try:
            path.write_text(text, encoding="utf-8")
        except OSError as error:
            self.score.setText(f"{path} cannot be written ({error.strerror}). Choose another directory.")
