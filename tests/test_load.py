from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from models import CodecError, available, load, split_path
from models.load import load_transcoder

ROOT = Path(__file__).resolve().parent.parent


def test_what_is_listed_can_be_loaded_by_its_name() -> None:
    specs = available()
    assert [spec.name for spec in specs] == ["pcm", "opus:24", "mp3:128", "aac:96", "nano", "swift"]
    for spec in specs:
        assert load(spec.name).spec == spec


def test_options_of_pcm_are_in_its_name() -> None:
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
def test_a_codec_runs_at_the_rate_asked_for_if_it_can(name: str, asked: int | None, rate: int) -> None:
    assert load(name, rate=asked).spec.sample_rate == rate


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("flac", r'codec "flac" is unknown \(pcm, .*vorbis.*\)\. Pass one of these, such as opus:24\.'),
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
def test_a_name_that_is_no_codec_gets_one_line_that_helps(name: str, message: str) -> None:
    with pytest.raises(CodecError, match=message) as refusal:
        load(name)
    assert "\n" not in str(refusal.value)


def test_only_a_last_part_that_is_a_path_is_split_off() -> None:
    assert split_path("opus:24:discrete") == ("opus:24", "discrete")
    assert split_path("nano:continuous") == ("nano", "continuous")
    assert split_path("opus:24") == ("opus:24", None)
    assert split_path("pcm") == ("pcm", None)
    assert split_path("discrete") == ("discrete", None)


def test_vorbis_is_told_from_what_can_be_loaded() -> None:
    assert (found := load_transcoder("vorbis:160")) is not None
    assert found[1] == 160
    assert (found := load_transcoder("vorbis")) is not None
    assert found[1] == 96
    assert load_transcoder("opus:24") is None
    with pytest.raises(CodecError, match='bitrate "loud" of vorbis'):
        load_transcoder("vorbis:loud")


def test_classic_codecs_do_not_import_torch() -> None:
    check = "import sys, models; models.available(); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check], cwd=ROOT, check=False).returncode == 0
