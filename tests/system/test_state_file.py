"""State files: shared by sessions, repaired when damaged."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from filelock import FileLock

from realtime.plugin import reserved_latency
from realtime.system import state_file
from realtime.system.platform.folders import config_directory
from realtime.system.state_file import StateFile, dump, replace_file
from realtime.system.user_config import load_json, update_json
from tests.support.mutate import mutations
from tests.support.systems import needs_pace, needs_posix, rounds

ENTRIES = {f"entry {number}": {"gain": -number / 7, "name": f"é🎛 {number}", "on": [True, None]} for number in range(12)}


def is_entry(name: str, value: Any) -> bool:
    return isinstance(value, dict)


def adding(entries: dict[str, Any]) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda stored: {**stored, **entries}


def ignore(line: str) -> None:
    pass


def test_an_update_keeps_the_entries_of_others_and_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "new" / "state.json"
    StateFile(path).update(adding({"a": 1}))
    StateFile(path).update(adding({"b": [2.5, "é"]}))
    assert StateFile(path).load() == {"a": 1, "b": [2.5, "é"]} == json.loads(path.read_text())


@needs_pace
def test_processes_that_update_together_lose_nothing(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from realtime.system.state_file import StateFile\n"
        "for n in range(20): StateFile(Path(sys.argv[1])).update(lambda s: {**s, f'{sys.argv[2]} {n}': n})"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "state.json")]
    running = [subprocess.Popen([*command, name]) for name in "abcd"]
    assert [process.wait(60) for process in running] == [0] * 4
    assert StateFile(tmp_path / "state.json").load().keys() == {f"{name} {n}" for name in "abcd" for n in range(20)}


def test_a_damaged_entry_is_set_aside_once_and_the_rest_is_kept(tmp_path: Path) -> None:
    path, said = tmp_path / "state.json", list[str]()
    path.write_text('{"good": {"gain": -6.0}, "bad": 5}\n')
    assert StateFile(path, is_entry, said.append).load() == {"good": {"gain": -6.0}}
    assert StateFile(path, is_entry, said.append).load() == {"good": {"gain": -6.0}}
    (line,) = said
    assert "'bad'" in line
    assert "state.json.bad" in line
    assert json.loads((tmp_path / "state.json.bad").read_text()) == {"good": {"gain": -6.0}, "bad": 5}


def test_every_damaged_file_is_kept_under_a_name_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    for text in ("one", "two", "one"):
        path.write_text(text)
        assert StateFile(path, report=ignore).load() == {}
    assert sorted(kept.read_text() for kept in tmp_path.glob("*.bad")) == ["one", "two"]


@pytest.mark.parametrize("indent", [None, 1, 2])
def test_entries_before_the_cut_are_kept_in_every_layout(tmp_path: Path, indent: int | None) -> None:
    path = tmp_path / "state.json"
    text = json.dumps(ENTRIES, indent=indent)
    path.write_text(text[: text.index('"entry 7"') + 14])
    found = StateFile(path, is_entry, ignore).load()
    assert found == {name: value for name, value in ENTRIES.items() if int(name[6:]) < 7}


def test_a_flipped_bit_costs_at_most_two_entries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.fsync", lambda descriptor: None)
    path, whole, rng = tmp_path / "state.json", dump(ENTRIES), np.random.default_rng(3)
    for place in rng.integers(0, len(whole), rounds(300)):
        raw = bytearray(whole)
        raw[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(raw)
        found = StateFile(path, is_entry, ignore).load()
        assert sum(found.get(name) == value for name, value in ENTRIES.items()) >= len(ENTRIES) - 2
        path.with_name("state.json.bad").unlink(missing_ok=True)  # or each round looks for a free name among more


@pytest.mark.parametrize(
    "count", [rounds(300), pytest.param(20_000, marks=[pytest.mark.slow, pytest.mark.timeout(900)])]
)
def test_mutated_files_are_read_and_written_and_their_bytes_are_kept(
    tmp_path: Path, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.fsync", lambda descriptor: None)
    path, bad, said, damaged = tmp_path / "state.json", tmp_path / "state.json.bad", list[str](), 0
    for raw in mutations(dump(ENTRIES), count, seed=1):
        path.write_bytes(raw)
        bad.unlink(missing_ok=True)
        said.clear()
        found = StateFile(path, is_entry, said.append).update(adding({"new": {}}))
        assert json.loads(path.read_text()) == found
        assert all(is_entry(name, value) for name, value in found.items())
        assert bool(said) == bad.exists()
        if said:
            damaged += 1
            assert bad.read_bytes() == raw
    assert damaged > count / 2


@pytest.mark.parametrize("text", ["[1]", "5", "null", '"text"', "[" * 100_000, "1" * 5000, '{"a": ' + "9" * 5000 + "}"])
def test_other_json_is_set_aside(tmp_path: Path, text: str) -> None:
    path = tmp_path / "state.json"
    path.write_text(text)
    assert StateFile(path, report=ignore).update(adding({"b": 1})) == {"b": 1}
    assert path.with_name("state.json.bad").read_text() == text


def test_a_file_that_cannot_be_read_is_not_overwritten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, said = tmp_path / "state.json", list[str]()
    path.write_text('{"a": "' + "x" * 200 + '"}')
    monkeypatch.setattr(state_file, "MAX_BYTES", 100)
    assert StateFile(path, report=said.append).load() == {}
    with pytest.raises(OSError, match="more than"):
        StateFile(path).update(adding({"b": 1}))
    assert "cannot be read" in said[0]
    assert "x" * 200 in path.read_text()


def test_a_directory_in_place_of_the_file_is_reported(tmp_path: Path) -> None:
    (tmp_path / "state.json").mkdir()
    said = list[str]()
    assert StateFile(tmp_path / "state.json", report=said.append).load() == {}
    assert "not an ordinary file" in said[0]


def test_a_failed_write_leaves_the_file_and_no_rubbish(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "state.json"
    StateFile(path).update(adding({"a": 1}))

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        StateFile(path).update(adding({"b": 1}))
    assert StateFile(path).load() == {"a": 1}
    assert [file.name for file in tmp_path.iterdir() if file.suffix != ".lock"] == ["state.json"]


def test_a_lock_that_is_held_is_an_error_and_not_a_wait_without_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(state_file, "LOCK_S", 0.02)
    with FileLock(tmp_path / ".state.json.lock"):
        with pytest.raises(OSError, match="another program holds it"):
            StateFile(tmp_path / "state.json").update(adding({"a": 1}))


@needs_posix("links, which need rights there")
def test_a_symbolic_link_stays_and_its_file_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "there").write_text("old")
    (tmp_path / "link").symlink_to(tmp_path / "there")
    replace_file(tmp_path / "link", b"new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "there").read_text() == "new"


def test_settings_of_two_programs_are_merged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    update_json("some.json", adding({"a": 1}))
    update_json("some.json", adding({"b": 2}))
    assert load_json("some.json") == {"a": 1, "b": 2}


@pytest.mark.parametrize("raw", [b"", b"8192", b"8192 fast", b"1 2 3", b"\x00\xff"])
def test_a_damaged_reserved_latency_is_set_aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, raw: bytes) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    reserved_latency.reserve(100, 28, 44_100)
    assert reserved_latency.load() == (128, 44_100)
    path = config_directory() / "insert-latency"
    path.write_bytes(raw)
    assert reserved_latency.load() is None
    assert not path.exists()
    assert path.with_name("insert-latency.bad").read_bytes() == raw
