"""Codec catalogue: facts and measured speed of every codec, for command line, OSC and window."""

from __future__ import annotations

import json

import pytest

from realtime.cli import main as cli
from realtime.worker import codec_catalogue, compute_history


def by_name() -> dict[str, dict[str, object]]:
    return {str(row["name"]): row for row in codec_catalogue.rows()}


def test_speed_is_the_slowest_of_earlier_sessions_on_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    frame = 1280 / 48_000
    times = {"swift discrete float32": 0.2 * frame, "swift:6 discrete float32": 0.3 * frame, "swiftly x": 9.0}
    monkeypatch.setattr(compute_history, "load", lambda: times | {"nano continuous float32": 1.5 * 8192 / 48_000})
    found = by_name()
    assert (found["swift"]["speed"], found["swift"]["keeps_up"]) == (0.3, "yes")
    assert (found["nano"]["speed"], found["nano"]["keeps_up"]) == (1.5, "no")
    assert (found["opus"]["speed"], found["opus"]["keeps_up"]) == (-1.0, "unknown")


def test_times_are_looked_up_under_the_key_that_sessions_store() -> None:
    compute_history.store({"opus:24 discrete float32": 0.001})
    assert by_name()["opus"]["speed"] == pytest.approx(0.05)


def test_codecs_of_whole_files_are_listed_and_not_offered_live() -> None:
    assert by_name()["vorbis"]["names"] == []
    assert by_name()["vorbis"]["keeps_up"] == "no"


def test_the_command_line_prints_every_family_with_its_licence(capsys: pytest.CaptureFixture[str]) -> None:
    cli.main(["codecs"])
    text = capsys.readouterr().out
    cli.main(["codecs", "--json"])
    rows = json.loads(capsys.readouterr().out)
    assert rows == codec_catalogue.rows()
    for row in rows:
        assert row["name"] in text
        assert row["licence"] in text
    assert all(len(line) <= 110 for line in text.splitlines())
