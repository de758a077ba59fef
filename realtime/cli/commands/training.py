"""Commands `train`, `evaluate` and `bench`: programs of other packages, which parse their own
arguments.
"""

from __future__ import annotations

import argparse
from typing import Any

from realtime.system.arg_parser import Parser


def add_parsers(commands: Any) -> None:
    """Add the parsers of these commands to the subparsers of `verdigris`."""
    for name, help_, run in (
        ("train", "train a network", run_train),
        ("evaluate", "compare a codec with others", run_evaluate),
        ("bench", "measure speed and latency", run_bench),
    ):
        commands.add_parser(name, help=help_, add_help=False).set_defaults(run=run, rest=[])


def run_train(arguments: argparse.Namespace) -> None:
    """Run `train`."""
    from models.training import train

    train.main(arguments.rest, Parser)


def run_evaluate(arguments: argparse.Namespace) -> None:
    """Run `evaluate`."""
    from models.training import evaluate
    from realtime.demo import CLIP

    evaluate.main(arguments.rest, CLIP.parent, Parser)


def run_bench(arguments: argparse.Namespace) -> None:
    """Run `bench`."""
    from benchmarks import run

    run.main(arguments.rest)
