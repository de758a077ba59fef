"""Audio files of a folder, and the files that are made of them in another folder."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from realtime.files.errors import AudioFileError

SUFFIXES = (
    ".wav",
    ".flac",
    ".ogg",
    ".oga",
    ".opus",
    ".mp3",
    ".m4a",
    ".aac",
    ".aif",
    ".aiff",
    ".caf",
    ".w64",
    ".rf64",
    ".au",
    ".snd",
    ".webm",
    ".mka",
    ".mp4",
)


def audio_files(folder: Path) -> list[Path]:
    """Return the audio files below a folder, by suffix, sorted by name; hidden ones are left out.

    AudioFileError if it is not a folder or has no audio.
    """
    if not folder.is_dir():
        raise AudioFileError(f"{folder}: is not a folder. Pass a folder with audio files.")
    found = sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in SUFFIXES
        and path.is_file()
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )
    if not found:
        raise AudioFileError(
            f"{folder}: this is a directory. Pass an audio file, or a directory that has some ({', '.join(SUFFIXES)})."
        )
    return found


def sources_of(inputs: Sequence[Path]) -> dict[Path, Path]:
    """Return each audio file of the inputs with its name relative to the output folder.

    A folder stands for all audio files below it. AudioFileError if a folder has none, or if two
    inputs would get the same name.
    """
    found: dict[Path, Path] = {}
    for given in inputs:
        if given.is_dir():
            found |= {path: path.relative_to(given) for path in audio_files(given)}
        else:
            found[given] = Path(given.name)
    taken: dict[Path, Path] = {}
    for path, name in found.items():
        if name in taken:
            raise AudioFileError(f"{path} and {taken[name]} would have the same name. Render them to two folders.")
        taken[name] = path
    return found


def renamed(names: Iterable[Path], suffix: str) -> list[Path]:
    """Return names with another suffix; the old one stays before it where two would be the same."""
    names = list(names)
    count = Counter(name.with_suffix(suffix) for name in names)
    return [
        name.with_name(name.name + suffix) if count[name.with_suffix(suffix)] > 1 else name.with_suffix(suffix)
        for name in names
    ]
