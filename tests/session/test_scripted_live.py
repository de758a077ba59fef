"""Live sessions with models that misbehave: what is heard afterwards is dry, bit for bit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from benchmarks.latency import planned_and_measured
from models.load import give_consent
from realtime.cli.main import main
from realtime.engine.engine_settings import Settings
from realtime.engine.start import start_engine
from realtime.worker.messages import CodecLoaded
from tests.support import scripted_modules as modules

RATE, SECONDS = 48_000, 9
GOOD = 450  # calls until a module misbehaves: more than its delay is measured with, few for a busy machine

pytestmark = [pytest.mark.slow, pytest.mark.rig]


@pytest.fixture
def song(tmp_path: Path) -> Path:
    """Return a file of noise, the same in both channels: a codec with one channel changes nothing."""
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, SECONDS * RATE).astype(np.float32)
    soundfile.write(tmp_path / "song.wav", np.stack([noise, noise], axis=1), RATE, subtype="FLOAT")
    return tmp_path / "song.wav"


def play(tmp_path: Path, song: Path, *flags: str) -> tuple[dict[str, Any], np.ndarray, np.ndarray]:
    """Play a session; return its report, the input and the output that belongs to it."""
    take, report = tmp_path / "take", tmp_path / "report.json"
    live = ["live", "--driver", "clock", "--input", str(song), "--osc", "off", "--b", "off", "--latency", "24000"]
    assert main([*live, "--record", str(take), "--report", str(report), *flags]) == 0
    told = json.loads(report.read_text())
    given, _ = soundfile.read(take / "input.wav", dtype="float32", always_2d=True)
    played, _ = soundfile.read(take / "monitor.wav", dtype="float32", always_2d=True)
    played = played[told["latency_samples"] :]
    return told, given[: len(played)], played[: len(given)]


@pytest.mark.parametrize("deed", ["loop", "eat", "nan"])
@pytest.mark.parametrize("place", ["codec", "effect"])
def test_a_session_with_a_model_that_misbehaves_goes_on_dry(tmp_path: Path, song: Path, place: str, deed: str) -> None:
    model = modules.save(modules.Misbehaving(deed, GOOD), tmp_path / "m.ts")
    flags = ["--a", f"rave:{model}"] if place == "codec" else ["--a", "pcm", "--pre", f"nn:{model}"]
    report, given, played = play(tmp_path, song, *flags, "--trust")
    assert any("bypassed" in str(failure) for failure in report["failures"]), report["failures"]
    last = slice((SECONDS - 2) * RATE, (SECONDS - 1) * RATE)
    assert np.array_equal(played[last], given[last])


def test_the_latency_planned_for_a_model_is_the_measured_one_to_the_sample(tmp_path: Path) -> None:
    model = modules.save(modules.LookAhead(), tmp_path / "m.ts")
    give_consent(str(model))
    planned, measured = planned_and_measured(RATE, 256, 4.0, f"rave:{model}")
    assert measured == planned


def test_a_codec_that_may_not_run_or_writes_when_loaded_is_refused_while_the_other_plays_on(tmp_path: Path) -> None:
    harm = tmp_path / "harm"
    saving = modules.save(modules.Saving(str(harm)), tmp_path / "saving.ts")
    unknown = modules.save(modules.Folding(), tmp_path / "unknown.ts")
    harm.unlink(missing_ok=True)
    engine = start_engine(Settings(RATE, 256, ("pcm", None), None, latency=24_000))
    events: list[object] = []
    engine.listen(events.append)
    try:
        for path in (saving, unknown):
            engine.swap(0, f"rave:{path}", None, ticket=1)
            while not any(isinstance(event, CodecLoaded) for event in events):
                engine.supervise()
            loaded = next(event for event in events if isinstance(event, CodecLoaded))
            events.clear()
            if path == saving:
                assert "was refused; nothing in it was run" in loaded.reason
                assert loaded.offer == ""
            else:
                assert "you have not allowed it yet" in loaded.reason
                assert loaded.offer == f"verdigris trust {path}"
        assert [slot.codec for slot in engine.playing] == ["pcm"]
        assert engine.worker_pid is not None
    finally:
        engine.close()
    assert not harm.exists()


def test_consent_is_asked_for_once(tmp_path: Path, song: Path) -> None:
    model = modules.save(modules.Folding(), tmp_path / "m.ts")
    flags = ["--a", f"rave:{model}", "--seconds", "0.5"]
    live = ["live", "--driver", "file", "--input", str(song), "--b", "off"]
    assert main([*live, *flags]) == 1
    assert main([*live, *flags, "--trust"]) == 0
    assert main([*live, *flags]) == 0
    assert give_consent(str(model))
