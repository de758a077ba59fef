"""Worker process for tests that kill it: `python -m tests.support.insert.insert_worker PATH`.

A line on standard input starts a polarity flip.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from models.load import load
from realtime.timeline.layout import Field, Timeline
from realtime.worker.codec_lane import CodecLane
from realtime.worker.scheduler import POLL_S, Worker


def main(path: str) -> None:
    lane = CodecLane(load("pcm:gain=-1"), [(0, "discrete")], 48_000)
    lane.warm_up()
    print("ready", flush=True)
    sys.stdin.readline()
    timeline = Timeline.attach(Path(path))
    timeline.header[Field.SLOTS] = 1
    worker = Worker(timeline, [lane], timeline.load(Field.ATTACH_COUNT) + 1)
    while True:
        if not worker.step():
            time.sleep(POLL_S)


if __name__ == "__main__":
    main(sys.argv[1])
