"""Console: what is heard, not what was chosen."""

from __future__ import annotations

import pytest

from realtime.engine.engine_settings import Settings
from realtime.engine.start import start_engine
from realtime.session.console import View
from realtime.session.session_report import make_report
from realtime.timeline.layout import Field


def test_a_status_line_says_that_dry_stood_in_and_for_how_long(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = start_engine(Settings(48_000, 256, ("pcm", None), ("pcm:hop=960", None), offline=True))
    monkeypatch.setattr("realtime.session.console.LINE_EVERY_S", -1.0)  # a line at each update
    try:
        view = View(engine, None)
        engine.timeline.header[Field.FILL_SAMPLES_A] += 12_000
        view.update()
        view.update()
        engine.timeline.header[Field.DROPPED_SAMPLES_B] += 480
        engine.timeline.header[Field.LATE_B] += 2
        report = make_report(engine, 0)
        view.close()
    finally:
        engine.close()
    first, second = [line for line in capsys.readouterr().out.splitlines() if "hearing" in line]
    assert "hearing DRY FOR A " in first
    assert first.endswith("dry for A 0.25 s")
    assert "hearing A " in second
    assert "for" not in second
    assert report["misses_b"] == {"late": 2, "stalled": 0, "died": 0}
    assert (report["missed_samples_a"], report["missed_samples_b"]) == (0, 480)
