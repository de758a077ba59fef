"""The window on a display of its own (Xvfb), controlled by real clicks and keys (xdotool).

As a program, `python -m tests.support.display.window_rig FILE [own]` is the window, which writes positions
of its widgets, texts and resource use to FILE ten times a second. With `own` it has the size that it
chooses, otherwise SIZE.
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

from realtime.client import Client, ClientState, sessions
from realtime.timeline.layout import RUN_START

ROOT = Path(__file__).resolve().parents[3]
SIZE = (1440, 900)
PATIENCE_S = 60.0


def main(path: Path, *, own_size: bool) -> None:
    """Run the program."""
    from PySide6.QtCore import QPoint, QTimer
    from PySide6.QtWidgets import QApplication, QMenu, QWidget

    from gui import app
    from gui.model.settings import Settings
    from gui.tour import DONE
    from gui.window import Window
    from tests.support.display.text_fits import clipped

    original = Window.start

    def start(self: Window) -> None:
        window = self
        if not own_size:
            window.setGeometry(0, 0, *SIZE)
        timer = QTimer(window)
        timer.timeout.connect(lambda: report(window))
        timer.start(100)
        original(window)

    def report(window: Window) -> None:
        places = {}
        for widget in window.findChildren(QWidget):
            if widget.isVisible() and widget.accessibleName():
                middle = widget.mapToGlobal(QPoint(widget.width() // 2, widget.height() // 2))
                places[widget.accessibleName()] = middle.toTuple()
        for menu in QApplication.topLevelWidgets():
            if isinstance(menu, QMenu) and menu.isVisible():
                for action in menu.actions():
                    title = "menu: " + action.text().partition(" — ")[0]
                    places[title] = menu.mapToGlobal(menu.actionGeometry(action).center()).toTuple()
        place = window.view.header.transport.place
        facts = {
            "at": time.time(),
            "window": int(window.winId()),
            "active": QApplication.activeWindow() is not None,
            "places": places,
            "size": window.frameSize().toTuple(),
            "room": window.screen().availableSize().toTuple(),
            "compact": window.arrangement.compact,
            "clipped": clipped(window) if own_size else [],
            "side": window.view.side_panel.width() if window.view.side_panel.isVisible() else 0,
            "levels": window.view.meters.levels,
            "load": window.view.header.load.value,
            "time": window.view.header.transport.time.text(),
            "position": (place.mapToGlobal(QPoint(0, 0)).toTuple(), place.size().toTuple()),
            "state": window.view.header.state.text(),
            "hint": window.view.messages.text.text(),
            "codecs": {slot: f"{card.codec.name}  {card.note.text()}" for slot, card in window.view.cards.items()},
            "figures": {slot: " · ".join(card.figures.lines(10_000)) for slot, card in window.view.cards.items()},
            "abx": window.view.abx.progress.text() + window.view.abx.score.text(),
            "may_answer": window.view.abx.answers["a"].isEnabled(),
            "pictures": window.drawn,
            "cpu": time.process_time(),
            "rss": int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE"),
        }
        new = path.with_suffix(".new")
        new.write_text(json.dumps(facts))
        new.replace(path)

    Window.start = start  # type: ignore[method-assign]
    if not os.environ.get("VERDIGRIS_TEST_TOUR"):
        Settings().save({DONE: True})
    app.run()


class Screen:
    """Display with an engine and a window; `close` ends them all."""

    def __init__(self, place: Path, size: tuple[int, int], scale: float) -> None:
        self.place, self._processes = place, []  # type: ignore[var-annotated]
        self.environment = {
            **os.environ,
            "XDG_RUNTIME_DIR": str(place),
            "XDG_CONFIG_HOME": str(place),
            "QT_QPA_PLATFORM": "xcb",
            "PYTHONPATH": str(ROOT),
            "QT_SCALE_FACTOR": str(scale),
        }
        reader, writer = os.pipe()
        server = ["Xvfb", "-displayfd", str(writer), "-screen", "0", f"{size[0]}x{size[1]}x24", "-nolisten", "tcp"]
        self._run(server, pass_fds=(writer,))
        os.close(writer)
        with os.fdopen(reader) as pipe:
            self.environment["DISPLAY"] = f":{pipe.readline().strip()}"
        if shutil.which("openbox"):
            self._run(["openbox", "--sm-disable"])

    def _run(self, command: list[str], **how: Any) -> subprocess.Popen[bytes]:
        with (self.place / "output.txt").open("ab") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log, cwd=self.place, env=self.environment, **how)
        self._processes.append(process)
        return process

    def engine(self, *flags: str) -> subprocess.Popen[bytes]:
        """Start `verdigris live` with the clock driver."""
        live = [sys.executable, "-m", "realtime.cli.main", "live", "--driver", "clock", "--osc", "0"]
        return self._run([*live, *flags])

    def window(self, *, own_size: bool = False) -> subprocess.Popen[bytes]:
        """Open the window, and wait until it has the keyboard focus."""
        report = self.place / "window.report"
        report.unlink(missing_ok=True)
        process = self.run_window(report, *(["own"] if own_size else []))
        self.until(lambda: (self.place / "window.report").exists())
        self.until(self._has_keyboard)
        return process

    def run_window(self, report: Path, *more: str) -> subprocess.Popen[bytes]:
        """Open a window that reports to a file of its own."""
        return self._run([sys.executable, "-m", "tests.support.display.window_rig", str(report), *more])

    def _has_keyboard(self) -> bool:
        report = self.report()
        if not report["active"]:
            self.do("windowfocus", str(report["window"]))
        return bool(report["active"])

    def report(self) -> dict[str, Any]:
        """Return the last report of the window."""
        found: dict[str, Any] = json.loads((self.place / "window.report").read_text())
        return found

    def do(self, *command: str) -> None:
        """Run xdotool with these arguments."""
        subprocess.run(["xdotool", *command], env=self.environment, check=True, stdout=subprocess.DEVNULL)

    def click(self, name: str, *more: str) -> None:
        """Click the middle of the widget with this accessible name."""
        self.until(lambda: name in self.report()["places"])
        x, y = self.report()["places"][name]
        self.do("mousemove", str(x), str(y), "click", *more, "1")

    def key(self, *keys: str) -> None:
        self.do("key", *keys)

    def choose_from_menu(self, label: str) -> None:
        """Click the entry of the open menu whose label begins with a text."""
        self.click(f"menu: {label}")

    def type_over(self, name: str, text: str) -> None:
        """Replace the text of a text field, and press Return."""
        self.click(name)
        self.key("ctrl+a")
        self.do("type", "--delay", "5", text)
        self.key("Return")

    def choose_codec(self, slot: str, codec: str) -> None:
        """Open the list of codecs of a slot (A or B), type a name and press Return."""
        self.click(f"codec of slot {slot}: choose another one")
        self.until(lambda: f"search the codecs for slot {slot}" in self.report()["places"])
        self.do("type", "--delay", "5", codec)
        self.key("Return")

    def until(self, done: Callable[[], object], seconds: float = PATIENCE_S) -> None:
        deadline = time.monotonic() + seconds
        while not done():
            assert time.monotonic() < deadline, (self.place / "output.txt").read_text()[-2000:]
            time.sleep(0.02)

    def close(self) -> None:
        for session in self.place.rglob("*.session"):  # an engine that a window started outlives it
            with contextlib.suppress(ProcessLookupError, ValueError):
                os.kill(json.loads(session.read_text())["pid"], signal.SIGKILL)
        for process in reversed(self._processes):
            process.kill()
            process.wait()


def missing() -> str:
    """Return the tools that are not installed."""
    return " and ".join(tool for tool in ("Xvfb", "xdotool") if not shutil.which(tool))


@contextlib.contextmanager
def screen_at(place: Path, size: tuple[int, int] = SIZE, scale: float = 1.0) -> Iterator[Screen]:
    """Open a screen; skip the test if its tools are not installed."""
    if missing():
        pytest.skip(f"{missing()} not installed")
    screen = Screen(place, size, scale)
    try:
        yield screen
    finally:
        screen.close()
        for session in sessions():  # of this screen's directory: those that its windows started
            with contextlib.suppress(ProcessLookupError):
                os.kill(session.pid, signal.SIGKILL)


class Watcher:
    """Client of the test, to watch the engine."""

    def __init__(self, screen: Screen) -> None:
        self.screen, self.client = screen, Client(frames=False)

    def until(self, done: Callable[[], object], seconds: float = PATIENCE_S) -> None:
        def polled() -> object:
            self.client.poll()
            return done()

        self.screen.until(polled, seconds)

    def playing(self) -> None:
        self.until(lambda: self.client.state == ClientState.PLAYING)

    def played(self) -> int:
        """Return the samples played since the stream began."""
        assert self.client.rings
        return self.client.rings.now + self.client.rings.latency

    def run_start(self, slot: str) -> int:
        """Return the input sample with which the codec of a slot began."""
        assert self.client.rings
        return self.client.rings._timeline.load(RUN_START["ab".index(slot)])

    def hear(self, seconds: float) -> tuple[int, int]:
        """Wait for so many seconds of sound; return the samples played from and to."""
        begin = self.played()
        end = begin + round(seconds * self.client.rate)
        self.until(lambda: self.played() >= end, PATIENCE_S + 2 * seconds)
        return begin, end

    def span(self, path: str) -> tuple[str, int, int]:
        """Wait for a span in which a path is heard without a dropout; return path, samples played
        from and to.
        """
        self.until(lambda: self.client.values["monitor"] == path)
        while True:
            self.hear(0.1)  # the ramp and its first block
            before = self._dropouts()
            begin, end = self.hear(0.4)
            if self._dropouts() == before:
                return path, begin, end

    def _dropouts(self) -> int:
        return sum(count for kind, count in self.client.misses.items() if kind != "xrun")


if __name__ == "__main__":
    main(Path(sys.argv[1]), own_size="own" in sys.argv)
