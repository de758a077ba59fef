"""An effect in a process of its own: nothing that a plug-in or a patch does there can take the worker with it.

    worker: Guest ── (method, arguments) ──► stdin │ guest_process.py: the effect
                  ◄── (result or error) ─── stdout │

One question, one answer, both pickled. What prints there goes nowhere. A watchdog kills a process that owes an answer
for too long; the pipe then ends, and whoever waits on it goes on.
"""

from __future__ import annotations

import contextlib
import pickle
import signal
import subprocess
import sys
import threading
import time
from typing import Any

import numpy as np

from models.codec import Audio
from realtime.rack.effect import PATIENCE_S, Control, EffectError, split_spec
from realtime.signals import held_for_child

LOOK_S = 0.02
START_S = 20.0  # to open, and for the first answer after it or after a reset


class Guest:
    """The worker's end; an Effect. EffectError from the constructor if it cannot be had."""

    def __init__(self, spec: str, rate: int, channels: int, patience_s: float = PATIENCE_S) -> None:
        split_spec(spec)
        self._spec, self._rate, self._channels = spec, rate, channels
        self.patience_s = patience_s  # for one answer; may be set at any time
        self._values: dict[str, float] = {}  # as they were set
        self._remarks: list[str] = []
        self.latency: int
        self.controls: tuple[Control, ...]
        try:
            self.latency, self.controls = self._start()
        except EffectError as error:
            raise EffectError(f"{spec}: {error}") from None

    def _start(self) -> Any:
        self._deadline: float | None = None
        self._late = False
        self._used = False  # since it began anew
        self._gone = threading.Event()
        start = f"import sys; sys.path[:] = {sys.path!r}; from realtime.rack.guest_process import main; main()"
        with held_for_child():
            self._process = subprocess.Popen(
                [sys.executable, "-c", start],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
        threading.Thread(
            target=self._watch, args=(self._process, self._gone), name="verdigris-guest", daemon=True
        ).start()
        try:
            return self._ask("open", self._spec, self._rate, self._channels, patience_s=START_S)
        except EffectError:
            self.close()
            raise

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid

    def process(self, block: Audio) -> Audio | None:
        made, remarks = self._ask("process", block, patience_s=self.patience_s if self._used else START_S)
        self._used = True
        self._remarks += remarks
        return None if made is None else np.asarray(made)

    def set(self, name: str, value: float) -> None:
        self._values[name] = value
        if not self._gone.is_set():
            self._ask("set", name, value, patience_s=self.patience_s)

    def reset(self) -> None:
        if self._gone.is_set():
            if self._start()[0] != self.latency:
                self.close()
                raise EffectError("has another latency now. Start again")
            for name, value in self._values.items():
                self._ask("set", name, value, patience_s=self.patience_s)
        elif self._used:
            self._ask("reset", patience_s=START_S)
            self._used = False

    def remarks(self) -> list[str]:
        said, self._remarks = self._remarks, []
        return said

    def close(self) -> None:
        """End the process. Twice is once."""
        if self._gone.is_set():
            return
        self._gone.set()
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            with contextlib.suppress(OSError):  # a question that was never read
                pipe.close()

    def _ask(self, method: str, *arguments: object, patience_s: float) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._deadline = time.monotonic() + patience_s
        try:
            pickle.dump((method, arguments), self._process.stdin, protocol=5)
            self._process.stdin.flush()
            good, answer = pickle.load(self._process.stdout)
        except (EOFError, OSError, pickle.UnpicklingError):
            raise EffectError(self._end(patience_s)) from None
        finally:
            self._deadline = None
        if not good:
            raise EffectError(answer)
        return answer

    def _end(self, patience_s: float) -> str:
        """How it ended, in words."""
        if self._late:
            return f"gave nothing for {patience_s:g} s"
        code = self._process.wait()
        with contextlib.suppress(ValueError):
            return f"crashed ({signal.Signals(-code).name})"
        return f"ended (exit code {code})"

    def _watch(self, process: subprocess.Popen[bytes], gone: threading.Event) -> None:
        while not gone.wait(LOOK_S):
            deadline = self._deadline
            if deadline is not None and time.monotonic() > deadline:
                self._late = True
                process.kill()
                return
