"""`verdigris` commands as child processes of a client: an engine that outlives it, or a list as
JSON.
"""

from __future__ import annotations

import contextlib
import json
import mmap
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from typing import Any

from realtime.system.platform.child_process import background
from realtime.system.platform.stop_signals import ask_to_stop

MAX_LINE = 500  # characters of the last output line
JSON = "--json"


@dataclass
class _Running:
    command: tuple[str, ...]
    process: subprocess.Popen[bytes]
    stdout: Any  # temporary file
    stderr: Any  # the same file; a separate one for JSON, which warnings must not corrupt


class CliProcesses:
    """Child processes that run `verdigris` commands. One thread; only `end` waits."""

    def __init__(self) -> None:
        self._running: list[_Running] = []

    def start(self, *command: str) -> int:
        """Start `verdigris` with this command and return its pid.

        The process outlives this one, and its output goes to a file, so it never waits for a
        reader.
        """
        stdout = tempfile.TemporaryFile()  # noqa: SIM115 - open as long as the process runs
        stderr = tempfile.TemporaryFile() if JSON in command else stdout  # noqa: SIM115
        process = subprocess.Popen(
            [sys.executable, "-m", "realtime.cli.main", *command],
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            **background(),
        )
        self._running.append(_Running(command, process, stdout, stderr))
        return process.pid

    def interrupt(self, command: str) -> None:
        """Ask the processes started with this command to end."""
        for running in self._running:
            if running.command[0] == command and running.process.poll() is None:
                with contextlib.suppress(ProcessLookupError):
                    ask_to_stop(running.process.pid)

    def end(self, timeout_s: float) -> None:
        """Wait up to `timeout_s` for all processes to end, then kill the rest."""
        deadline = time.perf_counter() + timeout_s
        for running in self._running:
            try:
                running.process.wait(max(0.0, deadline - time.perf_counter()))
            except subprocess.TimeoutExpired:
                running.process.kill()
                running.process.wait()
            running.stdout.close()
            running.stderr.close()
        self._running = []

    def is_running(self, command: str) -> bool:
        """Return True if a process started with this command was running at the last `ended` call."""
        return any(running.command[0] == command for running in self._running)

    def progress(self, command: str) -> dict[str, tuple[int, int]]:
        """Return what the running processes of a command have printed last as `progress HAVE TOTAL`,
        by their first argument.
        """
        found = {}
        for running in self._running:
            if running.command[0] == command and (last := _last_progress(running.stderr.fileno())):
                found[running.command[1]] = last
        return found

    def ended(self) -> list[tuple[tuple[str, ...], bool, Any]]:
        """Return the processes that ended since the last call: command, success, and JSON output or
        last line.
        """
        done = [running for running in self._running if running.process.poll() is not None]
        self._running = [running for running in self._running if running not in done]
        return [(r.command, r.process.returncode == 0, _output_of(r)) for r in done]


def _last_progress(descriptor: int) -> tuple[int, int] | None:
    """Return the numbers of the last line `progress HAVE TOTAL` of a file that another process writes."""
    if not os.fstat(descriptor).st_size:
        return None
    with mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ) as view:  # reading would move the writer's place
        last = view[-200:]
    for line in reversed(last.splitlines()):
        words = line.split()
        if len(words) == 3 and words[0] == b"progress" and words[1].isdigit() and words[2].isdigit():
            return int(words[1]), int(words[2])
    return None


def _output_of(running: _Running) -> Any:
    with running.stdout, running.stderr:
        is_json = running.process.returncode == 0 and JSON in running.command
        file = running.stdout if is_json else running.stderr
        file.seek(0)
        text = file.read().decode("utf-8", "replace")
    if is_json:
        return json.loads(text)
    lines = text.strip().splitlines()
    return lines[-1][-MAX_LINE:].removeprefix("verdigris: ") if lines else "it ended without a message"
