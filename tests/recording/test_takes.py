"""Takes as they are ordered: begun, ended, failed; and whoever ordered it is told."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import soundfile

from realtime.engine.parameter_store import ParameterStore
from realtime.engine.session_requests import SessionRequest
from realtime.files.audio_file import AudioFileError
from realtime.recording.takes import Takes
from realtime.system.atomic_file import FileError
from realtime.timeline.layout import FADE, Field, Timeline
from realtime.timeline.playout import Playout
from tests.support.lockstep import noise, play_all
from tests.support.systems import needs_posix
from tests.timeline.test_callback import FakeEngine


class Rig:
    """Takes of a stream that is played by hand; `heard` is what whoever orders is told."""

    def __init__(self, place: Path) -> None:
        self.timeline = Timeline.create(rate=8000, latency=700, max_block=300)
        self.host = Playout(self.timeline)
        self.parameters = ParameterStore({"record": False, "record.directory": str(place / "rec")})
        self.heard: list[tuple[str, str]] = []
        engine: Any = SimpleNamespace(
            timeline=self.timeline,
            parameters=self.parameters,
            playing=[],
            unlisten=print,
            subscribe_frames=lambda *_, **__: None,
        )
        self.takes = Takes(engine)

    def order(self, what: str, value: object) -> None:
        order = SessionRequest(what, (value,), lambda word, text: self.heard.append((word, text)))
        {"record": self.takes.record, "record.directory": self.takes.set_directory}[what](order)

    def play(self, samples: int) -> list[str]:
        play_all(self.host, noise(samples), [100], None)
        return self.takes.poll(self.timeline.load(Field.DRY_END))


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    made = Rig(tmp_path)
    yield made
    made.host.close()
    made.timeline.close()


def test_a_take_answers_with_its_directory_when_it_begins_and_when_it_is_complete(rig: Rig, tmp_path: Path) -> None:
    for place in ("rec", "rec/take-2"):
        rig.order("record", True)
        rig.order("record", True)  # again: it goes on
        assert rig.parameters["record"]
        rig.play(1000)
        rig.order("record", False)
        assert not rig.parameters["record"]
        assert rig.heard == [("done", str(tmp_path / place))] * 2
        rig.play(1000)  # until all of it has been heard
        assert rig.heard.pop() == ("done", str(tmp_path / place))
        assert soundfile.info(tmp_path / place / "input.wav").frames == 1000
        rig.heard.clear()


def test_a_take_that_fails_ends_and_fails_the_request_that_began_it(
    rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(writer: object, audio: object) -> None:
        raise AudioFileError("the disk is full")

    rig.order("record", True)
    with monkeypatch.context() as disk:
        disk.setattr("realtime.files.audio_writer.AudioWriter.write", full)
        assert rig.play(1000) == ["recording stopped: the disk is full"]
    assert rig.heard == [("done", str(tmp_path / "rec")), ("fail", "the disk is full")]
    assert not rig.parameters["record"]
    assert rig.play(1000) == []
    rig.order("record", True)
    assert rig.heard[2:] == [("done", str(tmp_path / "rec" / "take-2"))]
    rig.takes.finish(2000)


@pytest.mark.parametrize(
    "where", ["", pytest.param("/proc/x", marks=needs_posix("/proc")), "file/rec", "x" * 300, "\0"]
)
def test_a_directory_that_cannot_be_recorded_to_is_refused_as_it_is_named(
    rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    before = rig.parameters["record.directory"]
    with pytest.raises(FileError, match=r"cannot be recorded to.*\. Pass "):
        rig.order("record.directory", where)
    assert rig.parameters["record.directory"] == before
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_directory_is_created_when_a_take_begins_in_it(rig: Rig, tmp_path: Path) -> None:
    rig.order("record.directory", str(tmp_path / "some" / "where"))
    assert not (tmp_path / "some").exists()
    rig.order("record", True)
    assert rig.heard[-1] == ("done", str(tmp_path / "some" / "where"))
    rig.takes.finish(0)


def test_a_tilde_is_the_home_of_the_user(rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    rig.order("record.directory", "~/takes")
    rig.order("record", True)
    assert rig.heard[-1] == ("done", str(tmp_path / "home" / "takes"))
    rig.takes.finish(0)


def test_the_report_of_a_take_lists_where_dry_stood_in(rig: Rig, tmp_path: Path) -> None:
    wet = FakeEngine(rig.timeline)
    rig.timeline.store(Field.HEARTBEAT_B, 2**62)  # late, not stalled, however slow this machine is

    def play(blocks: int, late: str = "") -> None:
        for number in range(blocks):
            play_all(rig.host, noise(100, number), [100], None)
            for slot, name in enumerate("ab"):
                if name not in late:
                    wet.write(slot, 5000)
            rig.takes.poll(rig.timeline.load(Field.DRY_END))

    play(30)
    rig.order("record", True)  # at input sample 3000
    play(20)
    play(20, late="b")
    play(20)
    rig.order("record", False)
    play(10)
    report = json.loads((tmp_path / "rec" / "dropouts.json").read_text())
    (found,) = report.pop("dropouts")
    assert report == {"sample_rate": 8000, "start_sample": 3000, "samples": 6000, "latency_samples": 700}
    assert (found["slot"], found["reason"]) == ("b", "late")
    assert found["start_s"] == found["start_sample"] / 8000
    assert found["end_s"] == found["end_sample"] / 8000
    # B's output ends at input sample 5000, 2000 of the take, and is back when sample 4000 is taken
    assert found["start_sample"] == 2000 - FADE + 1
    assert 3000 < found["end_sample"] < 4000


def test_the_report_of_a_take_without_dropouts_lists_none(rig: Rig, tmp_path: Path) -> None:
    wet = FakeEngine(rig.timeline)
    rig.order("record", True)
    for _ in range(30):
        rig.play(100)
        wet.write(0, 5000)
        wet.write(1, 5000)
    rig.order("record", False)
    rig.takes.finish(rig.timeline.load(Field.DRY_END))
    assert json.loads((tmp_path / "rec" / "dropouts.json").read_text())["dropouts"] == []
