"""Cost of the window: its compute time beside a live stream, in a process of its own, offscreen.

The window draws all plots and meters of two codecs at 1440 × 900. Painting is by Qt's raster engine,
as on a screen; what a display server adds is not counted.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile

from benchmarks.report import Row

TIMEOUT_S = 120.0
LIVE = ("live", "--driver", "clock", "--a", "opus:6", "--b", "opus:24", "--osc", "0")


def measure(seconds: float) -> list[Row]:
    """Return the window's share of a core and its pictures a second, over so many seconds.

    OSError if the stream or the window does not start.
    """
    with tempfile.TemporaryDirectory(prefix="verdigris-") as directory:
        own = dict.fromkeys(("XDG_RUNTIME_DIR", "XDG_CONFIG_HOME"), directory)
        environment = {**os.environ, **own, "QT_QPA_PLATFORM": "offscreen"}
        live = [sys.executable, "-m", "realtime.cli.main", *LIVE]
        window = [sys.executable, "-m", "gui.own_cost", str(seconds)]
        with subprocess.Popen(live, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as engine:
            try:
                done = subprocess.run(
                    window, env=environment, capture_output=True, text=True, timeout=TIMEOUT_S + seconds, check=False
                )
            finally:
                engine.terminate()
    if done.returncode:
        raise OSError(f"the window did not run: {done.stderr.strip()[-300:]}")
    found = json.loads(done.stdout.splitlines()[-1])
    return [
        Row("window, two codecs, 1440 × 900", 100 * found["cpu"] / found["seconds"], "% of a core", "< 15"),
        Row("window, pictures", found["drawn"] / found["seconds"], "a second", "30"),
    ]
