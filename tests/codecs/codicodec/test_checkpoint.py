"""Checkpoints in our format and in the released layout, and the messages about bad ones."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from models.codec import CodecError, DecoderControls
from models.codicodec import checkpoint
from models.codicodec.checkpoint import FORMAT, load_codec, read, read_official, save
from models.codicodec.config import CoDiCodecConfig
from models.codicodec.network import CoDiCodecNetwork
from models.codicodec.released_checkpoint import to_official
from models.load import load
from tests.support.small_codec import CONFIGS, small_codec

CONFIG = CONFIGS["tiny"]


def same(one: CoDiCodecNetwork, two: CoDiCodecNetwork) -> bool:
    pairs = zip(one.state_dict().items(), two.state_dict().items(), strict=True)
    return one.config == two.config and all(a == b and torch.equal(x, y) for (a, x), (b, y) in pairs)


@pytest.fixture
def ours(tmp_path: Path) -> Path:
    path = tmp_path / "small.safetensors"
    save(small_codec().network, path)
    return path


@pytest.fixture
def official(tmp_path: Path) -> Path:
    """File in the released layout, with objects that training loops save beside the weights."""
    path = tmp_path / "released.pt"
    extras = {"it": 3, "epoch": 1, "fid": np.float64(0.4), "best": np.longdouble("0.3"), "step": np.int64(7)}
    torch.save({"gen_state_dict": to_official(small_codec().network)} | extras, path)
    return path


@pytest.mark.parametrize("name", CONFIGS)
def test_a_checkpoint_survives_saving_and_loading(name: str, tmp_path: Path) -> None:
    save(small_codec(name).network, tmp_path / "a.safetensors")
    assert same(read(tmp_path / "a.safetensors"), small_codec(name).network)
    assert [path.name for path in tmp_path.iterdir()] == ["a.safetensors"]


def test_a_half_precision_checkpoint_is_read_as_float32(tmp_path: Path) -> None:
    save(small_codec().network, tmp_path / "a.safetensors", torch.float16)
    network = read(tmp_path / "a.safetensors")
    assert network.dtype == torch.float32
    torch.testing.assert_close(network.to_codes.weight, small_codec().network.to_codes.weight, atol=1e-3, rtol=1e-3)


def test_the_released_layout_is_read_and_converted(
    official: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert same(read_official(official, CONFIG), small_codec().network)
    monkeypatch.setattr(CoDiCodecConfig, "official", lambda: CONFIG)
    checkpoint.convert(official, tmp_path / "converted.safetensors")
    assert same(read(tmp_path / "converted.safetensors"), small_codec().network)


def test_the_released_layout_is_546_tensors_of_the_released_names_and_shapes() -> None:
    with torch.device("meta"):
        network = CoDiCodecNetwork(CoDiCodecConfig.official())
    state = to_official(network)
    lines = "".join(f"{name} {'x'.join(map(str, state[name].shape))}\n" for name in sorted(state))
    assert len(state) == 546
    assert sum(weight.numel() for weight in network.parameters()) == 147_202_888
    digest = "82cfa8bc744cdb08b124e215e0ed8df843b54d032840551fc416070e9f47054b"
    assert hashlib.sha256(lines.encode()).hexdigest() == digest


def refused(path: Path, complaint: str, reader: Callable[[Path], Any] = read) -> None:
    with pytest.raises(CodecError, match=complaint):
        reader(path)


def small_official(path: Path) -> CoDiCodecNetwork:
    return read_official(path, CONFIG)


def rewrite(path: Path, change: Callable[[dict[str, torch.Tensor]], Any], **metadata: str) -> None:
    state = load_file(path)
    change(state)
    save_file(state, path, metadata={"format": FORMAT, "config": CONFIG.to_json()} | metadata)


NAMED = "encoder.layers.1.mlp.widen.weight"


def test_a_missing_tensor_is_named(ours: Path) -> None:
    rewrite(ours, lambda state: state.pop(NAMED))
    refused(ours, f'lacks tensor "{NAMED}"')


def test_an_unexpected_tensor_is_named(ours: Path) -> None:
    rewrite(ours, lambda state: state.update({"stowaway": torch.zeros(1)}))
    refused(ours, 'unexpected tensor "stowaway"')


def test_a_tensor_of_another_shape_is_named(ours: Path) -> None:
    rewrite(ours, lambda state: state.update({NAMED: torch.zeros(3, 5)}))
    refused(ours, rf'tensor "{NAMED}" has shape \[3, 5\], its config says \[96, 32\]')


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_tensor_that_is_not_finite_is_named(ours: Path, value: float) -> None:
    rewrite(ours, lambda state: state[NAMED].view(-1)[7:8].fill_(value))
    refused(ours, f'tensor "{NAMED}" holds values that are not finite')


def test_integers_are_refused_as_weights(ours: Path) -> None:
    rewrite(ours, lambda state: state.update({NAMED: torch.zeros(96, 32, dtype=torch.int64)}))
    refused(ours, f'tensor "{NAMED}"')


@pytest.mark.parametrize("part", [0.3, 0.6, 0.99])
def test_a_truncated_checkpoint_names_the_first_tensor_cut(ours: Path, part: float) -> None:
    data = ours.read_bytes()
    size = int(part * len(data))
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    start = 8 + int.from_bytes(data[:8], "little")
    cut = [
        (v["data_offsets"][1], k)
        for k, v in header.items()
        if k != "__metadata__" and start + v["data_offsets"][1] > size
    ]
    ours.write_bytes(data[:size])
    refused(ours, f'truncated or damaged in tensor "{min(cut)[1]}"')


@pytest.mark.parametrize("size", [0, 5, 50])
def test_a_checkpoint_without_a_whole_header_is_refused(ours: Path, size: int) -> None:
    ours.write_bytes(ours.read_bytes()[:size])
    refused(ours, "truncated or damaged")


def test_a_checkpoint_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(CodecError, match="could not be written"):
        save(small_codec().network, tmp_path / "missing" / "x.safetensors")


def test_a_safetensors_file_of_something_else_is_refused(tmp_path: Path) -> None:
    save_file({"weight": torch.zeros(2)}, tmp_path / "other.safetensors")
    refused(tmp_path / "other.safetensors", 'format "None"')


def test_an_impossible_config_is_refused(ours: Path) -> None:
    rewrite(ours, lambda state: None, config=CONFIG.to_json().replace('"heads": 2', '"heads": 5'))
    refused(ours, "heads 5")
    rewrite(ours, lambda state: None, config="{")
    refused(ours, "config cannot be read")


class Payload:
    """Object that runs a command when it is unpickled."""

    def __init__(self, proof: Path) -> None:
        self.proof = proof

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.proof),)


def test_a_pickle_with_a_payload_is_refused_and_not_run(tmp_path: Path) -> None:
    torch.save(
        {"gen_state_dict": to_official(small_codec().network), "fid": Payload(tmp_path / "ran")}, tmp_path / "x.pt"
    )
    refused(tmp_path / "x.pt", "nothing in it was run", small_official)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("name", ["x.pt", "x.th"])
@pytest.mark.parametrize(
    ("data", "says"),
    [
        (pickle.dumps({"gen_state_dict": {}}, protocol=4), "is not a file of weights that torch saved and was refused"),
        (pickle.dumps({"gen_state_dict": print}, protocol=2), r"holds more than weights \(\S*print\) and was refused"),
        (b"hello" * 100, "is not a PyTorch checkpoint"),
    ],
    ids=["a pickle of another's", "code", "text"],
)
def test_files_that_torch_did_not_save_are_refused_with_a_remedy(
    tmp_path: Path, name: str, data: bytes, says: str
) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(CodecError, match=rf'checkpoint "{name}" .*{says}.*\. (Pass|Fetch) .*\.$'):
        load(str(tmp_path / name))


@pytest.mark.parametrize("part", [0.01, 0.2, 0.9])
def test_a_truncated_released_file_is_refused(official: Path, part: float) -> None:
    data = official.read_bytes()
    official.write_bytes(data[: int(part * len(data))])
    refused(official, "truncated or damaged", small_official)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda state: state.pop("decoder.pe"), 'lacks tensor "decoder.pe"'),
        (lambda state: state.update({"decoder.pe": torch.zeros(1, 3, 32)}), r'"decoder.pe" has shape \[1, 3, 32\]'),
        (lambda state: state.update({"decoder.extra": torch.zeros(1)}), 'unexpected tensor "decoder.extra"'),
        (lambda state: state["latents"].fill_(float("nan")), 'tensor "summaries" holds values'),
        (lambda state: state["fsq._levels_tensor"].fill_(9), 'constant "fsq._levels_tensor"'),
        (
            lambda state: state["frontend_decoder_up.up_layers.1.up.weight"].fill_(0.3),
            "constant .*up_layers.1.up.weight",
        ),
    ],
)
def test_a_released_file_with_other_tensors_is_refused_by_name(
    official: Path, change: Callable[[dict[str, torch.Tensor]], Any], complaint: str
) -> None:
    state = to_official(small_codec().network)
    change(state)
    torch.save({"gen_state_dict": state}, official)
    refused(official, complaint, small_official)


def test_a_torch_file_of_something_else_is_refused(tmp_path: Path) -> None:
    torch.save([torch.zeros(2)], tmp_path / "x.pt")
    refused(tmp_path / "x.pt", 'no tensors under "gen_state_dict"')


def test_a_codec_is_loaded_by_its_path(ours: Path) -> None:
    codec = load_codec(str(ours))
    assert codec.spec == small_codec().spec
    assert codec.reason.startswith("cpu, float32")


@pytest.mark.parametrize(
    ("name", "complaint"), [("nowhere.safetensors", "does not exist"), ("wax", 'codec "wax" is unknown')]
)
def test_unknown_codecs_are_refused(name: str, complaint: str) -> None:
    with pytest.raises(CodecError, match=complaint):
        load_codec(name)


@pytest.mark.parametrize("name", ["nano", "swift"])
def test_reading_weights_loads_no_compiler(name: str) -> None:
    """Importing torch's compiler takes a second, which would delay the start."""
    asked = f"import sys\nfrom models.load import load\nload({name!r})\nassert 'torch._dynamo' not in sys.modules"
    subprocess.run([sys.executable, "-c", asked], check=True, timeout=100)


@pytest.mark.slow
def test_a_file_of_the_published_size_and_layout_loads_and_plays(tmp_path: Path) -> None:
    """The file has 546 random tensors, 590 MB, and a long double, like the released one."""
    network = CoDiCodecNetwork(CoDiCodecConfig.official()).randomise(0)
    torch.save({"gen_state_dict": to_official(network), "fid": np.longdouble("0.3")}, tmp_path / "codicodec.pt")
    codec = load(str(tmp_path / "codicodec.pt"))
    assert (codec.spec.name, codec.spec.tokens) == ("codicodec", 128)
    encoder, decoder = codec.open_encoder(), codec.open_decoder("discrete")
    chunk = np.random.default_rng(0).standard_normal((2, codec.spec.hop), np.float32) * np.float32(0.1)
    for _ in range(2):
        sound = decoder.decode(encoder.encode(chunk), DecoderControls())
    assert sound.shape == (2, codec.spec.hop)
    assert np.isfinite(sound).all()
    assert sound.any()
