"""A hostile or clumsy user gets one clear line and exit code 1, and finds nothing half-written."""

from __future__ import annotations

import json
import os
import re
import struct
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from realtime.demo import CLIP
from realtime.files.audio_file import AudioFileError, check
from realtime.system.platform.file_names import for_c_library
from realtime.system.platform.machine import SYSTEM
from tests.support.desk import RATE, SHORT, Desk, noise
from tests.support.systems import needs_posix

PLAY = {
    "render": ("render", "{}", "out.wav"),
    "live by the clock": ("live", "--input", "{}", "--record", "new/rec", "--report", "report.json"),
    "live as fast as can be": ("live", "--driver", "file", "--input", "{}", "--record", "rec"),
}
FORMATS = ("wav", "aiff", "flac", "ogg", "mp3")


@pytest.fixture(params=list(PLAY.values()), ids=list(PLAY))
def play(request: pytest.FixtureRequest) -> Callable[[str | Path], list[str]]:
    """The arguments that play a file, one way or another."""
    return lambda path: [part.format(path) for part in request.param]


def with_header(path: Path, at: int, value: bytes) -> Path:
    """Change a WAV's format chunk, at so many bytes after its name."""
    data = bytearray(path.read_bytes())
    start = data.index(b"fmt ") + at
    data[start : start + len(value)] = value
    path.write_bytes(data)
    return path


def with_sample(desk: Desk, value: float) -> Path:
    samples = noise(RATE)
    samples[30_000, 1] = value
    soundfile.write("bad.wav", samples, RATE, subtype="FLOAT")
    return desk.place / "bad.wav"


def written(desk: Desk, data: bytes | bytearray, name: str = "bad.wav") -> Path:
    (desk.place / name).write_bytes(data)
    return desk.place / name


def mp3_by_ffmpeg(path: Path) -> bytes:
    """Write an MP3 like most: LAME in FFmpeg, with a Xing header that counts the frames."""
    with av.open(str(path), "w", format="mp3") as file:
        stream = file.add_stream("libmp3lame", rate=RATE)
        assert isinstance(stream, av.AudioStream)
        stream.layout = "stereo"
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(noise(RATE).T), format="fltp", layout="stereo")
        frame.sample_rate = RATE
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            file.mux(packet)
    return path.read_bytes()


def directory(desk: Desk) -> Path:
    (desk.place / "bad.wav").mkdir()
    return desk.place / "bad.wav"


def fifo(desk: Desk) -> Path:
    if SYSTEM == "windows":
        pytest.skip("not on Windows: named pipes")
    os.mkfifo("bad.wav")
    return desk.place / "bad.wav"


BAD_FILES: dict[str, tuple[Callable[[Desk], Path], str]] = {
    "missing": (lambda desk: desk.place / "bad.wav", "cannot be read (No such file or directory). Pass an audio file"),
    "empty": (lambda desk: written(desk, b""), "empty, 0 bytes. Pass an audio file"),
    "a directory": (directory, "this is a directory. Pass an audio file"),
    "a pipe": (fifo, "this is a pipe or a device. Pass an audio file"),
    "text": (lambda desk: written(desk, b"hello\n" * 100), "not audio that can be read"),
    "noise named mp3": (lambda desk: written(desk, noise(5000).tobytes(), "bad.mp3"), "not audio that can be read"),
    "NaN": (lambda desk: with_sample(desk, np.nan), "sample 30000 of channel 2 is nan. Repair the file first."),
    "Inf": (lambda desk: with_sample(desk, np.inf), "sample 30000 of channel 2 is inf"),
    "-Inf": (lambda desk: with_sample(desk, -np.inf), "sample 30000 of channel 2 is -inf"),
    "no samples": (lambda desk: desk.wav("bad.wav", 0), "no samples in it"),
    "0 channels": (lambda desk: with_header(desk.wav("bad.wav"), 10, b"\0\0"), "not audio that can be read"),
    "8 channels": (lambda desk: desk.wav("bad.wav", channels=8), "8 channels; 1 or 2 can be played"),
    "0 Hz": (lambda desk: with_header(desk.wav("bad.wav"), 12, bytes(4)), "not audio that can be read"),
    "7999 Hz": (lambda desk: desk.wav("bad.wav", rate=7999), "7999 Hz; 8000 to 192000 can be played"),
    "192001 Hz": (lambda desk: desk.wav("bad.wav", rate=192_001), "192001 Hz; 8000 to 192000"),
    "a name with a line end": (lambda desk: desk.place / "bad\n.wav", r"bad\n.wav: cannot be read"),
    "a name too long": (lambda desk: desk.place / ("x" * 300), "cannot be read (File name too long)"),
}


