"""The file of swift's books: what is damaged, foreign or old is refused and named."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from models.codec import CodecError
from models.registry import SWIFT, safetensors_header
from models.swift.frame_layout import DEFAULT_TOKENS
from models.swift.weights import FORMAT, Tensors, digest_of, load, save


def tensors() -> Tensors:
    return dict(load_file(SWIFT))


def test_a_saved_file_is_read_back(tmp_path: Path) -> None:
    save(tensors(), tmp_path / "x.safetensors")
    assert load(tmp_path / "x.safetensors").digest == load(SWIFT).digest
    assert safetensors_header(tmp_path / "x.safetensors")["__metadata__"]["digest"] == digest_of(tensors())


def test_the_file_is_under_ten_megabytes() -> None:
    assert SWIFT.stat().st_size < 10_000_000


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(CodecError, match="which does not exist"):
        load(tmp_path / "x.safetensors")


@pytest.mark.parametrize("part", [0.0, 0.1, 0.9, 0.999])
def test_a_truncated_file_is_named(part: float, tmp_path: Path) -> None:
    data = SWIFT.read_bytes()
    (tmp_path / "x.safetensors").write_bytes(data[: int(part * len(data))])
    with pytest.raises(CodecError, match=r'"x.safetensors" is truncated or damaged'):
        load(tmp_path / "x.safetensors")


def test_a_changed_number_is_found(tmp_path: Path) -> None:
    data = bytearray(SWIFT.read_bytes())
    data[-1000] ^= 1
    (tmp_path / "x.safetensors").write_bytes(data)
    with pytest.raises(CodecError, match="do not match their digest"):
        load(tmp_path / "x.safetensors")


@pytest.mark.parametrize("metadata", [None, {"format": "verdigris-residual-1", "config": "{}"}])
def test_a_file_of_another_format_is_refused(metadata: dict[str, str] | None, tmp_path: Path) -> None:
    save_file({"quantiser.stages.0": np.zeros(3, np.float32)}, tmp_path / "x.safetensors", metadata)
    with pytest.raises(CodecError, match=f'this version reads "{FORMAT}"'):
        load(tmp_path / "x.safetensors")


def changed(name: str, tensor: np.ndarray | None) -> Tensors:
    return {key: value for key, value in (tensors() | {name: tensor}).items() if value is not None}


@pytest.mark.parametrize(
    ("name", "tensor", "message"),
    [
        ("priorities", None, 'lacks the tensor "priorities"'),
        ("more", np.zeros(1, np.float32), 'has an unexpected tensor "more"'),
        ("priorities", np.zeros(5, np.int32), r'"priorities" is int32 \[5\]; it must be int32 \[\d+\]'),
        ("energies.mean", np.zeros(42, np.float32), r'"energies.mean" is float32 \[42\]; it must be int16 \[42\]'),
    ],
)
def test_a_wrong_tensor_is_named(name: str, tensor: np.ndarray | None, message: str, tmp_path: Path) -> None:
    with pytest.raises(CodecError, match=message):
        save(changed(name, tensor), tmp_path / "x.safetensors")
    found = changed(name, tensor)
    metadata = {"format": FORMAT, "digest": digest_of(found), "spec": "{}"}
    save_file(found, tmp_path / "x.safetensors", metadata)
    with pytest.raises(CodecError, match=message):
        load(tmp_path / "x.safetensors")


def test_values_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    book = np.array(tensors()["shapes.0"])
    book[0, 0, 0] = np.nan
    with pytest.raises(CodecError, match=r'"shapes.0" holds values beyond ±100'):
        save(changed("shapes.0", book), tmp_path / "x.safetensors")


def test_the_header_has_the_spec_of_the_codec() -> None:
    held = json.loads(safetensors_header(SWIFT)["__metadata__"]["spec"])
    assert held["name"] == "swift"
    assert held["tokens"] == DEFAULT_TOKENS
