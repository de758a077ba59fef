"""Another source in place of the input: cross-faded, without a click, and back; loops whose noise
repeats.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.codec import Audio, Frame
from realtime.drivers.portaudio.callback import FILE_INPUT_SAMPLES, StateField, StreamState
from realtime.drivers.source_switch import CrossfadingSource
from realtime.engine.parameter_store import ParameterStore
from realtime.engine.session_requests import SessionRequest
from realtime.engine.source_position import SourcePosition
from realtime.files.audio_file import AudioFileError
from realtime.files.audio_writer import AudioWriter
from realtime.files.tape import TapeHeader, TapeWriter
from realtime.recording import tape_recorder
from realtime.recording.tape_recorder import TokenRecorder
from realtime.session.input_sources import InputSources, _SourceLoader, crossfaded_loop
from realtime.system.platform.machine import SYSTEM
from realtime.system.platform.streams import ENCODING
from realtime.timeline.layout import DRY, FADE, Field, Timeline
from realtime.timeline.playout import Playout
from realtime.worker.codec_lane import CodecLane
from realtime.worker.messages import FrameEncoded, ParameterChange, SlotInfo
from tests.drivers.test_border import at_full_level, call
from tests.support.desk import stand_in_for_the_command_line
from tests.support.small_codec import noise, small_codec
from tests.support.systems import needs_posix


class Level:
    """A source of one value."""

    def __init__(self, value: float, size: int = 1 << 30) -> None:
        self.value, self.left, self.closed = np.float32(value), size, False

    def read(self, count: int) -> Audio:
        count = min(count, self.left)
        self.left -= count
        return np.full((2, count), self.value, np.float32)

    def close(self) -> None:
        self.closed = True


@given(blocks=st.lists(st.integers(1, 700), min_size=2, max_size=20), at=st.integers(0, 10))
def test_a_source_switch_cross_fades_by_even_steps_whatever_the_blocks(blocks: list[int], at: int) -> None:
    switch, chosen, read, start = CrossfadingSource(Level(0.25)), Level(-0.5), [], 0
    for number, block in enumerate(blocks):
        if number == min(at, len(blocks) - 1):
            switch.choose(chosen)
            start = sum(blocks[:number])
        read.append(switch.read(block))
    heard = np.concatenate(read, axis=1)
    assert heard.shape == (2, sum(blocks))
    np.testing.assert_array_equal(heard[:, :start], np.float32(0.25))
    steps = np.abs(np.diff(heard, prepend=heard[:, :1]))
    assert steps.max() <= 0.75 / FADE + 1e-6
    np.testing.assert_array_equal(heard[:, start + FADE :], np.float32(-0.5))


def test_a_source_switch_resumes_its_own_source_and_closes_the_other() -> None:
    own, other, third = Level(0.5, 2 * FADE + 100), Level(0.0), Level(0.1)
    switch = CrossfadingSource(own)
    switch.read(100)
    for source in (other, third, None):
        switch.choose(source)
        switch.read(1000 if source else FADE)
    assert [source.closed for source in (other, third)] == [True, False]
    np.testing.assert_array_equal(switch.read(10), np.zeros((2, 0)))  # it ends as it would have
    switch.choose(None)
    assert [source.closed for source in (third, own)] == [True, False]


def test_a_source_that_ends_in_the_fade_counts_as_silence() -> None:
    switch = CrossfadingSource(Level(1.0, 10))
    switch.choose(Level(0.0))
    heard = switch.read(FADE)
    assert heard[0, 9] > 0.9
    np.testing.assert_array_equal(heard[:, 10:], 0.0)


class Failing(Level):
    """A source that raises, ends or becomes NaN after some samples, as an overwritten file does."""

    def __init__(self, size: int, how: str) -> None:
        super().__init__(-0.5, size)
        self.how, self.length = how, None

    def read(self, count: int) -> Audio:
        if self.left >= count or self.how == "ends":
            return super().read(count)
        if self.how == "nan":
            return np.full((2, count), np.nan, np.float32)
        raise RuntimeError("the file has changed")


@given(
    blocks=st.lists(st.integers(1, 700), min_size=2, max_size=20),
    size=st.integers(0, 5000),
    how=st.sampled_from(["raises", "ends", "nan"]),
)
def test_a_source_that_fails_is_left_for_the_input_without_a_click(blocks: list[int], size: int, how: str) -> None:
    switch, chosen = CrossfadingSource(Level(0.25)), Failing(size, how)
    switch.choose(chosen)
    heard = np.concatenate([switch.read(block) for block in [*blocks, 1000, 1000]], axis=1)
    assert heard.shape == (2, sum(blocks) + 2000)
    assert np.isfinite(heard).all()
    assert np.abs(np.diff(heard)).max() <= 0.75 / FADE + 1e-6
    if sum(blocks) > size:
        assert isinstance(switch.take_failure(), Exception)
        np.testing.assert_array_equal(heard[:, -100:], np.float32(0.25))
        switch.choose(None)
        assert chosen.closed
    assert switch.take_failure() is None or sum(blocks) + 2000 > size


def test_an_input_that_fails_is_silent_for_the_length_it_had_left() -> None:
    own = Failing(1000, "raises")
    own.length = 3000  # type: ignore[assignment]
    switch = CrossfadingSource(own)
    heard = [switch.read(1000), switch.read(1000), switch.read(5000)]
    assert [block.shape[1] for block in heard] == [1000, 1000, 2000]
    np.testing.assert_array_equal(heard[2], 0.0)
    assert str(switch.take_failure()) == "the file has changed"


def test_a_source_that_fails_is_reported_and_the_parameter_says_input(timeline: Timeline, tmp_path: Path) -> None:
    given = Given(timeline)
    given.parameters.set("source", "loop.wav")
    given.parameters.set("a.lock", 3)
    sources = InputSources(given, given, tmp_path, given.reports.append)  # type: ignore[arg-type]
    given.failures = [AudioFileError("loop.wav: damaged.")]
    sources.poll()
    assert (given.parameters["source"], given.parameters["a.lock"]) == ("input", 0)
    assert given.reports == ["loop.wav: damaged. The input plays again."]


def test_a_source_whose_reader_raises_anything_is_answered(
    timeline: Timeline, tmp_path: Path, heard: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A raw file made soundfile raise TypeError."""

    def check(path: Path) -> None:
        raise TypeError("no samplerate")

    monkeypatch.setattr("realtime.files.audio_file.check", check)
    given = Given(timeline)
    sources = InputSources(given, given, tmp_path, given.reports.append)  # type: ignore[arg-type]
    ask(sources, heard, tmp_path / "x.raw").thread.join()
    sources.poll()
    assert heard == [("fail", f"{tmp_path / 'x.raw'}: cannot be played (no samplerate). Pass another file.")]
    assert given.fed == []


