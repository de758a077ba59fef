"""Takes as they are ordered: begun, ended, failed; and whoever ordered it is told."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import soundfile

from realtime.audiofile import AudioFileError
from realtime.callback import HostSide
from realtime.orders import Order
from realtime.takes import Takes
from realtime.timeline import Field, Timeline
from realtime.wholefile import FileError
from tests.lockstep import noise, play_all


class Rig:
    """Takes of a stream that is played by hand; `heard` is what whoever orders is told."""

    def __init__(self, place: Path) -> None:
        self.timeline = Timeline.create(rate=8000, latency=700, max_block=300)
        self.host, self.values = HostSide(self.timeline), {"record": False, "record.directory": str(place / "rec")}
        self.heard: list[tuple[str, str]] = []
        engine: Any = SimpleNamespace(
            timeline=self.timeline, values=self.values, playing=[], unlisten=print, stream=lambda *_, **__: None
        )
        self.takes = Takes(engine)

    def order(self, what: str, value: object) -> None:
        order = Order(what, (value,), lambda word, text: self.heard.append((word, text)))
        {"record": self.takes.record, "record.directory": self.takes.keep}[what](order)

    def play(self, samples: int) -> list[str]:
        play_all(self.host, noise(samples), [100], None)
        return self.takes.poll(self.timeline.load(Field.DRY_END))


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    made = Rig(tmp_path)
    yield made
    made.host.close()
    made.timeline.close()


def test_a_take_is_done_with_its_directory_when_it_begins_and_when_it_is_whole(rig: Rig, tmp_path: Path) -> None:
    for place in ("rec", "rec/take-2"):
        rig.order("record", True)
        rig.order("record", True)  # again: it goes on
        assert rig.values["record"]
        rig.play(1000)
        rig.order("record", False)
        assert not rig.values["record"]
        assert rig.heard == [("done", str(tmp_path / place))] * 2
        rig.play(1000)  # until all of it has been heard
        assert rig.heard.pop() == ("done", str(tmp_path / place))
        assert soundfile.info(tmp_path / place / "input.wav").frames == 1000
        rig.heard.clear()


def test_a_take_that_fails_has_ended_and_whoever_began_it_is_told(
    rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(writer: object, audio: object) -> None:
        raise AudioFileError("the disk is full")

    rig.order("record", True)
    with monkeypatch.context() as disk:
        disk.setattr("realtime.audiofile.Writer.write", full)
        assert rig.play(1000) == ["recording stopped: the disk is full"]
    assert rig.heard == [("done", str(tmp_path / "rec")), ("fail", "the disk is full")]
    assert not rig.values["record"]
    assert rig.play(1000) == []
    rig.order("record", True)
    assert rig.heard[2:] == [("done", str(tmp_path / "rec" / "take-2"))]
    rig.takes.finish(2000)


@pytest.mark.parametrize("where", ["", "/proc/x", "file/rec", "x" * 300, "\0"])
def test_a_directory_that_cannot_be_recorded_to_is_refused_as_it_is_named(
    rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    before = rig.values["record.directory"]
    with pytest.raises(FileError, match=r"cannot be recorded to.*\. Pass "):
        rig.order("record.directory", where)
    assert rig.values["record.directory"] == before
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_directory_that_can_be_is_made_when_a_take_begins_in_it(rig: Rig, tmp_path: Path) -> None:
    rig.order("record.directory", str(tmp_path / "some" / "where"))
    assert not (tmp_path / "some").exists()
    rig.order("record", True)
    assert rig.heard[-1] == ("done", str(tmp_path / "some" / "where"))
    rig.takes.finish(0)


def test_a_tilde_is_the_home_of_the_user(rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    rig.order("record.directory", "~/takes")
    rig.order("record", True)
    assert rig.heard[-1] == ("done", str(tmp_path / "home" / "takes"))
    rig.takes.finish(0)
