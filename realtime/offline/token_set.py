"""A data set of audio turned into shards of tokens or latents, in one run or in several.

The plan says which file goes into which shard. It is written once, before the first shard, and only
grows: files that are new in a later run get shards of their own. So no file is lost, and none is in
two shards, whoever makes them and however often a run is stopped.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.load import usable_cores
from realtime.offline.encode_file import cached_codec, check_kind, facts_of
from realtime.offline.file_list import audio_files
from realtime.offline.parallel_map import Outcome, map_in_processes
from realtime.offline.token_shard import Shard, ShardReport, is_done, read_report, write_shard
from realtime.system.atomic_file import AtomicFile, FileError

PLAN = "plan.json"
MAX_FILES = 256  # in a shard
SHARDS_EACH = 4  # shards of a process at least, where there are files enough

Map = Callable[[Callable[[Shard], ShardReport], Iterable[Shard]], Iterator[Outcome[Shard, ShardReport]]]


@dataclass(frozen=True)
class TokenJob:
    """A folder of audio, a folder of shards, and how to make these."""

    folder: Path
    target: Path
    codec: str
    kind: str = "tokens"
    format: str = "tar"
    precision: str = "float32"
    files_per_shard: int = 0  # 0: chosen by the number of files and cores


def plan_shards(job: TokenJob) -> list[Shard]:
    """Return all shards of a job, from the plan in its target folder and files that are new since.

    Writes the plan. FileError if the target holds shards of another job, or cannot be written.
    """
    codec = cached_codec(job.codec, job.precision)
    check_kind(codec, job.kind)
    folder = job.folder.resolve()
    names = [path.relative_to(job.folder).as_posix() for path in audio_files(job.folder)]
    settings: dict[str, Any] = {
        "folder": str(folder),
        "kind": job.kind,
        "format": job.format,
        "precision": job.precision,
    }
    settings |= {"name": job.codec, "codec": facts_of(codec)}
    plan = _read_plan(job.target / PLAN)
    planned: list[list[str]] = plan["shards"] if plan else []
    if plan and plan["settings"] != settings:
        known, asked = plan["settings"], settings
        differ = next(key for key in asked if known.get(key) != asked[key])
        raise FileError(
            f"{job.target} has shards of another run ({differ} is {known.get(differ)}, now {asked[differ]}). "
            "Pass another folder, or the same settings."
        )
    have = {name for shard in planned for name in shard}
    new = [name for name in names if name not in have]
    size = job.files_per_shard or min(MAX_FILES, -(-len(new) // (SHARDS_EACH * usable_cores())) or 1)
    planned = planned + [new[start : start + size] for start in range(0, len(new), size)]
    if new:
        _write_plan(job.target / PLAN, {"settings": settings, "shards": planned})
    shards, first = [], 0
    for number, files in enumerate(planned):
        shards.append(
            Shard(
                number, first, tuple(files), str(folder), str(job.target.resolve()), job.format, job.kind,
                job.codec, job.precision,
            )
        )  # fmt: skip
        first += len(files)
    return shards


def make_shards(
    job: TokenJob, mapped: Map = map_in_processes, progress: Callable[[int, int], None] = lambda done, total: None
) -> dict[str, Any]:
    """Make the shards of a job that do not exist yet, and return facts of all of them.

    `mapped` applies a function to shards, here or on other machines; `progress` gets the number of
    complete shards and of all. Errors are those of `plan_shards`, and FileError with the reason of
    the first shard that could not be made, after all others are.
    """
    shards = plan_shards(job)
    todo = [shard for shard in shards if not is_done(shard)]
    reports = {shard.number: read_report(shard) for shard in shards if shard not in todo}
    errors: dict[int, str] = {}
    progress(len(reports), len(shards))
    for outcome in mapped(write_shard, todo):
        if outcome.result is None:
            errors[outcome.item.number] = outcome.error
        else:
            reports[outcome.item.number] = outcome.result
        progress(len(reports), len(shards))
    if errors:
        number, why = next(iter(errors.items()))
        raise FileError(
            f"{len(errors)} of {len(shards)} shards could not be made; the first is number {number}: {why} "
            "Run the command again to try only these."
        )
    found = list(reports.values())
    failed = {name: why for report in found for name, why in report.failed.items()}
    return {
        "shards": len(found),
        "made": len(todo),
        "files": sum(report.files for report in found),
        "frames": sum(report.frames for report in found),
        "seconds": sum(report.seconds for report in found),
        "failed": failed,
        "remarks": {name: why for report in found for name, why in report.remarks.items()},
    }


def _read_plan(path: Path) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        found["settings"], found["shards"]
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise FileError(f"{path}: is not a plan ({error}). Pass another folder, or delete this one.") from error
    return found


def _write_plan(path: Path, plan: dict[str, Any]) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FileError(f"{path.parent}: cannot be made ({error.strerror}). Pass another folder.") from error
    file = AtomicFile(path)
    file.working.write_text(json.dumps(plan, indent=1), encoding="utf-8")
    file.commit()
