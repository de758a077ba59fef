"""Archives of scripted modules: their hash, their metadata, and a search for operations that a sound module needs not.

The search reads the source that TorchScript keeps in the archive. It is one fence of several: the
process that loads the file has no rights to misuse (`confinement`).
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import tokenize
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.codec import CodecError

MAX_BYTES = 4 << 30  # of an archive, and of what it unpacks to
MAX_SOURCE = 64 << 20  # bytes of one source file
FILE_OPERATIONS = {"save", "load", "from_file", "_from_file"}  # of torch: they read or write files
OPERATORS = {"prim", "aten", "quantized", "prepacked", "torchaudio"}  # allowed libraries of operators
CLASSES = {"quantized", "xnnpack", "rnn"}  # allowed libraries of classes in C++
METADATA = "extra/metadata.json"  # of Neutone


@dataclass(frozen=True)
class ScriptedFile:
    """Archive that was read and searched."""

    path: Path
    sha256: str
    metadata: dict[str, Any]  # of Neutone; empty for others


def read_archive(path: Path) -> ScriptedFile:
    """Return an archive's facts. CodecError if it is none, is damaged, or uses a refused operation."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise CodecError(f'"{path}" cannot be read ({error.strerror}). Pass the path of a .ts or .nm file.') from error
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            _check_entries(path, archive)
            for name in archive.namelist():
                if "/code/" in name and name.endswith(".py"):
                    _check_source(path, archive.read(name))
            return ScriptedFile(path, hashlib.sha256(content).hexdigest(), _metadata(path, archive))
    except (zipfile.BadZipFile, NotImplementedError, EOFError, RuntimeError) as error:
        raise CodecError(f'"{path.name}" is not a TorchScript archive, or is damaged. Fetch it again.') from error


def _check_entries(path: Path, archive: zipfile.ZipFile) -> None:
    entries = archive.infolist()
    names = [entry.filename for entry in entries]
    if not any("/code/" in name for name in names):
        kind = "a checkpoint without its program" if any(name.endswith("/data.pkl") for name in names) else "a zip file"
        raise CodecError(f'"{path.name}" is {kind}. Export the model for nn~ (.ts) or Neutone (.nm) first.')
    if len(set(names)) < len(names):
        raise CodecError(f'"{path.name}" has two entries of one name and was refused; nothing in it was run.')
    if sum(entry.file_size for entry in entries) > MAX_BYTES:
        raise CodecError(f'"{path.name}" unpacks to more than {MAX_BYTES >> 30} GiB and was refused.')


def _check_source(path: Path, source: bytes) -> None:
    """Raise CodecError if a source uses an operation that a sound module needs not."""
    if len(source) > MAX_SOURCE:
        raise CodecError(f'"{path.name}" has a source of {len(source) >> 20} MiB and was refused.')
    if found := next(_refused(source), None):
        raise CodecError(
            f'"{path.name}" uses {found}, which a module of sound needs not, and was refused; nothing in it was run. '
            "Ask its maker for an export without it."
        )


def _refused(source: bytes) -> Iterator[str]:
    """Yield the refused operations in a source, by its dotted names."""
    for names in _dotted_names(source):
        head, rest = names[0], names[1:]
        if (head == "torch" and rest and rest[0] in FILE_OPERATIONS) or (
            head == "ops" and rest and (rest[0] not in OPERATORS or rest[-1] in FILE_OPERATIONS)
        ):
            yield ".".join(names)
        for at in range(len(names) - 2):
            if names[at : at + 2] == ("torch", "classes") and names[at + 2] not in CLASSES:
                yield ".".join(names[at:])


def _dotted_names(source: bytes) -> Iterator[tuple[str, ...]]:
    """Yield the names of a source that are joined by dots, without comments and space between them."""
    current: list[str] = []
    joined = False
    try:
        for token in tokenize.tokenize(io.BytesIO(source).readline):
            if token.type in (tokenize.COMMENT, tokenize.NL):
                continue
            if token.type == tokenize.NAME and (joined or not current):
                current.append(token.string)
                joined = False
            elif token.string == "." and current and not joined:
                joined = True
            else:
                if current:
                    yield tuple(current)
                current = [token.string] if token.type == tokenize.NAME else []
                joined = False
    except (tokenize.TokenError, SyntaxError, UnicodeDecodeError, ValueError):
        yield ("ops", "source that cannot be read")
        return
    if current:
        yield tuple(current)


def _metadata(path: Path, archive: zipfile.ZipFile) -> dict[str, Any]:
    """Return the metadata of Neutone; empty without it."""
    name = next((name for name in archive.namelist() if re.fullmatch(f"[^/]*/{METADATA}", name)), None)
    if name is None:
        return {}
    try:
        found = json.loads(archive.read(name))
    except (ValueError, RecursionError) as error:
        raise CodecError(f'"{path.name}" has damaged metadata ({error}). Fetch it again.') from error
    return found if isinstance(found, dict) else {}
