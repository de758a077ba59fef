"""Files of the window's state and presets."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gui.model.settings import Settings, preset_file
from tests.support.mutate import mutations
from tests.support.systems import rounds

COLLIDING = [
    *("🎛", "🔥", "", "_", "A/B", "A:B", "A_B", "a_b", "dub?", "dub!", "dub", "Dub", "DUB", "dub.", "dub ", " dub"),
    *("con", "NUL", "aux.txt", "../dub", "..", ".", "é", "e\u0301", "ß", "ss", "x" * 500, "x" * 501),
    *("K", "\u212a", "\ud83d", "a\0b", "a~b", "preset"),
]
RESERVED = {"con", "prn", "aux", "nul", *(f"com{n}" for n in range(10)), *(f"lpt{n}" for n in range(10))}


def test_every_name_has_a_file_of_its_own(tmp_path: Path) -> None:
    settings = Settings(tmp_path)
    for number, name in enumerate(COLLIDING):
        assert settings.save_preset(name, {"gain": -float(number)}) == ""
    assert [settings.load_preset(name) for name in COLLIDING] == [{"gain": -float(n)} for n in range(len(COLLIDING))]
    assert settings.presets() == sorted(name for name in COLLIDING if name)
    assert {path.parent for path in tmp_path.rglob("*.json")} == {tmp_path / "presets"}


def test_file_names_are_distinct_where_case_does_not_count_and_allowed_on_every_system() -> None:
    files = [preset_file(name) for name in COLLIDING]
    assert len({file.casefold() for file in files}) == len(files)
    for file in files:
        assert file.isascii()
        assert len(file) <= 80
        assert file.partition(".")[0] not in RESERVED
        assert not set(file) & set('<>:"/\\|?* ')


def test_presets_of_version_0_1_are_listed_and_loaded(tmp_path: Path) -> None:
    (tmp_path / "presets").mkdir()
    for stem, gain in (("storm", -1.0), ("A_B", -2.0), ("Dub", -3.0)):
        (tmp_path / "presets" / f"{stem}.json").write_text(json.dumps({"gain": gain}, indent=1))
    settings = Settings(tmp_path)
    assert settings.presets() == ["A_B", "Dub", "storm"]
    assert [settings.load_preset(name)["gain"] for name in ("storm", "A_B", "A/B", "Dub")] == [-1.0, -2.0, -2.0, -3.0]
    settings.save_preset("storm", {"gain": -9.0})
    settings.save_preset("A:B", {"gain": -8.0})
    assert settings.presets() == ["A:B", "A_B", "Dub", "storm"]
    assert [settings.load_preset(name)["gain"] for name in ("storm", "A_B", "A:B")] == [-9.0, -2.0, -8.0]


def test_a_preset_whose_file_was_renamed_is_found_by_its_name(tmp_path: Path) -> None:
    settings = Settings(tmp_path)
    settings.save_preset("A/B", {"gain": -6.0})
    (path,) = (tmp_path / "presets").glob("*.json")
    path.rename(path.with_name("from a friend.json"))
    assert settings.presets() == ["A/B"]
    assert settings.load_preset("A/B") == {"gain": -6.0}


def test_a_damaged_preset_keeps_its_readable_values_and_says_so_once(tmp_path: Path) -> None:
    settings = Settings(tmp_path)
    settings.save_preset("storm", {"gain": -6.0, "a.steps": 4, "wet": 0.5})
    path = tmp_path / "presets" / preset_file("storm")
    damaged = path.read_bytes().replace(b'"a.steps": 4', b'"a.steps": ?')
    path.write_bytes(damaged)
    assert settings.presets() == ["storm"]
    assert settings.load_preset("storm") == {"gain": -6.0, "wet": 0.5}
    assert len(settings.remarks) == 1
    assert path.with_name(f"{path.name}.bad").read_bytes() == damaged


def test_windows_beside_each_other_keep_each_others_bindings_and_marks(tmp_path: Path) -> None:
    Settings(tmp_path).save({"bindings": {"/1/fader1": "gain"}, "snapshots": ["a"], "shown": "a"})
    Settings(tmp_path).save({"bindings": {"/1/fader2": "wet"}, "snapshots": ["b"], "shown": "b"})
    assert Settings(tmp_path).load() == {
        "bindings": {"/1/fader1": "gain", "/1/fader2": "wet"},
        "snapshots": ["a", "b"],
        "shown": "b",
    }


def test_a_directory_that_cannot_be_written_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    settings = Settings(tmp_path / "file")
    assert "cannot be written" in settings.save_preset("storm", {"gain": -6.0})
    settings.save({"shown": "a"})
    assert "cannot be written" in settings.remarks[0]


@pytest.mark.parametrize(
    "count", [rounds(200), pytest.param(20_000, marks=[pytest.mark.slow, pytest.mark.timeout(1800)])]
)
def test_mutated_presets_are_listed_loaded_and_saved(
    tmp_path: Path, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.fsync", lambda descriptor: None)
    values = {"gain": -6.0, "monitor": "b", "a.steps": 4, "a.bend.bias": [0.25] * 64, "limiter": True}
    settings, path = Settings(tmp_path), tmp_path / "presets" / preset_file("A/B")
    settings.save_preset("A/B", values)
    for mutated in mutations(path.read_bytes(), count, seed=7):
        path.write_bytes(mutated)
        path.with_name(f"{path.name}.bad").unlink(missing_ok=True)
        settings.remarks.clear()
        settings.presets()
        found = settings.load_preset("A/B")
        assert (
            settings.remarks or not mutated or found == {k: v for k, v in json.loads(mutated).items() if k != "preset"}
        )
        assert not settings.remarks or path.with_name(f"{path.name}.bad").read_bytes() == mutated
    assert settings.save_preset("A/B", values) == ""
    assert settings.load_preset("A/B") == values
