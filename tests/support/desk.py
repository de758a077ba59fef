"""Runs the command line in a directory of its own, and detects files left behind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import soundfile

from realtime.cli.main import main
from realtime.system.platform.file_names import for_c_library

RATE = 48_000
SHORT = ("live", "--driver", "file", "--a", "pcm", "--b", "off")
Read = Callable[[], tuple[str, str]]  # output since the last call: stdout, stderr


@dataclass(frozen=True)
class Answer:
    """Outcome of a command."""

    code: int
    out: str
    err: str
    made: set[str]  # new files and directories
    timelines: int  # left in the runtime directory


class Desk:
    """Working directory `place`, and the command line in this process."""

    def __init__(self, place: Path, runtime: Path, read: Read) -> None:
        self.place, self.runtime, self._read = place, runtime, read

    def run(self, *arguments: str | Path) -> Answer:
        """Run `verdigris` with these arguments."""
        before = self._files()
        self._read()
        try:
            code = main([str(argument) for argument in arguments])
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 1
        out, err = self._read()
        return Answer(code, out, err, self._files() - before, len(list(self.runtime.rglob("*"))) - 1)

    def refused(self, *arguments: str | Path, code: int = 1) -> str:
        """Run a command that must fail without leaving files; return its error, one line."""
        answer = self.run(*arguments)
        assert answer.code == code, answer
        assert answer.err.startswith("verdigris")
        assert answer.err.endswith("\n")
        assert answer.err.count("\n") == 1, answer.err
        assert answer.made == set()
        assert answer.timelines <= 0
        return answer.err.rstrip("\n")

    def done(self, *arguments: str | Path) -> Answer:
        """Run a command that must succeed without output on stderr."""
        answer = self.run(*arguments)
        assert (answer.code, answer.err) == (0, ""), answer
        assert answer.timelines <= 0
        return answer

    def wav(self, name: str = "in.wav", samples: int = RATE // 4, rate: int = RATE, channels: int = 2) -> Path:
        """Write a WAV file of float32 noise; return its path."""
        path = self.place / name
        soundfile.write(for_c_library(path), noise(samples, channels), rate, subtype="FLOAT", format="WAV")
        return path

    def _files(self) -> set[str]:
        return {str(path.relative_to(self.place)) for path in self.place.rglob("*")}


def stand_in_for_the_command_line(monkeypatch: pytest.MonkeyPatch, folder: Path, program: str) -> None:
    """Let `python -m realtime.cli.main` run this program: Python looks in the current directory first."""
    package = folder / "stand-in" / "realtime"
    (package / "cli").mkdir(parents=True)
    for place in (package, package / "cli"):
        (place / "__init__.py").touch()
    (package / "cli" / "main.py").write_text(program, encoding="utf-8")
    monkeypatch.chdir(package.parent)


def noise(samples: int, channels: int = 2) -> np.ndarray:
    """Return uniform noise [T, C], float32."""
    return np.random.default_rng(0).uniform(-0.5, 0.5, (samples, channels)).astype(np.float32)