@pytest.fixture
def timeline() -> Iterator[Timeline]:
    made = Timeline.create(rate=8000, latency=700, max_block=300)
    yield made
    made.close()


def test_a_card_fades_to_a_feed_and_back_while_it_plays(timeline: Timeline) -> None:
    state = at_full_level(StreamState((0, 1), (0, 1), Playout(timeline)))
    card = np.full((1000, 2), 0.25, np.float32)
    call(state, card, [64])
    state.start_feed(0, faded=True)
    call(state, card, [64])  # not filled yet: the input
    state.feed(Level(-0.5).read, 4096)
    call(state, card, [64])
    state.stop_feed()
    call(state, card, [64])
    dry = np.empty((2, 4000), np.float32)
    timeline.read(DRY, 0, dry)
    np.testing.assert_array_equal(dry[:, :2000], np.float32(0.25))
    np.testing.assert_array_equal(dry[:, 2000 + FADE : 3000], np.float32(-0.5))
    np.testing.assert_allclose(dry[:, 3000 + FADE :], np.float32(0.25), atol=1e-6)
    assert np.abs(np.diff(dry)).max() <= 0.75 / FADE + 1e-6
    assert state[StateField.FILE_INPUT_LEVEL] == 0
    assert timeline[Field.DROPPED_SAMPLES] == 0
    assert state[StateField.FILE_INPUT_POS] < FILE_INPUT_SAMPLES


def test_a_loop_leads_into_its_own_beginning() -> None:
    heard = np.cumsum(np.random.default_rng(0).uniform(-0.01, 0.01, (2, 5000)), axis=1).astype(np.float32)
    loop = crossfaded_loop(heard, 3000)
    assert loop.shape == (2, 3000)
    np.testing.assert_array_equal(loop[:, :-FADE], heard[:, 2000 : 5000 - FADE])
    np.testing.assert_array_equal(loop[:, -1], heard[:, 1999])  # the sample before the first
    twice = np.concatenate([loop, loop], axis=1)
    assert np.abs(np.diff(twice)).max() < 0.03


