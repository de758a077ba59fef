"""Rendering of many files to a folder by several processes, resumable.

A target that is newer than its source is not rendered again, if the settings are those that the
folder's `render.json` tells.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from realtime.files.output_format import output_format
from realtime.offline.encode_file import cached_codec
from realtime.offline.file_list import renamed, sources_of
from realtime.offline.job import Job
from realtime.offline.parallel_map import map_in_processes
from realtime.offline.render_in_blocks import render
from realtime.system.atomic_file import AtomicFile, FileError

SETTINGS = "render.json"


@dataclass(frozen=True)
class Rendered:
    """Targets made and found, and the files that failed, with why."""

    made: dict[str, dict[str, Any]]  # source: facts
    skipped: int
    failed: dict[str, str]

    @property
    def seconds(self) -> float:
        """Duration of the audio that was rendered, in seconds."""
        return float(sum(facts["seconds"] for facts in self.made.values()))


def render_many(
    job: Job,
    inputs: Sequence[Path],
    folder: Path,
    suffix: str = ".wav",
    *,
    jobs: int = 0,
    force: bool = False,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Rendered:
    """Render files, and all audio files of folders, to `folder` with the settings of `job`.

    `jobs` is the number of processes, 0 for one on each core; `force` renders everything again.
    `progress` gets the number of finished files and of all. FileError if the folder was rendered
    with other settings or cannot be written, AudioFileError if there is nothing to render.
    """
    output_format(Path(f"name{suffix}"))
    for given in inputs:
        if given.is_dir() and folder.resolve().is_relative_to(given.resolve()):
            raise FileError(f"{folder}: is inside the input {given}. Pass a folder outside it.")
    sources = sources_of(inputs)
    targets = dict(zip(sources, (folder / name for name in renamed(sources.values(), suffix)), strict=True))
    _check_settings(folder, _settings(job), force=force)
    todo = [source for source in sources if force or not _is_newer(targets[source], source)]
    for target in {targets[source].parent for source in todo}:
        target.mkdir(parents=True, exist_ok=True)
    skipped, made, failed = len(sources) - len(todo), {}, {}
    progress(skipped, len(sources))
    work = [replace(job, source=source, target=targets[source]) for source in todo]
    for outcome in map_in_processes(render_one, work, jobs):
        if outcome.result is None:
            failed[str(outcome.item.source)] = outcome.error
        else:
            made[str(outcome.item.source)] = outcome.result
        progress(skipped + len(made) + len(failed), len(sources))
    return Rendered(made, skipped, failed)


def render_one(job: Job) -> dict[str, Any]:
    """Render one file with a codec that stays loaded for the next one."""
    return render(job, load_codec=cached_codec)


def _settings(job: Job) -> dict[str, Any]:
    """Return what decides how a target sounds, as JSON has it."""
    found: dict[str, Any] = json.loads(
        json.dumps(
            {
                "codec": job.codec,
                "path": job.path,
                "mode": job.mode,
                "controls": vars(job.controls),
                "precision": job.precision,
                "effects": [job.racks.pre, job.racks.post[0]],
                "values": dict(job.values),
                "mono": job.mono,
            }
        )
    )
    return found


def _check_settings(folder: Path, settings: Mapping[str, Any], *, force: bool) -> None:
    """Compare the settings with those of the folder, and write them there."""
    path = folder / SETTINGS
    try:
        folder.mkdir(parents=True, exist_ok=True)
        known = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else settings
    except (OSError, ValueError) as error:
        raise FileError(f"{folder}: cannot be used ({error}). Pass another folder.") from error
    if known != settings and not force:
        differ = next(key for key in settings if known.get(key) != settings[key])
        raise FileError(
            f"{folder} was rendered with other settings ({differ} was {known.get(differ)}, now {settings[differ]}). "
            "Pass another folder, or --force to render all files again."
        )
    file = AtomicFile(path)
    file.working.write_text(json.dumps(settings, indent=1), encoding="utf-8")
    file.commit()


def _is_newer(target: Path, source: Path) -> bool:
    """Return True if a target exists and was written after its source."""
    try:
        return target.is_file() and target.stat().st_mtime >= source.stat().st_mtime
    except OSError:
        return False
