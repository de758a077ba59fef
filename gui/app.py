"""`verdigris gui`: the window as a program. It follows a running engine, or starts one."""

from __future__ import annotations

import os
import signal
import tempfile
import time
from pathlib import Path

from PySide6.QtCore import QSize, QTimer, qInstallMessageHandler
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QApplication

from gui import window_state
from gui.model.settings import Settings
from gui.page_pictures import save_pages
from gui.plots.axes import SECONDS
from gui.widgets import theme
from gui.window import Window
from realtime.client import STOPS, Client, ClientState

SIZE = (1440, 900)
DEMO = ("--driver", "clock", "--a", "nano:discrete", "--b", "opus:24", "--latency", "24000")
TIMEOUT_S = 300.0  # for the engine of a screenshot, on a busy machine; one that has ended is noticed at once
PATIENCE_S = 30.0  # for an engine that plays and stalls, after which the picture is taken as it is


class WindowError(OSError):
    """The window cannot be opened, or the screenshot not be taken; the message says why."""


def application(size: tuple[int, int] | None = None) -> QApplication:
    """Return the Qt application with the theme scaled to the screen, or to a window of `size`
    pixels.
    """
    app = QApplication.instance()
    if not isinstance(app, QApplication):
        app = QApplication(["verdigris"])
        app.setApplicationName("verdigris")
    screen = QGuiApplication.primaryScreen().availableGeometry()
    theme.apply(app, theme.scale_for(*(size or (screen.width(), screen.height()))))
    return app


def run(screenshot: Path | None = None, *, demo: bool = False, pages: bool = False) -> None:
    """Show the window until it is closed, or take a screenshot, with its pages if wanted; WindowError
    if that fails.
    """
    if screenshot:
        os.environ["QT_QPA_PLATFORM"] = "offscreen"
        with tempfile.TemporaryDirectory(prefix="verdigris-", ignore_cleanup_errors=True) as directory:
            # hides the session from other windows
            os.environ["XDG_RUNTIME_DIR"] = os.environ["XDG_CONFIG_HOME"] = directory
            _take_screenshot(screenshot, demo, pages)
        return
    app = application()
    settings = Settings()
    window = Window(Client(), settings)
    window.apply_font_sizes()
    window.fit(QSize(*SIZE) * theme.em(window) / theme.BASE_PX)
    window_state.restore(window, settings)
    window.user_actions.show_remarks()
    app.aboutToQuit.connect(lambda: window_state.save(window, settings))
    close_by_signals(window)
    window.show()
    window.start()

    def start() -> None:
        window.tick()  # finds a session that runs, however late the timer is
        window.user_actions.start_alone(*(DEMO if demo else ()))

    QTimer.singleShot(300, start)
    app.exec()


def close_by_signals(window: Window) -> None:
    """Close the window by signals as by hand: between two events, since Python may run a handler while
    a widget is painted. Qt swallows KeyboardInterrupt.
    """
    for stop in STOPS:
        signal.signal(stop, lambda *_: QTimer.singleShot(0, window.close))


def _take_screenshot(path: Path, demo: bool, pages: bool) -> None:
    qInstallMessageHandler(lambda kind, context, message: None)  # the offscreen platform warns about missing features
    app = application(SIZE)
    window = Window(Client(), Settings())
    window.apply_font_sizes()
    window.resize(*SIZE)
    window.show()
    window.start()
    window.user_actions.start(*(DEMO if demo else ()))
    taker = ScreenshotTaker(window, path, pages=pages)
    app.exec()
    window.client.end_engine()
    if taker.error:
        raise WindowError(taker.error)


class ScreenshotTaker:
    """Saves a picture of the window once its plots are full, and closes it."""

    def __init__(self, window: Window, path: Path, *, pages: bool = False) -> None:
        self._window, self._path, self._pages, self.error = window, path, pages, ""
        self._deadline = time.perf_counter() + TIMEOUT_S
        self._full_at = 0.0  # when the plots will be full
        self._timer = QTimer()
        self._timer.timeout.connect(self.check)
        self._timer.start(100)

    def check(self) -> None:
        now, window = time.perf_counter(), self._window
        playing = window.client.state == ClientState.PLAYING
        if window.engine_view.engine_error:
            self._end(f"the engine has ended: {window.engine_view.engine_error}")
        elif not self._full_at and now > self._deadline:
            self._end(f"no engine played within {TIMEOUT_S:.0f} s. Run verdigris live to see why.")
        elif not playing:
            self._full_at = 0.0
        elif not self._full_at:
            self._full_at = now + SECONDS
        elif now >= self._full_at + PATIENCE_S * window.live_feed.stalled:
            failed = "" if window.grab().save(str(self._path), "PNG") else str(self._path)
            if self._pages and not failed:
                self._timer.stop()  # the pages need events of their own
                failed = save_pages(window, self._path)
            self._end(f"{failed}: cannot be written. Pass a PNG file in a writable directory." if failed else "")

    def _end(self, error: str) -> None:
        self._timer.stop()
        self.error = error
        self._window.close()
        QApplication.quit()
