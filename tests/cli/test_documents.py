"""Documents: their commands parse, their Python runs, and the files, names and links in them exist."""

from __future__ import annotations

import ast
import importlib
import re
import shlex
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from models.load import SCRIPTED
from models.registry import FAMILIES
from realtime.cli.main import build_parser

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    path for pattern in ("*.md", "docs/**/*.md", "models/weights/*.md", "tests/*.md") for path in ROOT.glob(pattern)
)
CURRENT = [page for page in PAGES if page.name != "CHANGELOG.md" and page.parent.name != "notes"]
MAX_COLUMNS = 100
# Pages with longer lines. This list may only become shorter.
UNFINISHED: tuple[str, ...] = ()
OWN_PARSERS = ("train", "evaluate", "bench")  # commands that parse their arguments themselves


def name(page: Path) -> str:
    """Return the page's path in the repository."""
    return page.relative_to(ROOT).as_posix()


every_page = pytest.mark.parametrize("page", CURRENT, ids=name)


def code_lines(text: str) -> Iterator[str]:
    """Yield the lines of indented code."""
    return (line[4:] for line in text.splitlines() if line.startswith("    "))


def prose(text: str) -> Iterator[tuple[int, str]]:
    """Yield number and text of the lines that are neither code nor table."""
    fenced = False
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith("```"):
            fenced = not fenced
        elif not fenced and not line.startswith(("    ", "|", "![")):
            yield number, line


def snippets(text: str) -> list[str]:
    """Return the fenced Python snippets."""
    return re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


@cache
def sources() -> dict[str, str]:
    """Return the text of all source files by path."""
    files = [
        path
        for place in ("realtime", "gui", "models", "benchmarks", "tests")
        for path in (ROOT / place).rglob("*")
        if path.suffix in (".py", ".c", ".h", ".lua")
    ]
    return {name(path): path.read_text(encoding="utf-8") for path in [*files, ROOT / "dev.py"]}


def exists(path: str, page: Path) -> bool:
    """Return True if a path from the root, from the page, or the end of one is in the repository."""
    if any((base / path).exists() for base in (ROOT, page.parent)):
        return True
    end = "/" + path.rstrip("/")
    return any(("/" + file).endswith(end) or f"{end}/" in "/" + file for file in sources())


def commands(page: Path) -> Iterator[tuple[str, list[str]]]:
    """Yield the lines of a page that call the program, and their arguments."""
    for line in code_lines(page.read_text(encoding="utf-8")):
        if line.startswith((".venv/bin/verdigris ", "verdigris ")) and line.split()[1] not in OWN_PARSERS:
            _, *arguments = shlex.split(line.partition(">")[0], comments=True)
            if "..." not in arguments:
                yield line.strip(), arguments


@every_page
def test_commands_parse_and_their_codecs_exist(page: Path) -> None:
    parser = build_parser()
    for line, arguments in commands(page):
        try:
            parsed = parser.parse_args(arguments)
        except SystemExit:
            pytest.fail(f"{name(page)}: {line}")
        for codec in (getattr(parsed, option, None) for option in ("a", "b", "codec")):
            if codec and codec != "off":
                family, *parts = codec.split(":")
                if family == SCRIPTED:  # a file of the reader's
                    continue
                allowed = (*FAMILIES[family].variants, "continuous", "discrete", "random")
                unknown = [part for part in parts if part not in allowed and not part.startswith("slide=")]
                assert not unknown, f"{name(page)}: {line}"


@every_page
def test_python_compiles_and_its_imports_exist(page: Path) -> None:
    for snippet in snippets(page.read_text(encoding="utf-8")):
        for node in ast.walk(ast.parse(snippet)):
            if isinstance(node, ast.ImportFrom) and node.module:
                module = importlib.import_module(node.module)
                assert not [found.name for found in node.names if not hasattr(module, found.name)], node.module
            elif isinstance(node, ast.Import):
                for found in node.names:
                    importlib.import_module(found.name)


