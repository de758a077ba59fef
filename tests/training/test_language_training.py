"""Training of the language model: it learns, goes on exactly, and is measured."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from models.language.language_weights import load_language
from models.registry import LANGUAGE, SWIFT
from models.swift.weights import load
from models.training.language.config import LanguageConfig
from models.training.language.continuation_table import print_table
from models.training.language.copied_frames import longest_match
from models.training.language.token_streams import is_held_out, stream_of
from models.training.language.train import LanguageState, StreamBatches, one_step, run
from realtime.cli.main import main
from tests.codecs.swift.test_swift import clip, encoded

QUICK = LanguageConfig(width=16, layers=1, heads=2, window=8, frames=16, batch=2, steps=40, rise=2, tonal_frames=75)
OPTIONS = [
    f"{name}={getattr(QUICK, name)}" for name in ("width", "layers", "heads", "window", "frames", "batch", "rise")
]


def rows(seconds: float = 2.0) -> np.ndarray:
    return np.stack([frame.tokens for frame in encoded(clip(seconds=seconds))])


def test_training_lowers_the_bits_and_a_step_depends_on_its_number_alone() -> None:
    books = load(SWIFT)
    streams = [stream_of("a", rows(), books)]
    losses = []
    for _ in range(2):
        state, batches = LanguageState(QUICK, books), StreamBatches(streams, books, QUICK.frames)
        state.begin(streams)
        losses.append([one_step(state, batches) for _ in range(12)])
    assert losses[0] == losses[1]
    assert np.mean(losses[0][-3:]) < np.mean(losses[0][:3]) - 0.2


def test_a_resumed_run_is_the_run_that_was_not_interrupted(tmp_path: Path) -> None:
    books = load(SWIFT)
    streams = [stream_of("a", rows(), books)]
    batches, whole = StreamBatches(streams, books, QUICK.frames), LanguageState(QUICK, books)
    whole.begin(streams)
    for _ in range(3):
        one_step(whole, batches)
    whole.save(tmp_path / "state.pt")
    resumed = LanguageState.load(tmp_path / "state.pt", books, [])
    losses = [[one_step(state, batches) for _ in range(3)] for state in (whole, resumed)]
    assert losses[0] == losses[1]
    assert all(torch.equal(resumed.average[name], tensor) for name, tensor in whole.average.items())


def test_tokens_of_a_folder_become_weights_that_evaluate_measures(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = [f"piece{number}.wav" for number in range(40)]
    kept = [next(n for n in names if is_held_out(f"music/{n}") == held) for held in (False, True)]
    (tmp_path / "music").mkdir()
    for name in kept:
        soundfile.write(tmp_path / "music" / name, clip(seconds=2.0).T, 48_000)
    tokens, weights = tmp_path / "tokens", tmp_path / "mine.safetensors"
    command = ["tokens", str(tmp_path), str(tokens), "--codec", "swift", "--format", "safetensors", "--jobs", "1"]
    assert main(command) == 0
    run([tokens], tmp_path / "run", [*OPTIONS, "steps=2", "tonal_frames=75"], None, weights)
    assert load_language(weights).books == load_language(LANGUAGE).books
    assert (tmp_path / "run" / "state.pt").exists()
    capsys.readouterr()
    print_table({"guitar": clip(seconds=2.0)}, "swift", weights, [tokens])
    printed = capsys.readouterr().out
    assert "bits a token, uniform 10" in printed
    copied = printed.partition("from training |")[2].splitlines()[2]
    of_prompt, of_training = (int(part) for part in copied.split("|")[2:4])
    assert of_prompt >= 1
    assert of_training >= 1  # it was trained on the prompt


def test_the_longest_match_counts_whole_frames_in_a_row() -> None:
    other = np.arange(40, dtype=np.int32).reshape(10, 4)
    generated = np.concatenate([other[2:5], other[7:9], other[3:8], other[:1] + np.int32(1)])
    assert longest_match(generated, other) == 5
    assert longest_match(other[:0], other) == longest_match(other + np.int32(100), other) == 0
