"""Packed tapes: smaller, restored byte by byte; a damaged one is reported and writes nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.codec import CodecError, CodecSpec, Frame
from realtime.cli.main import main
from realtime.files.tape import TapeHeader, TapeWriter
from realtime.offline.pack_tape import pack, unpack

pytest.importorskip("constriction", reason="the extra entropy is not installed")

SPEC = CodecSpec("x", 48_000, 2, 320, 0, 8, 1024, (0, 0), ("discrete",), True, 8)


def tape(path: Path, tokens: np.ndarray, indices: list[int] | None = None) -> Path:
    with TapeWriter(path, TapeHeader.of(SPEC, "tokens", 0)) as writer:
        for index, row in zip(indices or range(len(tokens)), tokens, strict=True):
            writer.write(Frame(index, row.astype(np.int32), None, 80.0))
    return path


@settings(max_examples=15)
@given(indices=st.lists(st.integers(0, 500), max_size=20, unique=True), seed=st.integers(0, 2**31))
def test_a_tape_comes_back_byte_by_byte(
    indices: list[int], seed: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    place = tmp_path_factory.mktemp("tapes")
    given_tape = tape(place / "a.tape", np.random.default_rng(seed).integers(1024, size=(len(indices), 8)), indices)
    pack(given_tape, place / "a.pack")
    assert unpack(place / "a.pack", place / "b.tape") == len(indices)
    assert (place / "b.tape").read_bytes() == given_tape.read_bytes()


@pytest.mark.slow
def test_a_packed_tape_is_the_same_whatever_the_number_of_threads(tmp_path: Path) -> None:
    """Sums in another order, by the libraries under numpy and torch alike, are the same
    probabilities.
    """
    given_tape = tape(tmp_path / "a.tape", np.random.default_rng(0).integers(1024, size=(60, 8)))
    for threads in (1, 2, 4):
        numbers = {f"{library}_NUM_THREADS": str(threads) for library in ("OMP", "OPENBLAS", "MKL")}
        made, again = tmp_path / f"{threads}.pack", tmp_path / f"{threads}.tape"
        runs = (["pack", str(given_tape), str(made)], ["unpack", str(tmp_path / "1.pack"), str(again)])
        script = f"import torch; torch.set_num_threads({threads}); from realtime.cli.main import main; "
        script += f"sys.exit(any([main(run) for run in {runs}]))"
        subprocess.run(
            [sys.executable, "-c", "import sys; " + script], env=os.environ | numbers, check=True, capture_output=True
        )
        assert made.read_bytes() == (tmp_path / "1.pack").read_bytes()
        assert again.read_bytes() == given_tape.read_bytes()


def test_a_tape_of_few_codes_becomes_much_smaller(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given_tape = tape(tmp_path / "a.tape", np.random.default_rng(0).integers(4, size=(300, 8)))
    assert main(["pack", str(given_tape), str(tmp_path / "a.pack")]) == 0
    assert "% less" in capsys.readouterr().out
    assert (tmp_path / "a.pack").stat().st_size < 0.5 * given_tape.stat().st_size
    assert main(["unpack", str(tmp_path / "a.pack"), str(tmp_path / "b.tape")]) == 0
    assert (tmp_path / "b.tape").read_bytes() == given_tape.read_bytes()


@settings(max_examples=60)
@given(place=st.floats(0.0, 1.0, exclude_max=True), change=st.integers(1, 255))
def test_a_packed_tape_with_any_byte_damaged_is_refused_or_the_same_tape(
    tmp_path_factory: pytest.TempPathFactory, place: float, change: int
) -> None:
    """The same: the last bytes have bits that a range coder may never read."""
    folder = tmp_path_factory.mktemp("damaged")
    given_tape = tape(folder / "a.tape", np.random.default_rng(0).integers(1024, size=(20, 8)))
    pack(given_tape, folder / "a.pack")
    data = bytearray((folder / "a.pack").read_bytes())
    data[int(place * len(data))] ^= change
    (folder / "a.pack").write_bytes(data)
    try:
        unpack(folder / "a.pack", folder / "b.tape")
    except CodecError:
        assert sorted(path.name for path in folder.iterdir()) == ["a.pack", "a.tape"]
    else:
        assert (folder / "b.tape").read_bytes() == given_tape.read_bytes()


def test_a_packed_tape_that_was_cut_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    pack(tape(tmp_path / "a.tape", np.random.default_rng(0).integers(1024, size=(20, 8))), tmp_path / "a.pack")
    data = (tmp_path / "a.pack").read_bytes()
    for length in (0, 9, len(data) // 2, len(data) - 1):
        (tmp_path / "a.pack").write_bytes(data[:length])
        with pytest.raises(CodecError):
            unpack(tmp_path / "a.pack", tmp_path / "b.tape")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.pack", "a.tape"]


def test_a_tape_of_latents_cannot_be_packed(tmp_path: Path) -> None:
    spec = CodecSpec("x", 48_000, 2, 320, 0, 8, 1024, (8, 2), ("continuous", "discrete"), True)
    with TapeWriter(tmp_path / "a.tape", TapeHeader.of(spec, "latents", 0)) as writer:
        writer.write(Frame(0, np.zeros(8, np.int32), np.zeros((8, 2), np.float32), 80.0))
    with pytest.raises(CodecError, match="holds latents; only tokens can be packed"):
        pack(tmp_path / "a.tape", tmp_path / "a.pack")
