"""Training of nano's network of levels: it learns, goes on exactly, and is added to a checkpoint."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from models.codec import CodecError
from models.codicodec.checkpoint import read, save
from models.codicodec.network import CoDiCodecNetwork
from models.codicodec.start.slot_network import INPUTS
from models.codicodec.start.start_weights import random_weights
from models.training.nano.slot_fit import SlotConfig, SlotState, held_errors, train
from models.training.nano.slot_rows import SlotRows, _load, _save
from models.training.train import main
from tests.support.small_codec import STARTED


def rows(seed: int) -> SlotRows:
    """Return rows whose correction follows from two of their inputs."""
    rng = np.random.default_rng(seed)
    inputs = rng.standard_normal((4096, INPUTS)).astype(np.float16)
    return SlotRows(inputs, (6 * inputs[:, 0].astype(np.float32) - 4 * inputs[:, 40]).astype(np.float32))


def silent(line: str) -> None:
    """Drop a line of progress."""


def test_what_follows_from_the_inputs_is_learnt(tmp_path: Path) -> None:
    state = SlotState(SlotConfig(steps=150, batch=256, log_every=50))
    train(state, rows(0), rows(1), tmp_path, None, silent)
    errors = held_errors(state, rows(1))
    assert errors["held_error"] < 0.3 * errors["held_before"]
    assert len((tmp_path / "curves.csv").read_text().splitlines()) == 4


def test_a_network_without_training_corrects_nothing() -> None:
    errors = held_errors(SlotState(SlotConfig()), rows(1))
    assert errors["held_error"] == pytest.approx(errors["held_before"])


def test_a_run_goes_on_exactly(tmp_path: Path) -> None:
    train(SlotState(SlotConfig(steps=5, batch=64, fall=0.0)), rows(0), rows(1), tmp_path / "b", None, silent)
    first = SlotState.load(tmp_path / "b" / "state.pt", ["steps=12"])
    train(first, rows(0), rows(1), tmp_path / "b", None, silent)
    other = SlotState(SlotConfig(steps=12, batch=64, fall=0.0))
    train(other, rows(0), rows(1), tmp_path / "c", None, silent)
    for again, straight in zip(first.network().weights, other.network().weights, strict=True):
        assert np.array_equal(again, straight)


def test_kept_rows_of_another_sound_or_start_are_made_again(tmp_path: Path) -> None:
    kept = rows(0)
    _save(tmp_path / "0000.npz", kept, "this")
    found = _load(tmp_path / "0000.npz", "this")
    assert found is not None
    np.testing.assert_array_equal(found.inputs, kept.inputs)
    assert _load(tmp_path / "0000.npz", "other") is None
    assert _load(tmp_path / "0001.npz", "this") is None


def test_the_command_codes_trains_and_exports(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    (tmp_path / "audio").mkdir()
    for number in range(20):  # one in 20 is for validation
        audio = 0.1 * rng.standard_normal((48_000, 2)) * (np.arange(48_000) % 6000 < 2000)[:, None]
        soundfile.write(tmp_path / "audio" / f"{number:02}.wav", audio, 48_000)
    start = random_weights(0)
    network = CoDiCodecNetwork(replace(STARTED, layers=(0, 0, 0), start=start.digest))
    network.start = start
    save(network, tmp_path / "start.safetensors")
    pack, run, out = (str(tmp_path / name) for name in ("pack", "run", "mine.safetensors"))
    main(["--pack", str(tmp_path / "audio"), pack])
    options = ["--set", "seconds=4", "--set", "held_seconds=4", "--set", "steps=20", "--set", "batch=64"]
    given = ["--weights", str(tmp_path / "start.safetensors"), "--export", out]
    main(["--model", "nano-slots", pack, "--state", run, *options, *given])
    found = read(Path(out)).start
    assert found is not None
    assert found.slots is not None
    assert found.digest != start.digest


def test_an_export_without_a_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CodecError, match="holds no training"):
        main(["--model", "nano-slots", "--state", str(tmp_path), "--export", str(tmp_path / "x.safetensors")])
