"""Command `fetch`: download the released weights of a codec before it is played."""

from __future__ import annotations

import argparse
import json
import sys
import time
from typing import Any

INTERVAL_S = 0.1  # between two lines of progress


def add_parser(commands: Any) -> None:
    """Add the command's parser to the subparsers of `verdigris`."""
    fetch = commands.add_parser("fetch", help="download the weights of a codec")
    fetch.add_argument("codec", metavar="CODEC", help="name of a codec, as verdigris codecs lists them")
    fetch.add_argument("--json", action="store_true", help="print lines of progress, then JSON")
    fetch.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Run the command. Raises CodecError."""
    from models.codec import CodecError
    from models.load import catalogue, fetch, split_codec_path

    if arguments.codec.partition(":")[0] not in [row["name"] for row in catalogue()]:
        raise CodecError(f'codec "{arguments.codec}" has no released weights. Pass one of verdigris codecs.')
    printed = float("-inf")

    def on_progress(have: int, total: int) -> None:
        nonlocal printed
        if time.perf_counter() - printed >= INTERVAL_S or have >= total:
            printed = time.perf_counter()
            print("progress", have, total, file=sys.stderr, flush=True)

    fetch(split_codec_path(arguments.codec)[0], on_progress if arguments.json else None)
    print(json.dumps({"codec": arguments.codec}) if arguments.json else f"the weights of {arguments.codec} are here")
