from __future__ import annotations

import ast
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from models import CodecError, catalogue, load, split_codec_path
from models.load import load_transcoder
from models.registry import FAMILIES
from models.residual.checkpoint import save
from models.residual.network import ResidualNetwork
from models.residual.registry import RELEASED, codec_of
from models.residual.released_sizes import sizes_of
from models.residual.seanet import SeanetConfig

ROOT = Path(__file__).resolve().parents[2]


ROWS = {str(row["name"]): row for row in catalogue()}
FACTS = ("sample_rate", "channels", "hop", "lookahead", "tokens", "cardinality")


def test_the_catalogue_lists_every_family_in_the_registry() -> None:
    wanted = {
        "pcm",
        "opus",
        "mp3",
        "aac",
        "vorbis",
        "nano",
        "swift",
        "codicodec",
        "encodec24",
        "encodec48",
        "dac",
        "lyra",
    }
    assert wanted <= set(ROWS) == set(FAMILIES)


@pytest.mark.parametrize("name", ["pcm", "opus", "mp3", "aac", "nano", "swift"])
def test_facts_of_the_catalogue_are_those_of_the_codec(name: str) -> None:
    spec, row = load(name).spec, ROWS[name]
    assert {fact: row[fact] for fact in FACTS} == {fact: getattr(spec, fact) for fact in FACTS}
    assert row["paths"] == list(spec.paths)


@pytest.mark.parametrize("name", [name for name in RELEASED if name in ROWS])
def test_facts_of_released_networks_follow_from_their_sizes(name: str) -> None:
    """The sizes are computed on "meta": no weights are allocated."""
    with torch.device("meta"):
        network = ResidualNetwork(sizes_of(name))
    spec, row = codec_of(network, name).spec, ROWS[name]
    assert {fact: row[fact] for fact in FACTS} == {fact: getattr(spec, fact) for fact in FACTS}


def test_every_variant_of_the_catalogue_loads_and_has_its_bitrate() -> None:
    for row in ROWS.values():
        for variant in row["variants"]:  # type: ignore[attr-defined]
            if row["name"] in ("opus", "mp3", "aac", "swift") and variant:
                codec = load(f"{row['name']}:{variant}")
                frames = [codec.open_encoder().encode(np.zeros((2, codec.spec.hop), np.float32)) for _ in range(2)]
                if frames[-1].tokens.size:
                    assert frames[-1].bits * codec.spec.frame_rate / 1000 == pytest.approx(float(variant), rel=1e-3)


def families_in(node: ast.AST) -> set[str]:
    """Return the families that a tuple, list, set or dict names in its strings."""
    parts = node.keys if isinstance(node, ast.Dict) else getattr(node, "elts", [])
    strings = [part.value for part in parts if isinstance(part, ast.Constant) and isinstance(part.value, str)]
    return {text.partition(":")[0] for text in strings} & set(FAMILIES)


