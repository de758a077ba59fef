"""The window on a screen of its own (Xvfb), worked by real clicks and keys (xdotool), and watched from outside.

As a program, `python -m tests.window_rig FILE`: the window, which writes there ten times a second where its buttons
are, what it says, and what it has cost.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from realtime.client import PLAYING, Client

ROOT = Path(__file__).resolve().parent.parent
SIZE = (1440, 900)
PATIENCE_S = 60.0


def main(path: Path) -> None:
    """The program."""
    from PySide6.QtCore import QPoint, QTimer
    from PySide6.QtWidgets import QApplication, QWidget

    from gui import app

    original = app.Window.start

    def start(self: app.Window) -> None:
        window = self
        window.setGeometry(0, 0, *SIZE)
        timer = QTimer(window)
        timer.timeout.connect(lambda: report(window))
        timer.start(100)
        original(window)

    def report(window: app.Window) -> None:
        places = {}
        for widget in window.findChildren(QWidget):
            if widget.isVisible() and widget.accessibleName():
                corner = widget.mapToGlobal(QPoint(0, 0))
                places[widget.accessibleName()] = (corner.x() + widget.width() // 2, corner.y() + widget.height() // 2)
        facts = {
            "at": time.time(),
            "window": int(window.winId()),
            "active": QApplication.activeWindow() is not None,
            "places": places,
            "state": window.header.state.text(),
            "hint": window.strip.hint.text(),
            "codecs": {slot: choice.currentText() for slot, choice in window.header.codecs.items()},
            "abx": window.abx.progress.text() + window.abx.score.text(),
            "may_answer": window.abx.answers["a"].isEnabled(),
            "pictures": window.drawn,
            "cpu": time.process_time(),
            "rss": int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE"),
        }
        new = path.with_suffix(".new")
        new.write_text(json.dumps(facts))
        new.replace(path)

    app.Window.start = start  # type: ignore[method-assign]
    app.run()


class Screen:
    """A display, an engine and a window; `close` ends them all."""

    def __init__(self, place: Path) -> None:
        self.place, self._processes = place, []  # type: ignore[var-annotated]
        self.environment = {
            **os.environ,
            "XDG_RUNTIME_DIR": str(place),
            "XDG_CONFIG_HOME": str(place),
            "QT_QPA_PLATFORM": "xcb",
            "PYTHONPATH": str(ROOT),
        }
        reader, writer = os.pipe()
        server = ["Xvfb", "-displayfd", str(writer), "-screen", "0", f"{SIZE[0]}x{SIZE[1]}x24", "-nolisten", "tcp"]
        self._run(server, pass_fds=(writer,))
        os.close(writer)
        with os.fdopen(reader) as pipe:
            self.environment["DISPLAY"] = f":{pipe.readline().strip()}"

    def _run(self, command: list[str], **how: Any) -> subprocess.Popen[bytes]:
        with (self.place / "said.txt").open("ab") as said:
            process = subprocess.Popen(command, stdout=said, stderr=said, cwd=self.place, env=self.environment, **how)
        self._processes.append(process)
        return process

    def engine(self, *flags: str) -> subprocess.Popen[bytes]:
        """`verdigris live` by the clock."""
        live = [sys.executable, "-m", "realtime.cli", "live", "--driver", "clock", "--osc", "0"]
        return self._run([*live, *flags])

    def window(self) -> subprocess.Popen[bytes]:
        """Open it, and wait until it is there and has the keyboard."""
        (self.place / "window.report").unlink(missing_ok=True)
        process = self._run([sys.executable, "-m", "tests.window_rig", str(self.place / "window.report")])
        self.until(lambda: (self.place / "window.report").exists())
        self.until(self._has_keyboard)
        return process

    def _has_keyboard(self) -> bool:
        report = self.report()
        if not report["active"]:
            self.do("windowfocus", str(report["window"]))
        return bool(report["active"])

    def report(self) -> dict[str, Any]:
        """What the window says of itself."""
        found: dict[str, Any] = json.loads((self.place / "window.report").read_text())
        return found

    def do(self, *command: str) -> None:
        """By xdotool."""
        subprocess.run(["xdotool", *command], env=self.environment, check=True, stdout=subprocess.DEVNULL)

    def click(self, name: str, *more: str) -> None:
        """The middle of the widget with this accessible name."""
        self.until(lambda: name in self.report()["places"])
        x, y = self.report()["places"][name]
        self.do("mousemove", str(x), str(y), "click", *more, "1")

    def key(self, *keys: str) -> None:
        self.do("key", *keys)

    def type_over(self, name: str, text: str) -> None:
        """In a line that can be edited; ends with Return."""
        self.click(name)
        self.key("ctrl+a")
        self.do("type", "--delay", "5", text)
        self.key("Return")

    def until(self, done: Callable[[], object], seconds: float = PATIENCE_S) -> None:
        deadline = time.monotonic() + seconds
        while not done():
            assert time.monotonic() < deadline, (self.place / "said.txt").read_text()[-2000:]
            time.sleep(0.02)

    def close(self) -> None:
        for session in self.place.rglob("*.session"):  # an engine that a window started outlives it
            with contextlib.suppress(ProcessLookupError, ValueError):
                os.kill(json.loads(session.read_text())["pid"], signal.SIGKILL)
        for process in reversed(self._processes):
            process.kill()
            process.wait()


def missing() -> str:
    """Which tools are not here."""
    return " and ".join(tool for tool in ("Xvfb", "xdotool") if not shutil.which(tool))


@contextlib.contextmanager
def screen_at(place: Path) -> Iterator[Screen]:
    """A screen; the test is skipped where it cannot be had."""
    if missing():
        pytest.skip(f"{missing()} not installed")
    screen = Screen(place)
    try:
        yield screen
    finally:
        screen.close()


class Watcher:
    """What the engine says, to a client of the test's own."""

    def __init__(self, screen: Screen) -> None:
        self.screen, self.client = screen, Client(frames=False)

    def until(self, done: Callable[[], object], seconds: float = PATIENCE_S) -> None:
        def polled() -> object:
            self.client.poll()
            return done()

        self.screen.until(polled, seconds)

    def playing(self) -> None:
        self.until(lambda: self.client.state == PLAYING)

    def played(self) -> int:
        """Samples that have been played since the stream began."""
        assert self.client.rings
        return self.client.rings.now + self.client.rings.latency

    def hear(self, seconds: float) -> tuple[int, int]:
        """Wait for so much more sound: played from, to."""
        begin = self.played()
        end = begin + round(seconds * self.client.rate)
        self.until(lambda: self.played() >= end, PATIENCE_S + 2 * seconds)
        return begin, end

    def span(self, path: str) -> tuple[str, int, int]:
        """A stretch in which a path is heard without a hole: the path, played from, to."""
        self.until(lambda: self.client.values["monitor"] == path)
        while True:
            self.hear(0.1)  # the ramp, and the block it began with
            before = self._holes()
            begin, end = self.hear(0.4)
            if self._holes() == before:
                return path, begin, end

    def _holes(self) -> int:
        return sum(count for kind, count in self.client.misses.items() if kind != "xrun")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
