"""--pre and --post on the command line."""

from __future__ import annotations

import argparse

from realtime.rack.effect import LIVE_PATIENCE_S, PATIENCE_S, Racks, check_all

_EFFECT = "KIND:WHERE"
_WHAT = "lv2:URI, pyo:FILE, py:FILE, vst:PATH or gain; again for another after it"


def add(parser: argparse.ArgumentParser, *posts: str) -> None:
    """`posts` are the flags of the places after the codec."""
    parser.add_argument(
        "--pre", action="append", default=[], metavar=_EFFECT, help=f"an effect before the codec: {_WHAT}"
    )
    for flag in posts:
        slot = f" of slot {flag[-1].upper()}" if flag[-2] == "-" else ""
        parser.add_argument(
            flag, action="append", default=[], metavar=_EFFECT, help=f"an effect after the codec{slot}, likewise"
        )


def racks(arguments: argparse.Namespace, *, offline: bool = False) -> Racks:
    """What was asked for; EffectError if there cannot be such effects."""
    a = arguments.post if hasattr(arguments, "post") else arguments.post_a
    post = check_all(a), check_all(getattr(arguments, "post_b", ()))
    return Racks(check_all(arguments.pre), post, PATIENCE_S if offline else LIVE_PATIENCE_S)
