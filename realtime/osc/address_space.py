"""OSC address space: the addresses of all parameters and vector elements, and OSC 1.0 pattern
matching.

A dictionary finds plain addresses. A pattern is matched against every address once, and the result
is cached. Matching takes time in proportion to the product of both lengths, for every pattern.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass

from realtime.parameters.table import Parameter, element_name

ROOT = "/verdigris/"
PATTERN_CHARACTERS = frozenset("*?[]{}")
MAX_CACHED_PATTERNS = 256
MAX_EXPANSIONS = 64  # of {a,b} in one part of an address
MAX_ADDRESS = 255  # characters; longer ones are unknown
MAX_COMPARED = 100  # characters of an unknown address that are compared with the known ones
_NUMBER = re.compile(r"(?<![^/])0*([0-9]+)(?:\.0*)?(?![^/])")


@dataclass(frozen=True)
class Target:
    """Target of an address: a parameter, one element of a vector, or a range of elements."""

    parameter: Parameter
    index: int | None = None
    is_range: bool = False


class AddressSpace:
    """Addresses of a parameter table. One thread."""

    def __init__(self, table: dict[str, Parameter]) -> None:
        self.targets: dict[str, Target] = {}
        self._names: dict[str, str] = {}  # parameter name, or address without the root, to address
        for name, row in table.items():
            self._add(row.address, name, Target(row))
            if row.size:
                self._add(row.address + "n", name + "n", Target(row, is_range=True))
            for index in range(row.size):
                element = element_name(row, index)
                self._add(f"{row.address}/{element}", f"{name}.{element}", Target(row, index))
        self._numbered = {_plain_numbers(address): address for address in self.targets}
        self._parts = {address: address.split("/") for address in self.targets}
        self._found: dict[str, tuple[Target, ...]] = {}

    def _add(self, address: str, name: str, target: Target) -> None:
        self.targets[address] = target
        self._names[name] = self._names[address.removeprefix(ROOT)] = address

    def find(self, address: str) -> tuple[Target, ...]:
        """Return the targets of an address or a pattern, () if there are none.

        Numbers in it compare as numbers: 7 and 07 are one element. Patterns do not match ranges.
        """
        target = self.targets.get(address)
        if not target and len(address) <= MAX_ADDRESS:
            target = self.targets.get(self._numbered.get(_plain_numbers(address), ""))
        if target:
            return (target,)
        if PATTERN_CHARACTERS.isdisjoint(address) or len(address) > MAX_ADDRESS:
            return ()
        if address not in self._found:
            if len(self._found) >= MAX_CACHED_PATTERNS:
                self._found.clear()
            wanted = address.split("/")
            matches = (
                self.targets[known]
                for known, parts in self._parts.items()
                if len(parts) == len(wanted) and all(map(part_matches, wanted, parts))
            )
            self._found[address] = tuple(target for target in matches if not target.is_range)
        return self._found[address]

    def named(self, name: str) -> tuple[Target, ...]:
        """Return the targets of a parameter name, or of an address with or without its root."""
        return self.find(self._names.get(name) or (name if name.startswith("/") else ROOT + name.replace(".", "/")))

    def parameter_name(self, given: str) -> str:
        """Return the name of a parameter that is given by its name or address; others as given."""
        targets = self.named(given)
        whole = len(targets) == 1 and targets[0].index is None and not targets[0].is_range
        return targets[0].parameter.name if whole else given


def part_matches(pattern: str, text: str) -> bool:
    """Match one part, between slashes, of an OSC 1.0 pattern: * ? [a-c] [!a] {one,two}.

    A number matches the same number with other leading zeros.
    """
    if pattern == text:
        return True
    number = _plain_numbers(text) if text.isdigit() else None
    return any(
        (number and number == _plain_numbers(plain)) or _glob(_tokens(plain), text) for plain in _expand(pattern)
    )


def nearest(given: str, known: Iterable[str]) -> str:
    """Return the known text that is most like a given one, "" if none is."""
    found = difflib.get_close_matches(given[:MAX_COMPARED], list(known), 1)
    return found[0] if found else ""


def _plain_numbers(address: str) -> str:
    """Return an address with its numbers in their shortest notation: 07 and 7.0 become 7."""
    return _NUMBER.sub(r"\1", address)


def _expand(pattern: str) -> list[str]:
    """Return the pattern without braces, at most MAX_EXPANSIONS choices; [] if a brace is not
    closed.
    """
    done: list[str] = []
    waiting = [pattern]
    while waiting and len(done) + len(waiting) <= MAX_EXPANSIONS:
        current = waiting.pop()
        head, opened, rest = current.partition("{")
        if not opened:
            done.append(current)
            continue
        inside, closed, tail = rest.partition("}")
        if closed:
            waiting += [head + choice + tail for choice in inside.split(",")]
    return done


def _tokens(pattern: str) -> list[str]:
    """Split a pattern into `*`, `?`, characters, and sets as `[` followed by their content."""
    tokens, at = [], 0
    while at < len(pattern):
        close = pattern.find("]", at) if pattern[at] == "[" else -1
        if close > 0:
            tokens.append("[" + pattern[at + 1 : close])
            at = close
        else:
            tokens.append(pattern[at])
        at += 1
    return tokens


def _glob(tokens: list[str], text: str) -> bool:
    """Match greedily; backtracking to the last star is sufficient."""
    at = token = 0
    star, resume = -1, 0
    while at < len(text):
        if token < len(tokens) and tokens[token] == "*":
            star, resume = token, at
            token += 1
        elif token < len(tokens) and _token_matches(tokens[token], text[at]):
            at, token = at + 1, token + 1
        elif star >= 0:
            resume += 1
            at, token = resume, star + 1
        else:
            return False
    return all(rest == "*" for rest in tokens[token:])


def _token_matches(token: str, character: str) -> bool:
    if token == "?":
        return True
    if not (token.startswith("[") and len(token) > 1):
        return token == character
    negated = token[1] == "!"
    inside, at = token[2:] if negated else token[1:], 0
    found = False
    while at < len(inside):
        if inside[at + 1 : at + 2] == "-" and at + 2 < len(inside):
            found = found or inside[at] <= character <= inside[at + 2]
            at += 3
        else:
            found = found or inside[at] == character
            at += 1
    return found != negated
