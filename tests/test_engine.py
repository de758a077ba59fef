"""The engine whole: started, played through by the file driver, its worker in a thread; live, in a process."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from realtime.audiofile import Reader
from realtime.capture import Capture
from realtime.drivers.clock import ClockDriver
from realtime.drivers.file import FileDriver
from realtime.engine import Engine, Settings
from realtime.latency import LatencyError
from realtime.link import EngineError
from realtime.rack.effect import EMPTY, Racks
from realtime.recorder import Recorder
from realtime.tail import Tail
from realtime.timeline import runtime_directory
from tests.lockstep import noise

RATE = 48_000


class Given:
    """A source of what a test gives, [T, 2]."""

    def __init__(self, audio: np.ndarray) -> None:
        self._audio, self._at = audio, 0

    def read(self, count: int) -> np.ndarray:
        piece = self._audio[self._at : self._at + count]
        self._at += len(piece)
        return piece.T


def offline(
    a: str, b: str | None = None, *, rate: int = RATE, block: int = 256, latency: int = 0, racks: Racks = EMPTY
) -> Settings:
    return Settings(rate, block, (a, None), (b, None) if b else None, latency=latency, offline=True, racks=racks)


@pytest.fixture
def started() -> Iterator[list[Engine]]:
    engines: list[Engine] = []
    yield engines
    for engine in engines:
        engine.close()


def start(engines: list[Engine], settings: Settings) -> Engine:
    engine = Engine(settings)
    engines.append(engine)
    engine.start()
    return engine


def play(engine: Engine, audio: np.ndarray, block: int | str = 256) -> np.ndarray:
    """Through the file driver to the end; what was played."""
    tail, played = Tail(engine.timeline, "monitor"), []
    driver = FileDriver(engine.host, Given(audio), block, after_block=lambda taken: played.append(tail.read().T))
    driver.start()
    driver.join(60)
    assert not driver.running
    assert driver.error is None
    return np.concatenate([*played, tail.read().T])


@pytest.mark.parametrize("rate", [48_000, 44_100, 96_000])
@pytest.mark.parametrize("block", [32, 441, "random"])
def test_monitor_on_dry_is_the_input_latency_samples_later_bit_for_bit(
    started: list[Engine], rate: int, block: int | str
) -> None:
    engine = start(started, offline("opus:24", "pcm", rate=rate, block=1024 if block == "random" else int(block)))
    engine.set("monitor", "dry")
    x = noise(rate // 2)
    y = play(engine, x, block)
    latency = engine.plan.latency
    assert np.array_equal(y[latency : latency + len(x)], x)
    assert not y[:latency].any()
    assert sum(engine.misses().values()) == 0


def test_delta_with_pcm_is_digital_silence(started: list[Engine]) -> None:
    engine = start(started, offline("pcm", "opus:24"))
    engine.set("monitor", "delta")
    assert not play(engine, noise(RATE)).any()


def test_offline_never_misses_however_slow_the_codec(started: list[Engine]) -> None:
    engine = start(started, offline("pcm:hop=4800,compute=0.02"))
    x = noise(RATE)
    y = play(engine, x)
    assert np.array_equal(y[engine.plan.latency :][: len(x)], x)
    assert sum(engine.misses().values()) == 0


def test_recordings_are_as_long_as_the_input_and_aligned_with_it(started: list[Engine], tmp_path: Path) -> None:
    engine = start(started, offline("pcm:hop=999,lookahead=50", "pcm"))
    recorder, x = Recorder(engine.timeline, tmp_path), noise(30_001)
    driver = FileDriver(engine.host, Given(x), 256, after_block=recorder.poll)
    driver.start()
    driver.join(60)
    recorder.finish(driver.taken)
    for name in ("input", "a", "b"):
        recorded, _ = soundfile.read(tmp_path / f"{name}.wav", dtype="float32")
        assert np.array_equal(recorded, x), name
    played, _ = soundfile.read(tmp_path / "monitor.wav", dtype="float32")
    assert np.array_equal(played[engine.plan.latency :][: len(x)], x)
    assert recorder.lost == 0


def test_loop_capture_holds_the_latest_of_dry_and_wet_aligned(started: list[Engine]) -> None:
    engine = start(started, offline("pcm:hop=999,lookahead=50", "pcm"))
    capture, x = Capture(engine.timeline, 0.25), noise(RATE)
    driver = FileDriver(engine.host, Given(x), 256, after_block=lambda taken: capture.poll())
    driver.start()
    driver.join(60)
    capture.poll()
    loop = capture.loop()
    assert set(loop) == {"dry", "a", "b"}
    assert 5000 < loop["dry"].shape[1] <= RATE // 4
    assert loop["dry"].any()
    assert np.array_equal(loop["dry"], loop["a"])
    assert np.array_equal(loop["dry"], loop["b"])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (offline("opus:5"), "opus"),
        (offline("nonsense"), 'codec "nonsense" is unknown'),
        (Settings(RATE, 256, ("opus:24", "continuous"), None, offline=True), "continuous"),
    ],
    ids=["bitrate", "name", "path"],
)
def test_a_codec_that_cannot_be_had_is_refused_before_anything_starts(settings: Settings, message: str) -> None:
    engine = Engine(settings)
    before = list(runtime_directory().iterdir())
    with pytest.raises(EngineError, match=message):
        engine.start()
    engine.close()
    assert list(runtime_directory().iterdir()) == before


def test_less_latency_than_it_takes_is_refused(started: list[Engine]) -> None:
    with pytest.raises(LatencyError, match="less than the"):
        start(started, offline("opus:24", latency=100))


def test_more_latency_is_reserved(started: list[Engine]) -> None:
    engine = start(started, offline("pcm", latency=10_000))
    engine.set("monitor", "dry")
    x = noise(20_000)
    assert np.array_equal(play(engine, x)[10_000:][: len(x)], x)


@pytest.mark.slow
@pytest.mark.rig
@pytest.mark.parametrize("blow", [signal.SIGSTOP, signal.SIGKILL], ids=["stalled", "killed"])
def test_a_worker_process_struck_in_mid_stream_costs_one_hole_and_shifts_nothing(
    started: list[Engine], tmp_path: Path, blow: signal.Signals
) -> None:
    codecs = ("pcm:hop=1000", None), ("pcm:hop=960,lookahead=10", None)
    engine = start(started, Settings(RATE, 256, *codecs, latency=RATE // 5))  # the blow alone is longer than that
    x = noise(60 * RATE)
    recorder = Recorder(engine.timeline, tmp_path)
    driver = ClockDriver(engine.host, Given(x), 256)
    pid, struck, back, messages = engine.worker_pid, 0, 0, []
    assert pid is not None
    driver.start()
    while driver.running:
        driver.join(0.05)
        recorder.poll(driver.taken)
        if not struck and driver.taken > 2 * RATE:
            os.kill(pid, blow)
            struck = driver.taken
        if blow == signal.SIGSTOP and struck and not back and driver.taken - struck > 2 * RATE:
            os.kill(pid, signal.SIGCONT)
            back = driver.taken
        if message := engine.watch():
            messages.append(message)
            back = driver.taken if message == "the worker is back" else back
        if back and driver.taken - back > 2.5 * RATE:
            driver.stop()
    engine.stop()
    recorder.finish(driver.taken)
    x = x[: driver.taken]
    played, _ = soundfile.read(tmp_path / "monitor.wav", dtype="float32")
    assert np.array_equal(played[engine.plan.latency :], x[: len(played) - engine.plan.latency])
    for name in ("a", "b"):
        wet, _ = soundfile.read(tmp_path / f"{name}.wav", dtype="float32")
        there = (wet == x[: len(wet)]).all(axis=1)
        assert not wet[~there].any()
        assert there[:RATE].all(), "before the blow"
        assert there[-RATE:].mean() > 0.99, "after it came back"
    kind = "stalled" if blow == signal.SIGSTOP else "died"
    assert engine.misses()[kind] == 1
    assert bool(messages) == (blow == signal.SIGKILL)


def test_an_input_that_ends_is_flushed_to_its_last_sample(started: list[Engine], tmp_path: Path) -> None:
    soundfile.write(tmp_path / "in.wav", noise(777), RATE, subtype="FLOAT")
    engine = start(started, offline("pcm:hop=960"))
    reader = Reader(tmp_path / "in.wav")
    driver = FileDriver(engine.host, reader, 100)
    tail = Tail(engine.timeline, "monitor")
    driver.start()
    driver.join(60)
    reader.close()
    played = tail.read().T
    assert np.array_equal(played[engine.plan.latency :][:777], noise(777))


@pytest.mark.slow
@pytest.mark.rig
def test_a_codec_is_swapped_while_playing_without_a_miss_or_a_shift(started: list[Engine], tmp_path: Path) -> None:
    engine = start(started, Settings(RATE, 256, ("pcm:hop=960", None), ("pcm", None), latency=4000))
    x, recorder = noise(20 * RATE), Recorder(engine.timeline, tmp_path)
    driver, messages = ClockDriver(engine.host, Given(x), 256), []
    driver.start()
    engine.swap(0, "pcm:hop=480,lookahead=100", None)
    while driver.running:
        driver.join(0.02)
        recorder.poll(driver.taken)
        if message := engine.watch():
            messages.append(message)
            if len(messages) == 1:
                engine.swap(1, "pcm:hop=9000", None)
            if len(messages) == 2:
                engine.swap(1, "nonsense", None)
            if len(messages) == 3:
                driver.stop()
    engine.stop()
    recorder.finish(driver.taken)
    assert messages[0].startswith("now playing pcm:hop=480,lookahead=100")
    assert "Start again with --latency" in messages[1]
    assert 'codec "nonsense" is unknown' in messages[2]
    played, _ = soundfile.read(tmp_path / "monitor.wav", dtype="float32")
    assert np.array_equal(played[4000:], x[: len(played) - 4000])
    missed = engine.misses()
    assert missed["died"] == missed["stalled"] == 0
    wet, _ = soundfile.read(tmp_path / "a.wav", dtype="float32")  # dry equals wet here, so look at A itself
    there = (wet == x[: len(wet)]).all(axis=1)
    assert not wet[~there].any(), "what is not in place is silence"
    assert there.mean() > 0.9
