"""`verdigris continue`: files and tapes that go on by themselves."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from models.codec import CodecError
from models.load import load
from realtime.cli.main import main
from realtime.files.tape_reader import TapeReader
from realtime.offline.continue_file import continue_file
from realtime.offline.play_tape import play_tape
from realtime.worker.codec_lane import CodecLane
from realtime.worker.messages import ParameterChange, Slot
from tests.codecs.swift.test_swift import clip, encoded, swift


@pytest.fixture
def song(tmp_path: Path) -> Path:
    path = tmp_path / "song.wav"
    soundfile.write(path, clip(seconds=2.0).T, 48_000)
    return path


def test_a_tape_of_a_continued_stretch_plays_back_equal(song: Path, tmp_path: Path) -> None:
    tape, plain, again = tmp_path / "on.tape", tmp_path / "on.wav", tmp_path / "again.wav"
    settings: dict[str, object] = {"seed": 5, "temperature": 2.0}
    continue_file(song, tape, "swift", 2.0, settings)
    continue_file(song, plain, "swift", 2.0, settings)
    play_tape(tape, again)
    sounds = [soundfile.read(path, dtype="float32")[0] for path in (plain, again)]
    length = min(map(len, sounds)) - 2 * swift().spec.hop
    assert length > 3.5 * 48_000
    np.testing.assert_allclose(sounds[0][:length], sounds[1][:length], atol=1e-6)


def test_a_tape_goes_on_as_its_file_does(song: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "first.tape", tmp_path / "second.tape"
    continue_file(song, first, "swift", 1.0, {})
    continue_file(first, second, "nano", 1.0, {})
    one, two = (np.stack([frame.tokens for frame in TapeReader(path)]) for path in (first, second))
    assert len(two) == len(one) + round(37.5)
    assert np.array_equal(two[: len(one)], one)


def test_codecs_without_a_model_and_too_short_files_are_refused(tmp_path: Path, song: Path) -> None:
    short = tmp_path / "short.wav"
    soundfile.write(short, clip(seconds=0.5).T, 48_000)
    with pytest.raises(CodecError, match="too little to go on from"):
        continue_file(short, tmp_path / "out.wav", "swift", 1.0, {})
    assert main(["continue", str(song), str(tmp_path / "out.wav"), "--seconds", "0"]) == 1
    assert not (tmp_path / "out.wav").exists()


def test_the_command_writes_as_much_as_was_asked_for(song: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.wav"
    assert (
        main(
            [
                "continue",
                str(song),
                str(target),
                "--seconds",
                "1.5",
                "--prompt",
                "1",
                "--top-p",
                "0.5",
                "--loop-after",
                "0.5",
            ]
        )
        == 0
    )
    assert soundfile.info(target).duration == pytest.approx(3.5, abs=0.1)


def test_a_slot_continues_while_it_is_told_to() -> None:
    lane = CodecLane(load("swift"), [(Slot.A, "discrete")], 48_000)
    chain, frames, audio = lane.chains[0], [], clip(seconds=2.0)
    own = [frame.tokens for frame in encoded(audio)]
    for number, chunk in enumerate(np.split(audio, len(own), axis=1)):
        if number in (30, 50):
            chain.enqueue(ParameterChange(Slot.A, "continue", float(number == 30)))
        lane.process(chunk)
        assert chain.frame is not None
        frames.append(chain.frame.tokens)
    kept = [np.array_equal(one, other) for one, other in zip(own, frames, strict=True)]
    assert all(kept[:30])
    assert not any(kept[30:50])


def test_other_codecs_say_that_they_cannot_continue() -> None:
    lane = CodecLane(load("pcm"), [(Slot.A, "discrete")], 48_000)
    for value in (1.0, 0.0, 1.0):
        lane.chains[0].enqueue(ParameterChange(Slot.A, "continue", value))
        lane.process(np.zeros((2, 4096), np.float32))
    assert [warning.message for warning in lane.chains[0].warnings] == [
        "pcm cannot continue by itself: it has no language model. Play swift."
    ]
