"""Outputs that cannot be written: reported before the work, never written over an input, never left
incomplete.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.support.desk import RATE, SHORT, Desk
from tests.support.systems import needs_posix

PIPE = pytest.param("pipe", marks=needs_posix("pipes with names"))


@pytest.fixture(params=["missing/out.wav", "/proc/out.wav", "directory", PIPE, ".", "/", "", "file/out.wav"])
def unwritable(request: pytest.FixtureRequest, desk: Desk) -> str:
    """A path that cannot be written, for root neither. Devices are left in peace."""
    (desk.place / "directory").mkdir()
    if request.param == "pipe":
        os.mkfifo(desk.place / "pipe")
    (desk.place / "file").touch()
    return str(request.param)


def test_an_output_that_cannot_be_written_is_reported_at_once(desk: Desk, unwritable: str) -> None:
    assert "cannot be written" in desk.refused("render", desk.wav(), unwritable)


@pytest.mark.parametrize(
    "given",
    [
        ("render", "in.wav", "{}", "--codec", "nope"),
        ("render", "in.wav", "out.wav", "--codec", "nope", "--tokens", "{}"),
        ("play", "in.wav", "{}"),
        ("pack", "in.wav", "{}"),
        ("unpack", "in.wav", "{}"),
        ("gui", "--demo", "--screenshot", "{}"),
        ("evaluate", "in.wav", "--codec", "nope", "--json", "{}"),
    ],
    ids=["render", "tokens", "play", "pack", "unpack", "screenshot", "evaluate"],
)
@pytest.mark.parametrize("where", ["missing/out", "/proc/out", "."])
def test_an_output_that_cannot_be_written_is_reported_before_anything_that_takes_time(
    desk: Desk, given: tuple[str, ...], where: str
) -> None:
    """Errors of the codec or the tape would be found later."""
    desk.wav()
    assert "cannot be written" in desk.refused(*(part.format(where) for part in given))


@pytest.mark.parametrize(
    ("target", "says"),
    [
        ("/proc/out.safetensors", "cannot be written"),
        ("out.pt", "Pass a name that ends in .safetensors"),
        ("in.pt", "the input itself"),
    ],
)
def test_a_checkpoint_that_cannot_be_written_is_reported_before_the_other_is_read(
    desk: Desk, target: str, says: str
) -> None:
    (desk.place / "in.pt").write_bytes(b"no checkpoint")
    assert says in desk.refused("convert", "in.pt", target)


def test_a_report_that_cannot_be_written_is_reported_before_playing(desk: Desk, unwritable: str) -> None:
    """The clock driver would play for ten minutes."""
    live = ("live", "--seconds", "600", "--record", "new/rec")
    assert "cannot be written" in desk.refused(*live, "--report", unwritable)


@pytest.mark.parametrize("where", ["file", "file/rec", "/proc/rec", "taken"])
def test_a_directory_that_cannot_be_recorded_to_is_reported_before_playing(desk: Desk, where: str) -> None:
    (desk.place / "file").touch()
    (desk.place / "taken" / "a.wav").mkdir(parents=True)
    says = desk.refused("live", "--seconds", "600", "--record", where, "--report", "report.json")
    assert "cannot be recorded to" in says


def test_a_take_goes_to_its_directory_in_whatever_order_they_are_set(desk: Desk) -> None:
    desk.done(*SHORT, "--input", desk.wav(), "--set", "record=on", "--set", "record.directory=there")
    assert (desk.place / "there" / "input.wav").exists()
    assert not (desk.place / "takes").exists()


@needs_posix("/proc")
def test_without_arguments_an_unwritable_directory_is_reported(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/proc")
    assert "out: cannot be recorded to" in desk.refused()


def test_the_input_is_never_written_over(desk: Desk) -> None:
    source = desk.wav("input.wav")
    before = source.read_bytes()
    for same in ("input.wav", "./input.wav"):
        assert "the input itself. Pass another file" in desk.refused("render", source, same)
    assert "the input itself" in desk.refused(*SHORT, "--input", "input.wav", "--record", ".")
    assert source.read_bytes() == before


@needs_posix("links, which need rights there")
def test_the_input_is_not_written_over_by_a_link_to_it(desk: Desk) -> None:
    source = desk.wav("input.wav")
    before = source.read_bytes()
    (desk.place / "link.wav").symlink_to(source)
    assert "the input itself. Pass another file" in desk.refused("render", source, "link.wav")
    assert "the input itself" in desk.refused(*SHORT, "--input", "link.wav", "--record", ".")
    assert source.read_bytes() == before


@pytest.mark.parametrize(
    "given",
    [
        ("play", "{}", "{}"),
        ("pack", "{}", "{}"),
        ("unpack", "{}", "{}"),
        ("render", "{}", "out.wav", "--codec", "nano", "--tokens", "{}"),
        (*SHORT, "--input", "{}", "--report", "{}"),
    ],
    ids=["play", "pack", "unpack", "tokens", "report"],
)
def test_nothing_is_written_over_what_it_is_made_from(desk: Desk, given: tuple[str, ...]) -> None:
    source = desk.wav("input.wav")
    before = source.read_bytes()
    assert "the input itself. Pass another file" in desk.refused(*(part.format("input.wav") for part in given))
    assert source.read_bytes() == before


def test_seconds_for_a_file_that_has_a_length_are_refused(desk: Desk) -> None:
    assert "a file is rendered whole" in desk.refused("render", desk.wav(), "out.wav", "--seconds", "1")


def test_a_rendered_file_and_its_tape_must_be_two_files(desk: Desk) -> None:
    says = desk.refused("render", desk.wav(), "out.wav", "--codec", "nano", "--tokens", "./out.wav")
    assert "out.wav: named twice" in says


@pytest.mark.parametrize("command", ["render", "play"])
@pytest.mark.parametrize("extension", [".mp4", ".m4a", ".aac", ".webm", ".wave", ".txt", ".raw"])
def test_a_format_that_cannot_be_written_is_refused_before_anything_else(
    desk: Desk, command: str, extension: str
) -> None:
    says = desk.refused(command, desk.place / "missing", f"out{extension}")
    assert f"{extension} cannot be written. Pass a name that ends in .wav, .flac, .ogg, .opus, .mp3" in says


@needs_posix("links, which need rights there")
def test_a_link_at_the_output_is_written_through(desk: Desk) -> None:
    (desk.place / "link.wav").symlink_to("real.wav")
    desk.done("render", desk.wav(), "link.wav", "--codec", "pcm")
    assert (desk.place / "link.wav").is_symlink()
    assert soundfile.info("real.wav").frames == RATE // 4


@pytest.fixture
def file_limit() -> Iterator[Callable[[int], None]]:
    """Let no file grow beyond so many bytes: to the writer it looks like a full disk."""
    resource = pytest.importorskip("resource", reason="no limits of a file's size here")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("codec", ["pcm", "vorbis:500"])
def test_a_disk_full_while_rendering_leaves_what_was_there_before(
    desk: Desk, file_limit: Callable[[int], None], codec: str
) -> None:
    source = desk.wav(samples=RATE)
    (desk.place / "out.wav").write_bytes(b"before")
    file_limit(100_000)
    for target in ("out.wav", "new.wav"):
        assert "disk is full" in desk.refused("render", source, target, "--codec", codec, "--force")
    assert Path("out.wav").read_bytes() == b"before"


def test_a_disk_full_while_recording_stops_the_recording_and_not_the_stream(
    desk: Desk, file_limit: Callable[[int], None]
) -> None:
    source = desk.wav(samples=20 * RATE)
    sent, _ = soundfile.read(source, dtype="float32")
    file_limit(4_000_000)  # the timeline needs two
    answer = desk.run(*SHORT, "--input", source, "--record", "rec", "--report", "report.json")
    assert answer.code == 1
    assert answer.err == "verdigris: rec/input.wav: the disk is full or gone. Free some space and try again.\n"
    takes = {f"rec/{name}" for name in ("input.wav", "a.wav", "monitor.wav", "dropouts.json")}
    assert answer.made == {"rec", "report.json", *takes}
    report = json.loads(Path("report.json").read_text())
    assert report["seconds"] == 20
    for name in ("input", "a"):
        kept, _ = soundfile.read(f"rec/{name}.wav", dtype="float32")
        assert len(kept) > 400_000
        assert np.array_equal(kept, sent[: len(kept)])


def test_a_full_runtime_directory_is_reported(desk: Desk, file_limit: Callable[[int], None]) -> None:
    source = desk.wav(samples=100)
    file_limit(100_000)
    assert "no room for" in desk.refused(*SHORT, "--input", source)