@pytest.mark.parametrize(("make", "says"), BAD_FILES.values(), ids=BAD_FILES)
def test_a_file_that_cannot_be_played_is_refused_before_anything_is_made(
    desk: Desk, play: Callable[[str | Path], list[str]], make: Callable[[Desk], Path], says: str
) -> None:
    if SYSTEM == "windows" and says.startswith("cannot be read ("):  # Windows has its own words for the reason
        says = "cannot be read ("
    assert says in desk.refused(*play(make(desk)))


def test_damage_beyond_what_is_asked_for_does_not_matter(desk: Desk) -> None:
    desk.done(*SHORT, "--input", with_sample(desk, np.nan), "--seconds", "0.1")


@pytest.mark.parametrize("extension", FORMATS)
@given(part=st.floats(0.0, 0.97))
def test_a_file_cut_short_anywhere_plays_what_is_there_and_says_so(
    tmp_path_factory: pytest.TempPathFactory, extension: str, part: float
) -> None:
    whole = tmp_path_factory.getbasetemp() / f"whole.{extension}"
    if not whole.exists():
        soundfile.write(whole, noise(RATE), RATE)
        check(whole)
    data = whole.read_bytes()
    cut = whole.with_stem("cut")
    cut.write_bytes(data[: int(part * len(data))])
    headers = {"flac": 0.1, "ogg": 0.5, "mp3": 0.1}.get(extension, 0.01)  # and a packet or page
    try:
        survey = check(cut, decode=True)
    except AudioFileError:
        survey = None
    assert survey or part < headers
    assert survey is None or (survey.remarks and 0 < survey.length_at(RATE) <= RATE)


@pytest.mark.parametrize("declared", [0x7FFFF000, 0xFFFFFFFF])
def test_a_wav_that_was_written_to_a_pipe_plays_although_its_header_promises_more(desk: Desk, declared: int) -> None:
    data = bytearray(desk.wav(samples=1000).read_bytes())
    at = data.index(b"data") + 4
    data[at : at + 4] = struct.pack("<I", declared)
    desk.done("render", written(desk, data), "out.wav", "--codec", "pcm")
    assert soundfile.info("out.wav").frames == 1000


