"""A directory to work in, with verdigris at hand, that notices what is left behind."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from realtime.cli import main

RATE = 48_000
SHORT = ("live", "--driver", "file", "--a", "pcm", "--b", "off")
Read = Callable[[], tuple[str, str]]  # what was printed since the last time: stdout, stderr


@dataclass(frozen=True)
class Answer:
    code: int
    out: str
    err: str
    made: set[str]  # files and directories that were not there before
    timelines: int  # left in the runtime directory


class Desk:
    """`run` is the command line in this process; `place` is its working directory."""

    def __init__(self, place: Path, runtime: Path, read: Read) -> None:
        self.place, self.runtime, self._read = place, runtime, read

    def run(self, *arguments: str | Path) -> Answer:
        before = self._files()
        self._read()
        try:
            code = main([str(argument) for argument in arguments])
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 1
        out, err = self._read()
        return Answer(code, out, err, self._files() - before, len(list(self.runtime.rglob("*"))) - 1)

    def refused(self, *arguments: str | Path, code: int = 1) -> str:
        """Run what cannot be done; the one line that says why, after a look for debris."""
        answer = self.run(*arguments)
        assert answer.code == code, answer
        assert answer.err.startswith("verdigris")
        assert answer.err.endswith("\n")
        assert answer.err.count("\n") == 1, answer.err
        assert answer.made == set()
        assert answer.timelines <= 0
        return answer.err.rstrip("\n")

    def done(self, *arguments: str | Path) -> Answer:
        """Run what can be done: no word on stderr."""
        answer = self.run(*arguments)
        assert (answer.code, answer.err) == (0, ""), answer
        assert answer.timelines <= 0
        return answer

    def wav(self, name: str = "in.wav", samples: int = RATE // 4, rate: int = RATE, channels: int = 2) -> Path:
        """Noise, float32."""
        path = self.place / name
        soundfile.write(os.fsencode(path), noise(samples, channels), rate, subtype="FLOAT", format="WAV")
        return path

    def _files(self) -> set[str]:
        return {str(path.relative_to(self.place)) for path in self.place.rglob("*")}


def noise(samples: int, channels: int = 2) -> np.ndarray:
    """[T, C] float32."""
    return np.random.default_rng(0).uniform(-0.5, 0.5, (samples, channels)).astype(np.float32)
