"""Snapshots on disk: what comes back, and what does not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from realtime.osc.snapshots import Snapshots
from realtime.params import PARAMETERS, ParameterError


def test_snapshots_outlive_the_program_and_what_is_no_longer_allowed_is_its_default(tmp_path: Path) -> None:
    values = {name: row.default for name, row in PARAMETERS.items()} | {"gain": -6.0, "a.steps": 4, "mute": True}
    Snapshots(tmp_path).store("verse", values)
    found = Snapshots(tmp_path).recall("verse")
    assert (found["gain"], found["a.steps"]) == (-6.0, 4)
    assert "mute" not in found  # nobody is to be muted, or heard, by a snapshot
    assert type(found["a.bend.bias"]) is tuple
    kept = json.loads((tmp_path / "snapshots.json").read_text())
    kept["verse"] |= {"a.steps": 99, "unheard.of": 1}
    del kept["verse"]["gain"]
    (tmp_path / "snapshots.json").write_text(json.dumps(kept))
    found = Snapshots(tmp_path).recall("verse")
    assert (found["gain"], found["a.steps"]) == (0.0, PARAMETERS["a.steps"].default)
    assert "unheard.of" not in found
    (tmp_path / "snapshots.json").write_text("[]")
    with pytest.raises(ParameterError, match="none yet"):
        Snapshots(tmp_path).recall("verse")


def test_snapshots_that_cannot_be_kept_are_there_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    snapshots = Snapshots(tmp_path / "file")
    with pytest.raises(ParameterError, match="kept for now"):
        snapshots.store("verse", {name: row.default for name, row in PARAMETERS.items()})
    assert snapshots.recall("verse")
