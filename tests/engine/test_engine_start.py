"""Start of an engine: it returns a running engine or leaves nothing open."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from realtime.engine.engine import Engine
from realtime.engine.engine_settings import Settings, format_codec
from realtime.engine.start import EngineStart, start_engine
from realtime.timeline.layout import GAIN_ONE, Field, Timeline, runtime_directory
from realtime.worker.handle import EngineError, WorkerHandle

SETTINGS = Settings(48_000, 256, ("pcm", None), ("pcm:hop=960", None), offline=True)


@pytest.fixture
def plugin_timeline() -> Iterator[Timeline]:
    made = Timeline.create(rate=48_000, latency=4000, max_block=256)
    made.store(Field.STREAM_ID, 1)
    yield made
    made.close()


def test_a_cancelled_start_raises_and_starts_no_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    launched: list[object] = []
    monkeypatch.setattr(WorkerHandle, "__init__", lambda self, *args, **kwargs: launched.append(self))
    start = EngineStart(SETTINGS)
    start.cancel()
    with pytest.raises(EngineError, match="cancelled"):
        start.run()
    assert not launched


def test_a_start_that_is_cancelled_while_it_loads_leaves_no_thread_and_no_timeline(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = set(runtime_directory().iterdir())
    start = EngineStart(SETTINGS)
    wait_ready = WorkerHandle.wait_ready

    def cancelled_meanwhile(worker: WorkerHandle) -> object:
        start.cancel()
        return wait_ready(worker)

    monkeypatch.setattr(WorkerHandle, "wait_ready", cancelled_meanwhile)
    with pytest.raises(EngineError, match="cancelled"):
        start.run()
    assert not [thread for thread in threading.enumerate() if thread.name == "verdigris-worker"]
    assert set(runtime_directory().iterdir()) == before


def test_cancel_after_a_start_has_failed_or_succeeded_has_no_effect() -> None:
    failing = EngineStart(Settings(48_000, 256, ("nothing", None), None, offline=True))
    with pytest.raises(EngineError):
        failing.run()
    failing.cancel()
    start = EngineStart(SETTINGS)
    engine = start.run()
    try:
        start.cancel()
        engine.set("a.steps", 3)
        assert engine.supervise() is None
    finally:
        engine.close()


def test_values_given_to_a_start_hold_from_its_first_frame() -> None:
    engine = start_engine(SETTINGS, values={"monitor": "dry", "fill": "silence", "a.steps": 5, "limiter": False})
    try:
        assert (engine.parameters["a.steps"], engine.parameters["limiter"]) == (5, False)
        gains = engine.timeline.header[Field.GAIN_DRY : Field.GAIN_B + 1]
        assert [int(gain) for gain in gains] == [GAIN_ONE, 0, 0]
        assert engine.timeline[Field.DROPOUT_FILL] == 1
        assert engine.in_flight == 0, "the worker has them from the start, not by messages"
    finally:
        engine.close()


def test_an_engine_on_a_plugin_timeline_leaves_its_gains_and_its_file(plugin_timeline: Timeline) -> None:
    plugin_timeline.header[Field.GAIN_DRY] = 123
    engine: Engine = start_engine(SETTINGS, plugin_timeline=plugin_timeline, values={"monitor": "b"})
    with pytest.raises(EngineError, match="plug-in"):
        _ = engine.host
    engine.close()
    assert plugin_timeline[Field.GAIN_DRY] == 123
    assert plugin_timeline.path.exists()


def test_a_codec_is_named_as_it_is_typed() -> None:
    assert format_codec(("opus:24", None)) == "opus:24"
    assert format_codec(("nano", "discrete")) == "nano:discrete"
