"""Checkpoints in our own format: a safetensors file with format and sizes in its metadata."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from models.codec import CodecError

MAX_HEADER = 100_000_000  # bytes of JSON before the tensors


def read_metadata(path: Path) -> dict[str, str]:
    """Return the metadata of a safetensors file; CodecError if the file is damaged."""
    try:
        with safe_open(path, framework="pt") as file:
            return file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise _damaged(path) from error


def read_checkpoint(path: Path, format: str, remedy: str = "") -> tuple[dict[str, str], dict[str, Tensor]]:
    """Return the metadata and the tensors of a checkpoint, on the CPU.

    Raise CodecError if the file is missing, damaged or of another format; `remedy` ends that last
    message. The tensors are not validated, see `models.weights_io.validate`.
    """
    if not path.is_file():
        raise CodecError(f'checkpoint "{path}" does not exist. Pass the path of a .safetensors file.')
    metadata = read_metadata(path)
    try:
        state = load_file(path)
    except (SafetensorError, OSError) as error:
        raise _damaged(path) from error
    if metadata.get("format") != format or "config" not in metadata:
        raise CodecError(
            f'checkpoint "{path.name}" is of format "{metadata.get("format")}", this version reads "{format}".{remedy}'
        )
    return metadata, state


def write_checkpoint(path: Path, state: Mapping[str, Tensor], metadata: dict[str, str]) -> None:
    """Write tensors and metadata, atomically.

    Raise CodecError if the file cannot be written.
    """
    tensors = {name: weight.detach().cpu().contiguous() for name, weight in state.items()}
    partial = path.with_name(path.name + ".partial")
    try:
        save_file(tensors, partial, metadata=metadata)
        partial.replace(path)
    except (SafetensorError, OSError) as error:
        partial.unlink(missing_ok=True)
        raise CodecError(f"{path}: could not be written ({error}). Free some space, or pass another path.") from error


def _damaged(path: Path) -> CodecError:
    cut = _first_cut_tensor(path)
    where = f' in tensor "{cut}"' if cut else ""
    return CodecError(f'checkpoint "{path.name}" is truncated or damaged{where}. Fetch it again.')


def _first_cut_tensor(path: Path) -> str | None:
    """Return the first tensor beyond the end of a truncated file.

    Return None if its header is unreadable.
    """
    try:
        with path.open("rb") as file:
            size = int.from_bytes(file.read(8), "little")  # of the JSON header that follows
            header = json.loads(file.read(min(size, MAX_HEADER)))
        ends = {name: 8 + size + info["data_offsets"][1] for name, info in header.items() if name != "__metadata__"}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError):
        return None
    cut = [(end, name) for name, end in ends.items() if end > path.stat().st_size]
    return min(cut)[1] if cut else None
