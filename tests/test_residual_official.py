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

from models.codec import CodecError, Controls
from models.dac import dac_44khz
from models.load import load
from models.residual import ResidualCodec, ResidualNetwork, whole_file
from models.residual_load import codec_of, load_family
from models.residual_official import _DAC, family_of, read_official, renamed
from models.rvq import QuantiserConfig
from models.seanet import SeanetConfig, encodec_24khz, encodec_48khz
from models.segments import SegmentCodec, from_tokens, to_tokens
from tests.contract import check_codec, sound

torch.set_num_threads(1)


@cache
def encodec(books: int = 2) -> ResidualNetwork:
    return ResidualNetwork(encodec_24khz(books)).randomise(0).eval()


def released(network: ResidualNetwork, hub: bool = False) -> dict[str, Tensor]:
    """The tensors as EnCodec's file has them (weight norm, leftovers of training), or the Hub's."""
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
            rest = f"{stem}.{inner}{kind}" if stem else inner + kind
        given = f"{side}.{'layers' if hub else 'model'}.{place}.{rest}"
        if given.endswith(("conv.weight", "convtr.weight")):
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
    found = read_official(path, family_of(path))
    assert found.config == encodec_24khz(2)
    for name, tensor in encodec().state_dict().items():
        torch.testing.assert_close(found.state_dict()[name], tensor, atol=1e-5, rtol=1e-5)
    codec = load(str(path))
    assert (codec.spec.hop, codec.spec.lookahead, codec.spec.tokens, codec.spec.sample_rate) == (320, 0, 2, 24000)


def test_a_released_dac_has_a_place_for_every_tensor() -> None:
    """Under both layouts; shapes only, for it has 76 million weights."""
    with torch.device("meta"):
        ours = ResidualNetwork(dac_44khz()).state_dict()
    file, hub = dac_names(ours)
    assert set(renamed(dict.fromkeys(file, torch.zeros(1)), _DAC)) == set(ours)
    assert set(renamed(dict.fromkeys(hub, torch.zeros(1)), _DAC)) == set(ours)
    assert len(file) == len(hub) == len(ours)


def dac_names(ours: dict[str, Tensor]) -> tuple[list[str], list[str]]:
    """Names in DAC's own file, and in the Hub's."""
    file, hub = [], []
    for name in ours:
        if name.startswith("quantiser"):
            number, rest = re.fullmatch(r"quantiser\.stages\.(\d)\.(.*)", name).groups()  # type: ignore[union-attr]
            rest = (
                rest.replace("into", "in_proj").replace("back", "out_proj").replace("book.entries", "codebook.weight")
            )
            file.append(f"quantizer.quantizers.{number}.{rest}")
            hub.append(file[-1])
            continue
        side, *parts = name.split(".")
        outer = "block" if side == "encoder" else "model"
        file.append(".".join([side, outer, parts[0], *(["block", *parts[1:]] if len(parts) > 2 else parts[1:])]))
        if len(parts) == 2:
            hub.append(f"{side}.{ {'0': 'conv1', '5': 'snake1', '6': 'conv2'}[parts[0]] }.{parts[1]}")
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


def test_a_cut_or_absent_checkpoint_is_told(tmp_path: Path) -> None:
    path = tmp_path / "encodec_24khz.th"
    torch.save(released(encodec()), path)
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(CodecError, match="truncated or damaged"):
        load(str(path))
    with pytest.raises(CodecError, match="is not there"):
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
    out = [decoder.decode(encoder.encode(audio[:, i * hop : (i + 1) * hop]), Controls()) for i in range(3)]
    late = torch.from_numpy(np.pad(audio, ((0, 0), (overlap, 0))))
    total, weight = torch.zeros(late.shape), torch.zeros(late.shape[1])
    for i in range(3):
        at = slice(i * hop, i * hop + codec.length)
        tokens, loudness = codec.encode_segment(late[:, at])
        total[:, at] += codec.decode_segment(tokens, loudness, [True, True]) * codec.weights()
        weight[at] += codec.weights()
    np.testing.assert_allclose(np.concatenate(out, 1), (total / weight)[:, : 3 * hop].numpy(), atol=1e-5)


@given(st.floats(0, 16, width=32))
def test_a_loudness_survives_its_tokens(value: float) -> None:
    assert from_tokens(to_tokens(value)) == value


@given(st.lists(st.integers(0, 1023), min_size=4, max_size=4))
def test_bent_loudness_is_a_number(tokens: list[int]) -> None:
    assert 0 <= from_tokens(np.array(tokens, np.int32)) < np.inf


def test_a_bitrate_is_a_number_of_books() -> None:
    codec = codec_of(ResidualNetwork(replace(encodec_24khz(8), width=4)).randomise(0), "encodec24", "1.5")
    assert (codec.spec.name, codec.spec.tokens, codec.spec.books) == ("encodec24:1.5", 2, 2)
    assert codec.open_encoder().encode(np.zeros((1, 320), np.float32)).bits * 75 == 1500
    with pytest.raises(CodecError, match=r"7 kbit/s not offered by encodec24 \(0\.75, 1\.5, .* 6\)"):
        codec_of(ResidualNetwork(replace(encodec_24khz(8), width=4)), "encodec24", "7")


@pytest.mark.parametrize(("family", "books"), [("encodec24", 32), ("encodec48", 16), ("dac", 9)])
def test_what_is_no_bitrate_is_refused_before_anything_is_fetched(
    family: str, books: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("models.residual_load.find", lambda family: pytest.fail("asked the Hub"))
    with pytest.raises(CodecError, match=f"random:books=9 kbit/s not offered by {family} .* 1 to {books} books"):
        load_family(family, "random:books=9")


def test_fewer_books_from_the_start_are_the_first_of_all() -> None:
    network = ResidualNetwork(replace(encodec_24khz(8), width=4, mirror=False)).randomise(0)
    audio = np.random.default_rng(0).standard_normal((1, 3200)).astype(np.float32)
    tokens, _ = whole_file(network.eval(), audio)
    few, _ = whole_file(network.cut(3).eval(), audio)
    assert np.array_equal(tokens[:3], few)
    assert isinstance(codec_of(network, "x"), ResidualCodec)


def test_encodec_of_stereo_has_16_books_of_one_and_a_half_kilobits() -> None:
    config = encodec_48khz()
    assert config.quantiser.bits * config.sample_rate / config.stride == 24_000
