"""Another source in place of the input: cross-faded, without a click, and back; loops whose noise repeats."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.codec import Audio, Frame
from realtime.audiofile import AudioFileError, Writer
from realtime.callback import HostSide
from realtime.drivers.border import FEED_SAMPLES, Border, Memory
from realtime.drivers.switch import Switch
from realtime.lane import Lane
from realtime.news import Change, Encoded
from realtime.orders import Order
from realtime.sources import Sources, _Preparing, cut_loop
from realtime.tape import TapeHeader, TapeWriter
from realtime.taping import Taping
from realtime.timeline import DRY, FADE, Field, Timeline
from tests.small_codec import noise, small_codec
from tests.test_border import at_full_level, call


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
def test_a_switch_cross_fades_by_even_steps_whatever_the_blocks(blocks: list[int], at: int) -> None:
    switch, chosen, read, start = Switch(Level(0.25)), Level(-0.5), [], 0
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


def test_a_switch_goes_back_to_its_own_where_that_stood_and_closes_what_it_left() -> None:
    own, other, third = Level(0.5, 2 * FADE + 100), Level(0.0), Level(0.1)
    switch = Switch(own)
    switch.read(100)
    for source in (other, third, None):
        switch.choose(source)
        switch.read(1000 if source else FADE)
    assert [source.closed for source in (other, third)] == [True, False]
    np.testing.assert_array_equal(switch.read(10), np.zeros((2, 0)))  # it ends as it would have
    switch.choose(None)
    assert [source.closed for source in (third, own)] == [True, False]


def test_a_source_that_ends_in_the_fade_is_faded_from_as_silence() -> None:
    switch = Switch(Level(1.0, 10))
    switch.choose(Level(0.0))
    heard = switch.read(FADE)
    assert heard[0, 9] > 0.9
    np.testing.assert_array_equal(heard[:, 10:], 0.0)


@pytest.fixture
def timeline() -> Iterator[Timeline]:
    made = Timeline.create(rate=8000, latency=700, max_block=300)
    yield made
    made.close()


def test_a_card_fades_to_a_feed_and_back_while_it_plays(timeline: Timeline) -> None:
    border = at_full_level(Border((0, 1), (0, 1), HostSide(timeline)))
    card = np.full((1000, 2), 0.25, np.float32)
    call(border, card, [64])
    border.feed_from(0, faded=True)
    call(border, card, [64])  # not filled yet: the input
    border.feed(Level(-0.5).read, 4096)
    call(border, card, [64])
    border.feed_no_more()
    call(border, card, [64])
    dry = np.empty((2, 4000), np.float32)
    timeline.read(DRY, 0, dry)
    np.testing.assert_array_equal(dry[:, :2000], np.float32(0.25))
    np.testing.assert_array_equal(dry[:, 2000 + FADE : 3000], np.float32(-0.5))
    np.testing.assert_allclose(dry[:, 3000 + FADE :], np.float32(0.25), atol=1e-6)
    assert np.abs(np.diff(dry)).max() <= 0.75 / FADE + 1e-6
    assert border[Memory.FEED_LEVEL] == 0
    assert timeline[Field.MISSED] == 0
    assert border[Memory.FEED_AT] < FEED_SAMPLES


def test_a_loop_leads_into_its_own_beginning() -> None:
    heard = np.cumsum(np.random.default_rng(0).uniform(-0.01, 0.01, (2, 5000)), axis=1).astype(np.float32)
    loop = cut_loop(heard, 3000)
    assert loop.shape == (2, 3000)
    np.testing.assert_array_equal(loop[:, :-FADE], heard[:, 2000 : 5000 - FADE])
    np.testing.assert_array_equal(loop[:, -1], heard[:, 1999])  # the sample before the first
    twice = np.concatenate([loop, loop], axis=1)
    assert np.abs(np.diff(twice)).max() < 0.03


def test_with_a_locked_seed_a_loop_sounds_the_same_each_time_round() -> None:
    codec = small_codec()
    loop = noise(codec, 3)
    lane = Lane(codec, [(0, "discrete"), (1, "discrete")], codec.spec.sample_rate)
    lane.outlets[0].ask(Change(0, "lock", 3))
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
        self.values: dict[str, Any] = {"source": "input", "a.lock": 0, "b.lock": 0}
        self.fed: list[Path | None] = []
        self.plan, self.settings = SimpleNamespace(latency=timeline[Field.LATENCY]), SimpleNamespace(rate=8000)

    def unlisten(self, listener: object) -> None:
        pass

    def stream(self, groups: frozenset[str], asker: str) -> None:
        pass

    def set(self, name: str, value: int) -> None:
        self.values[name] = value

    def feed(self, path: Path | None) -> None:
        if path and not path.exists():
            raise AudioFileError(f"{path}: cannot be read")
        self.fed.append(path)


@pytest.fixture
def heard() -> list[tuple[str, str]]:
    return []


def ask(sources: Sources, heard: list[tuple[str, str]], path: Path) -> _Preparing:
    sources.source(Order("source", (str(path),), lambda word, text: heard.append((word, text))))
    assert sources._preparing
    return sources._preparing


def test_a_file_that_goes_after_it_was_looked_at_is_told_and_ends_nothing(
    timeline: Timeline, tmp_path: Path, heard: list[tuple[str, str]]
) -> None:
    path, given = tmp_path / "here.wav", Given(timeline)
    with Writer(path, 8000) as writer:
        writer.write(np.zeros((2, 100), np.float32))
    sources = Sources(given, given, tmp_path)  # type: ignore[arg-type]
    ask(sources, heard, path).thread.join()
    path.unlink()
    sources.poll()
    assert heard == [("fail", f"{path}: cannot be read")]
    assert given.values["source"] == "input"


@pytest.mark.skipif(sys.platform == "win32", reason="pipes with names")
def test_a_pipe_that_nobody_writes_to_is_refused_and_not_waited_for(
    timeline: Timeline, tmp_path: Path, heard: list[tuple[str, str]]
) -> None:
    os.mkfifo(tmp_path / "pipe")
    sources = Sources(Given(timeline), Given(timeline), tmp_path)  # type: ignore[arg-type]
    ask(sources, heard, tmp_path / "pipe").thread.join(30)
    sources.poll()
    assert heard == [
        ("fail", f"{tmp_path}/pipe: a pipe or a device plays once, if ever. Pass an audio file or a tape.")
    ]


@pytest.mark.skipif(sys.platform == "win32", reason="the stand-in for the decoder is a shell script")
def test_a_tape_that_nobody_waits_for_any_more_is_not_decoded_on(
    timeline: Timeline, tmp_path: Path, heard: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, decoder = tmp_path / "a.tape", tmp_path / "decoder"
    TapeWriter(path, TapeHeader.of(small_codec().spec, "tokens", 0)).close()
    begun = tmp_path / "begun"
    os.mkfifo(begun)
    decoder.write_text(f"#!/bin/sh\necho > '{begun}'\nexec sleep 600\n")
    decoder.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(decoder))
    given = Given(timeline)
    sources = Sources(given, given, tmp_path)  # type: ignore[arg-type]
    preparing = ask(sources, heard, path)
    begun.read_bytes()
    sources.close()
    assert preparing._decoder
    assert preparing._decoder.returncode == -signal.SIGKILL
    assert heard == [("fail", "the stream has ended")]
    preparing.thread.join()


def test_of_captures_the_last_two_are_kept(timeline: Timeline, tmp_path: Path) -> None:
    given = Given(timeline)
    given.playing = [SimpleNamespace(slot=0, spec=SimpleNamespace(hop=80, sample_rate=8000))]
    sources = Sources(given, given, tmp_path)  # type: ignore[arg-type]
    loop = {"dry": np.zeros((2, 8000), np.float32)}
    sources._capture = SimpleNamespace(poll=lambda: None, loop=lambda: loop, end=0)  # type: ignore[assignment]
    for _ in range(4):
        sources.capture(Order("capture", (0.25,)))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["capture-3.wav", "capture-4.wav"]
    assert given.fed[-1] == tmp_path / "capture-4.wav"


def test_a_tape_is_not_closed_while_a_frame_is_written(timeline: Timeline, tmp_path: Path) -> None:
    """Frames come in whichever thread pumps the engine."""
    writing, go, done = threading.Event(), threading.Event(), list[str]()

    def write(frame: Frame) -> None:
        writing.set()
        go.wait(60)
        done.append("written")

    taping = Taping(Given(timeline), tmp_path)  # type: ignore[arg-type]
    taping._slots = {0: SimpleNamespace(spec=small_codec().spec)}  # type: ignore[dict-item]
    taping._writers = {0: SimpleNamespace(write=write, close=lambda: done.append("closed"))}  # type: ignore[dict-item]
    threads = [threading.Thread(target=taping._hear, args=(Encoded(0, 0, 700, 1.0, 1.0),))]
    threads[0].start()
    assert writing.wait(60)
    threads.append(threading.Thread(target=taping.finish))
    threads[1].start()
    go.set()
    for thread in threads:
        thread.join()
    assert done == ["written", "closed"]
