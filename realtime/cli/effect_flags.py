"""Flags --pre and --post of the command line."""

from __future__ import annotations

import argparse

from realtime.effects.effect import LIVE_TIMEOUT_S, OFFLINE_TIMEOUT_S, Racks
from realtime.effects.kinds import check_specs, spec_forms

_EFFECT = "KIND:WHERE"
_FORMS = f"{spec_forms()}; repeat the flag for further effects"


def add(parser: argparse.ArgumentParser, *posts: str) -> None:
    """Add the flags to a parser; `posts` are those of the places after the codec."""
    parser.add_argument(
        "--pre", action="append", default=[], metavar=_EFFECT, help=f"effect before the codec: {_FORMS}"
    )
    for flag in posts:
        slot = f" of slot {flag[-1].upper()}" if flag[-2] == "-" else ""
        parser.add_argument(
            flag, action="append", default=[], metavar=_EFFECT, help=f"effect after the codec{slot}, likewise"
        )


def racks(arguments: argparse.Namespace, *, offline: bool = False) -> Racks:
    """Return the racks given by the flags. EffectError if a spec is not valid."""
    a = arguments.post if hasattr(arguments, "post") else arguments.post_a
    post = check_specs(a), check_specs(getattr(arguments, "post_b", ()))
    return Racks(check_specs(arguments.pre), post, OFFLINE_TIMEOUT_S if offline else LIVE_TIMEOUT_S)


def with_racks(arguments: argparse.Namespace, racks: Racks) -> argparse.Namespace:
    """Return the arguments of `live` as if these effects had been given by flags."""
    lists = {"pre": racks.pre, "post_a": racks.post[0], "post_b": racks.post[1]}
    return argparse.Namespace(**{**vars(arguments), **{name: list(specs) for name, specs in lists.items()}})
