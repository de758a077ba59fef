"""Command `tokens`: turn a folder of audio into shards of tokens or latents."""

from __future__ import annotations

import argparse
import json
import sys
from functools import partial
from pathlib import Path
from typing import Any

from realtime.cli import flags

EPILOG = (
    "A run that was stopped goes on where it ended when the command is given again; files that are new then get "
    "shards of their own. Files that cannot be read are listed at the end and in the index of their shard; the exit "
    "code is then 1."
)


def add_parser(commands: Any) -> None:
    """Add the command's parser to the subparsers of `verdigris`."""
    tokens = commands.add_parser("tokens", help="turn a folder of audio into shards of tokens", epilog=EPILOG)
    tokens.add_argument("folder", type=Path, help="folder with audio files; folders in it count too")
    tokens.add_argument("target", type=Path, metavar="OUT", help="folder for the shards")
    tokens.add_argument("--codec", default="nano", metavar="CODEC", help="as in live (default %(default)s)")
    tokens.add_argument("--latents", action="store_true", help="write latents, float16, in place of tokens")
    tokens.add_argument(
        "--format", choices=("tar", "safetensors"), default="tar", help="tar: WebDataset (default %(default)s)"
    )
    tokens.add_argument(
        "--shard",
        type=flags.count,
        default=0,
        metavar="N",
        help="files in a shard (default: by their number, 1 to 256)",
    )
    flags.add_parameters(tokens, "precision")
    flags.add_jobs(tokens)
    tokens.add_argument(
        "--cluster", metavar="ADDRESS", help="Dask scheduler whose machines compute, as tcp://HOST:8786"
    )
    tokens.add_argument("--json", action="store_true", help="print the result as JSON")
    tokens.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Run the command."""
    from rich.progress import Progress

    from realtime.files.errors import AudioFileError
    from realtime.offline.parallel_map import map_in_processes
    from realtime.offline.token_set import TokenJob, make_shards

    kind = "latents" if arguments.latents else "tokens"
    job = TokenJob(
        arguments.folder,
        arguments.target,
        arguments.codec,
        kind,
        arguments.format,
        flags.precision(arguments),
        arguments.shard,
    )
    mapped: Any = partial(map_in_processes, jobs=arguments.jobs)
    if arguments.cluster:
        from realtime.offline.cluster import map_in_cluster

        mapped = partial(map_in_cluster, arguments.cluster)
    with Progress(transient=True, disable=not sys.stdout.isatty()) as bar:
        task = bar.add_task("shards", total=1.0)
        done = make_shards(job, mapped, lambda count, total: bar.update(task, completed=count, total=total))
    for why in (*done["failed"].values(), *(remark for found in done["remarks"].values() for remark in found)):
        print(why, file=sys.stderr)
    if arguments.json:
        print(json.dumps(done))
    else:
        print(
            f"{arguments.target}: {done['shards']} shards ({done['made']} new), {done['files']} files, "
            f"{done['frames']} frames of {kind}, {done['seconds'] / 3600:.2f} h"
        )
    if done["failed"]:
        raise AudioFileError(f"{len(done['failed'])} files could not be read and are in no shard.")
