"""Debian and npm packages: download, check of the SHA-256, and unpacking of the chosen files."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import IO

from models.codec import CodecError
from models.training.corpus.sources import Source

AUDIO = (".ogg", ".wav", ".flac")


def command(*words: str, cwd: Path) -> None:
    """Run a command in the folder `cwd`; CodecError with the end of its output if it fails."""
    done = subprocess.run(words, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        raise CodecError(f"`{' '.join(words)}` failed: {done.stdout.strip()[-300:]}")


def download(source: Source, cache: Path) -> Path:
    """Return the package's archive in `cache`, downloaded if necessary.

    CodecError if its hash is wrong.
    """
    npm = source.kind == "npm"
    pattern = source.name + ("-*.tgz" if npm else "_*.deb")
    words = (
        ("npm", "pack", "--silent", f"{source.name}@{source.version}")
        if npm
        else ("apt-get", "download", f"{source.name}={source.version}")
    )
    if not any(cache.glob(pattern)):
        if not shutil.which(words[0]):
            raise CodecError(f"{words[0]} is not installed")
        command(*words, cwd=cache)
    archive = sorted(cache.glob(pattern))[-1]
    with archive.open("rb") as f:
        if hashlib.file_digest(f, "sha256").hexdigest() != source.sha256:
            archive.unlink()
            raise CodecError(f"{archive.name}: wrong SHA-256, removed; run again")
    return archive


def members(source: Source, archive: Path) -> Iterator[tuple[str, IO[bytes]]]:
    """Yield name and content of every file of a package, as a stream.

    Only chosen files need to be written to disk.
    """
    if source.kind == "npm":
        with tarfile.open(archive, "r:gz") as tar:
            yield from ((m.name, data) for m in tar if (data := tar.extractfile(m)))
        return
    with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", str(archive)], stdout=subprocess.PIPE) as tool:
        pipe = tool.stdout
        if pipe is None:
            raise CodecError("dpkg-deb gave no output")
        with tarfile.open(fileobj=pipe, mode="r|") as tar:
            for m in tar:
                data = tar.extractfile(m) if m.isfile() else None  # a link's target may come later in a stream
                if data and not source.inner:
                    yield m.name.removeprefix("./"), data
                elif data and fnmatchcase(m.name, source.inner):
                    with tempfile.TemporaryFile() as spool:
                        shutil.copyfileobj(data, spool)
                        with zipfile.ZipFile(spool) as inner:
                            yield from ((n, inner.open(n)) for n in inner.namelist())
        pipe.read()  # so that dpkg-deb ends by itself


def unpack(source: Source, archive: Path, to: Path) -> None:
    """Write the chosen files of `archive` into the folder `to`, which appears only when complete."""
    part = to.with_name(to.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    for path, data in members(source, archive):
        name = PurePosixPath(path).name
        if source.kind in ("deb", "npm") and not name.lower().endswith(AUDIO):
            continue
        if any(fnmatchcase(path, t) for t in source.take) and not any(fnmatchcase(name, s) for s in source.skip):
            with (part / name.replace(" ", "_")).open("xb") as f:
                shutil.copyfileobj(data, f)
    if not any(part.iterdir()):
        raise CodecError(f"{source.name}: no file in it matches its rules")
    part.rename(to)
