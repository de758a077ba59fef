"""A shard: one file with the tokens or latents of many audio files, and its index beside it.

    shard-00003.tar          WebDataset: for each file KEY.tokens.npy (or .latents.npy) and KEY.json
    shard-00003.safetensors  the same arrays under their keys, JSON of all in the metadata
    shard-00003.json         index: the files that it has, and those that could not be read, with why

A shard is made as a whole and gets its name last, so one that exists is complete. The same files
give the same bytes, so a shard that is made twice is the same shard.
"""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save

from models.codec import CodecError
from realtime.files.errors import AudioFileError
from realtime.offline.encode_file import EncodedFile, cached_codec, encode_file, facts_of
from realtime.system.atomic_file import AtomicFile, FileError

Sample = tuple[str, EncodedFile, dict[str, Any]]  # key, frames, facts


@dataclass(frozen=True)
class Shard:
    """Files that go into one shard. `first` is the number of the first one in the data set."""

    number: int
    first: int
    files: tuple[str, ...]  # relative to the data set's folder
    folder: str
    target: str  # folder of the shards
    format: str  # "tar" or "safetensors"
    kind: str  # "tokens" or "latents"
    codec: str
    precision: str

    @property
    def path(self) -> Path:
        """File of the shard."""
        return Path(self.target) / f"shard-{self.number:05}.{self.format}"

    @property
    def index(self) -> Path:
        """File of the shard's index."""
        return self.path.with_suffix(".json")


@dataclass(frozen=True)
class ShardReport:
    """Content of a shard: files, frames and seconds of audio, and what could not be read."""

    number: int
    files: int
    frames: int
    seconds: float
    failed: dict[str, str]  # file: reason
    remarks: dict[str, list[str]]  # file: damage


def is_done(shard: Shard) -> bool:
    """Return True if a shard and its index are complete."""
    return shard.path.is_file() and shard.index.is_file()


def read_report(shard: Shard) -> ShardReport:
    """Return the report of a complete shard. FileError if its index is damaged."""
    try:
        found = json.loads(shard.index.read_text(encoding="utf-8"))
        return ShardReport(**found["report"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise FileError(f"{shard.index}: is not an index ({error}). Delete it and run the command again.") from error


def write_shard(shard: Shard) -> ShardReport:
    """Encode the files of a shard and write it; do nothing if it is complete.

    A file that cannot be read is left out and listed. Raises CodecError if the codec cannot be
    loaded, FileError if the shard cannot be written.
    """
    if is_done(shard):
        return read_report(shard)
    codec = cached_codec(shard.codec, shard.precision)
    facts, samples = facts_of(codec), []
    failed: dict[str, str] = {}
    remarks: dict[str, list[str]] = {}
    for offset, name in enumerate(shard.files):
        try:
            encoded = encode_file(codec, Path(shard.folder, name), shard.kind)
        except (AudioFileError, CodecError) as error:
            failed[name] = str(error)
            continue
        own = {"file": name, "samples": encoded.samples, "frames": len(encoded.frames)}
        samples.append((f"{shard.first + offset:09}", encoded, own | facts))
        if encoded.remarks:
            remarks[name] = list(encoded.remarks)
    frames = sum(len(encoded.frames) for _, encoded, _ in samples)
    seconds = sum(encoded.samples for _, encoded, _ in samples) / codec.spec.sample_rate
    report = ShardReport(shard.number, len(samples), frames, seconds, failed, remarks)
    index = {"report": asdict(report), "samples": {key: own["file"] for key, _, own in samples}}
    _write(shard.index, lambda: json.dumps(index, indent=1).encode())
    _write(shard.path, lambda: FORMATS[shard.format](samples, shard.kind, facts))
    return report


def _write(path: Path, content: Callable[[], bytes]) -> None:
    file = AtomicFile(path)
    try:
        file.working.write_bytes(content())
    except OSError as error:
        file.discard()
        raise FileError(f"{path}: could not be written ({error.strerror}). Free some space and run again.") from error
    except BaseException:
        file.discard()
        raise
    file.commit()


def _tar(samples: list[Sample], kind: str, facts: dict[str, Any]) -> bytes:
    """Return a tar of WebDataset's layout; without times and owners, so that its bytes repeat."""
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for key, encoded, own in samples:
            array = io.BytesIO()
            np.save(array, encoded.frames)
            for suffix, data in ((f"{kind}.npy", array.getvalue()), ("json", json.dumps(own).encode())):
                member = tarfile.TarInfo(f"{key}.{suffix}")
                member.size = len(data)
                tar.addfile(member, io.BytesIO(data))
    return whole.getvalue()


def _safetensors(samples: list[Sample], kind: str, facts: dict[str, Any]) -> bytes:
    content = {"kind": kind, "codec": facts, "samples": {key: own for key, _, own in samples}}
    one_entry = {"verdigris": json.dumps(content)}  # the order of several is not fixed
    return save({key: encoded.frames for key, encoded, _ in samples}, metadata=one_entry)


FORMATS = {"tar": _tar, "safetensors": _safetensors}
