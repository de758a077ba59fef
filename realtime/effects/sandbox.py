"""Sandbox: an effect in a process of its own, so that a crash of a plug-in or patch does not end
the worker.

    worker: SandboxedEffect ── (method, arguments) ──► stdin  │ sandbox_process.py: the effect
                            ◄── (result or error) ──── stdout │

Each request gets one answer, both pickled. Output of the effect's code is discarded. A watchdog
kills the process when an answer takes too long; the pipe then closes, and the waiting call raises.
"""

from __future__ import annotations

import contextlib
import pickle
import subprocess
import sys
import threading
import time
from typing import Any

import numpy as np

from models.codec import Audio
from realtime.effects.effect import OFFLINE_TIMEOUT_S, Control, EffectError
from realtime.effects.kinds import split_spec
from realtime.system.platform.child_process import bind_child, crash_name
from realtime.system.signals import signals_blocked_for_child

WATCHDOG_S = 0.02  # between checks
START_S = 20.0  # to open, and for the first answer after it or after a reset


class SandboxedEffect:
    """Effect whose process runs in a sandbox. EffectError from the constructor if it is not
    available.
    """

    def __init__(self, spec: str, rate: int, channels: int, timeout_s: float = OFFLINE_TIMEOUT_S) -> None:
        split_spec(spec)
        self._spec, self._rate, self._channels = spec, rate, channels
        self.timeout_s = timeout_s  # for one answer; may be set at any time
        self._values: dict[str, float] = {}  # set by the user, for a restart
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
        self._used = False  # since the last reset
        self._gone = threading.Event()
        start = f"import sys; sys.path[:] = {sys.path!r}; from realtime.effects.sandbox_process import main; main()"
        with signals_blocked_for_child():
            self._process = subprocess.Popen(
                [sys.executable, "-c", start],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
        bind_child(self._process)
        threading.Thread(
            target=self._watch, args=(self._process, self._gone), name="verdigris-sandbox", daemon=True
        ).start()
        try:
            return self._ask("open", self._spec, self._rate, self._channels, timeout_s=START_S)
        except EffectError:
            self.close()
            raise

    @property
    def pid(self) -> int:
        """Id of the effect's process."""
        return self._process.pid

    def process(self, block: Audio) -> Audio | None:
        made, remarks = self._ask("process", block, timeout_s=self.timeout_s if self._used else START_S)
        self._used = True
        self._remarks += remarks
        return None if made is None else np.asarray(made)

    def set(self, name: str, value: float) -> None:
        self._values[name] = value
        if not self._gone.is_set():
            self._ask("set", name, value, timeout_s=self.timeout_s)

    def reset(self) -> None:
        if self._gone.is_set():
            if self._start()[0] != self.latency:
                self.close()
                raise EffectError("has another latency now. Restart the stream")
            for name, value in self._values.items():
                self._ask("set", name, value, timeout_s=self.timeout_s)
        elif self._used:
            self._ask("reset", timeout_s=START_S)
            self._used = False

    def remarks(self) -> list[str]:
        remarks, self._remarks = self._remarks, []
        return remarks

    def close(self) -> None:
        """End the process. A second call does nothing."""
        if self._gone.is_set():
            return
        self._gone.set()
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            with contextlib.suppress(OSError):  # a request that was never read
                if pipe:
                    pipe.close()

    def _ask(self, method: str, *arguments: object, timeout_s: float) -> Any:
        requests, answers = self._process.stdin, self._process.stdout
        if requests is None or answers is None:  # only if the process had been started without pipes
            raise EffectError("has no pipes")
        self._deadline = time.perf_counter() + timeout_s
        try:
            pickle.dump((method, arguments), requests, protocol=5)
            requests.flush()
            good, answer = pickle.load(answers)
        except (EOFError, OSError, pickle.UnpicklingError):
            raise EffectError(self._end(timeout_s)) from None
        finally:
            self._deadline = None
        if not good:
            raise EffectError(answer)
        return answer

    def _end(self, timeout_s: float) -> str:
        """Return the reason for the end of the process."""
        if self._late:
            return f"gave no answer for {timeout_s:g} s"
        code = self._process.wait()
        name = crash_name(code)
        return f"crashed ({name})" if name else f"ended (exit code {code})"

    def _watch(self, process: subprocess.Popen[bytes], gone: threading.Event) -> None:
        while not gone.wait(WATCHDOG_S):
            deadline = self._deadline
            if deadline is not None and time.perf_counter() > deadline:
                self._late = True
                process.kill()
                return
