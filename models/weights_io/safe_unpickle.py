"""Safe reading of PyTorch checkpoints: only tensors and numbers are built, and no code is run.

Training loops save numpy scalars, arrays and random states beside the weights. Some of their types
exist on some systems only, such as the 16-byte long double. Every such object becomes a
`Placeholder`, which accepts any arguments and any state and keeps nothing. torch's weights-only
reader refuses every other type.
"""

from __future__ import annotations

import itertools
import pickle
import pickletools
import re
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import torch

from models.codec import CodecError

# Modules whose classes and functions are replaced: those that numpy names when it pickles data, in
# old and new releases.
_DATA_MODULES = re.compile(
    r"numpy(\.(core|_core)\.(multiarray|numeric)|\.dtypes|\.ma(\.core)?|\.random(\.\w+)*)?",
)
_LEGACY_PICKLES = 4  # before torch 1.6: magic number, protocol, system, then the checkpoint
_ZIP, _PICKLE = b"PK\x03\x04", b"\x80"
_FOREIGN = (  # first bytes, and the name of such a file with its remedy
    (b"version https://git-lfs", "is a Git LFS pointer and not the file itself. Fetch it with `git lfs pull`."),
    (b"<", "is a web page and not a checkpoint. Download the file itself."),
    (b"\x1f\x8b", "is a gzip archive. Unpack it, then pass the checkpoint in it."),
)


class Placeholder:
    """Substitute for a numpy object of a checkpoint; keeps nothing of it."""

    def __init__(self, *arguments: object) -> None:
        """Accept any arguments."""

    def __setstate__(self, state: object) -> None:
        """Accept any state."""


def load_checkpoint_safely(path: Path) -> Any:
    """Return the contents of a checkpoint that torch saved (.pt, .pth, .th), tensors on the CPU.

    numpy objects in it become instances of `Placeholder`. The messages of CodecError distinguish a
    truncated file, another type of file, a TorchScript archive and a refused pickle.
    """
    if problem := _problem(path):
        raise CodecError(f'checkpoint "{path.name}" {problem}')
    try:
        placeholders: list[Any] = [(Placeholder, name) for name in sorted(_numpy_names(path))]
        with warnings.catch_warnings(), torch.serialization.safe_globals(placeholders):
            warnings.simplefilter("ignore")  # torch warns of foreign pickles before it refuses them
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        named = re.search(r"GLOBAL (\S+)", str(error))
        found = f"holds more than weights ({named[1]})" if named else "is not a file of weights that torch saved"
        raise CodecError(
            f'checkpoint "{path.name}" {found} and was refused; nothing in it was run. '
            "Pass the released file, or ask its maker for .safetensors."
        ) from error
    except Exception as error:  # torch, zipfile and pickle each raise their own
        raise CodecError(f'checkpoint "{path.name}" is truncated or damaged. Fetch it again.') from error


def _problem(path: Path) -> str:
    """Return why a file is not a checkpoint, by its first bytes and archive.

    Empty if it may be one.
    """
    try:
        with path.open("rb") as file:
            head = file.read(64)
    except OSError as error:
        return f"cannot be read ({error.strerror}). Pass the path of a .pt, .pth or .th file."
    if not head:
        return "is empty. Fetch it again."
    if head[8:9] == b"{" and int.from_bytes(head[:8], "little") < 100_000_000:
        return "is a safetensors file. Give its name the ending .safetensors, then pass it again."
    for start, message in _FOREIGN:
        if head.lstrip().startswith(start):
            return message
    if head.startswith(_ZIP):
        return _archive_problem(path)
    if not head.startswith(_PICKLE):
        return "is not a PyTorch checkpoint. Pass the released .pt, .pth or .th file."
    return ""


def _archive_problem(path: Path) -> str:
    """Return why a zip file is not a checkpoint; empty if it may be one."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError):  # the directory of a zip file is at its end
        return "is truncated or damaged. Fetch it again."
    if any("/code/" in name or name.endswith("/constants.pkl") for name in names):
        return (
            "is a TorchScript archive: a program, not weights. Pass the checkpoint that it was made from, "
            "or its state_dict saved with torch.save."
        )
    if not any(name.endswith("/data.pkl") for name in names):
        return "is a zip archive without a PyTorch checkpoint in it. Pass the released .pt, .pth or .th file."
    return ""


def _numpy_names(path: Path) -> set[str]:
    """Return the dotted names of the numpy objects in a checkpoint, without loading it."""
    with path.open("rb") as file:
        if not zipfile.is_zipfile(file):
            file.seek(0)
            return set(itertools.chain.from_iterable(_names(file) for _ in range(_LEGACY_PICKLES)))
        with zipfile.ZipFile(file) as archive:
            name = next(name for name in archive.namelist() if name.endswith("/data.pkl"))
            with archive.open(name) as data:
                return set(_names(data))


def _names(stream: IO[bytes]) -> Iterator[str]:
    """Yield the numpy names in one pickle, up to its end or the first error."""
    try:
        for opcode, argument, _ in pickletools.genops(stream):
            if opcode.name == "GLOBAL":
                module, _, name = str(argument).partition(" ")
                if _DATA_MODULES.fullmatch(module):
                    yield f"{module}.{name}"
    except ValueError:  # torch reports the error
        return
