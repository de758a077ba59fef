"""Language of the code: the rules of docs/glossary.md and CONTRIBUTING.md that a machine can check."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PLACES = ("realtime", "gui", "models", "benchmarks", "dev.py")
# Directories and files whose docstrings are not rewritten yet. This list may only become shorter.
UNFINISHED: tuple[str, ...] = ()

FORBIDDEN = re.compile(
    r"(What|Who|Whoever|Whose|Of|Whether|As|Which|Where|How|That|If|To be|Until|Under|By|With|Without|Not|Nothing"
    r"|Same|So|Also|Likewise|It|Its|They|Their|There)\b"
)
MAX_COLUMNS = 120
MAX_DOCSTRING_LINES = 12  # a longer docstring of a function must not be longer than its code
LONG_DOCSTRINGS: dict[str, str] = {}  # "file:function": the reason for its long docstring

# Names of version 0.1.0 that docs/glossary.md replaced. Only distinctive ones: a short word may be right elsewhere.
OLD_NAMES = """
Postman Taken Applied Began Encoded Trouble Loaded ROOM Lane Outlet take_changes count_bits seat bits_a_frame
coded_a_frame wire_bits LOCK_STEP _Place publish_from _be_patient _tell _beat _tell_began _too_late RUN_IN_HOPS
TELEMETRY_NS tune_lanes Link forgotten held_for_child hosted _begins _troubles _joined _settled UNREAD Need Plan
sharing SHARING SPARE Ladder Rung REST HostSide presence WAS_FULL _see_runs _count_holes _toward _is_steady BEAT
CLAIM NEEDED EPOCH CUT MISSED HOLE orphaned unnamed remove_abandoned Tail overtaken cut_loop _obey _Live Reopen
_Preparing Sources Taping Played _strange check_apart mistake not_lost raise_on_stop Border open_up feed_no_more
_give_card _take_card Bridge STAMPS STEEP SEATED LEAVING PULL LAG FAR_S Resumed _Player Gone Refused
plan_opening HELD CardLink LoopDriver _Pending unheard TURN_S EARLY_S LEAD_S OF_FRAMES may_be_told Unslip
WARMING _judge _lose _take_up _converse CodecFacts Frames _Coming Programs Wishes greet Follower starving
Fairness Wall Brick BrickView mover Photographer _adopt line_of part_sent decode_together calm_threads SPINS
split_path forecast_of open_token_model recorded_with OwnLinear keep_left denoise_left with_logarithms
FoldingStack UnfoldingStack TOGETHER Whitened WIDEST Belief TRUST SURE PACE FORESEEN Foreseen on_grid Learning
late_frames slid soften fold_tile as_they_are SOMETIMES listeners _take_turns SLOWER Contender Lapped Unlapped
Described Banded OCTAVES KNEE UNFILLED
"""


def faults(text: str, where: str) -> Iterator[str]:
    """Yield the faults of a Python file as "file:line: fault"."""
    for number, line in enumerate(text.splitlines(), 1):
        if len(line) > MAX_COLUMNS:
            yield f"{where}:{number}: {len(line)} columns, at most {MAX_COLUMNS}: {line.strip()[:60]} ..."
    for node in ast.walk(ast.parse(text)):
        line_number = getattr(node, "lineno", 1)
        for name in _names(node):
            if name in OLD_NAMES.split():
                yield f"{where}:{line_number}: {name} is a name of version 0.1.0, see docs/glossary.md"
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield from _docstring_faults(node, where, line_number)


def _names(node: ast.AST) -> tuple[str, ...]:
    match node:
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name) | ast.Name(id=name):
            return (name,)
        case ast.Attribute(attr=name) | ast.arg(arg=name):
            return (name,)
        case ast.alias(name=name, asname=other):
            return (name.rpartition(".")[2], *([other] if other else []))
    return ()


def _docstring_faults(
    node: ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef, where: str, line: int
) -> Iterator[str]:
    docstring = ast.get_docstring(node)
    if docstring is None:
        return
    first = docstring.partition("\n")[0]
    if FORBIDDEN.match(first):
        yield f'{where}:{line}: begin with a verb or name the subject: "{first}"'
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and f"{where}:{node.name}" not in LONG_DOCSTRINGS:
        length = len(docstring.splitlines())
        code = (node.body[-1].end_lineno or 0) - (node.body[0].end_lineno or 0)
        if length > MAX_DOCSTRING_LINES and length > code:
            yield f"{where}:{line}: {node.name} has a docstring of {length} lines and {code} lines of code"


def _files() -> list[Path]:
    found = []
    for place in PLACES:
        path = ROOT / place
        found += [path] if path.is_file() else sorted(path.rglob("*.py"))
    return [path for path in found if not path.relative_to(ROOT).as_posix().startswith(UNFINISHED)]


def test_docstrings_names_and_lines_follow_the_rules() -> None:
    found = [
        fault
        for path in _files()
        for fault in faults(path.read_text(encoding="utf-8"), path.relative_to(ROOT).as_posix())
    ]
    assert not found, f"{len(found)} faults of language:\n" + "\n".join(found)


def test_every_reason_for_a_long_docstring_is_of_a_function_that_exists() -> None:
    for entry, reason in LONG_DOCSTRINGS.items():
        file, _, function = entry.partition(":")
        assert f"def {function}(" in (ROOT / file).read_text(encoding="utf-8"), entry
        assert reason


def test_no_place_is_unfinished_that_does_not_exist() -> None:
    assert all((ROOT / place).exists() for place in UNFINISHED)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ('"""Whoever pumps."""', 'file.py:1: begin with a verb or name the subject: "Whoever pumps."'),
        ('class A:\n    """What it is."""', 'file.py:1: begin with a verb or name the subject: "What it is."'),
        ("x = 1  # " + "-" * 120, "file.py:1: 129 columns"),
        ("class Postman: ...", "file.py:1: Postman is a name of version 0.1.0"),
        ("import a.b as Tail", "file.py:1: Tail is a name of version 0.1.0"),
        ("x.forgotten()", "file.py:1: forgotten is a name of version 0.1.0"),
        (
            'def f():\n    """Return 1.' + "\n    And so on." * 12 + '"""\n    return 1',
            "file.py:1: f has a docstring of",
        ),
    ],
)
def test_a_fault_is_reported_with_file_line_and_text(text: str, fault: str) -> None:
    (found,) = faults(text, "file.py")
    assert found.startswith(fault)


@pytest.mark.parametrize(
    "text",
    [
        '"""Ring buffer of frames."""',
        'def f():\n    """Return the loudness in LUFS."""',
        'def f():\n    """Whole frames only."""',  # "Who" is no word here
        "tail = wet_postman(1)",
    ],
)
def test_plain_sentences_and_new_names_pass(text: str) -> None:
    assert list(faults(text, "file.py")) == []
