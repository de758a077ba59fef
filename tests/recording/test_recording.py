"""Recordings outlive what ends the program: a kill, a full disk."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

from realtime.files.audio_file import AudioFileError, AudioReader, check
from realtime.files.audio_writer import AudioWriter
from realtime.timeline.layout import Field, Timeline
from realtime.timeline.playout import Playout
from realtime.timeline.ring_reader import RingReader
from tests.conftest import ROOT
from tests.support.lockstep import noise, play_all
from tests.support.systems import needs_posix

BEYOND = 2**32 // 8 + 1000  # samples of float32 stereo

PROGRAM = """
import os, sys
from pathlib import Path
import numpy as np
from realtime.files.audio_file import AudioFileError
from realtime.files.audio_writer import AudioWriter

if limit := int(sys.argv[2]):  # as a disk that is full
    import resource, signal
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
writer = AudioWriter(Path(sys.argv[1]), 48_000)
try:
    for start in range(0, 240_000, 2400):
        writer.write(np.arange(start, start + 2400, dtype=np.float32) * np.ones((2, 1), np.float32))
except AudioFileError:
    pass
os.kill(os.getpid(), 9)  # SIGKILL, which Windows has no name for
"""


LIMITED = pytest.param(1_000_003, 124_800, id="full disk", marks=needs_posix("limits of a file's size"))


@pytest.mark.parametrize(("limit", "least"), [pytest.param(0, 240_000, id="killed"), LIMITED])
def test_a_recording_can_be_read_up_to_where_it_was_written(tmp_path: Path, limit: int, least: int) -> None:
    path = tmp_path / "a.wav"
    subprocess.run([sys.executable, "-c", PROGRAM, str(path), str(limit)], cwd=ROOT, timeout=60)
    audio, rate = soundfile.read(path, dtype="float32")
    assert rate == 48_000
    assert len(audio) >= least
    assert np.array_equal(audio[:least, 0], np.arange(least))


@pytest.mark.slow
@pytest.mark.parametrize("whole", [False, True], ids=["recorded", "rendered"])
def test_beyond_4_gb_it_is_rf64_and_below_it_is_wav(tmp_path: Path, whole: bool) -> None:
    """The file is sparse, so that it takes no space on the disk."""
    path, piece = tmp_path / "a.wav", np.full((2, 1000), 0.5, np.float32)
    writer = AudioWriter(path, 48_000, whole=whole)
    try:
        writer.write(piece)
        if not whole:
            assert path.read_bytes()[:4] == b"RIFF"
            assert soundfile.info(path).frames == 1000
        try:
            writer._file.seek(BEYOND)
            writer.write(piece)
        except AudioFileError:
            pytest.skip("no file of 4 GB can be made here")
        if not whole:  # what a kill would leave now
            assert soundfile.info(path).frames == BEYOND + 1000
    except BaseException:
        writer.discard()
        raise
    writer.close()
    with path.open("rb") as file:
        assert file.read(4) == b"RF64"
    reader = AudioReader(path)
    assert reader.length == BEYOND + 1000
    assert np.array_equal(reader.read(1000), piece)
    reader.close()
    end, _ = soundfile.read(path, start=BEYOND, dtype="float32")
    assert np.array_equal(end.T, piece)
    path.unlink()


def test_a_truncated_rf64_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, np.zeros((1000, 2), np.float32), 48_000, subtype="FLOAT", format="RF64")
    check(path)
    path.write_bytes(path.read_bytes()[:-800])
    assert "truncated to 900 of 1000 samples. 900 samples are played." in check(path).remarks[0]


@pytest.mark.slow
@pytest.mark.rig
def test_a_killed_session_leaves_recordings_up_to_the_last_second(tmp_path: Path) -> None:
    arguments = ["live", "--driver", "clock", "--a", "pcm", "--b", "pcm", "--record", str(tmp_path)]
    program = subprocess.Popen(
        [sys.executable, "-m", "realtime.cli.main", *arguments], cwd=ROOT, stdout=subprocess.DEVNULL, env={**os.environ}
    )
    monitor = tmp_path / "monitor.wav"
    while not (monitor.exists() and soundfile.info(monitor).frames):
        assert program.poll() is None
        time.sleep(0.05)
    began, already = time.monotonic(), soundfile.info(monitor).frames
    time.sleep(3)
    program.kill()
    seconds = time.monotonic() - began
    program.wait()
    for name in ("input", "a", "b", "monitor"):
        audio, rate = soundfile.read(tmp_path / f"{name}.wav", dtype="float32")
        assert len(audio) - already > (seconds - 1) * rate, name


def test_a_reader_overrun_by_more_than_the_ring_goes_on_in_place() -> None:
    timeline = Timeline.create(rate=8000, latency=100, max_block=64, slots=0)
    host, tail = Playout(timeline), RingReader(timeline, "dry")
    sound = noise(3 * timeline[Field.CAPACITY])
    play_all(host, sound, [64], None)
    kept = tail.read()
    assert kept.shape == (2, len(sound))
    assert 0 < tail.lost < len(sound)
    np.testing.assert_array_equal(kept[:, : tail.lost], 0.0)
    np.testing.assert_array_equal(kept[:, tail.lost :], sound.T[:, tail.lost :])
    host.close()
    timeline.close()
