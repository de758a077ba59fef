"""A worker as a process, to be killed: `python -m tests.insert_worker PATH`; a line lets it play a polarity flip."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from models.load import load
from realtime.lane import Lane
from realtime.timeline import Field, Timeline
from realtime.worker import POLL_S, Worker


def main(path: str) -> None:
    lane = Lane(load("pcm:gain=-1"), [(0, "discrete")], 48_000)
    lane.warm_up()
    print("ready", flush=True)
    sys.stdin.readline()
    timeline = Timeline.attach(Path(path))
    timeline.header[Field.SLOTS] = 1
    worker = Worker(timeline, [lane], timeline.load(Field.ENGINE) + 1)
    while True:
        if not worker.step():
            time.sleep(POLL_S)


if __name__ == "__main__":
    main(sys.argv[1])
