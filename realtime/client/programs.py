"""Commands of ours, run beside a client and not as a part of it: an engine that outlives it, or a list it asks for."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from typing import Any

LINE = 500  # bytes of what was said last
JSON = "--json"


@dataclass
class _Running:
    command: tuple[str, ...]
    process: subprocess.Popen[bytes]
    said: Any  # a file
    complained: Any  # likewise; another one where what is said is JSON, which no warning is to break


class Programs:
    """One thread; nothing waits."""

    def __init__(self) -> None:
        self._running: list[_Running] = []

    def start(self, *command: str) -> int:
        """`verdigris` with this command, on its own: it outlives us, and its output needs no reader. Its pid."""
        said = tempfile.TemporaryFile()  # noqa: SIM115 - as long as the process
        complained = tempfile.TemporaryFile() if JSON in command else said  # noqa: SIM115
        process = subprocess.Popen(
            [sys.executable, "-m", "realtime.cli", *command],
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=complained,
            start_new_session=True,
        )
        self._running.append(_Running(command, process, said, complained))
        return process.pid

    def interrupt(self, command: str) -> None:
        """Ask those that were started with this command to end."""
        for running in self._running:
            if running.command[0] == command:
                running.process.terminate()

    def end(self, patience_s: float) -> None:
        """Wait so long for all of them to end, then kill those that do not."""
        deadline = time.monotonic() + patience_s
        for running in self._running:
            try:
                running.process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                running.process.kill()
                running.process.wait()
            running.said.close()
            running.complained.close()
        self._running = []

    def is_running(self, command: str) -> bool:
        """Whether one that was started with this command still runs, as of the last `ended`."""
        return any(running.command[0] == command for running in self._running)

    def ended(self) -> list[tuple[tuple[str, ...], bool, Any]]:
        """Those that have ended since the last call: the command, whether it was well, and its JSON or last line."""
        done = [running for running in self._running if running.process.poll() is not None]
        self._running = [running for running in self._running if running not in done]
        return [(r.command, r.process.returncode == 0, _said(r)) for r in done]


def _said(running: _Running) -> Any:
    with running.said, running.complained:
        is_json = running.process.returncode == 0 and JSON in running.command
        file = running.said if is_json else running.complained
        file.seek(0)
        text = file.read().decode("utf-8", "replace")
    if is_json:
        return json.loads(text)
    lines = text.strip().splitlines()
    return lines[-1][-LINE:].removeprefix("verdigris: ") if lines else "it ended without a word"
