"""Released checkpoints of EnCodec and DAC: their layout, on random weights, and what is refused."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import Tensor

from models.codec import CodecError, DecoderControls
from models.load import load
from models.residual.codec import ResidualCodec
from models.residual.dac import DacConfig
from models.residual.network import ResidualNetwork, whole_file
from models.residual.registry import codec_of, load_family
from models.residual.released_checkpoint import _DAC, _ENCODEC, _multiplied_out, read_official, renamed
from models.residual.released_sizes import FAMILIES, family_of, found_sizes, sizes_of
from models.residual.rvq import QuantiserConfig
from models.residual.seanet import SeanetConfig, encodec_24khz, encodec_48khz
from models.residual.segmented import SegmentCodec, float_to_tokens, tokens_to_float
from tests.support.contract import check_codec, sound

torch.set_num_threads(1)


@cache
def encodec(books: int = 2) -> ResidualNetwork:
    return ResidualNetwork(encodec_24khz(books)).randomise(0).eval()


def released(network: ResidualNetwork, hub: bool = False) -> dict[str, Tensor]:
    """The tensors as EnCodec's file has them (weight norm, leftovers of training), or the Hub's."""
    assert isinstance(network.config, SeanetConfig)
    state: dict[str, Tensor] = {}
    for name, tensor in network.state_dict().items():
        if name.startswith("quantiser"):
            number = name.split(".")[2]
            stem = f"quantizer.layers.{number}.codebook." if hub else f"quantizer.vq.layers.{number}._codebook."
            state |= {stem + "embed": tensor, stem + "embed_avg": tensor * 2, stem + "inited": torch.ones(1)}
            continue
        side, place, rest = name.split(".", 2)
        if not rest.startswith("lstm"):
            up = side == "decoder" and place in ("3", "6", "9", "12")
            stem, _, kind = rest.rpartition(".")
            inner = "conv." if hub else "convtr.convtr." if up else "conv.conv."
            if stem.endswith("norm"):
                stem = stem.removesuffix("norm").removesuffix(".")
                inner = "norm." if hub else "convtr.norm." if up else "conv.norm."
            rest = f"{stem}.{inner}{kind}" if stem else inner + kind
        given = f"{side}.{'layers' if hub else 'model'}.{place}.{rest}"
        if given.endswith(("conv.weight", "convtr.weight")) and not network.config.norm:
            pair = ("parametrizations.weight.original0", "parametrizations.weight.original1")
            length, direction = pair if hub else ("weight_g", "weight_v")
            size = tensor.flatten(1).norm(dim=1).reshape(-1, 1, 1)
            stem = given.removesuffix("weight")
            state |= {stem + length: size, stem + direction: 3 * tensor / size}
        else:
            state[given] = tensor
    return state


@pytest.mark.parametrize("hub", [False, True])
def test_a_released_encodec_is_read_name_by_name(hub: bool, tmp_path: Path) -> None:
    state = released(encodec(), hub)
    path = tmp_path / ("model.safetensors" if hub else "encodec_24khz-d7cc33bc.th")
    if hub:
        save_file({name: tensor.contiguous().clone() for name, tensor in state.items()}, path)
    else:
        torch.save(state, path)
    found = read_official(path)
    assert found.config == encodec_24khz(2)
    for name, tensor in encodec().state_dict().items():
        torch.testing.assert_close(found.state_dict()[name], tensor, atol=1e-5, rtol=1e-5)
    codec = load(str(path))
    assert (codec.spec.hop, codec.spec.lookahead, codec.spec.tokens, codec.spec.sample_rate) == (320, 0, 2, 24000)


@pytest.mark.parametrize("family", [name for name in FAMILIES if name.startswith("dac")])
def test_a_released_dac_has_a_place_for_every_tensor(family: str) -> None:
    """Both layouts are tried. Sizes follow from the shapes; 76 million weights need no values."""
    with torch.device("meta"):
        ours = ResidualNetwork(sizes_of(family)).state_dict()
    for names in dac_names(ours):
        found = renamed(dict(zip(names, ours.values(), strict=True)), _DAC)
        assert set(found) == set(ours)
        assert found_sizes(found, {}, "file") == sizes_of(family)
        assert len(names) == len(ours)


@pytest.mark.parametrize("hub", [False, True])
@pytest.mark.parametrize("family", ["encodec24", "encodec32", "encodec48"])
def test_a_released_encodec_has_a_place_for_every_tensor(family: str, hub: bool) -> None:
    with torch.device("meta"):
        network = ResidualNetwork(sizes_of(family))
    found = renamed(_multiplied_out(released(network, hub)), _ENCODEC)
    assert set(found) == set(network.state_dict())
    assert found_sizes(found, {}, "file") == sizes_of(family)


TINY = DacConfig("dac", 22050, 1, 4, 64, (2, 4, 8, 8), QuantiserConfig(16, 3, 32, lookup=4, cosine=True, gradient=True))
KWARGS = {
    "encoder_dim": 4, "encoder_rates": [2, 4, 8, 8], "decoder_dim": 64, "decoder_rates": [8, 8, 4, 2],
    "n_codebooks": 3, "codebook_size": 32, "codebook_dim": 4, "latent_dim": 16, "sample_rate": 22050,
    "quantizer_dropout": 0.5,
}  # fmt: skip


def tiny_dac(path: Path, kwargs: dict[str, object] | None, config: DacConfig = TINY) -> ResidualNetwork:
    """Write a file of DAC's own layout (kwargs in its metadata), or with None the Hub's; its network."""
    network = ResidualNetwork(config).randomise(3)
    ours = network.state_dict()
    file, hub = dac_names(ours)
    if kwargs is None:
        save_file({name: tensor.contiguous() for name, tensor in zip(hub, ours.values(), strict=True)}, path)
    else:
        state = dict(zip(file, ours.values(), strict=True))
        torch.save({"state_dict": state, "metadata": {"kwargs": kwargs}}, path)
    return network


@pytest.mark.parametrize(
    ("kwargs", "rate"),
    [(KWARGS, 22050), ({}, 44100), ({"latent_dim": None, "sample_rate": 48000}, 48000), (None, 44100)],
)  # fmt: skip
def test_a_dac_of_any_size_is_read(kwargs: dict[str, object] | None, rate: int, tmp_path: Path) -> None:
    path = tmp_path / ("model.safetensors" if kwargs is None else "weights.pth")
    network = tiny_dac(path, kwargs)
    found = read_official(path)
    assert found.config == replace(TINY, sample_rate=rate)
    for name, tensor in network.state_dict().items():
        assert torch.equal(found.state_dict()[name], tensor)
    spec = load(str(path)).spec
    assert (spec.sample_rate, spec.hop, spec.books, spec.cardinality) == (rate, 512, 3, 32)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n_codebooks": 9}, "its metadata give n_codebooks 9, its tensors 3"),
        ({"encoder_rates": [2, 4, 8, 4]}, r"give encoder_rates \(2, 4, 8, 4\), its tensors \(2, 4, 8, 8\)"),
        ({"latent_dim": 17}, "its metadata give latent_dim 17, its tensors 16"),
        ({"sample_rate": 3}, r"its sample rate is not known \(its metadata give sample_rate 3\)"),
        ({"sample_rate": "44.1"}, r"its metadata give sample_rate 44.1"),
    ],
)
def test_wrong_metadata_are_named_in_one_line(change: dict[str, object], message: str, tmp_path: Path) -> None:
    tiny_dac(tmp_path / "weights.pth", {**KWARGS, **change})
    with pytest.raises(CodecError, match=message) as refusal:
        load(str(tmp_path / "weights.pth"))
    assert "\n" not in str(refusal.value)


def test_a_dac_of_strides_that_were_never_released_needs_its_sample_rate(tmp_path: Path) -> None:
    odd = replace(TINY, strides=(2, 3), decoder_width=16)
    tiny_dac(tmp_path / "weights.pth", {"sample_rate": 8000}, odd)
    assert load(str(tmp_path / "weights.pth")).spec.hop == 6
    tiny_dac(tmp_path / "weights.pth", {}, odd)
    with pytest.raises(CodecError, match=r"no released DAC has strides \(2, 3\)"):
        load(str(tmp_path / "weights.pth"))


@pytest.mark.parametrize(
    ("name", "shape", "message"),
    [
        ("encoder.block.0.weight", (1 << 20, 1, 7), r'"encoder.0.bias" has shape \[4\], its config says \[1048576\]'),
        ("encoder.block.0.weight", (4, 7), r'"encoder.0.weight" has shape \[4, 7\], expected 3 sizes above 0'),
        ("encoder.block.0.weight", (0, 1, 7), "expected 3 sizes above 0"),
        ("decoder.model.0.weight", (62, 16, 7), "decoder_width 62 must halve 4 times. Pass a released file"),
        ("decoder.model.1.block.1.weight", (64, 32, 6), r"\(3, 8, 4, 2\) in the decoder"),
    ],
)
def test_a_tensor_of_a_wrong_size_is_named_and_nothing_is_made_of_it(
    name: str, shape: tuple[int, ...], message: str, tmp_path: Path
) -> None:
    path = tmp_path / "weights.pth"
    tiny_dac(path, {})
    held = torch.load(path)
    assert name in held["state_dict"]
    held["state_dict"][name] = torch.zeros(shape)
    torch.save(held, path)
    with pytest.raises(CodecError, match=message) as refusal:
        load(str(path))
    assert str(refusal.value).startswith('checkpoint "weights.pth"')
    assert "\n" not in str(refusal.value)


def test_an_encodec_of_strides_that_were_never_released_is_refused(tmp_path: Path) -> None:
    network = ResidualNetwork(replace(encodec_24khz(2), width=4, strides=(2, 4, 5, 4))).randomise(0)
    torch.save(released(network), tmp_path / "x.th")
    with pytest.raises(CodecError, match=r"has strides \(2, 4, 5, 4\): no released EnCodec has .* at 32000 Hz"):
        load(str(tmp_path / "x.th"))


def test_a_file_of_another_family_than_was_asked_for_is_refused(tmp_path: Path) -> None:
    torch.save(released(encodec()), tmp_path / "x.th")
    with pytest.raises(CodecError, match=r'"x.th" is of encodec24, not of dac'):
        read_official(tmp_path / "x.th", "dac")


def test_families_are_distinguished_by_their_sizes_and_not_by_their_books() -> None:
    for family in FAMILIES:
        sizes = sizes_of(family)
        assert family_of(replace(sizes, name="x", quantiser=replace(sizes.quantiser, books=1))) == family


def test_released_bitrates_are_those_of_the_papers() -> None:
    """kbit/s of all books, to one digit."""
    found = {name: sizes_of(name) for name in FAMILIES}
    kbps = {n: round(c.quantiser.bits * c.sample_rate / c.stride / 1000, 1) for n, c in found.items()}
    assert kbps == {
        "encodec24": 24.0, "encodec32": 2.2, "encodec48": 24.0,
        "dac": 7.8, "dac44-16": 15.5, "dac24": 24.0, "dac16": 6.0, "mimi": 4.4,
    }  # fmt: skip


def dac_names(ours: dict[str, Tensor]) -> tuple[list[str], list[str]]:
    """Names in DAC's own file, and in the Hub's."""
    file, hub = [], []
    last = max(int(name.split(".")[1]) for name in ours if name.startswith("encoder."))
    for name in ours:
        if name.startswith("quantiser"):
            number, rest = re.fullmatch(r"quantiser\.stages\.(\d+)\.(.*)", name).groups()  # type: ignore[union-attr]
            rest = (
                rest.replace("project_in", "in_proj")
                .replace("project_out", "out_proj")
                .replace("book.entries", "codebook.weight")
            )
            file.append(f"quantizer.quantizers.{number}.{rest}")
            hub.append(file[-1])
            continue
        side, *parts = name.split(".")
        outer = "block" if side == "encoder" else "model"
        file.append(".".join([side, outer, parts[0], *(["block", *parts[1:]] if len(parts) > 2 else parts[1:])]))
        if len(parts) == 2:
            hub.append(f"{side}.{ {0: 'conv1', last - 1: 'snake1', last: 'conv2'}[int(parts[0])] }.{parts[1]}")
            continue
        level, number = int(parts[0]) - 1, int(parts[1])
        if "block" in parts:
            unit = number + 1 if side == "encoder" else number - 1
            inner = ["snake1", "conv1", "snake2", "conv2"][int(parts[3])]
            hub.append(f"{side}.block.{level}.res_unit{unit}.{inner}.{parts[4]}")
        else:
            table = {3: "snake1", 4: "conv1"} if side == "encoder" else {0: "snake1", 1: "conv_t1"}
            hub.append(f"{side}.block.{level}.{table[number]}.{parts[2]}")
    return file, hub


class Code:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (print, ("this ran",))


def test_a_pickle_that_holds_code_is_refused_and_not_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "weights.pth"
    torch.save({"state_dict": {"x": torch.zeros(1)}, "extra": Code()}, path)
    with pytest.raises(CodecError, match=r"holds more than weights \(print\) and was refused; nothing in it was run"):
        load(str(path))
    assert "this ran" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.pop("encoder.model.0.conv.conv.bias"), r'lacks tensor "encoder.0.bias" \(1 missing\)'),
        (lambda s: s.update({"encoder.model.99.x": torch.zeros(1)}), 'unexpected tensor "encoder.99.x"'),
        (lambda s: s.update({"encoder.model.0.conv.conv.bias": torch.zeros(3)}), r"has shape \[3\], its config says"),
        (lambda s: s["encoder.model.0.conv.conv.bias"].fill_(torch.nan), "not finite numbers"),
        (lambda s: [s.pop(name) for name in list(s) if "embed" in name], "has no codebooks"),
    ],
)
def test_a_checkpoint_that_is_not_sound_is_named_in_one_line(change: object, message: str, tmp_path: Path) -> None:
    state = {name: tensor.clone() for name, tensor in released(encodec()).items()}
    change(state)  # type: ignore[operator]
    path = tmp_path / "encodec_24khz.th"
    torch.save(state, path)
    with pytest.raises(CodecError, match=message) as refusal:
        read_official(path, "encodec24")
    assert "\n" not in str(refusal.value)


def test_a_cut_or_absent_checkpoint_is_named(tmp_path: Path) -> None:
    path = tmp_path / "encodec_24khz.th"
    torch.save(released(encodec()), path)
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(CodecError, match="truncated or damaged"):
        load(str(path))
    with pytest.raises(CodecError, match="does not exist"):
        load(str(tmp_path / "none.th"))


# A narrow network that normalises over time, with segments of a fiftieth of a second.
NARROW = SeanetConfig(
    "encodec48", 48000, 2, 4, (2, 4, 5), QuantiserConfig(8, 2), mirror=True, ahead=True, norm=True, lstm=1
)  # fmt: skip


def segments() -> SegmentCodec:
    return SegmentCodec(ResidualNetwork(NARROW).randomise(0), seconds=0.1)


def test_segments_keep_the_contract() -> None:
    codec = segments()
    assert (codec.spec.hop, codec.spec.lookahead, codec.spec.tokens) == (4752, 48, 120 * 2 + 4)
    check_codec(codec, hops=5, tolerance=1e-5, resembles=False)


def test_a_stream_of_segments_is_the_segments_faded_together() -> None:
    codec = segments()
    hop, overlap = codec.spec.hop, codec.overlap
    audio = sound(codec.spec, 3, seed=1)[:, : 3 * hop]
    encoder, decoder = codec.open_encoder(), codec.open_decoder("discrete")
    out = [decoder.decode(encoder.encode(audio[:, i * hop : (i + 1) * hop]), DecoderControls()) for i in range(3)]
    late = torch.from_numpy(np.pad(audio, ((0, 0), (overlap, 0))))
    total, weight = torch.zeros(late.shape), torch.zeros(late.shape[1])
    for i in range(3):
        at = slice(i * hop, i * hop + codec.length)
        tokens, loudness = codec.encode_segment(late[:, at])
        total[:, at] += codec.decode_segment(tokens, loudness, [True, True]) * codec.crossfade_weights()
        weight[at] += codec.crossfade_weights()
    np.testing.assert_allclose(np.concatenate(out, 1), (total / weight)[:, : 3 * hop].numpy(), atol=1e-5)


@given(st.floats(0, 16, width=32))
def test_a_loudness_survives_its_tokens(value: float) -> None:
    assert tokens_to_float(float_to_tokens(value)) == value


@given(st.lists(st.integers(0, 1023), min_size=4, max_size=4))
def test_bent_loudness_is_a_number(tokens: list[int]) -> None:
    assert 0 <= tokens_to_float(np.array(tokens, np.int32)) < np.inf


def test_a_bitrate_is_a_number_of_books() -> None:
    codec = codec_of(ResidualNetwork(replace(encodec_24khz(8), width=4)).randomise(0), "encodec24", "1.5")
    assert (codec.spec.name, codec.spec.tokens, codec.spec.books) == ("encodec24:1.5", 2, 2)
    assert codec.open_encoder().encode(np.zeros((1, 320), np.float32)).bits * 75 == 1500
    with pytest.raises(CodecError, match=r"7 kbit/s not offered by encodec24 \(0\.75, 1\.5, .* 6\)"):
        codec_of(ResidualNetwork(replace(encodec_24khz(8), width=4)), "encodec24", "7")


@pytest.mark.parametrize(("family", "books"), [("encodec24", 32), ("encodec48", 16), ("dac", 9)])
def test_an_unknown_bitrate_is_refused_before_anything_is_fetched(
    family: str, books: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("models.residual.registry.find", lambda family: pytest.fail("asked the Hub"))
    with pytest.raises(CodecError, match=f"random:books=9 kbit/s not offered by {family} .* 1 to {books} books"):
        load_family(family, "random:books=9")


def test_fewer_books_from_the_start_are_the_first_of_all() -> None:
    network = ResidualNetwork(replace(encodec_24khz(8), width=4, mirror=False)).randomise(0)
    audio = np.random.default_rng(0).standard_normal((1, 3200)).astype(np.float32)
    tokens, _ = whole_file(network.eval(), audio)
    few, _ = whole_file(network.truncate_books(3).eval(), audio)
    assert np.array_equal(tokens[:3], few)
    assert isinstance(codec_of(network, "x"), ResidualCodec)


def test_encodec_of_stereo_has_16_books_of_one_and_a_half_kilobits() -> None:
    config = encodec_48khz()
    assert config.quantiser.bits * config.sample_rate / config.stride == 24_000
