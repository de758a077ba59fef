"""Safetensors files of numpy arrays with a format in their metadata."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy.typing as npt
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from models.codec import CodecError

Arrays = dict[str, npt.NDArray[Any]]


def read_arrays(path: Path, file_format: str, needed_by: str, remedy: str) -> tuple[Arrays, dict[str, str]]:
    """Return the arrays and the metadata of a file of this format.

    CodecError if it is missing, damaged or of another format; the message names `needed_by`, and
    `remedy` for another format.
    """
    if not path.is_file():
        raise CodecError(f'{needed_by} needs "{path}", which does not exist. Install Verdigris again.')
    try:
        with safe_open(path, framework="numpy") as file:
            metadata: dict[str, str] = file.metadata() or {}
            found = metadata.get("format")
            if found != file_format:
                raise CodecError(f'"{path.name}" is of format "{found}"; this version reads "{file_format}". {remedy}')
            return {name: file.get_tensor(name) for name in file.keys()}, metadata  # noqa: SIM118
    except (SafetensorError, OSError, ValueError, TypeError) as error:
        raise CodecError(f'"{path.name}" is truncated or damaged ({error}). Fetch it again.') from error


def write_arrays(arrays: Arrays, path: Path, metadata: Mapping[str, str]) -> None:
    """Write a file; a half-written one never has the name `path`."""
    partial = path.with_name(path.name + ".partial")
    save_file(arrays, partial, metadata=dict(metadata))
    partial.replace(path)
