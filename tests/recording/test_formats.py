"""Formats that are written: by extension, mono or stereo, with tags, and never over a file unasked."""

from __future__ import annotations

import json
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile

from realtime.files.audio_file import AudioReader
from realtime.files.audio_writer import AudioWriter
from tests.support.desk import RATE, Desk, noise

FORMATS = {
    "wav": ("WAVEX", "FLOAT"),
    "flac": ("FLAC", "PCM_24"),
    "ogg": ("OGG", "VORBIS"),
    "opus": ("OGG", "OPUS"),
    "mp3": ("MP3", "MPEG_LAYER_III"),
    "caf": ("CAF", "FLOAT"),
    "w64": ("W64", "FLOAT"),
    "au": ("AU", "FLOAT"),
    "aiff": ("AIFF", "FLOAT"),
    "AIF": ("AIFF", "FLOAT"),
}
TAGS = {
    "title": "été 🎸",
    "artist": "A",
    "album": "B",
    "date": "2001",
    "genre": "Dub",
    "comment": "c",
    "tracknumber": "3",
}


@pytest.mark.parametrize("extension", FORMATS)
def test_the_extension_is_the_format(desk: Desk, extension: str) -> None:
    desk.done("render", desk.wav(), f"o.{extension}", "--codec", "pcm")
    info = soundfile.info(f"o.{extension}")
    assert (info.format, info.subtype) == FORMATS[extension]
    assert (info.samplerate, info.channels, info.frames) == (RATE, 2, RATE // 4)
    assert AudioReader(Path(f"o.{extension}")).length == RATE // 4


@pytest.mark.parametrize("rate", [8_000, 44_100, 96_000, 191_999])
@pytest.mark.parametrize("extension", ["mp3", "opus", "ogg", "flac"])
def test_a_rate_that_a_format_does_not_have_is_resampled(desk: Desk, extension: str, rate: int) -> None:
    desk.done("render", desk.wav(rate=rate, samples=rate // 4), f"o.{extension}", "--codec", "pcm")
    reader = AudioReader(Path(f"o.{extension}"))
    assert reader.length == pytest.approx(reader.rate / 4, abs=2)


@pytest.mark.parametrize("extension", ["wav", "flac", "ogg", "opus", "mp3", "aiff"])
def test_tags_are_kept_where_both_formats_have_them(desk: Desk, extension: str) -> None:
    with AudioWriter(Path("in.flac"), RATE, whole=True, tags=TAGS) as writer:
        writer.write(noise(RATE // 4).T)
    desk.done("render", "in.flac", f"o.{extension}", "--codec", "pcm")
    kept = AudioReader(Path(f"o.{extension}")).tags
    assert kept == ({name: TAGS[name] for name in ("title", "artist", "comment")} if extension == "aiff" else TAGS)


def test_mono_is_written_if_asked_for(desk: Desk) -> None:
    desk.done("render", desk.wav(), "o.wav", "--codec", "pcm", "--mono")
    heard, _ = soundfile.read("o.wav", dtype="float32")
    assert heard.ndim == 1
    np.testing.assert_allclose(heard, noise(RATE // 4).mean(axis=1), atol=1e-7)
    desk.done("render", desk.wav(), "p.ogg", "--codec", "vorbis:96", "--mono")
    assert soundfile.info("p.ogg").channels == 1


def test_samples_that_a_format_clips_are_counted(desk: Desk) -> None:
    loud = np.zeros((RATE // 4, 2), np.float32)
    loud[:100, 0] = 1.5
    soundfile.write("loud.wav", loud, RATE, subtype="FLOAT")
    with AudioWriter(Path("o.flac"), RATE, whole=True) as writer:
        writer.write(loud.T)
    assert writer.remarks() == ("o.flac: 100 samples beyond full scale were clipped. Write a .wav to keep them.",)


def test_a_file_that_exists_is_not_overwritten_unasked(desk: Desk) -> None:
    (desk.place / "o.wav").write_bytes(b"precious")
    render = ("render", desk.wav(), "o.wav", "--codec", "pcm")
    assert desk.refused(*render) == "verdigris: o.wav: exists. Pass --force to overwrite it, or another name."
    (desk.place / "t.tape").write_bytes(b"precious")
    tokens = ("render", desk.wav(), "new.wav", "--codec", "nano", "--tokens", "t.tape")
    assert "t.tape: exists" in desk.refused(*tokens)
    assert (desk.place / "o.wav").read_bytes() == (desk.place / "t.tape").read_bytes() == b"precious"
    desk.done(*render, "--force")
    assert soundfile.info("o.wav").frames == RATE // 4


@pytest.mark.parametrize(("answer", "code"), [("y\n", 0), ("yes\n", 0), ("n\n", 1), ("\n", 1), ("", 1)])
def test_on_a_terminal_it_is_asked(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, answer: str, code: int, tmp_path: Path
) -> None:
    class Terminal:
        def isatty(self) -> bool:
            return True

        def readline(self) -> str:
            return answer

    (desk.place / "o.wav").write_bytes(b"precious")
    monkeypatch.setattr("sys.stdin", Terminal())
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    done = desk.run("render", desk.wav(), "o.wav", "--codec", "pcm")
    assert done.code == code
    assert "o.wav exists. Overwrite it? [y/N]" in done.err


def test_a_file_that_is_cut_short_is_rendered_with_exit_code_0_and_a_line_that_says_so(desk: Desk) -> None:
    data = desk.wav().read_bytes()
    (desk.place / "cut.wav").write_bytes(data[: len(data) // 2])
    answer = desk.run("render", "cut.wav", "o.wav", "--codec", "pcm", "--json")
    assert answer.code == 0
    assert answer.err.count("\n") == 1
    assert f"truncated to {soundfile.info('o.wav').frames} of {RATE // 4} samples" in answer.err
    assert json.loads(answer.out)["remarks"] == [answer.err.rstrip("\n")]


def test_the_help_says_what_happens_to_a_damaged_file(capsys: pytest.CaptureFixture[str]) -> None:
    from realtime.cli.main import main

    with pytest.raises(SystemExit):
        main(["render", "--help"])
    assert "the exit code is 0, and a line on stderr says what is missing" in " ".join(capsys.readouterr().out.split())


def test_mp3_has_its_encoder_delay_marked(desk: Desk) -> None:
    desk.done("render", desk.wav(), "o.mp3", "--codec", "pcm")
    with av.open("o.mp3") as file:
        assert sum(frame.samples for frame in file.decode(audio=0)) == RATE // 4
