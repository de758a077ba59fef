"""Compute time of the window beside a live stream, as a program: `python -m gui.own_cost SECONDS`.

`verdigris bench window` runs it.
"""

from __future__ import annotations

import json
import sys
import time

from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QApplication

from gui.app import application
from gui.model.settings import Settings
from gui.window import Window
from realtime.client import Client, ClientState

SIZE = (1440, 900)
WARM_UP_S = 12.0  # until the plots are full and the loss has been measured
TIMEOUT_S = 120.0


def run_window(seconds: float) -> None:
    """Show the window beside the live session of this directory, and print its cost as JSON."""
    app = application(SIZE)
    window = Window(Client(), Settings())
    window.apply_font_sizes()
    window.resize(*SIZE)
    window.show()
    window.start()
    deadline = time.perf_counter() + TIMEOUT_S
    marks: list[tuple[float, float, int]] = []  # time, compute time, pictures

    def mark() -> None:
        marks.append((time.perf_counter(), time.process_time(), window.drawn))

    def begin() -> None:
        if window.client.state != ClientState.PLAYING:
            if time.perf_counter() > deadline:
                QApplication.exit(1)
            return
        timer.stop()
        QTimer.singleShot(round(1000 * WARM_UP_S), mark)
        QTimer.singleShot(round(1000 * (WARM_UP_S + seconds)), end)

    def end() -> None:
        mark()
        QApplication.exit(0)

    timer = QTimer()
    timer.timeout.connect(begin)
    timer.start(100)
    code = app.exec()
    window.close()
    if code:
        raise SystemExit(f"no stream played within {TIMEOUT_S:.0f} s. Run verdigris live to see why.")
    (started, cpu, drawn), (ended, cpu_end, drawn_end) = marks
    print(json.dumps({"seconds": ended - started, "cpu": cpu_end - cpu, "drawn": drawn_end - drawn}))


if __name__ == "__main__":
    run_window(float(sys.argv[1]))