@every_page
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if re.match(r"\w+:", target):
            continue
        file, _, anchor = target.partition("#")
        linked = (page.parent / file) if file else page
        assert linked.exists(), f"{name(page)} links to {target}"
        if anchor:
            headings = re.findall(r"^#+ (.*)$", linked.read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in [re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings], target


@every_page
def test_files_that_are_named_exist(page: Path) -> None:
    text = re.sub(r"(runtime|config|cache): `[^`]+`", "", page.read_text(encoding="utf-8"))  # of the user
    named = re.findall(r"`([\w./-]+/[\w.-]*\.(?:py|c|h|md|npz|lua|toml)|(?:[\w-]+/)+)`", text)
    new = ("out/", "realtime/bends/mirror.py", "models/crush.py", "realtime/effects/invert.py")  # made by the reader
    missing = [path for path in named if path not in new and not exists(path, page)]
    assert not missing, f"{name(page)} names {', '.join(missing)}"


@every_page
def test_prose_has_at_most_100_columns(page: Path) -> None:
    if name(page) in UNFINISHED:
        return
    text = page.read_text(encoding="utf-8")
    long = [f"{name(page)}:{number}: {line[:60]} ..." for number, line in prose(text) if len(line) > MAX_COLUMNS]
    assert not long, "\n".join(long)


def test_every_page_is_in_the_index() -> None:
    index = (ROOT / "docs/index.md").read_text(encoding="utf-8")
    links = {(ROOT / "docs" / link).resolve() for link in re.findall(r"\]\(([^)#]+)\)", index)}
    assert {page for page in PAGES if page.is_relative_to(ROOT / "docs")} - links == {ROOT / "docs/index.md"}


def test_the_map_names_only_what_is_in_the_code() -> None:
    text = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    code = "\n".join([*code_lines(text), *re.findall(r"`([^`]+)`", text)])
    everything = "\n".join(sources().values()) + (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    words = set(re.findall(r"\b_?[A-Za-z]+_[A-Za-z_]+\b|\b[A-Z][a-z]+[A-Z]\w+\b|\bverdigris-[a-z]{2,}", code))
    files = set(re.findall(r"[\w/]*\w\.(?:py|c|h)\b", code))
    unknown = sorted(word for word in words if word.rstrip("_") not in everything)
    assert not unknown
    assert not [file for file in files if not exists(file, ROOT / "docs/architecture.md")]


def test_the_map_has_the_layers_that_the_import_rules_hold() -> None:
    rules = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]["contracts"]
    (layers,) = [rule["layers"] for rule in rules if rule.get("containers") == ["realtime"]]
    text = (ROOT / "docs/architecture.md").read_text(encoding="utf-8").partition("Inside `realtime/`")[2]
    rows = re.findall(r"^\| (\d+) \| ([^|]+) \|", text, re.MULTILINE)
    assert [re.findall(r"\w+", packages) for _, packages in rows] == [re.findall(r"\w+", layer) for layer in layers]
    assert [int(level) for level, _ in rows] == list(range(len(layers), 0, -1))


def test_the_map_lists_every_environment_variable_of_ours() -> None:
    text = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    code = "\n".join(source for path, source in sources().items() if not path.startswith("tests/"))
    assert {word for word in re.findall(r'"(VERDIGRIS_[A-Z_]+)"', code) if f"`{word}`" not in text} == set()


def test_the_codecs_of_the_readme_are_those_of_the_catalogue() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    first = re.findall(r"^\| (`[^|]+) \|", text, re.MULTILINE)
    families = {codec.partition(":")[0] for cell in first for codec in re.findall(r"`([^`]+)`", cell)} - {SCRIPTED}
    extras = {"test", "build", "evaluate", "parity", "entropy", "lyra", "vst", "discovery", "cluster", "midi"}
    assert families - extras <= set(FAMILIES)
    assert set(FAMILIES) <= families


def test_the_extras_of_the_readme_are_those_of_the_package() -> None:
    package = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    declared = package.partition("[project.optional-dependencies]")[2].partition("\n[")[0]
    text = (ROOT / "README.md").read_text(encoding="utf-8").partition("## Extras")[2].partition("## ")[0]
    assert set(re.findall(r"^\| `(\w+)`", text, re.MULTILINE)) == set(
        re.findall(r"^(\w+) = \[", declared, re.MULTILINE)
    )


def test_the_glossary_has_at_most_60_terms_and_none_twice() -> None:
    text = (ROOT / "docs/glossary.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (?!term |---)([^|]+) \|", text, re.MULTILINE)
    assert 40 <= len(rows) <= 60
    assert len({row.strip().lower() for row in rows}) == len(rows)


def test_the_index_of_tests_has_every_folder_and_every_rig() -> None:
    text = (ROOT / "tests/README.md").read_text(encoding="utf-8")
    folders = [path.name for path in (ROOT / "tests").iterdir() if (path / "__init__.py").exists()]
    rigs = [path.name for path in (ROOT / "tests/support").iterdir() if path.is_file() and path.name != "__init__.py"]
    missing = [f for f in folders if f"{f}/" not in text] + [rig for rig in rigs if f"`{rig}`" not in text]
    assert not missing


def test_no_page_names_a_place_that_only_one_computer_has() -> None:
    listing = ["git", "ls-files", "*.md"]
    has_git = shutil.which("git") is not None
    tracked = subprocess.run(listing, cwd=ROOT, capture_output=True, text=True).stdout if has_git else ""
    for page in [ROOT / line for line in tracked.splitlines()] or CURRENT:
        assert not re.search(r"(?<![\w.])/(work|home|tmp|root)/", page.read_text(encoding="utf-8")), name(page)
