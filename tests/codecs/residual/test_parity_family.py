"""EnCodec, DAC and Mimi against the packages that released them and against Hugging Face's transformers, on random
weights.

By hand: `pip install --no-deps encodec==0.1.1 descript-audio-codec==1.0.0 einops` and `pip install transformers`, then
pytest -m parity -s. Licences and stand-ins: benchmarks/references.py. Nothing of the packages is used or shipped.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from benchmarks.references import PACKAGES, Reference, reference
from models.codec import Audio, Codec, CodecError, DecoderControls
from models.residual.codec import ResidualCodec
from models.residual.network import whole_file
from models.residual.registry import codec_of, load_file
from models.residual.released_checkpoint import read_official
from models.residual.released_sizes import FAMILIES, sizes_of
from models.residual.segmented import SegmentCodec, tokens_to_float
from tests.support.contract import chunks

pytestmark = [pytest.mark.parity, pytest.mark.timeout(900), pytest.mark.filterwarnings("ignore")]

TOLERANCE = 1e-4
STEPS = 48  # of the files here
LONG = 140  # steps of Mimi that exceed its window of 250 positions, two a step
REACH = 640  # samples at the end that a sample lost within DAC's decoder changes


def reference_of(family: str) -> Reference:
    torch.manual_seed(0)
    try:
        return reference(family)
    except CodecError as error:
        pytest.skip(f"{error} (see the top of this file)")


def file_of(model: Reference, family: str, place: Path) -> Path:
    path = place / ("weights.pth" if family.startswith("dac") else "weights.th")
    model.save(path)
    return path


def noise(channels: int, samples: int) -> torch.Tensor:
    return 0.1 * torch.randn(1, channels, samples)


def show(what: str, tokens: float, heard: Audio, expected: Audio) -> None:
    """Compare samples, but for the end where the package gives fewer: DAC's odd strides lose one at their level."""
    length = heard.shape[1] if heard.shape == expected.shape else min(heard.shape[1], expected.shape[1]) - REACH
    error = np.abs(heard[:, :length] - expected[:, :length]).max()
    print(f"{what}: {100 * tokens:.2f} % of tokens equal, samples off by {error:.1e} (RMS {expected.std():.3f})")
    assert tokens == 1
    assert error <= TOLERANCE


def streamed(codec: Codec, audio: Audio) -> tuple[list[Any], Audio]:
    encoder, decoder = codec.open_encoder(), codec.open_decoder("discrete")
    frames = [encoder.encode(chunk) for chunk in chunks(audio, codec.spec.hop)]
    return frames, np.concatenate([decoder.decode(frame, DecoderControls()) for frame in frames], axis=1)


@pytest.mark.parametrize("family", [name for name in FAMILIES if name != "encodec48"])
@torch.inference_mode()
def test_a_whole_file_is_the_packages(family: str, tmp_path: Path) -> None:
    model, x = reference_of(family), noise(1, sizes_of(family).stride * STEPS)
    network = read_official(file_of(model, family, tmp_path), family).eval()
    codes, expected = model.through(x)
    tokens, heard = whole_file(network, x[0].numpy())
    show(f"{family}, whole", (tokens == codes.numpy()).mean(), heard, expected[0].numpy())


@pytest.mark.parametrize("frames", [1, 4])
@pytest.mark.parametrize("family", [name for name in FAMILIES if name != "encodec48"])
@torch.inference_mode()
def test_a_stream_is_the_packages_file_from_silence(family: str, frames: int, tmp_path: Path) -> None:
    """EnCodec mirrors a signal's ends, which no stream can: told to put zeros there it is the same."""
    steps = LONG if family == "mimi" else STEPS
    model, x = reference_of(family), noise(1, sizes_of(family).stride * steps)
    for part in model.model.modules():
        if getattr(part, "pad_mode", "") == "reflect":
            part.pad_mode = "constant"
    codes, expected = model.through(x)
    codec = codec_of(read_official(file_of(model, family, tmp_path), family), family, frames=str(frames))
    assert isinstance(codec, ResidualCodec)
    found, heard = streamed(codec, x[0].numpy())
    tokens = np.concatenate([frame.tokens.reshape(frames, -1) for frame in found])
    tokens = tokens[codec.network.encoder_delay_frames :].T
    late = codec.spec.lookahead
    sure = x.shape[-1] - 2 * late  # near its end the whole run sees that there is no more
    steps = sure // codec.network.config.stride
    equal = (tokens[:, :steps] == codes.numpy()[:, :steps]).mean()
    show(f"{family}, {frames} step(s) a frame", equal, heard[:, late : late + sure], expected[0, :, :sure].numpy())


