"""The address space: every parameter of the table, every element of a vector, and what a pattern names of them.

A dictionary finds an address; only what is not in it and looks like a pattern is matched one by one, once. Matching
takes time in proportion to pattern times address whatever is written in it.
"""

from __future__ import annotations

from dataclasses import dataclass

from realtime.params import Parameter, element_name

ROOT = "/verdigris/"
PATTERN_CHARACTERS = frozenset("*?[]{}")
REMEMBERED = 256  # patterns
EXPANSIONS = 64  # of {a,b} in one part


@dataclass(frozen=True)
class Target:
    """What an address stands for: a parameter, one element of a vector, or a run of elements."""

    parameter: Parameter
    index: int | None = None
    run: bool = False


class Space:
    """The addresses of a table. One thread."""

    def __init__(self, table: dict[str, Parameter]) -> None:
        self.targets: dict[str, Target] = {}
        self._names: dict[str, str] = {}  # name of the table, or address without the root, to address
        for name, row in table.items():
            self._add(row.address, name, Target(row))
            if row.size:
                self._add(row.address + "n", name + "n", Target(row, run=True))
            for index in range(row.size):
                element = element_name(row, index)
                self._add(f"{row.address}/{element}", f"{name}.{element}", Target(row, index))
        self._parts = {address: address.split("/") for address in self.targets}
        self._found: dict[str, tuple[Target, ...]] = {}

    def _add(self, address: str, name: str, target: Target) -> None:
        self.targets[address] = target
        self._names[name] = self._names[address.removeprefix(ROOT)] = address

    def find(self, address: str) -> tuple[Target, ...]:
        """What an address or a pattern stands for; empty if nothing. Patterns name no runs, and vectors by elements."""
        target = self.targets.get(address)
        if target:
            return (target,)
        if PATTERN_CHARACTERS.isdisjoint(address) or len(address) > 255:
            return ()
        if address not in self._found:
            if len(self._found) >= REMEMBERED:
                self._found.clear()
            wanted = address.split("/")
            self._found[address] = tuple(
                self.targets[known]
                for known, parts in self._parts.items()
                if len(parts) == len(wanted) and all(map(part_matches, wanted, parts)) and not self.targets[known].run
            )
        return self._found[address]

    def named(self, name: str) -> tuple[Target, ...]:
        """The same by the name of the table, or by the address with or without its root."""
        return self.find(self._names.get(name) or (name if name.startswith("/") else ROOT + name.replace(".", "/")))


def part_matches(pattern: str, text: str) -> bool:
    """One part, between slashes, of an OSC 1.0 pattern: * ? [a-c] [!a] {one,two}."""
    if pattern == text:
        return True
    return any(_glob(_tokens(plain), text) for plain in _expand(pattern))


def _expand(pattern: str) -> list[str]:
    """Without braces; no more than EXPANSIONS, and none if a brace does not close."""
    done: list[str] = []
    waiting = [pattern]
    while waiting and len(done) + len(waiting) <= EXPANSIONS:
        now = waiting.pop()
        head, opened, rest = now.partition("{")
        if not opened:
            done.append(now)
            continue
        inside, closed, tail = rest.partition("}")
        if closed:
            waiting += [head + choice + tail for choice in inside.split(",")]
    return done


def _tokens(pattern: str) -> list[str]:
    """`*`, `?`, single characters, and sets as `[` and the characters in or (after `!`) not in them."""
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
    """Greedy, going back to the last star only, which is enough."""
    at = token = 0
    star, resume = -1, 0
    while at < len(text):
        if token < len(tokens) and tokens[token] == "*":
            star, resume = token, at
            token += 1
        elif token < len(tokens) and _is(tokens[token], text[at]):
            at, token = at + 1, token + 1
        elif star >= 0:
            resume += 1
            at, token = resume, star + 1
        else:
            return False
    return all(rest == "*" for rest in tokens[token:])


def _is(token: str, character: str) -> bool:
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
