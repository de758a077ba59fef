"""Damaged files, thousands of them: never a traceback, never less sound than is there without a word."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile

from models.codec import CodecError, CodecSpec, Frame
from realtime.cli.main import main
from realtime.files.audio_file import AudioReader, check
from realtime.files.errors import AudioFileError
from realtime.files.tape import HEADER_BYTES, TapeHeader, TapeWriter
from realtime.files.tape_reader import TapeReader
from realtime.system.silence_stderr import suppress_stderr
from tests.support.container_damage import mutate
from tests.support.sound_files import sound_files

FEW, SECONDS = 300, 300.0  # mutations of the fast suite; the slow suite stops after so many seconds
MANY = {"sound": 16_000, "tape": 2_000, "pack": 2_000}
SPEC = CodecSpec("x", 48_000, 2, 320, 0, 8, 1024, (0, 0), ("discrete",), True, 8)
GAPLESS = 4608  # samples of an MP3 that a header may ask to skip, for each part
OGG_BLOCK = 8192  # samples beyond the granule that a plain decoder gives

Try = Callable[[int], None]


def decoded_by_others(path: Path, parts: int) -> int:
    """Return the most samples that plain FFmpeg or libsndfile decodes, less what they need not leave out."""
    by_ffmpeg = by_libsndfile = 0
    try:
        with av.open(str(path)) as file:
            for packet in file.demux(file.streams.audio[0]):
                try:
                    by_ffmpeg += sum(frame.samples for frame in packet.decode())
                except av.FFmpegError:
                    continue
            by_ffmpeg -= {"mp3": GAPLESS, "ogg": OGG_BLOCK}.get(file.format.name, 0) * parts
    except (av.FFmpegError, ValueError, IndexError, AttributeError, OSError, UnicodeError):
        pass
    try:
        with suppress_stderr():
            info = soundfile.info(path)
            if info.format != "RAW":  # names that libsndfile takes for headerless data
                by_libsndfile = len(soundfile.read(path)[0]) - (GAPLESS * parts if info.format == "MP3" else 0)
    except (soundfile.LibsndfileError, TypeError, ValueError, MemoryError):
        pass
    return max(by_ffmpeg, by_libsndfile)


@pytest.fixture(scope="module")
def sounds(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    return sound_files(tmp_path_factory.mktemp("whole"), samples=3000)


def try_sound(sounds: dict[str, bytes], place: Path, seed: int) -> None:
    name, data = mutate(sounds, seed)
    path = place / name
    path.write_bytes(data)
    try:
        survey = check(path, decode=True)
        rate = survey.segments[0][0] if survey.segments else 48_000
        fast = check(path)
        reader = AudioReader(path, 48_000)
        heard = sum(block.shape[1] for block in reader.blocks(4096))
        reader.close()
    except AudioFileError as refused:
        message = str(refused)
    else:
        message = ""
    if message:
        assert name in message, seed
        assert "\n" not in message, seed
        return
    counted = sum(samples for _, samples in survey.segments)
    assert heard == survey.length_at(48_000), seed
    assert fast.length_at(rate) >= 0
    if not survey.remarks:
        assert counted >= decoded_by_others(path, max(1, data.count(b"Info") + data.count(b"Xing"))), seed


def write_tape(path: Path) -> bytes:
    rng = np.random.default_rng(0)
    with TapeWriter(path, TapeHeader.of(SPEC, "tokens", 0)) as writer:
        for index in [*range(20), *range(25, 40)]:
            writer.write(Frame(index, rng.integers(16, size=8).astype(np.int32), None, 80.0))
    return path.read_bytes()


def try_tape(tapes: dict[str, bytes], place: Path, seed: int) -> None:
    _, data = mutate(tapes, seed)
    path = place / "a.tape"
    path.write_bytes(data)
    try:
        reader = TapeReader(path)
    except CodecError:
        return
    frames = list(reader)
    assert HEADER_BYTES + len(frames) * reader.header.record_bytes + reader.lost_bytes == len(data), seed
    assert all(frame.tokens.min() >= 0 and frame.tokens.max() < reader.header.cardinality for frame in frames), seed


def try_pack(packs: dict[str, bytes], tape: bytes, place: Path, seed: int) -> None:
    _, data = mutate(packs, seed)
    (place / "a.pack").write_bytes(data)
    code = main(["unpack", str(place / "a.pack"), str(place / "b.tape")])
    if code == 0:  # a byte that the coder does not read, or bytes of the other file
        assert (place / "b.tape").read_bytes() == tape, seed
        (place / "b.tape").unlink()
    assert not (place / "b.tape").exists(), seed
    assert sorted(os.listdir(place)) == ["a.pack"], seed


@pytest.fixture
def tries(
    sounds: dict[str, bytes], tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Try:
    """The trial of one seed: of sounds, tapes or packs."""
    if request.param == "sound":
        return lambda seed: try_sound(sounds, tmp_path, seed)
    whole = tmp_path_factory.mktemp("tape")
    tape = write_tape(whole / "a.tape")
    if request.param == "tape":
        return lambda seed: try_tape({"a.tape": tape}, tmp_path, seed)
    pytest.importorskip("constriction", reason="the extra entropy is not installed")
    assert main(["pack", str(whole / "a.tape"), str(whole / "a.pack")]) == 0
    packs = {"a.pack": (whole / "a.pack").read_bytes()}
    return lambda seed: try_pack(packs, tape, tmp_path, seed)


@pytest.mark.parametrize("tries", MANY, indirect=True)
def test_a_few_hundred_damaged_files_give_sound_or_a_message(tries: Try) -> None:
    for seed in range(FEW):
        tries(seed)


@pytest.mark.slow
@pytest.mark.timeout(2 * SECONDS)
@pytest.mark.parametrize(("tries", "count"), MANY.items(), indirect=["tries"], ids=MANY)
def test_twenty_thousand_damaged_files_give_sound_or_a_message(tries: Try, count: int) -> None:
    end = time.monotonic() + SECONDS
    for seed in range(FEW, FEW + count):
        tries(seed)
        if time.monotonic() > end:
            pytest.fail(f"{seed - FEW} of {count} mutations in {SECONDS:.0f} s")


def test_damaged_files_are_rendered_or_refused_in_one_line(
    sounds: dict[str, bytes], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for seed in range(100):
        name, data = mutate(sounds, seed)
        (tmp_path / name).write_bytes(data)
        capfd.readouterr()
        code = main(["render", str(tmp_path / name), str(tmp_path / "out.flac"), "--codec", "pcm", "--force"])
        err = capfd.readouterr().err
        assert code in (0, 1), seed
        assert "Traceback" not in err, (seed, err)
        assert err.count("\n") <= 2, (seed, err)
        if code == 0:
            samples = soundfile.info(tmp_path / "out.flac").frames
            assert err or samples >= 0.99 * decoded_by_others(tmp_path / name, 2), seed
            (tmp_path / "out.flac").unlink()
        assert not (tmp_path / "out.flac").exists(), seed