def test_with_a_locked_seed_a_loop_sounds_the_same_each_time_round() -> None:
    codec = small_codec()
    loop = noise(codec, 3)
    lane = CodecLane(codec, [(0, "discrete"), (1, "discrete")], codec.spec.sample_rate)
    lane.chains[0].enqueue(ParameterChange(0, "lock", 3))
    rounds = []
    for _ in range(8):
        wet: dict[int, list[Audio]] = {0: [], 1: []}
        for slot, audio in lane.process(loop):
            wet[slot].append(audio)
        rounds.append({slot: np.concatenate(pieces, axis=1) for slot, pieces in wet.items()})
    np.testing.assert_allclose(rounds[-1][0], rounds[-2][0], atol=1e-6)
    assert np.abs(rounds[-1][1] - rounds[-2][1]).max() > 1e-3


class Given:
    """An engine and a driver as far as sources and takes know them."""

    def __init__(self, timeline: Timeline) -> None:
        self.timeline, self.playing = timeline, list[Any]()
        self.parameters = ParameterStore(
            {
                "source": "input",
                "source.loop": True,
                "a.lock": 0,
                "b.lock": 0,
                "a.steps": 2,
                "a.context_noise": 0.0,
                "a.seed": 0,
            }
        )
        self.fed: list[Path | None] = []
        self.began: list[int] = []  # samples with which the driver began them, to be told
        self.slow = False  # to open files
        self.starts: list[tuple[int, bool]] = []  # first sample and loop, of each
        self.source_position: SourcePosition | None = None
        self.listeners: list[Callable[[object], None]] = []
        self.reports: list[str] = []
        self.failures: list[Exception] = []
        self.plan, self.settings = SimpleNamespace(latency=timeline[Field.LATENCY]), SimpleNamespace(rate=8000)

    def listen(self, listener: Callable[[object], None]) -> None:
        self.listeners.append(listener)

    def unlisten(self, listener: object) -> None:
        pass

    def subscribe_frames(self, groups: frozenset[str], subscriber: str) -> None:
        pass

    def set(self, name: str, value: int) -> None:
        self.parameters.set(name, value)

    def source_failure(self) -> Exception | None:
        return self.failures.pop() if self.failures else None

    def source_start(self) -> int | None:
        return self.began.pop(0) if self.began else None

    def feed(self, path: Path | None, start: int = 0, *, loop: bool = True) -> None:
        if path and not path.exists():
            raise AudioFileError(f"{path}: cannot be read")
        self.fed.append(path)
        self.starts.append((start, loop))
        if not self.slow:
            self.began.append(self.timeline.load(Field.DRY_END))


@pytest.fixture
def heard() -> list[tuple[str, str]]:
    return []


def ask(sources: InputSources, heard: list[tuple[str, str]], path: Path) -> _SourceLoader:
    sources.set_source(SessionRequest("source", (str(path),), lambda word, text: heard.append((word, text))))
    assert sources.loader
    return sources.loader


def test_a_file_that_vanishes_after_its_check_is_reported_and_the_stream_goes_on(
    timeline: Timeline, tmp_path: Path, heard: list[tuple[str, str]]
) -> None:
    path, given = tmp_path / "here.wav", Given(timeline)
    with AudioWriter(path, 8000) as writer:
        writer.write(np.zeros((2, 100), np.float32))
    sources = InputSources(given, given, tmp_path, given.reports.append)  # type: ignore[arg-type]
    ask(sources, heard, path).thread.join()
    path.unlink()
    sources.poll()
    assert heard == [("fail", f"{path}: cannot be read")]
    assert given.parameters["source"] == "input"


@needs_posix("pipes with names")
def test_a_pipe_that_nobody_writes_to_is_refused_and_not_waited_for(
    timeline: Timeline, tmp_path: Path, heard: list[tuple[str, str]]
) -> None:
    os.mkfifo(tmp_path / "pipe")
    sources = InputSources(Given(timeline), Given(timeline), tmp_path, print)  # type: ignore[arg-type]
    ask(sources, heard, tmp_path / "pipe").thread.join(30)
    sources.poll()
    assert heard == [("fail", f"{tmp_path}/pipe: a pipe or a device cannot be looped. Pass an audio file or a tape.")]


