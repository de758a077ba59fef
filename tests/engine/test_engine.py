"""Whole engine, played by the file driver with the worker in a thread, and live in a process."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from realtime.drivers.clock import ClockDriver
from realtime.drivers.offline import FileDriver
from realtime.effects.effect import EMPTY, Racks
from realtime.engine.engine import Engine
from realtime.engine.engine_settings import Settings
from realtime.engine.start import start_engine
from realtime.files.audio_file import AudioReader
from realtime.recording.loop_capture import LoopBuffer
from realtime.recording.wav_recorder import WavRecorder
from realtime.timeline.layout import Field, runtime_directory
from realtime.timeline.playout import slot_dropouts
from realtime.timeline.ring_reader import RingReader
from realtime.worker.handle import EngineError
from realtime.worker.messages import CodecLoaded, LaneFailed
from tests.support.lockstep import noise
from tests.support.systems import needs_posix

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
    engine = start_engine(settings)
    engines.append(engine)
    return engine


def play(engine: Engine, audio: np.ndarray, block: int | str = 256) -> np.ndarray:
    """Play audio [T, 2] to the end by the file driver; return the output [T, 2]."""
    tail, played = RingReader(engine.timeline, "monitor"), []
    driver = FileDriver(engine.host, Given(audio), block, after_block=lambda samples_in: played.append(tail.read().T))
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
    assert sum(engine.dropouts().values()) == 0


def test_delta_with_pcm_is_digital_silence(started: list[Engine]) -> None:
    engine = start(started, offline("pcm", "opus:24"))
    engine.set("monitor", "delta")
    assert not play(engine, noise(RATE)).any()


def test_offline_never_misses_however_slow_the_codec(started: list[Engine]) -> None:
    engine = start(started, offline("pcm:hop=4800,compute=0.02"))
    x = noise(RATE)
    y = play(engine, x)
    assert np.array_equal(y[engine.plan.latency :][: len(x)], x)
    assert sum(engine.dropouts().values()) == 0


def test_recordings_are_as_long_as_the_input_and_aligned_with_it(started: list[Engine], tmp_path: Path) -> None:
    engine = start(started, offline("pcm:hop=999,lookahead=50", "pcm"))
    recorder, x = WavRecorder(engine.timeline, tmp_path), noise(30_001)
    driver = FileDriver(engine.host, Given(x), 256, after_block=recorder.poll)
    driver.start()
    driver.join(60)
    recorder.finish(driver.samples_in)
    for name in ("input", "a", "b"):
        recorded, _ = soundfile.read(tmp_path / f"{name}.wav", dtype="float32")
        assert np.array_equal(recorded, x), name
    played, _ = soundfile.read(tmp_path / "monitor.wav", dtype="float32")
    assert np.array_equal(played[engine.plan.latency :][: len(x)], x)
    assert recorder.lost == 0


def test_loop_capture_holds_the_latest_of_dry_and_wet_aligned(started: list[Engine]) -> None:
    engine = start(started, offline("pcm:hop=999,lookahead=50", "pcm"))
    capture, x = LoopBuffer(engine.timeline, 0.25), noise(RATE)
    driver = FileDriver(engine.host, Given(x), 256, after_block=lambda samples_in: capture.poll())
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
def test_a_codec_that_is_not_available_is_refused_and_nothing_stays_open(settings: Settings, message: str) -> None:
    before = list(runtime_directory().iterdir())
    with pytest.raises(EngineError, match=message):
        start_engine(settings)
    assert list(runtime_directory().iterdir()) == before


def test_less_latency_than_needed_is_raised_and_announced(started: list[Engine]) -> None:
    engine = start(started, offline("opus:24", latency=100))
    assert engine.plan.latency > 100
    assert [remark for remark in engine.remarks if "latency raised from 100 samples" in remark]


def test_more_latency_is_reserved(started: list[Engine]) -> None:
    engine = start(started, offline("pcm", latency=10_000))
    engine.set("monitor", "dry")
    x = noise(20_000)
    assert np.array_equal(play(engine, x)[10_000:][: len(x)], x)


@pytest.mark.slow
@pytest.mark.rig
@needs_posix("signals")
@pytest.mark.parametrize("kind", ["stalled", "died"])
def test_a_worker_process_stopped_or_killed_costs_one_dropout_and_shifts_nothing(
    started: list[Engine], tmp_path: Path, kind: str
) -> None:
    codecs = ("pcm:hop=1000", None), ("pcm:hop=960,lookahead=10", None)
    engine = start(started, Settings(RATE, 256, *codecs, latency=RATE // 5))  # the blow alone is longer than that
    x = noise(60 * RATE)
    recorder = WavRecorder(engine.timeline, tmp_path)
    driver = ClockDriver(engine.host, Given(x), 256)
    pid, struck, back, messages = engine.worker_pid, 0, 0, []
    assert pid is not None
    driver.start()
    while driver.running:
        driver.join(0.05)
        recorder.poll(driver.samples_in)
        if not struck and driver.samples_in > 2 * RATE:
            os.kill(pid, signal.SIGSTOP if kind == "stalled" else signal.SIGKILL)
            struck = driver.samples_in
        if kind == "stalled" and struck and not back and driver.samples_in - struck > 2 * RATE:
            os.kill(pid, signal.SIGCONT)
            back = driver.samples_in
        if message := engine.supervise():
            messages.append(message)
            back = driver.samples_in if message == "the worker is back" else back
        if back and driver.samples_in - back > 2.5 * RATE:
            driver.stop()
    engine.stop()
    recorder.finish(driver.samples_in)
    x = x[: driver.samples_in]
    played, _ = soundfile.read(tmp_path / "monitor.wav", dtype="float32")
    assert np.array_equal(played[engine.plan.latency :], x[: len(played) - engine.plan.latency])
    for name in ("a", "b"):
        wet, _ = soundfile.read(tmp_path / f"{name}.wav", dtype="float32")
        there = (wet == x[: len(wet)]).all(axis=1)
        assert not wet[~there].any()
        assert there[:RATE].all(), "before the blow"
        assert there[-RATE:].mean() > 0.99, "after it came back"
    assert engine.dropouts()[kind] == 1
    assert bool(messages) == (kind == "died")


def test_an_input_that_ends_is_flushed_to_its_last_sample(started: list[Engine], tmp_path: Path) -> None:
    soundfile.write(tmp_path / "in.wav", noise(777), RATE, subtype="FLOAT")
    engine = start(started, offline("pcm:hop=960"))
    reader = AudioReader(tmp_path / "in.wav")
    driver = FileDriver(engine.host, reader, 100)
    tail = RingReader(engine.timeline, "monitor")
    driver.start()
    driver.join(60)
    reader.close()
    played = tail.read().T
    assert np.array_equal(played[engine.plan.latency :][:777], noise(777))


@pytest.mark.parametrize(("codec", "offered"), [("pcm:hop=9000", True), ("pcm:hop=480,compute=0.05", False)])
def test_a_swap_that_needs_more_latency_says_how_much_unless_none_is_enough(
    started: list[Engine], codec: str, offered: bool
) -> None:
    engine = start(started, Settings(RATE, 256, ("pcm:hop=960", None), None, latency=4000))
    events: list[object] = []
    engine.listen(events.append)
    engine.swap(0, codec, None, ticket=1)
    while not (loaded := [event for event in events if isinstance(event, CodecLoaded)]):
        engine.supervise()
        time.sleep(0.01)
    assert bool(loaded[0].needed) == offered
    assert ("Restart with latency" in loaded[0].reason) == offered
    assert ("no latency is enough" in loaded[0].reason) != offered


def test_a_swap_is_not_refused_for_the_load_of_the_other_slot(started: list[Engine]) -> None:
    engine = start(started, Settings(RATE, 256, ("pcm:hop=960,compute=0.03", None), ("pcm", None), latency=4000))
    events: list[object] = []
    engine.listen(events.append)
    engine.swap(1, "pcm:hop=480", None, ticket=1)
    while not (loaded := [event for event in events if isinstance(event, CodecLoaded)]):
        engine.supervise()
        time.sleep(0.01)
    assert loaded[0].reason == ""


@pytest.mark.slow
@pytest.mark.rig
def test_a_codec_is_swapped_while_playing_without_a_dropout_or_a_shift(started: list[Engine], tmp_path: Path) -> None:
    engine = start(started, Settings(RATE, 256, ("pcm:hop=960", None), ("pcm", None), latency=4000))
    x, recorder = noise(20 * RATE), WavRecorder(engine.timeline, tmp_path)
    driver, messages = ClockDriver(engine.host, Given(x), 256), []
    driver.start()
    engine.swap(0, "pcm:hop=480,lookahead=100", None)
    while driver.running:
        driver.join(0.02)
        recorder.poll(driver.samples_in)
        if message := engine.supervise():
            messages.append(message)
            if len(messages) == 1:
                engine.swap(1, "pcm:hop=9000", None)
            if len(messages) == 2:
                engine.swap(1, "nonsense", None)
            if len(messages) == 3:
                driver.stop()
    engine.stop()
    recorder.finish(driver.samples_in)
    assert messages[0].startswith("now playing pcm:hop=480,lookahead=100")
    assert "Restart with latency" in messages[1]
    assert 'codec "nonsense" is unknown' in messages[2]
    played, _ = soundfile.read(tmp_path / "monitor.wav", dtype="float32")
    assert np.array_equal(played[4000:], x[: len(played) - 4000])
    dropped = engine.dropouts()
    assert dropped["died"] == dropped["stalled"] == 0
    wet, _ = soundfile.read(tmp_path / "a.wav", dtype="float32")  # dry equals wet here, so look at A itself
    there = (wet == x[: len(wet)]).all(axis=1)
    assert not wet[~there].any(), "what is not in place is silence"
    assert there.mean() > 0.9


@pytest.mark.slow
@pytest.mark.rig
@pytest.mark.parametrize("mode", ["too slow", "failed"])
def test_a_slot_in_overload_or_in_error_costs_the_other_one_nothing(started: list[Engine], mode: str) -> None:
    slow = ("pcm:hop=960,compute=0.03", None)  # 1.5 times real time
    a_codec = slow if mode == "too slow" else ("pcm:hop=960", None)
    engine = start(started, Settings(RATE, 256, a_codec, ("opus:24", None), latency=RATE // 5))
    driver = ClockDriver(engine.host, Given(noise(30 * RATE)), 256)
    said: list[str] = []
    driver.start()
    while driver.running:
        driver.join(0.05)
        if mode == "failed" and not said and driver.samples_in > RATE:
            assert engine._worker
            engine._on_event(engine._worker, LaneFailed((0,), "ValueError: broken"))
        if message := engine.supervise():
            said.append(message)
    engine.stop()
    a, b = (slot_dropouts(engine.timeline, slot) for slot in range(2))
    assert sum(b.values()) == 0
    assert engine.timeline[Field.DROPPED_SAMPLES_B] == 0
    if mode == "too slow":
        assert a["late"] > 0
        assert engine.timeline[Field.DROPPED_SAMPLES_A] == engine.timeline[Field.DROPPED_SAMPLES] > 10 * RATE
    else:
        assert said[0].startswith("slot A failed (ValueError: broken); loading it again")
        assert said[1].startswith("now playing pcm")


def losses(engine: Engine) -> dict[int, tuple[int, int]]:
    """Return the dropouts and the samples that were lost, by slot."""
    lost = Field.DROPPED_SAMPLES_A, Field.DROPPED_SAMPLES_B
    return {slot: (sum(slot_dropouts(engine.timeline, slot).values()), engine.timeline[lost[slot]]) for slot in (0, 1)}


NETWORK = """import time
import {module}
{setup}
def bend(frame, state, params, rng):
    spec = state.stream.spec
    end = time.thread_time() + 1.5 * spec.hop / spec.sample_rate  # of this thread alone
    while time.thread_time() < end:
        {layer}
    return frame
