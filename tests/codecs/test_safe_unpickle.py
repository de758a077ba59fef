"""Checkpoints that torch saved: numpy objects are dropped, code is refused and not run."""

from __future__ import annotations

import io
import json
import os
import random
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from models.codec import CodecError
from models.weights_io.safe_unpickle import Placeholder, load_checkpoint_safely

WEIGHT = torch.arange(6.0).reshape(2, 3)
SUFFIXES = (".pt", ".pth", ".th")


class UnknownDtype:
    """Object that pickles as a numpy dtype that no numpy has."""

    def __reduce__(self) -> tuple[Any, ...]:
        return np.dtype, ("f99", False, True), (3, "<", None, None, None, -1, -1, 0)


class LongDoubleScalar:
    """Object that pickles as a numpy long double of 16 bytes, even if this numpy has none."""

    def __init__(self, module: str) -> None:
        self.module = module

    def __reduce__(self) -> tuple[Any, ...]:
        return _named(self.module, "scalar"), (UnknownDtype(), b"\0" * 16)


def _named(module: str, name: str) -> Any:
    """Return a function that pickles under this module and name, as in another numpy."""
    import sys
    import types

    place = sys.modules.setdefault(module, types.ModuleType(module))
    if not hasattr(place, name):
        function = types.FunctionType((lambda *arguments: None).__code__, {}, name)
        function.__module__, function.__qualname__ = module, name
        setattr(place, name, function)
    return getattr(place, name)


EXTRAS: dict[str, Any] = {
    "a long double": np.longdouble("1.25"),
    "a long double array": np.ones(3, np.longdouble),
    "a dtype that this numpy lacks": UnknownDtype(),
    "a long double of another numpy": LongDoubleScalar("numpy.core.multiarray"),
    "float64": np.float64(0.4),
    "a string": np.str_("best"),
    "a date": np.datetime64("2026-01-01"),
    "a structured dtype": np.dtype([("a", "f4"), ("b", "i8")]),
    "an object array": np.array([1, "two", [3.0]], dtype=object),
    "an array": np.arange(5, dtype=np.int16),
    "a masked array": np.ma.masked_array([1, 2], [True, False]),
    "the state of numpy's generator": np.random.get_state(),  # noqa: NPY002 - what training loops save
    "a numpy generator": np.random.default_rng(0),
    "a legacy numpy generator": np.random.RandomState(0),
    "the state of Python's generator": random.getstate(),
    "the state of torch's generator": torch.get_rng_state(),
}


@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "before torch 1.6"])
@pytest.mark.parametrize("extra", EXTRAS)
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_weights_load_beside_any_numpy_object(extra: str, suffix: str, legacy: bool, tmp_path: Path) -> None:
    path = tmp_path / f"x{suffix}"
    held = {"before": EXTRAS[extra], "state_dict": {"w": WEIGHT}, "after": [EXTRAS[extra]]}
    torch.save(held, path, _use_new_zipfile_serialization=not legacy)
    assert torch.equal(load_checkpoint_safely(path)["state_dict"]["w"], WEIGHT)


def test_numpy_objects_are_not_kept(tmp_path: Path) -> None:
    torch.save({"score": np.longdouble("1.25")}, tmp_path / "x.pt")
    assert type(load_checkpoint_safely(tmp_path / "x.pt")["score"]) is Placeholder


class Command:
    """Object that makes a directory when it is unpickled."""

    def __init__(self, proof: Path) -> None:
        self.proof = proof

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.proof),)


@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "before torch 1.6"])
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_pickle_that_would_execute_is_refused_and_nothing_runs(suffix: str, legacy: bool, tmp_path: Path) -> None:
    """The pickle may be inside an object array, whose elements are built before the array."""
    for name, held in (("plain", Command(tmp_path / "ran")), ("inner", np.array([Command(tmp_path / "ran")]))):
        path = tmp_path / f"{name}{suffix}"
        torch.save({"w": WEIGHT, "extra": held}, path, _use_new_zipfile_serialization=not legacy)
        with pytest.raises(CodecError, match=r"holds more than weights \(\S*mkdir\) and was refused; nothing in it"):
            load_checkpoint_safely(path)
    assert not (tmp_path / "ran").exists()


def test_numpy_functions_that_do_more_than_hold_data_are_refused(tmp_path: Path) -> None:
    class Runs:
        def __reduce__(self) -> tuple[Any, ...]:
            return _named("numpy.testing._private.utils", "runstring"), ("raise SystemExit", {})

    torch.save({"w": WEIGHT, "extra": Runs()}, tmp_path / "x.pt")
    with pytest.raises(CodecError, match=r"runstring.* was refused"):
        load_checkpoint_safely(tmp_path / "x.pt")


def saved(legacy: bool = False) -> bytes:
    stream = io.BytesIO()
    torch.save({"w": torch.ones(500), "score": np.longdouble(1)}, stream, _use_new_zipfile_serialization=not legacy)
    return stream.getvalue()


@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "before torch 1.6"])
@pytest.mark.parametrize("part", [0.01, 0.3, 0.6, 0.999])
def test_a_truncated_file_is_reported_as_truncated(part: float, legacy: bool, tmp_path: Path) -> None:
    data = saved(legacy)
    (tmp_path / "x.pt").write_bytes(data[: max(3, int(part * len(data)))])
    with pytest.raises(CodecError, match=r'checkpoint "x.pt" is truncated or damaged\. Fetch it again\.'):
        load_checkpoint_safely(tmp_path / "x.pt")


def zipped(*names: str) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name in names:
            archive.writestr(name, b"x")
    return stream.getvalue()


SAFETENSORS = json.dumps({"w": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode()


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", r"is empty\. Fetch"),
        (b"RIFF\x24\x00\x00\x00WAVEfmt ", r"is not a PyTorch checkpoint\. Pass the released"),
        (b"<!DOCTYPE html><title>Sign in</title>", r"is a web page and not a checkpoint\. Download"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", r"is a Git LFS pointer .*git lfs pull"),
        (b"\x1f\x8b\x08\x00", r"is a gzip archive\. Unpack"),
        (len(SAFETENSORS).to_bytes(8, "little") + SAFETENSORS + bytes(4), r"is a safetensors file\. Give"),
        (zipped("x/constants.pkl", "x/code/model.py", "x/data.pkl"), r"is a TorchScript archive: a program"),
        (zipped("song.wav"), r"is a zip archive without a PyTorch checkpoint in it\. Pass"),
    ],
    ids=["empty", "wave", "web page", "pointer", "gzip", "safetensors", "torchscript", "zip"],
)
def test_another_type_of_file_is_named(data: bytes, says: str, tmp_path: Path) -> None:
    (tmp_path / "x.pth").write_bytes(data)
    with pytest.raises(CodecError, match=rf'^checkpoint "x.pth" {says}'):
        load_checkpoint_safely(tmp_path / "x.pth")


@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")
def test_a_torchscript_archive_is_distinguished_from_a_damaged_file(tmp_path: Path) -> None:
    class Twice(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return 2 * x

    torch.jit.trace(Twice(), torch.ones(1)).save(str(tmp_path / "x.pt"))
    with pytest.raises(CodecError, match="is a TorchScript archive"):
        load_checkpoint_safely(tmp_path / "x.pt")
