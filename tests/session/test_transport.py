"""Position in a source file: its arithmetic, seeking, and files that play once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime.engine.session_requests import SessionRequest
from realtime.engine.source_position import SourcePosition
from realtime.files.audio_file import AudioReader
from realtime.files.audio_writer import AudioWriter
from realtime.files.played_file import open_file
from realtime.session.input_sources import InputSources
from realtime.system.atomic_file import FileError
from realtime.timeline.layout import Field, Timeline
from tests.session.test_sources import Given

RATE = 8000
SAMPLES = 2000


@pytest.fixture
def timeline() -> Iterator[Timeline]:
    made = Timeline.create(rate=RATE, latency=700, max_block=300)
    yield made
    made.close()


@pytest.fixture
def ramp(tmp_path: Path) -> Path:
    """Return a file whose samples tell their place."""
    path = tmp_path / "ramp.wav"
    with AudioWriter(path, RATE) as writer:
        writer.write(np.tile(np.arange(SAMPLES, dtype=np.float32) / SAMPLES, (2, 1)))
    return path


@given(
    began=st.integers(0, 10_000),
    start=st.integers(0, 99),
    length=st.integers(100, 1000),
    later=st.integers(-50, 5000),
    loop=st.booleans(),
)
def test_a_position_is_within_the_file_and_moves_with_the_samples(
    began: int, start: int, length: int, later: int, loop: bool
) -> None:
    position = SourcePosition(began, start, length, loop)
    at = position.at(began + later)
    assert 0 <= at <= length
    assert at == (start if later < 0 else (start + later) % length if loop else min(start + later, length))
    assert position.ended(began + later) == (not loop and start + later >= length)


@pytest.mark.parametrize("start", [0, 1, 777, SAMPLES - 1])
@pytest.mark.parametrize("loop", [False, True])
def test_a_reader_begins_at_a_sample_and_its_loop_is_whole(ramp: Path, start: int, loop: bool) -> None:
    whole = AudioReader(ramp).read(SAMPLES)
    read = open_file(ramp, RATE, start, loop=loop).read(SAMPLES)
    rest = SAMPLES - start
    np.testing.assert_array_equal(read[:, :rest], whole[:, start:])
    np.testing.assert_array_equal(read[:, rest:], whole[:, :start] if loop else np.zeros((2, start), np.float32))


def test_a_reader_at_another_rate_begins_at_the_same_moment(ramp: Path) -> None:
    whole = AudioReader(ramp, 2 * RATE).read(2 * SAMPLES)
    read = AudioReader(ramp, 2 * RATE, start=1000).read(2 * SAMPLES)
    assert read.shape[1] == pytest.approx(2 * SAMPLES - 1000, abs=2)
    np.testing.assert_allclose(read[0, 200:2000], whole[0, 1200:3000], atol=2e-3)


def play(sources: InputSources, ramp: Path, answers: list[tuple[str, str]]) -> None:
    def answer(word: str, text: str) -> None:
        answers.append((word, text))

    sources.set_source(SessionRequest("source", (str(ramp),), answer))
    assert sources.loader
    sources.loader.thread.join()
    sources.poll()


def test_a_file_has_a_position_and_seeking_moves_it(timeline: Timeline, ramp: Path, tmp_path: Path) -> None:
    desk, answers = Given(timeline), list[tuple[str, str]]()
    sources = InputSources(desk, desk, tmp_path, print)  # type: ignore[arg-type]
    play(sources, ramp, answers)
    rate = timeline[Field.RATE]
    length = SAMPLES * rate // RATE
    assert desk.source_position == SourcePosition(0, 0, length, True)
    timeline.store(Field.DRY_END, 512)
    for seconds, start in ((0.1, round(0.1 * rate)), (99.0, length - 1)):
        sources.seek(SessionRequest("seek", (seconds,), lambda word, text: answers.append((word, text))))
        assert desk.source_position == SourcePosition(512, start, length, True)
        assert desk.starts[-1] == (start, True)
    assert [word for word, _ in answers] == ["done"] * 3


def test_the_input_cannot_be_moved(timeline: Timeline, tmp_path: Path) -> None:
    sources = InputSources(Given(timeline), Given(timeline), tmp_path, print)  # type: ignore[arg-type]
    with pytest.raises(FileError, match="Choose a file first"):
        sources.seek(SessionRequest("seek", (1.0,)))


def test_a_file_without_loop_leaves_the_place_to_the_input(timeline: Timeline, ramp: Path, tmp_path: Path) -> None:
    desk, answers = Given(timeline), list[tuple[str, str]]()
    sources = InputSources(desk, desk, tmp_path, print)  # type: ignore[arg-type]
    play(sources, ramp, answers)
    timeline.store(Field.DRY_END, 100)
    sources.set_loop(SessionRequest("source.loop", (False,), lambda word, text: answers.append((word, text))))
    assert desk.starts[-1] == (100, False)  # it goes on where it was
    assert desk.source_position
    timeline.store(Field.DRY_END, 100 + desk.source_position.length - 101)
    sources.poll()
    assert desk.parameters["source"] == str(ramp)
    timeline.store(Field.DRY_END, 100 + desk.source_position.length)
    sources.poll()
    assert desk.parameters["source"] == "input"
    assert desk.fed[-1] is None
    assert not desk.source_position


def test_a_file_that_takes_time_to_open_has_its_position_from_where_it_began(
    timeline: Timeline, ramp: Path, tmp_path: Path
) -> None:
    desk, answers = Given(timeline), list[tuple[str, str]]()
    desk.parameters.set("source.loop", False)
    sources = InputSources(desk, desk, tmp_path, print)  # type: ignore[arg-type]
    play(sources, ramp, answers)
    desk.slow = True
    sources.seek(SessionRequest("seek", (0.2,), lambda word, text: answers.append((word, text))))
    timeline.store(Field.DRY_END, 10 * SAMPLES)
    sources.poll()
    assert desk.source_position  # it has not ended while it was being opened
    desk.began.append(10 * SAMPLES)
    sources.poll()
    assert desk.source_position.at(10 * SAMPLES + 5) == round(0.2 * timeline[Field.RATE]) + 5