def test_no_other_list_in_the_project_names_codecs_by_hand() -> None:
    """Exceptions: benchmarks and evaluation measure a few.

    Released networks have tables of sizes and files.
    """
    lists = {
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for folder in ("realtime", "gui", "models")
        for path in (ROOT / folder).rglob("*.py")
        if "training" not in path.parts and path.name not in ("registry.py", "releases.py", "released_sizes.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Tuple | ast.List | ast.Set | ast.Dict) and len(families_in(node)) >= 3
    }
    assert lists == set()
    assert len(families_in(ast.parse("('opus:6', 'nano:discrete', 'mp3')", mode="eval").body)) == 3


def test_a_codec_without_local_weights_is_refused_before_torch_is_imported(tmp_path: Path) -> None:
    program = (
        "import sys\nfrom models import CodecError, load\n"
        "try:\n    load('encodec24:6')\nexcept CodecError:\n    sys.exit('torch' in sys.modules)\nsys.exit(2)"
    )
    away = {name: str(tmp_path) for name in ("HOME", "VERDIGRIS_CACHE", "TORCH_HOME", "HF_HOME", "XDG_CACHE_HOME")}
    environment = os.environ | away | {"VERDIGRIS_OFFLINE": "1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, env=environment, check=False)
    assert done.returncode == 0


def test_a_file_name_may_end_in_the_steps_of_a_frame(tmp_path: Path) -> None:
    sizes = sizes_of("encodec24")
    assert isinstance(sizes, SeanetConfig)
    network = ResidualNetwork(replace(sizes, width=4, lstm=1)).randomise(0)
    save(network, tmp_path / "mine.safetensors")
    assert load(f"{tmp_path}/mine.safetensors:frames=4").spec.hop == 4 * load(f"{tmp_path}/mine.safetensors").spec.hop


def test_pcm_reads_options_from_its_name() -> None:
    spec = load("pcm:hop=1024,lookahead=64,compute=0.01,rate=44100,channels=1").spec
    assert (spec.hop, spec.lookahead, spec.sample_rate, spec.channels) == (1024, 64, 44_100, 1)


@pytest.mark.parametrize(
    ("name", "asked", "rate"),
    [
        ("pcm", 96_000, 96_000),
        ("pcm:rate=44100", 96_000, 44_100),
        ("mp3:128", 44_100, 44_100),
        ("aac:96", 96_000, 48_000),
        ("opus:24", 44_100, 48_000),
        ("opus:24", None, 48_000),
    ],
)
def test_a_codec_runs_at_the_requested_rate_if_it_can(name: str, asked: int | None, rate: int) -> None:
    assert load(name, rate=asked).spec.sample_rate == rate


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("flac", r'codec "flac" is unknown \(nano, .*vorbis.*\)\. Pass one of these, such as opus:24\.'),
        ("", 'codec "" is unknown'),
        ("OPUS:24", 'codec "OPUS:24" is unknown'),
        ("opus:5", r"5 kbit/s not offered by opus \(6 to 510\)\. Pass such as opus:6\."),
        ("mp3:100", r"100 kbit/s not offered by mp3 \(32, 40, .*320\)\. Pass such as mp3:96\."),
        ("aac:1000", r"1000 kbit/s not offered by aac \(24 to 320\)\. Pass such as aac:320\."),
        ("opus:loud", 'bitrate "loud" of opus is not an integer'),
        ("pcm:hop=big", 'option "hop=big" of codec "pcm:hop=big" is not one of hop, lookahead, rate, channels'),
        ("pcm:mood=1", 'option "mood=1"'),
        ("pcm:hop=0", "hop 0 of codec"),
        ("vorbis:96", r'"vorbis:96" has no fixed hop.*render.*Live, pass opus, mp3 or aac'),
    ],
)
def test_an_unknown_name_gets_one_line_with_a_remedy(name: str, message: str) -> None:
    with pytest.raises(CodecError, match=message) as refusal:
        load(name)
    assert "\n" not in str(refusal.value)


def test_only_a_last_part_that_is_a_path_is_split_off() -> None:
    assert split_codec_path("opus:24:discrete") == ("opus:24", "discrete")
    assert split_codec_path("nano:continuous") == ("nano", "continuous")
    assert split_codec_path("opus:24") == ("opus:24", None)
    assert split_codec_path("pcm") == ("pcm", None)
    assert split_codec_path("discrete") == ("discrete", None)


def test_vorbis_is_a_transcoder_and_cannot_be_loaded() -> None:
    assert (found := load_transcoder("vorbis:160")) is not None
    assert found[1] == 160
    assert (found := load_transcoder("vorbis")) is not None
    assert found[1] == 96
    assert load_transcoder("opus:24") is None
    with pytest.raises(CodecError, match='bitrate "loud" of vorbis'):
        load_transcoder("vorbis:loud")


def test_classic_codecs_do_not_import_torch() -> None:
    check = "import sys, models; models.catalogue(); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check], cwd=ROOT, check=False).returncode == 0