@torch.inference_mode()
def test_encodec_48khz_segment_by_segment(tmp_path: Path) -> None:
    model, x = reference_of("encodec48"), noise(2, 48000 + 2 * 47520)
    codec = codec_of(read_official(file_of(model, "encodec48", tmp_path), "encodec48"), "encodec48")
    assert isinstance(codec, SegmentCodec)
    given = model.model.encode(x)
    expected = model.model.decode(given)[0].numpy()
    encoder, decoder = codec.open_encoder(), codec.open_decoder("discrete")
    encoder._carry = x[0, :, :480].clone()  # so that the stream's segments fall on the reference's
    frames = [encoder.encode(chunk) for chunk in np.split(x[0, :, 480:].numpy(), 3, axis=1)]
    heard = np.concatenate([decoder.decode(frame, DecoderControls()) for frame in frames], axis=1)
    equal = []
    for frame, (codes, loudness) in zip(frames, given, strict=False):
        equal.append(np.mean(codes[0].numpy() == frame.tokens[:-4].reshape(150, 16).T))
        assert tokens_to_float(frame.tokens[-4:]) == pytest.approx(float(loudness), rel=1e-6)
    show("encodec48, segments", float(np.mean(equal)), heard, expected[:, : heard.shape[1]])


def hub_model(family: str) -> Any:
    """A network of transformers with the sizes that the Hub's config of this family has."""
    package = pytest.importorskip("transformers", reason="transformers is not installed (see the top of this file)")
    sizes: Any = sizes_of(family)
    torch.manual_seed(0)
    if family.startswith("dac"):
        config = package.DacConfig(
            downsampling_ratios=list(sizes.strides), upsampling_ratios=list(reversed(sizes.strides)),
            n_codebooks=sizes.quantiser.books, hidden_size=sizes.quantiser.width, sampling_rate=sizes.sample_rate,
        )  # fmt: skip
        return package.DacModel(config).eval()
    kbps = round(sizes.quantiser.bits * sizes.sample_rate / sizes.stride / 1000, 1)
    segments = {"normalize": True, "chunk_length_s": 1.0, "overlap": 0.01} if sizes.norm else {}
    config = package.EncodecConfig(
        target_bandwidths=[kbps], sampling_rate=sizes.sample_rate, audio_channels=sizes.channels,
        num_filters=sizes.width, upsampling_ratios=list(reversed(sizes.strides)), use_causal_conv=not sizes.ahead,
        norm_type="time_group_norm" if sizes.norm else "weight_norm", use_conv_shortcut=sizes.shortcut,
        codebook_size=sizes.quantiser.size, **segments,
    )  # fmt: skip
    model = package.EncodecModel(config).eval()
    for name, entries in model.named_buffers():
        if name.endswith("embed"):
            entries.copy_(0.3 * torch.randn(entries.shape))
    return model


@pytest.mark.parametrize(
    "family", [name for name in FAMILIES if name not in ("dac44-16", "mimi")]
)  # the Hub has no dac44-16; mimi has a test of its own
@torch.inference_mode()
def test_a_file_of_the_hub_is_read_and_sounds_as_there(family: str, tmp_path: Path) -> None:
    model = hub_model(family)
    state = {name: tensor.clone().contiguous() for name, tensor in model.state_dict().items()}
    save_file(state, tmp_path / "model.safetensors")
    codec = load_file(tmp_path / "model.safetensors")
    assert codec.network.config == sizes_of(family)  # type: ignore[attr-defined]
    if isinstance(codec, SegmentCodec):
        x = noise(2, codec.length)
        codes = model.encode(x, torch.ones(1, codec.length)).audio_codes[0, 0]
        assert torch.equal(codes, codec.encode_segment(x[0])[0].T)
        return
    x = noise(1, sizes_of(family).stride * STEPS)
    encoded = model.encode(x)
    codes = encoded.audio_codes.reshape(-1, STEPS)
    if family.startswith("dac"):
        expected = model.decode(encoded.quantized_representation).audio_values.reshape(1, -1)
    else:
        expected = model.decode(encoded.audio_codes, encoded.audio_scales).audio_values[0]
    tokens, heard = whole_file(codec.network, x[0].numpy())  # type: ignore[attr-defined]
    show(f"{family}, the Hub's", (tokens == codes.numpy()).mean(), heard, expected.numpy())


@torch.inference_mode()
def test_mimi_is_read_in_the_layout_in_which_transformers_saves_it(tmp_path: Path) -> None:
    """That is the layout of the released file; in memory its tensors have other names."""
    model, x = reference_of("mimi"), noise(1, 1920 * 4)
    model.model.save_pretrained(tmp_path)
    codec = load_file(tmp_path / "model.safetensors")
    assert isinstance(codec, ResidualCodec)
    codes, expected = model.through(x)
    tokens, heard = whole_file(codec.network, x[0].numpy())
    show("mimi, as saved", (tokens == codes.numpy()).mean(), heard, expected[0].numpy())


def test_every_family_is_of_one_package() -> None:
    assert sorted(name for names in PACKAGES.values() for name in names) == sorted(FAMILIES)
