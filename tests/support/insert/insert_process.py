"""`verdigris live --driver plugin` as a process, for hosts that are processes too."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.support.insert.insert_rig import library_path, wait_until

ROOT = Path(__file__).resolve().parents[3]
LIVE = ["live", "--driver", "plugin"]


def need(*tools: str) -> None:
    """Skip the test if a host is not installed."""
    missing = [tool for tool in tools if shutil.which(tool) is None]
    if missing:
        pytest.skip(f"no {', '.join(missing)} here: apt-get install lilv-utils lv2file jalv lv2-dev sordi")


def environment(place: Path) -> dict[str, str]:
    """Return an environment with runtime directory, configuration and plug-ins of the test's own."""
    (place / "run").mkdir(exist_ok=True)
    return {
        **os.environ,
        "XDG_RUNTIME_DIR": str(place / "run"),
        "XDG_CONFIG_HOME": str(place / "config"),
        "LV2_PATH": f"{library_path().parent.parent}:/usr/lib/lv2",
        "PYTHONPATH": str(ROOT),
    }


def verdigris(place: Path, *arguments: str) -> str:
    """Run a command to its end and return its output."""
    command = [sys.executable, "-m", "realtime.cli.main", *arguments]
    return subprocess.run(
        command, env=environment(place), capture_output=True, text=True, check=True, timeout=100
    ).stdout


class Live:
    """The engine's process and its output."""

    def __init__(self, place: Path, *arguments: str) -> None:
        self.said: list[str] = []
        self.process = subprocess.Popen(
            [
                sys.executable,
                "-u",
                "-m",
                "realtime.cli.main",
                *LIVE,
                *(arguments if "--osc" in arguments else (*arguments, "--osc", "off")),
            ],
            env=environment(place),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            text=True,
        )
        threading.Thread(target=self._read, daemon=True).start()
        self.wait_for("waiting for inserts")

    def _read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            self.said.append(line.rstrip())

    def wait_for(self, pattern: str, after: int = 0) -> re.Match[str]:
        """Wait for a line that matches, after the first `after` lines, and return the match."""
        found: list[re.Match[str]] = []

        def look() -> bool:
            found[:] = [match for line in self.said[after:] if (match := re.search(pattern, line))]
            return bool(found) or self.process.poll() is not None

        wait_until(look, f"{pattern} in {self.said}", 60.0)
        assert found, self.said
        return found[0]

    def workers(self) -> list[int]:
        """Return the pids of the codecs' processes."""
        children = Path(f"/proc/{self.process.pid}/task").glob("*/children")
        pids = [int(pid) for path in children for pid in path.read_text().split()]
        return [pid for pid in pids if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()]

    def kill_all(self) -> None:
        """Kill engine and workers at once."""
        os.killpg(self.process.pid, signal.SIGKILL)

    def close(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGCONT)
            self.process.terminate()
            self.process.wait(20)
            os.killpg(self.process.pid, signal.SIGKILL)
        assert self.process.stdout
        self.process.stdout.close()

    def __enter__(self) -> Live:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
