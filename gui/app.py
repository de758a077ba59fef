"""`verdigris gui`: the window as a program. It attaches to a running engine, or starts one."""

from __future__ import annotations

import os
import signal
import tempfile
import time
from pathlib import Path

from PySide6.QtCore import QTimer, qInstallMessageHandler
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QApplication

from gui import remember, theme
from gui.axes import SECONDS
from gui.store import Store
from gui.window import Window
from realtime.client import ABSENT, PLAYING, Client

SIZE = (1440, 900)
DEMO = ("--driver", "clock", "--a", "nano:discrete", "--b", "opus:24", "--latency", "24000")
PATIENCE_S = 120.0  # for the engine of a screenshot


class WindowError(OSError):
    """The window cannot be opened, or its picture not be made; the message says why."""


def application(size: tuple[int, int] | None = None) -> QApplication:
    """Qt, dressed for the screen it is on, or for a window of this size."""
    app = QApplication.instance()
    if not isinstance(app, QApplication):
        app = QApplication(["verdigris"])
        app.setApplicationName("verdigris")
    screen = QGuiApplication.primaryScreen().availableGeometry()
    theme.apply(app, theme.scale_for(*(size or (screen.width(), screen.height()))))
    return app


def run(screenshot: Path | None = None, *, demo: bool = False) -> None:
    """Show the window until it is closed, or until its picture is taken. WindowError if that cannot be."""
    if screenshot:
        os.environ["QT_QPA_PLATFORM"] = "offscreen"
        with tempfile.TemporaryDirectory(prefix="verdigris-") as place:  # a session that nobody else sees
            os.environ["XDG_RUNTIME_DIR"] = os.environ["XDG_CONFIG_HOME"] = place
            _photograph(screenshot, demo)
        return
    app = application()
    store = Store()
    window = Window(Client(), store)
    window.polish()
    window.resize(*SIZE)
    remember.restore(window, store)
    app.aboutToQuit.connect(lambda: remember.save(window, store))
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):  # between two ticks; Python's own way out is lost inside Qt
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), lambda *_: window.close())
    window.show()
    window.start()

    def start() -> None:
        if window.client.state == ABSENT:
            window.wishes.start(*(DEMO if demo else ()))

    QTimer.singleShot(300, start)
    app.exec()


def _photograph(path: Path, demo: bool) -> None:
    qInstallMessageHandler(lambda kind, context, message: None)  # what an offscreen screen cannot do is no news
    app = application(SIZE)
    window = Window(Client(), Store())
    window.polish()
    window.resize(*SIZE)
    window.show()
    window.start()
    window.wishes.start(*(DEMO if demo else ()))
    photographer = Photographer(window, path)
    app.exec()
    if photographer.error:
        raise WindowError(photographer.error)


class Photographer:
    """Takes a picture of the window once it has something to show; then closes it."""

    def __init__(self, window: Window, path: Path) -> None:
        self._window, self._path, self.error = window, path, ""
        self._until = time.monotonic() + PATIENCE_S
        self._full = 0.0  # when the pictures will be full
        self._timer = QTimer()
        self._timer.timeout.connect(self._look)
        self._timer.start(100)

    def _look(self) -> None:
        now = time.monotonic()
        if self._window.client.state == PLAYING and not self._full:
            self._full = now + SECONDS
        if self._full and now >= self._full:
            if not self._window.grab().save(str(self._path), "PNG"):
                self.error = f"{self._path}: cannot be written. Pass a PNG file where you may write."
            self._window.close()
            QApplication.quit()
        elif now > self._until:
            self.error = f"no engine played within {PATIENCE_S:.0f} s. See what verdigris live says."
            self._window.close()
            QApplication.quit()
