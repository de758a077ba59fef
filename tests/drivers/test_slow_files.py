"""Files that take long to open while a stream plays: the audio thread goes on, and never opens or seeks."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from models.codec import Audio
from realtime.drivers.clock import ClockDriver
from realtime.files import file_opener, played_file
from realtime.files.audio_writer import AudioWriter
from realtime.timeline.layout import FADE, Timeline
from realtime.timeline.playout import Playout

RATE = 8000


class Level:
    def read(self, count: int) -> Audio:
        return np.full((2, count), 0.25, np.float32)


@pytest.fixture
def timeline() -> Iterator[Timeline]:
    made = Timeline.create(rate=RATE, latency=700, max_block=64)
    yield made
    made.close()


def test_the_stream_goes_on_with_what_it_played_until_the_file_is_open(
    tmp_path: Path, timeline: Timeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "ramp.wav"
    ramp = np.linspace(-0.5, 0.5, 8 * RATE, dtype=np.float32)
    with AudioWriter(path, RATE) as writer:
        writer.write(np.tile(ramp, (2, 1)))
    may_open, opened_in = threading.Event(), list[str]()
    really_open = played_file.open_file

    def slow(*given: object, **how: bool) -> object:
        opened_in.append(threading.current_thread().name)
        may_open.wait()
        return really_open(*given, **how)  # type: ignore[arg-type]

    monkeypatch.setattr(file_opener, "open_file", slow)
    driver = ClockDriver(Playout(timeline), Level(), 64)
    driver.feed(path, 500)  # of no interest any more
    driver.feed(path, 1000)
    heard = [driver._source.read(64) for _ in range(5)]
    np.testing.assert_array_equal(np.concatenate(heard, axis=1), np.float32(0.25))
    assert driver.source_start() is None
    (opener,) = (thread for thread in threading.enumerate() if thread.name == "verdigris-open")
    may_open.set()
    opener.join()
    heard = [driver._source.read(64) for _ in range(FADE // 64 + 3)]
    assert driver.source_start() == 5 * 64
    after = np.concatenate(heard, axis=1)[:, FADE:]
    np.testing.assert_array_equal(after, np.tile(ramp[1000 + FADE :][: after.shape[1]], (2, 1)))
    assert set(opened_in) == {"verdigris-open"}


def test_the_start_of_a_file_that_another_one_replaces_is_not_reported(tmp_path: Path, timeline: Timeline) -> None:
    driver = ClockDriver(Playout(timeline), Level(), 64)
    first, second = Level(), Level()
    driver._on_opened(first)
    driver._source.read(64)
    driver.feed(tmp_path / "gone.wav")  # not open yet
    assert driver.source_start() is None
    driver._on_opened(second)
    for _ in range(FADE // 64 + 1):
        driver._source.read(64)
    assert driver.source_start() is not None
    assert driver.source_start() is None


def test_a_file_that_cannot_be_opened_is_told_and_the_stream_goes_on(tmp_path: Path, timeline: Timeline) -> None:
    driver = ClockDriver(Playout(timeline), Level(), 64)
    driver.feed(tmp_path / "gone.wav")
    for thread in threading.enumerate():
        if thread.name == "verdigris-open":
            thread.join()
    assert "cannot be read" in str(driver.source_failure())
    np.testing.assert_array_equal(driver._source.read(64), np.float32(0.25))
