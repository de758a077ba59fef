"""EnCodec and DAC against the packages that released them, on random weights.

By hand: pip install --no-deps encodec==0.1.1 descript-audio-codec==1.0.0 einops, then pytest -m parity -s. (DAC is MIT;
encodec's repository says MIT, the metadata of its package CC BY-NC 4.0. Nothing of either is used or shipped.) What
they import and do not use here, torchaudio and audiotools, is stood in for: those do not load beside our torch.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from models.codec import Controls
from models.residual import ResidualCodec, whole_file
from models.residual_load import codec_of
from models.residual_official import read_official
from models.segments import SegmentCodec, from_tokens

pytestmark = [pytest.mark.parity, pytest.mark.filterwarnings("ignore")]

TOLERANCE = 1e-4


@pytest.fixture(autouse=True)
def stand_ins(monkeypatch: pytest.MonkeyPatch) -> None:
    tools: Any = types.ModuleType("audiotools")
    tools.AudioSignal = tools.STFTParams = object
    tools.ml = types.ModuleType("audiotools.ml")
    tools.ml.BaseModel = torch.nn.Module
    for name, module in {
        "torchaudio": types.ModuleType("torchaudio"),
        "audiotools": tools,
        "audiotools.ml": tools.ml,
    }.items():
        monkeypatch.setitem(sys.modules, name, module)
    torch.manual_seed(0)


def reference_encodec(size: str) -> Any:
    package = pytest.importorskip("encodec", reason="encodec is not installed (see the top of this file)")
    model = getattr(package.EncodecModel, f"encodec_model_{size}")(pretrained=False).eval()
    for name, entries in model.named_buffers():
        if name.endswith("embed"):
            entries.copy_(0.3 * torch.randn(entries.shape))
    model.set_target_bandwidth(24.0)
    return model


def reference_dac(monkeypatch: pytest.MonkeyPatch) -> Any:
    found = importlib.util.find_spec("dac")
    if found is None or not found.submodule_search_locations:
        pytest.skip("descript-audio-codec is not installed (see the top of this file)")
    for name, inner in (("dac", ""), ("dac.model", "model")):  # its own __init__ wants all of audiotools
        package = types.ModuleType(name)
        package.__path__ = [str(Path(found.submodule_search_locations[0]) / inner)]
        monkeypatch.setitem(sys.modules, name, package)
    return importlib.import_module("dac.model.dac").DAC().eval()


def noise(channels: int, samples: int) -> torch.Tensor:
    return 0.1 * torch.randn(1, channels, samples)


def show(what: str, tokens: float, error: float, size: float) -> None:
    print(f"{what}: {100 * tokens:.2f} % of tokens equal, samples off by {error:.1e} at most (RMS {size:.3f})")
    assert tokens == 1
    assert error <= TOLERANCE


@torch.inference_mode()
def test_encodec_24khz_of_a_whole_file(tmp_path: Path) -> None:
    model, x = reference_encodec("24khz"), noise(1, 320 * 60)
    torch.save(model.state_dict(), tmp_path / "24.th")
    network = read_official(tmp_path / "24.th", "encodec24").eval()
    codes = model.encode(x)[0][0]
    expected = model.decode([(codes, None)])[0].numpy()
    tokens, heard = whole_file(network, x[0].numpy())
    show("encodec24, whole", (tokens == codes[0].numpy()).mean(), np.abs(heard - expected).max(), expected.std())


@torch.inference_mode()
def test_encodec_24khz_hop_by_hop_from_silence(tmp_path: Path) -> None:
    """The reference mirrors a signal's beginning, which no stream can: told to put zeros there it is the same."""
    model, x = reference_encodec("24khz"), noise(1, 320 * 60)
    torch.save(model.state_dict(), tmp_path / "24.th")
    for part in model.modules():
        if hasattr(part, "pad_mode"):
            part.pad_mode = "constant"
    codes = model.encode(x)[0][0]
    expected = model.decode([(codes, None)])[0].numpy()
    codec = codec_of(read_official(tmp_path / "24.th", "encodec24"), "encodec24")
    assert isinstance(codec, ResidualCodec)
    encoder, decoder = codec.open_encoder(), codec.open_decoder("discrete")
    frames = [encoder.encode(chunk) for chunk in np.split(x[0].numpy(), 60, axis=1)]
    heard = np.concatenate([decoder.decode(frame, Controls()) for frame in frames], axis=1)
    tokens = np.stack([frame.tokens for frame in frames], axis=1)
    show("encodec24, hop by hop", (tokens == codes[0].numpy()).mean(), np.abs(heard - expected).max(), expected.std())


@torch.inference_mode()
def test_encodec_48khz_segment_by_segment(tmp_path: Path) -> None:
    model, x = reference_encodec("48khz"), noise(2, 48000 + 2 * 47520)
    torch.save(model.state_dict(), tmp_path / "48.th")
    codec = codec_of(read_official(tmp_path / "48.th", "encodec48"), "encodec48")
    assert isinstance(codec, SegmentCodec)
    given = model.encode(x)
    expected = model.decode(given)[0].numpy()
    encoder, decoder = codec.open_encoder(), codec.open_decoder("discrete")
    encoder._carried = x[0, :, :480].clone()  # so that the stream's segments fall on the reference's
    frames = [encoder.encode(chunk) for chunk in np.split(x[0, :, 480:].numpy(), 3, axis=1)]
    heard = np.concatenate([decoder.decode(frame, Controls()) for frame in frames], axis=1)
    equal = []
    for frame, (codes, loudness) in zip(frames, given, strict=False):
        equal.append(np.mean(codes[0].numpy() == frame.tokens[:-4].reshape(150, 16).T))
        assert from_tokens(frame.tokens[-4:]) == pytest.approx(float(loudness), rel=1e-6)
    error = np.abs(heard - expected[:, : heard.shape[1]]).max()
    show("encodec48, segments", float(np.mean(equal)), error, expected.std())


@torch.inference_mode()
def test_dac_44khz_of_a_whole_file_and_as_a_stream(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, x = reference_dac(monkeypatch), noise(1, 512 * 50)
    torch.save({"state_dict": model.state_dict(), "metadata": {"kwargs": {}}}, tmp_path / "weights.pth")
    z, codes, *_ = model.encode(x)
    expected = model.decode(z)[0].numpy()
    codec = codec_of(read_official(tmp_path / "weights.pth", "dac"), "dac")
    assert isinstance(codec, ResidualCodec)
    tokens, heard = whole_file(codec.network, x[0].numpy())
    show("dac, whole", (tokens == codes[0].numpy()).mean(), np.abs(heard - expected).max(), expected.std())
    encoder, decoder = codec.open_encoder(), codec.open_decoder("discrete")
    chunks = np.split(x[0].numpy(), 50, axis=1)
    late = np.concatenate([decoder.decode(encoder.encode(chunk), Controls()) for chunk in chunks], axis=1)
    sure = x.shape[-1] - codec.spec.lookahead
    error = np.abs(late[:, codec.spec.lookahead :] - expected[:, :sure]).max()
    show("dac, hop by hop", 1.0, error, expected.std())