def test_the_decoding_of_a_tape_ends_when_its_request_is_cancelled(
    timeline: Timeline, tmp_path: Path, heard: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.tape"
    TapeWriter(path, TapeHeader.of(small_codec().spec, "tokens", 0)).close()
    decoder = "import pathlib, time; pathlib.Path('begun').touch(); time.sleep(600)"
    stand_in_for_the_command_line(monkeypatch, tmp_path, decoder)
    given = Given(timeline)
    sources = InputSources(given, given, tmp_path, given.reports.append)  # type: ignore[arg-type]
    preparing = ask(sources, heard, path)
    while not Path("begun").exists():
        assert preparing.thread.is_alive()
    sources.close()
    assert preparing.decoder
    assert preparing.decoder.returncode == (1 if SYSTEM == "windows" else -9)  # killed
    assert heard == [("fail", "the stream has ended")]
    preparing.thread.join()


@pytest.mark.parametrize(
    ("errors", "reason"),
    [
        ("verdigris: a.tape: damaged.", "a.tape: damaged."),
        ("verdigris: ü × a.tape: damaged.", "ü × a.tape: damaged."),
        (
            "Traceback\n  File x\nZeroDivisionError: by zero",
            "{}: this tape cannot be decoded (ZeroDivisionError: by zero).",
        ),
        ("", "{}: this tape cannot be decoded (it ended without a message)."),
    ],
)
def test_a_tape_that_cannot_be_decoded_is_answered_by_one_line(
    timeline: Timeline,
    tmp_path: Path,
    heard: list[tuple[str, str]],
    monkeypatch: pytest.MonkeyPatch,
    errors: str,
    reason: str,
) -> None:
    path = tmp_path / "a.tape"
    TapeWriter(path, TapeHeader.of(small_codec().spec, "tokens", 0)).close()
    decoder = f"import sys; sys.stderr.reconfigure(encoding={ENCODING!r}); sys.exit({errors!r})"
    stand_in_for_the_command_line(monkeypatch, tmp_path, decoder)
    given = Given(timeline)
    sources = InputSources(given, given, tmp_path, given.reports.append)  # type: ignore[arg-type]
    ask(sources, heard, path).thread.join(30)
    sources.poll()
    assert heard == [("fail", reason.format(path))]


def test_the_last_two_captured_loops_are_kept(timeline: Timeline, tmp_path: Path) -> None:
    given = Given(timeline)
    given.playing = [SimpleNamespace(slot=0, spec=SimpleNamespace(hop=80, sample_rate=8000))]
    sources = InputSources(given, given, tmp_path, given.reports.append)  # type: ignore[arg-type]
    loop = {"dry": np.zeros((2, 8000), np.float32)}
    sources.buffer = SimpleNamespace(poll=lambda: None, loop=lambda: loop, end=0)  # type: ignore[assignment]
    for _ in range(4):
        sources.capture_loop(SessionRequest("capture", (0.25,)))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["capture-3.wav", "capture-4.wav"]
    assert given.fed[-1] == tmp_path / "capture-4.wav"


def test_a_tape_is_not_closed_while_a_frame_is_written(
    timeline: Timeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Frames come in whichever thread pumps the engine."""
    writing, go, done = threading.Event(), threading.Event(), list[str]()

    def write(frame: Frame) -> None:
        writing.set()
        go.wait(60)
        done.append("written")

    writer = SimpleNamespace(write=write, close=lambda: done.append("closed"))
    monkeypatch.setattr(tape_recorder, "TapeWriter", lambda path, header: writer)
    given = Given(timeline)
    given.playing = [SlotInfo(0, "small", "continuous", small_codec().spec, bytes(16))]
    taping = TokenRecorder(given, tmp_path)  # type: ignore[arg-type]
    threads = [threading.Thread(target=given.listeners[0], args=(FrameEncoded(0, 0, 700, 1.0, 1.0),))]
    threads[0].start()
    assert writing.wait(60)
    threads.append(threading.Thread(target=taping.finish))
    threads[1].start()
    go.set()
    for thread in threads:
        thread.join()
    assert done == ["written", "closed"]
