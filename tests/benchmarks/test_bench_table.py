"""`verdigris bench table`: codecs whose weights are not on this computer are left out with a note."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.codec_table import CODECS, follows_waveform, rows, split_available
from models.load import load
from models.weights_io import releases


def test_a_codec_without_weights_is_left_out_with_a_note(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(releases, "here", lambda family: None)
    available, notes = split_available(CODECS)
    assert "lyra:6" in CODECS
    assert available == [name for name in CODECS if name != "lyra:6"]
    assert notes == ["lyra:6 was left out: its weights are not on this computer (verdigris codecs)."]


def test_a_codec_with_weights_is_measured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(releases, "here", lambda family: (tmp_path / "x",))
    assert split_available(CODECS) == (list(CODECS), [])


@pytest.mark.parametrize(("name", "correlates"), [("opus:24", True), ("swift", True), ("nano", False)])
def test_only_outputs_that_correlate_with_the_input_are_measured_by_themselves(name: str, correlates: bool) -> None:
    assert follows_waveform(load(name, rate=48_000).spec) is correlates


@pytest.mark.slow
def test_a_row_has_bitrate_frame_latency_and_load() -> None:
    (row,) = rows(["opus:24"], seconds=2.0)
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert (cells[0], cells[2], len(cells)) == ("opus:24", "20.0 ms", 5)
    assert " ms → " in cells[3]
