"""Many files rendered to a folder."""

from __future__ import annotations

import os
from typing import Any

import pytest
import soundfile

from realtime.files.errors import AudioFileError
from realtime.offline.file_list import audio_files, renamed, sources_of
from tests.support.desk import RATE, Desk


def test_a_folder_is_rendered_and_a_second_run_renders_only_what_is_new(desk: Desk) -> None:
    (desk.place / "in" / "sub").mkdir(parents=True)
    desk.wav("in/a.wav")
    desk.wav("in/sub/b.wav", rate=44_100)
    command = ("render", "in", "out", "--codec", "pcm", "--format", "flac", "--jobs", "1")
    assert "2 files rendered" in desk.done(*command).out
    assert soundfile.info(desk.place / "out" / "sub" / "b.flac").samplerate == 44_100
    desk.wav("in/c.wav")
    os.utime(desk.place / "in" / "a.wav", (2e9, 2e9))  # newer than its target
    assert "2 files rendered" in desk.done(*command).out
    refused = desk.refused("render", "in", "out", "--codec", "pcm:gain=0.5", "--format", "flac")
    assert "rendered with other settings (codec was pcm, now pcm:gain=0.5)" in refused


def test_what_many_processes_render_is_what_one_does(desk: Desk) -> None:
    one, two = desk.wav("a.wav"), desk.wav("b.wav", samples=RATE // 3)
    desk.done("render", one, two, "out", "--codec", "swift:3")
    for name in ("a", "b"):
        desk.done("render", f"{name}.wav", f"{name}-alone.wav", "--codec", "swift:3")
        alone, many = (desk.place / f"{name}-alone.wav", desk.place / "out" / f"{name}.wav")
        assert alone.read_bytes() == many.read_bytes()


def test_a_file_that_cannot_be_read_is_named_and_costs_no_other(desk: Desk) -> None:
    desk.wav("in.wav")
    (desk.place / "bad.wav").write_text("no audio")
    answer = desk.run("render", "in.wav", "bad.wav", "out", "--codec", "pcm")
    assert answer.code == 1
    assert "bad.wav: not audio" in answer.err
    assert "1 files could not be rendered" in answer.err
    assert (desk.place / "out" / "in.wav").is_file()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("in", "out", "--tokens", "x"), "--tokens is for a single input"),
        (("in", "in/out"), "is inside the input"),
        (("in", "out", "--format", "doc"), "cannot be written"),
        (("in.wav", "in", "file"), "cannot be used"),
    ],
)
def test_wrong_usage_is_one_line(desk: Desk, arguments: tuple[str, ...], says: str) -> None:
    (desk.place / "in").mkdir()
    desk.wav("in/a.wav")
    desk.wav()
    (desk.place / "file").touch()
    assert says in desk.refused("render", *arguments, "--codec", "pcm")


def test_names_that_would_be_the_same_keep_their_suffix(tmp_path: Any) -> None:
    for name in ("a.wav", "a.flac", "b.wav", ".hidden.wav", "notes.txt"):
        (tmp_path / name).touch()
    found = [path.relative_to(tmp_path) for path in audio_files(tmp_path)]
    assert [str(name) for name in renamed(found, ".ogg")] == ["a.flac.ogg", "a.wav.ogg", "b.ogg"]
    with pytest.raises(AudioFileError, match="would have the same name"):
        sources_of([tmp_path / "a.wav", tmp_path, tmp_path.parent / "a.wav"])
