"""Reader of tapes. A damaged record costs itself alone, and its place is reported."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from models.codec import CodecError, CodecSpec, Frame
from realtime.files.tape import HEADER_BYTES, TapeHeader, unpack_record

LONGEST_GAP_S = 3600.0  # between two frames; an index beyond it is damage


@dataclass(frozen=True)
class TapeDamage:
    """Bytes of a tape that are not a record, or one that cannot be where it is."""

    record: int  # its number in the file, from 1
    seconds: float  # where the frame would begin
    bytes: int
    frames: int  # whole records among them

    def __str__(self) -> str:
        """Return it as a clause."""
        place = f"record {self.record} (at {self.seconds:.3f} s)"
        if not self.frames:
            return f"{place} is incomplete, {self.bytes} bytes"
        if self.frames == 1:
            return f"{place} is damaged"
        return f"{place} and {self.frames - 1} more are damaged"


class TapeReader:
    """Frames of a tape in order, without those that are damaged or incomplete; `damage` lists these.

    Frames have tokens or a latent by the tape's kind; the other is empty or None.
    """

    def __init__(self, path: Path) -> None:
        """Read the header. CodecError if it is not that of a tape, OSError if it cannot be read."""
        self._path = path
        with path.open("rb") as file:
            self.header = TapeHeader.unpack(file.read(HEADER_BYTES), path.name)
        self._longest_gap = max(1, round(LONGEST_GAP_S * self.header.sample_rate / self.header.hop))
        self.damage: list[TapeDamage] = []
        self._lost_at_end = 0

    @property
    def lost_bytes(self) -> int:
        """Bytes that are not part of a frame, of what was read so far."""
        return sum(damage.bytes for damage in self.damage)

    @property
    def lost_at_end(self) -> int:
        """Frames that are damaged after the last whole one."""
        return self._lost_at_end

    def __iter__(self) -> Iterator[Frame]:
        self.damage, self._lost_at_end = [], 0
        size, position, record, latest = self.header.record_bytes, HEADER_BYTES, 1, -1
        with self._path.open("rb") as file:
            end = os.fstat(file.fileno()).st_size
            while position < end:
                frame = self._read(file, position, latest)
                if frame is not None:
                    yield frame
                    latest, self._lost_at_end = max(latest, frame.index), 0
                    position, record = position + size, record + 1
                    continue
                following = self._find_record(file, position, end, latest)
                lost = (following - position) // size
                seconds = (latest + 1 + self._lost_at_end) * self.header.hop / self.header.sample_rate
                self.damage.append(TapeDamage(record, seconds, following - position, lost))
                self._lost_at_end += lost
                position, record = following, record + max(1, lost)

    def check(self, config_hash: bytes, codec: str, spec: CodecSpec | None = None) -> None:
        """Raise CodecError unless the tape was made by a codec with this hash, and fits its spec."""
        header = self.header
        if config_hash != header.config_hash:
            raise CodecError(
                f'tape "{self._path.name}" was not recorded with codec "{codec}" '
                f"({header.tokens} tokens of {header.cardinality} values, hop {header.hop}). "
                "Pass the codec it was made with."
            )
        if spec is None:
            return
        fields = [("sample_rate", "sample rate"), ("channels", "channels"), ("hop", "hop")]
        if header.kind == "tokens":
            fields += [("tokens", "tokens in a frame"), ("cardinality", "values of a token")]
        else:
            fields += [("latent", "latent")]
        for field, name in fields:
            recorded, needed = getattr(header, field), getattr(spec, field)
            if recorded != needed:
                raise CodecError(
                    f'tape "{self._path.name}" has a wrong header: {name} {recorded}, codec "{codec}" has {needed}. '
                    "Pass another copy of it."
                )

    def _read(self, file: BinaryIO, position: int, latest: int) -> Frame | None:
        """Return the frame at a position; None if there is none that can follow frame `latest`."""
        file.seek(position)
        frame = unpack_record(file.read(self.header.record_bytes), self.header)
        return frame if frame and frame.index - latest <= self._longest_gap else None

    def _find_record(self, file: BinaryIO, position: int, end: int, latest: int) -> int:
        """Return where reading goes on after damage at a position: at the next place of a record, or where
        one is found within two of them.
        """
        size = self.header.record_bytes
        if self._read(file, position + size, latest) is None:
            for place in range(position + 1, min(position + 2 * size + 1, end - size + 1)):
                if self._read(file, place, latest) is not None:
                    return place
        return min(position + size, end)