def test_mono_plays_on_both_sides(desk: Desk) -> None:
    desk.done("render", desk.wav(channels=1), "out.wav", "--codec", "pcm")
    heard, _ = soundfile.read("out.wav", dtype="float32")
    assert np.array_equal(heard, np.repeat(noise(RATE // 4, 1), 2, axis=1))


@pytest.mark.parametrize("rate", [8_000, 192_000])
def test_the_lowest_and_the_highest_rate_keep_length_and_place(desk: Desk, rate: int) -> None:
    source = desk.wav(samples=rate // 2 + 1, rate=rate)
    desk.done("render", source, "out.wav", "--codec", "opus:256")
    desk.done("live", "--driver", "file", "--input", source, "--record", ".", "--a", "opus:256", "--b", "off")
    sent, _ = soundfile.read(source)
    for name in ("out.wav", "a.wav"):
        info = soundfile.info(name)
        assert (info.samplerate, info.frames) == (rate, rate // 2 + 1)
        heard, _ = soundfile.read(name)
        product = np.fft.irfft(np.fft.rfft(heard[:, 0], 2 * rate) * np.conj(np.fft.rfft(sent[:, 0], 2 * rate)))
        assert product.argmax() == 0


@pytest.mark.parametrize("samples", [1, 10, 255])
def test_an_input_shorter_than_a_block_is_played_whole(desk: Desk, samples: int) -> None:
    source = desk.wav(samples=samples)
    desk.done("render", source, "out.wav", "--codec", "opus:24")
    desk.done(*SHORT, "--input", source, "--record", ".", "--rate", "44100")
    assert soundfile.info("out.wav").frames == samples
    assert soundfile.info("a.wav").frames == -(-samples * 44_100 // RATE)


def test_a_stream_of_a_fraction_of_a_block_ends_and_is_reported(desk: Desk) -> None:
    desk.done(*SHORT, "--input", desk.wav(), "--seconds", "0.0001", "--report", "r.json")
    assert json.loads(Path("r.json").read_text())["seconds"] == 5 / RATE


def test_demo_is_the_bundled_clip_unless_a_file_has_that_name(desk: Desk) -> None:
    desk.done("render", "demo", "out.wav", "--codec", "pcm")
    assert soundfile.info(desk.place / "out.wav").frames == soundfile.info(CLIP).frames
    (desk.place / "demo").write_bytes((desk.place / desk.wav()).read_bytes())
    desk.done("render", "demo", "out.wav", "--codec", "pcm", "--force")
    assert soundfile.info(desk.place / "out.wav").frames == soundfile.info(desk.place / "demo").frames


ONLY_POSIX = [pytest.param(name, marks=needs_posix("names of files")) for name in ("new\nline.wav", "\udcff.wav")]


@pytest.mark.parametrize("name", ["two words.wav", "ü音🎵.wav", "-dash.wav", "[b].wav", *ONLY_POSIX])
def test_a_file_may_have_any_name(desk: Desk, name: str) -> None:
    desk.wav(name)
    desk.done("render", "--codec", "pcm", "--", name, f"out{name}")
    desk.done(*SHORT, f"--input={name}", f"--record=rec{name}", f"--report=report{name}")
    lengths = {soundfile.info(for_c_library(desk.place / file)).frames for file in (name, f"out{name}")}
    assert len(lengths) == 1


OPTIONS = [
    (("--a", "nope"), 'codec "nope" is unknown (nano, swift, '),
    (("--a", ""), 'codec "" is unknown'),
    (("--a", "off"), "slot A cannot be off. Pass --a CODEC"),
    (("--set", "a.bend.bias.07=1"), "a.bend.bias.07 is an element. Pass all 64 of a.bend.bias, with commas"),
    (("--pre", "gain:3"), 'effect "gain:3" is unknown. Pass gain, lv2:URI'),
    (("--a", "opus:5"), "5 kbit/s not offered by opus (6 to 510). Pass such as opus:6."),
    (("--a", "opus:x"), 'bitrate "x" of opus is not an integer of kbit/s'),
    (("--a", "opus:24:continuous"), 'path "continuous" not offered by codec "opus:24" (discrete)'),
    (("--a", "vorbis:64"), "has no fixed hop: it is for whole files (verdigris render)"),
    (("--a", "pcm:hop=0"), "hop 0 of codec"),
    (("--a", "pcm:hop=99999999999"), "out of range. Pass 1 to 1048576."),
    (("--a", "pcm:compute=nan"), "compute nan of codec"),
    (("--monitor", "c"), 'monitor "c" is not allowed. Pass dry, a, b, delta, ghost.'),
    (("--b", "off", "--monitor", "b"), "monitor b: slot B is off. Pass --b CODEC"),
    (("--b", "off", "--monitor", "ghost"), "monitor ghost: slot B is off. Pass --b CODEC"),
    (("--block", "0"), 'block "0" is not allowed. Pass a whole number from 1 to 8192.'),
    (("--block", "-1"), 'block "-1" is not allowed'),
    (("--block", "abc"), 'block "abc" is not allowed'),
    (("--block", "1e9"), 'block "1e9" is not allowed'),
    (("--rate", "7"), 'rate "7" is not allowed. Pass a whole number from 8000 to 192000 Hz.'),
    (("--latency", "-1"), "Pass a whole number from 0 to 1048576."),
    (("--seconds", "-1"), '--seconds "-1" is not allowed. Pass a number greater than 0.'),
    (("--seconds", "nan"), '--seconds "nan" is not allowed'),
    (("--seconds", "inf"), '--seconds "inf" is not allowed'),
    (("--seconds", ""), '--seconds "" is not allowed'),
    (("--set", "monitor"), "--set monitor is not NAME=VALUE"),
    (("--set", "volume=1"), "parameter volume is unknown. Pass one of monitor, gain"),
    (("--set", "gain=nan"), 'gain "nan" is not allowed. Pass a number from -60 to 12 dB.'),
    (("--set", "a.codec=nope"), 'codec "nope" is unknown'),
    (("--set", "record.directory="), "an empty name cannot be recorded to"),
    (("--set", "record.directory=/proc/x"), "/proc/x: cannot be recorded to"),
    (("--set", "record.directory=/proc/x", "--set", "record=on"), "/proc/x: cannot be recorded to"),
]


@pytest.mark.parametrize(("options", "says"), OPTIONS, ids=[" ".join(options) for options, _ in OPTIONS])
def test_an_option_live_cannot_follow_is_refused_before_anything_is_made(
    desk: Desk, options: tuple[str, ...], says: str
) -> None:
    live = ("live", "--driver", "file", "--input", desk.wav(), "--record", "new/rec", "--report", "report.json")
    if SYSTEM == "windows" and any("/proc" in option for option in options):
        pytest.skip("not on Windows: /proc")
    assert says in desk.refused(*live, *options)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--codec", "nope"), 'codec "nope" is unknown'),
        (("--codec", "opus:24:continuous"), 'path "continuous" not offered by codec "opus:24"'),
        (("--codec", "vorbis:96", "--path", "continuous"), 'path "continuous" not offered by codec "vorbis:96"'),
        (("--codec", "vorbis:7"), "7 kbit/s not offered by vorbis"),
        (("--steps", "0"), '--steps "0" is not allowed. Pass a whole number from 1 to 8.'),
        (("--seed", "-1"), '--seed "-1" is not allowed. Pass a whole number from 0 to 2147483647.'),
    ],
    ids=str,
)
def test_an_option_render_cannot_follow_is_refused(desk: Desk, options: tuple[str, ...], says: str) -> None:
    assert says in desk.refused("render", desk.wav(), "out.wav", *options)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("plan", "--rate", "7"), 'rate "7" is not allowed'),
        (("plan", "--block", "random"), 'block "random" is not allowed'),
        (("plan", "--a", "vorbis"), "has no fixed hop"),
        (("live", "--driver", "file"), "never ends. Pass --seconds N or --input FILE."),
    ],
    ids=str,
)
def test_other_commands_report_what_they_cannot_do(desk: Desk, arguments: tuple[str, ...], says: str) -> None:
    assert says in desk.refused(*arguments)


@pytest.mark.parametrize(
    "arguments",
    [
        ("nope",),
        ("render", "in.wav"),
        ("codecs", "--nope"),
        ("doctor", "extra"),
        ("live", "--driver", "nope"),
        ("live", "--seconds"),
        ("live", "--record", ""),
        ("bench", "nope"),
        ("evaluate", "--seconds", "0"),
        ("evaluate", "--nope"),
        ("train",),
        ("train", "--model", "nope"),
        ("bench", "render", "--minutes", "-1"),
        ("bench", "latency", "--seconds", "nan"),
    ],
    ids=" ".join,
)
def test_wrong_usage_is_one_line_too_and_exit_code_2(desk: Desk, arguments: tuple[str, ...]) -> None:
    assert "--help" in desk.refused(*arguments, code=2)


def test_version_is_printed(desk: Desk) -> None:
    assert re.fullmatch(r"verdigris \d+\.\d+\.\d+\n", desk.done("--version").out)


@pytest.mark.parametrize("command", ["pack", "unpack"])
def test_a_tape_to_pack_or_unpack_that_cannot_be_read_is_named(desk: Desk, command: str) -> None:
    (desk.place / "directory").mkdir()
    for path in ("missing.tape", "directory"):
        assert f"{path}: the tape cannot be read" in desk.refused(command, path, "out")


def test_a_missing_checkpoint_to_convert_is_reported(desk: Desk) -> None:
    (desk.place / "directory").mkdir()
    for path in ("missing.pt", "directory"):
        assert "does not exist" in desk.refused("convert", path, "out.safetensors")


@pytest.mark.parametrize("runtime", [pytest.param("/proc", marks=needs_posix("/proc")), "missing"])
def test_a_missing_runtime_directory_is_reported_or_not_needed(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, runtime: str
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", runtime)
    live = (*SHORT, "--input", desk.wav(samples=100))
    if runtime == "missing":
        desk.done(*live)
    elif os.access(runtime, os.W_OK):  # root
        assert "Set XDG_RUNTIME_DIR to a directory of your own." in desk.refused(*live)


def test_a_missing_bend_file_is_reported_before_anything_plays(desk: Desk) -> None:
    source = desk.wav(samples=100)
    refused = desk.refused(*SHORT, "--input", source, "--set", "a.bend.file=none.py")
    assert "a.bend.file none.py: no such file. Pass a Python file that has a function bend." in refused


def test_a_latency_that_is_too_short_is_raised_and_announced(desk: Desk) -> None:
    """At least means at least."""
    planned = desk.done("plan", "--latency", "1", "--a", "pcm", "--b", "off")
    assert "latency raised from 1 samples" in planned.out
    assert "latency raised from 1 samples" in desk.done(*SHORT, "--input", desk.wav(), "--latency", "1").out