"""
IMPORTS_S = 6  # until the modules are imported, which a codec does before its stream
LAYERS = {
    "numpy": ("weights = numpy.ones((128, 128), numpy.float32)", "numpy.tanh(weights @ weights)"),
    "torch": (
        "layer = torch.nn.Conv1d(64, 64, 5, padding=2).requires_grad_(False); audio = torch.zeros(1, 64, 200)",
        "torch.nn.functional.gelu(layer(audio))",
    ),
    "math": ("", "sum(math.sin(x) for x in range(1000))"),  # never leaves the interpreter
}


@pytest.mark.slow
@pytest.mark.rig
@pytest.mark.parametrize("module", LAYERS)
def test_opus_has_no_dropout_beside_a_slot_that_computes_one_and_a_half_times_real_time(
    started: list[Engine], module: str, tmp_path: Path
) -> None:
    """A computes in the worker's process, as networks do: it takes a core, and the interpreter's lock."""
    setup, layer = LAYERS[module]
    (tmp_path / "network.py").write_text(NETWORK.format(module=module, setup=setup, layer=layer))
    engine = start(started, Settings(RATE, 256, ("pcm:hop=960", None), ("opus:24", None), latency=RATE // 5))
    engine.set("a.bend.file", str(tmp_path / "network.py"))
    driver = ClockDriver(engine.host, Given(noise((IMPORTS_S + 30) * RATE)), 256)
    driver.start()
    before: dict[int, tuple[int, int]] = {}
    while driver.running:
        driver.join(0.05)
        assert engine.supervise() is None
        if not before and driver.samples_in > IMPORTS_S * RATE:
            before = losses(engine)
    engine.stop()
    after = losses(engine)
    assert after[0][1] - before[0][1] > 5 * RATE, "A computes more than there is time for"
    assert after[1] == before[1]
