"""Codec names, bitrate controls and the list of codecs, from the catalogue."""

from __future__ import annotations

from typing import Any

import pytest

from gui.model.codec_list import CodecList
from gui.model.codec_names import is_file, name_of_file, rate_control, split_codec, title_of, variant_of
from gui.model.compression import compression
from models.codec import CodecSpec
from realtime.client import CodecInfo
from realtime.worker import codec_catalogue
from tests.support.gui_rig import nano, opus


@pytest.fixture(scope="module")
def codecs() -> CodecList:
    made = CodecList()
    made.rows = tuple(codec_catalogue.rows())
    return made


def found(codecs: CodecList, search: str = "", *, off: bool = False) -> dict[str, list[str]]:
    return {name: [each.codec for each in group] for name, group in codecs.groups(search, may_be_off=off)}


def test_a_name_has_family_variant_and_path() -> None:
    assert split_codec("nano:discrete") == ("nano", "discrete")
    assert split_codec("opus:24") == ("opus:24", "")
    assert variant_of("encodec24:6") == "6"
    assert is_file("/home/me/net.safetensors:continuous")
    assert title_of("/home/me/net.safetensors:continuous") == "net.safetensors"
    assert is_file("rave:/home/me/my voice.ts:stereo")
    assert title_of("rave:/home/me/my voice.ts:stereo") == "my voice.ts:stereo"
    assert name_of_file("/home/me/voice.ts") == "rave:/home/me/voice.ts"
    assert name_of_file("/home/me/net.pt") == "/home/me/net.pt"


def test_a_model_that_was_loaded_is_among_yours_once() -> None:
    made = CodecList()
    row = {
        **dict(codec_catalogue.rows()[0]),
        "name": "rave:/home/me/voice.ts",
        "kind": "yours",
        "variants": {"": 768.0},
    }
    made.rows = (row,)
    made.add_checkpoint("rave:/home/me/voice.ts")
    made.add_checkpoint("/home/me/net.pt")
    assert found(made) == {"YOURS": ["rave:/home/me/voice.ts", "/home/me/net.pt"]}
    assert made.row_of("rave:/home/me/voice.ts:continuous") is row
    ((_, (choice, _)),) = made.groups("", may_be_off=False)
    assert choice.title == "voice.ts"


def test_every_live_family_of_the_catalogue_is_in_one_group(codecs: CodecList) -> None:
    groups = found(codecs)
    assert {name for group in groups.values() for name in group} == {row["name"] for row in codecs.rows if row["live"]}
    assert "codicodec" in groups["NEURAL"]
    assert "opus" in groups["CLASSIC"]


def test_a_line_has_rate_latency_licence_size_and_whether_it_keeps_up(codecs: CodecList) -> None:
    (dac,) = [each for _, group in codecs.groups("dac 44.1 7.8", may_be_off=False) for each in group]
    assert (dac.kbps, dac.latency, dac.licence) == ("2.6 – 7.8", "212 ms", "MIT")
    assert dac.size.startswith("307 MB")
    assert dac.keeps_up in ("yes", "no", "not tried")
    assert "44.1 kHz, mono" in dac.details
    (codicodec,) = [each for _, group in codecs.groups("codicodec", may_be_off=False) for each in group]
    assert "not for commercial use" in codicodec.details


@pytest.mark.parametrize("typed", ["opus:32", "encodec24:random", "pcm:hop=480", "/home/me/net.safetensors"])
def test_a_complete_name_comes_first_as_it_was_typed(codecs: CodecList, typed: str) -> None:
    assert codecs.groups(typed, may_be_off=False)[0][1][0].codec == typed


def test_a_family_that_is_typed_is_that_family_and_not_its_first_variant(codecs: CodecList) -> None:
    assert found(codecs, "swift") == {"CLASSIC": ["swift"]}


def test_checkpoints_of_the_user_are_listed_newest_first_and_once() -> None:
    codecs = CodecList()
    for path in ("/a.safetensors", "/b.safetensors:discrete", "/a.safetensors"):
        codecs.add_checkpoint(path)
    assert found(codecs) == {"YOURS": ["/a.safetensors", "/b.safetensors"]}


def test_slot_b_can_be_left_out(codecs: CodecList) -> None:
    assert "off" in found(codecs, off=True)[""]
    assert "" not in found(codecs)


def test_opus_mp3_and_aac_have_a_slider_of_their_rates(codecs: CodecList) -> None:
    for name, lowest, highest in (("opus", 6, 510), ("mp3", 32, 320), ("aac", 24, 320)):
        control = rate_control(f"{name}:64", codecs.row_of(name), 0, 0, 0.0)
        assert control
        assert (control.kind, control.kbps[0], control.kbps[-1]) == ("rate", lowest, highest)
        assert control.kbps[control.stop] == 64
        assert control.text == "64 kbit/s"


def test_residual_codecs_have_their_books_and_swift_its_rates(codecs: CodecList) -> None:
    books = rate_control("encodec24", codecs.row_of("encodec24"), 32, 8, 24.0)
    assert books
    assert (books.kind, len(books.kbps), books.text) == ("books", 32, "6 kbit/s · 8 of 32 books")
    swift = rate_control("swift:6", codecs.row_of("swift"), 32, 0, 6.0)
    assert swift
    assert (swift.kind, swift.kbps, swift.text) == ("rate", (3.0, 6.0, 12.0, 24.0), "6 kbit/s")


@pytest.mark.parametrize("name", ["nano:discrete", "pcm", "codicodec:continuous"])
def test_a_codec_of_one_bitrate_has_no_control(codecs: CodecList, name: str) -> None:
    assert rate_control(name, codecs.row_of(name), 0, 0, 24.0) is None


def test_a_checkpoint_with_books_has_them_as_its_control() -> None:
    control = rate_control("/net.pth", None, 9, 0, 7.75)
    assert control
    assert (control.kind, control.stop, control.text) == ("books", 8, "7.8 kbit/s · 9 of 9 books")


def shown(codecs: CodecList, codec: str, info: CodecInfo, sent: int = 0, rate: int = 48_000) -> Any:
    return compression(codec, info, codecs.row_of(codec), sent, rate, (5.1, 4.8))


def test_the_headline_is_the_compression_against_16_bit_stereo(codecs: CodecList) -> None:
    discrete = shown(codecs, "nano:discrete", nano())
    assert (discrete.rates, discrete.ratio) == ("1536 → 5.2 kbit/s", "296 : 1")
    assert discrete.measurement == "measured 5.10, 4.80 entropy-coded"
    continuous = shown(codecs, "nano:continuous", nano("continuous"))
    assert (continuous.rates, continuous.ratio) == ("1536 → 24 kbit/s", "64 : 1")
    assert shown(codecs, "opus:32", opus()).ratio == "48 : 1"
    spec = CodecSpec("encodec24", 24_000, 1, 320, 0, 32, 1024, (0, 0), ("discrete",), True, 32)
    assert shown(codecs, "encodec24", CodecInfo("discrete", spec), 8, 44_100).rates == "1411 → 6 kbit/s"
