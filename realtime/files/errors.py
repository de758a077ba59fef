"""Error of audio files."""

from __future__ import annotations

from realtime.system.atomic_file import FileError


class AudioFileError(FileError):
    """Audio file that cannot be read or written; the message names the file, the reason and a remedy."""
