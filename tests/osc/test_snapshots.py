"""Snapshots on disk."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from realtime.osc.snapshots import MAX_SNAPSHOTS, Snapshots, snapshot_name
from realtime.parameters.table import PARAMETERS, ParameterError
from tests.support.mutate import mutations
from tests.support.systems import rounds


def test_snapshots_outlive_the_program_and_values_no_longer_allowed_get_defaults(tmp_path: Path) -> None:
    Snapshots(tmp_path).store("verse", values(gain=-6.0, mute=True) | {"a.steps": 4})
    found = Snapshots(tmp_path).recall("verse")
    assert (found["gain"], found["a.steps"]) == (-6.0, 4)
    assert "mute" not in found  # a snapshot neither mutes nor unmutes
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


def test_snapshots_that_cannot_be_saved_can_be_recalled(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    snapshots = Snapshots(tmp_path / "file")
    with pytest.raises(ParameterError, match="is lost when the program ends"):
        snapshots.store("verse", {name: row.default for name, row in PARAMETERS.items()})
    assert snapshots.recall("verse")


def values(**changed: object) -> dict[str, object]:
    return {name: row.default for name, row in PARAMETERS.items()} | changed


def test_sessions_beside_each_other_keep_and_see_each_others_snapshots(tmp_path: Path) -> None:
    one, other = Snapshots(tmp_path), Snapshots(tmp_path)
    one.store("verse", values(gain=-6.0))
    other.store("chorus", values(gain=-3.0))
    one.store("bridge", values(gain=-1.0))
    assert json.loads((tmp_path / "snapshots.json").read_text()).keys() == {"verse", "chorus", "bridge"}
    assert one.recall("chorus")["gain"] == -3.0
    other.store("verse", values(gain=-2.0))
    assert one.recall("verse")["gain"] == -2.0, "the latest one counts"


def test_a_damaged_snapshot_is_set_aside_and_the_others_are_kept(tmp_path: Path) -> None:
    (tmp_path / "snapshots.json").write_text('{"good": {"gain": -6.0}, "bad": 5}\n')
    said: list[str] = []
    snapshots = Snapshots(tmp_path, say=said.append)
    assert len(said) == 1
    assert "'bad'" in said[0]
    snapshots.store("new", values(gain=-3.0))
    assert json.loads((tmp_path / "snapshots.json.bad").read_text()) == {"good": {"gain": -6.0}, "bad": 5}
    later = Snapshots(tmp_path, say=said.append)
    assert [later.recall(name)["gain"] for name in ("good", "new")] == [-6.0, -3.0]
    assert len(said) == 1, "said once"


def test_values_of_effects_that_are_not_in_this_session_stay_in_the_file(tmp_path: Path) -> None:
    (tmp_path / "snapshots.json").write_text('{"wet": {"pre.1.threshold": -20.0}}\n')
    Snapshots(tmp_path).store("other", values())
    assert json.loads((tmp_path / "snapshots.json").read_text())["wet"] == {"pre.1.threshold": -20.0}


@pytest.mark.parametrize("stored", [3, 3.0, "3", "3.0", "03", "+3", "3."])
@pytest.mark.parametrize("recalled", [3, 3.0, "3", "3.000"])
def test_names_that_are_numbers_compare_as_numbers(stored: object, recalled: object) -> None:
    snapshots = Snapshots()
    snapshots.store(snapshot_name(stored), values(gain=-6.0))
    assert snapshots.recall(snapshot_name(recalled))["gain"] == -6.0


@pytest.mark.parametrize(
    ("given", "name"),
    [(0.1, "0.1"), (float(np.float32(0.1)), "0.1"), (-0.0, "0"), (2**40, str(2**40)), ("1e3", "1e3"), ("a 3", "a 3")],
)
def test_a_snapshot_is_named_as_a_person_would_write_the_number(given: object, name: str) -> None:
    assert snapshot_name(given) == name


def test_snapshots_of_an_earlier_version_are_found_by_their_number(tmp_path: Path) -> None:
    (tmp_path / "snapshots.json").write_text('{"3.0": {"gain": -6.0}}')
    snapshots = Snapshots(tmp_path)
    assert snapshots.recall("3")["gain"] == -6.0
    snapshots.store("3", values(gain=-1.0))
    assert snapshots.recall("3.0")["gain"] == -1.0


def test_a_snapshot_that_could_not_be_saved_is_saved_with_the_next_one(tmp_path: Path) -> None:
    place = tmp_path / "verdigris"
    place.touch()
    snapshots = Snapshots(place)
    with pytest.raises(ParameterError, match="is lost when the program ends"):
        snapshots.store("verse", values())
    place.unlink()
    snapshots.store("chorus", values())
    assert json.loads((place / "snapshots.json").read_text()).keys() == {"verse", "chorus"}


def test_more_snapshots_than_allowed_are_refused(tmp_path: Path) -> None:
    (tmp_path / "snapshots.json").write_text(json.dumps({f"s{n}": {} for n in range(MAX_SNAPSHOTS)}))
    snapshots = Snapshots(tmp_path)
    with pytest.raises(ParameterError, match="256 snapshots are stored already"):
        snapshots.store("another", values())
    snapshots.store("s7", values(gain=-1.0))
    assert snapshots.recall("s7")["gain"] == -1.0


@pytest.mark.parametrize(
    "count", [rounds(100), pytest.param(20_000, marks=[pytest.mark.slow, pytest.mark.timeout(1800)])]
)
def test_mutated_snapshot_files_lose_nothing_in_silence(
    tmp_path: Path, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.fsync", lambda descriptor: None)
    path, bad = tmp_path / "snapshots.json", tmp_path / "snapshots.json.bad"
    good = {name: values(gain=-float(gain)) for gain, name in enumerate(("verse", "chorus", "bridge"))}
    for name, stored in good.items():
        Snapshots(tmp_path).store(name, stored)
    raw = path.read_bytes()
    for mutated in mutations(raw, count, seed=5):
        path.write_bytes(mutated)
        bad.unlink(missing_ok=True)
        said: list[str] = []
        snapshots = Snapshots(tmp_path, say=said.append)
        snapshots.store("new", good["verse"])
        assert snapshots.recall("new")["gain"] == 0.0
        for name in json.loads(path.read_text()):
            row_values = snapshots.recall(name)
            assert all(PARAMETERS[key].parse(value) == value for key, value in list(row_values.items())[:8])
        assert not said or bad.read_bytes() == mutated
        assert said or all(name in json.loads(path.read_text()) for name in (json.loads(mutated) if mutated else ()))
