"""Copied frames: the longest run of whole frames that a continuation shares with what it may have copied."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

from models.codec import Tokens
from models.training.language.token_streams import read_tokens


def longest_match(generated: Tokens, other: Tokens) -> int:
    """Return the most consecutive frames of tokens [frames, tokens] that both have, token by token."""
    places: dict[bytes, list[int]] = defaultdict(list)
    for place, row in enumerate(generated):
        places[row.astype("<i4").tobytes()].append(place)
    runs: dict[int, int] = {}  # by the place in `generated` where a run ends
    longest = 0
    for row in other:
        runs = {place: runs.get(place - 1, 0) + 1 for place in places.get(row.astype("<i4").tobytes(), ())}
        longest = max(longest, *runs.values(), 0)
    return longest


def longest_in_training(generated: Tokens, folders: list[Path]) -> int:
    """Return the longest match with any training piece of these folders of tokens. CodecError if none is found."""
    return max((longest_match(generated, rows) for _, rows in read_tokens(folders, held_out=False)), default=0)
