"""Mimi: its transformers step by step and as a whole, its split quantiser, its files, and its books while it plays."""

from __future__ import annotations

import time
from dataclasses import replace
from itertools import cycle
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from benchmarks.latency import lag
from models.codec import CodecError, DecoderControls
from models.load import catalogue, load
from models.residual import released_sizes
from models.residual.codec import ResidualCodec
from models.residual.mimi import MimiConfig, mimi
from models.residual.network import ResidualNetwork, from_json, to_json, whole_file
from models.residual.rvq import QuantiserConfig
from models.residual.streaming_transformer import BlockStep, Transformer, TransformerConfig, TransformerStep, rotated
from realtime.demo import CLIP
from realtime.engine.engine_settings import Settings
from realtime.files.audio_file import AudioReader
from realtime.session.config import SessionConfig
from realtime.session.live_session import play
from realtime.worker.codec_lane import CodecLane
from realtime.worker.messages import ParameterChange
from tests.codecs.residual.test_residual_live import missed
from tests.support.contract import check_codec, chunks, sound
from tests.support.machine_speed import within

torch.set_num_threads(1)

WINDOW = 12
SIZES = TransformerConfig(16, layers=2, heads=2, inner=32, window=WINDOW)


def narrow(books: int = 6) -> MimiConfig:
    """Return Mimi's sizes, but narrow."""
    quantiser = QuantiserConfig(16, books, 64)
    return replace(mimi(), width=4, quantiser=quantiser, lookup=8, layers=2, heads=2, inner=32, window=WINDOW)


def network(books: int = 6) -> ResidualNetwork:
    return ResidualNetwork(narrow(books)).randomise(0).eval().requires_grad_(False)


def transformer(config: TransformerConfig = SIZES) -> Transformer:
    torch.manual_seed(0)
    made = Transformer(config).eval().requires_grad_(False)
    for parameter in made.parameters():
        parameter.copy_(0.3 * torch.randn(parameter.shape))
    return made


def test_the_codec_keeps_the_contract_beyond_its_window() -> None:
    codec = ResidualCodec(network())
    assert (codec.spec.hop, codec.spec.lookahead, codec.spec.books) == (1920, 0, 6)
    check_codec(
        codec, hops=12, tolerance=1e-4, resembles=False, offline=lambda x, path: whole_file(codec.network, x)[1]
    )


def test_the_sizes_are_the_released_ones_and_survive_a_checkpoint() -> None:
    sizes = mimi()
    assert (sizes.stride, sizes.sample_rate / sizes.stride) == (1920, 12.5)
    assert sizes.quantiser.bits / 32 * 12.5 == 137.5
    assert from_json(to_json(sizes)) == sizes


@settings(max_examples=30)
@given(st.lists(st.integers(0, 30), min_size=1, max_size=6))
def test_a_transformer_gives_the_same_for_any_split_of_its_input(sizes: list[int]) -> None:
    layer, x = transformer(), torch.randn(sum(sizes), 16, generator=torch.Generator().manual_seed(1))
    step = layer.new_stream()
    found = torch.cat([step(part) for part in x.split(sizes)])
    expected = layer(x.T[None])[0].T if len(x) else x
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)


def test_attention_is_that_of_complex_numbers_turned_by_their_position() -> None:
    """One block in float64 by loops: the real part of q times conj(k), turned by the distance."""
    layer = transformer(replace(SIZES, layers=1))
    (block,) = layer.all
    x = torch.randn(30, 16, generator=torch.Generator().manual_seed(2))
    normed = torch.nn.functional.layer_norm(x, (16,), block.attention_norm.weight, block.attention_norm.bias)
    query, key, value = ((normed @ part.weight.T).double().numpy() for part in (block.query, block.key, block.value))
    speeds = 10_000.0 ** (-np.arange(4) / 4)
    seen = np.zeros((30, 16))
    for head in (slice(0, 8), slice(8, 16)):
        q, k = (part[:, head][:, :4] + 1j * part[:, head][:, 4:] for part in (query, key))
        for at in range(30):
            first = max(0, at - WINDOW + 1)
            distance = at - np.arange(first, at + 1)
            scores = (q[at] * k[first : at + 1].conj() * np.exp(1j * distance[:, None] * speeds)).real.sum(1) / 8**0.5
            weights = np.exp(scores - scores.max())
            seen[at, head] = weights / weights.sum() @ value[first : at + 1, head]
    x = x + block.attention_scale * (torch.from_numpy(seen).float() @ block.output.weight.T)
    normed = torch.nn.functional.layer_norm(x, (16,), block.products_norm.weight, block.products_norm.bias)
    inner = torch.nn.functional.gelu(normed @ block.widen.weight.T)
    expected = x + block.products_scale * (inner @ block.narrow.weight.T)
    given = torch.randn(30, 16, generator=torch.Generator().manual_seed(2))
    torch.testing.assert_close(layer(given.T[None])[0].T, expected, atol=1e-5, rtol=1e-4)


def test_a_long_stream_keeps_a_window_of_the_past() -> None:
    step = transformer().new_stream()
    assert isinstance(step, TransformerStep)
    x = torch.randn(500, 16)
    for part in x.split(2):
        step(part)
    assert step.position == 500
    for block in step.blocks:
        assert isinstance(block, BlockStep)
        assert block.keys.shape[2] <= 2 * (WINDOW + 1)


def test_a_stream_of_days_turns_keys_as_exactly_as_a_new_one() -> None:
    """Angles in float32 would be wrong after an hour of 25 positions a second."""
    layer, x = transformer(), torch.randn(WINDOW, 8)
    early, late = (rotated(x, layer.rotation(start, WINDOW)) for start in (0, 10**7))
    torch.testing.assert_close(early @ early.T, late @ late.T, atol=1e-5, rtol=1e-5)


def test_the_first_book_codes_the_latent_by_itself() -> None:
    codec = ResidualCodec(network())
    z = torch.randn(50, 16)
    tokens = codec.quantiser.encode(z)
    alone = ResidualCodec(network().truncate_books(1)).quantiser
    assert torch.equal(tokens[:, :1], alone.encode(z))
    full, first = (codec.quantiser.decode(tokens, [True] + [on] * 5) for on in (True, False))
    torch.testing.assert_close(first, alone.decode(tokens[:, :1], [True]))
    rest = codec.quantiser.decode(tokens, [False] + [True] * 5)
    torch.testing.assert_close(full, first + rest)


def test_a_split_quantiser_is_not_trained() -> None:
    with pytest.raises(CodecError, match="not trained here"):
        network().quantiser(torch.zeros(1, 16, 2))


HUB = {  # the Hub's names of our tensors
    "encoder.0.": "encoder.layers.",
    "encoder.1.blocks.": "encoder_transformer.layers.",
    "encoder.2.": "downsample.conv.",
    "decoder.0.": "upsample.conv.",
    "decoder.1.blocks.": "decoder_transformer.layers.",
    "decoder.2.": "decoder.layers.",
    ".attention_norm.": ".input_layernorm.",
    ".products_norm.": ".post_attention_layernorm.",
    ".query.": ".self_attn.q_proj.",
    ".key.": ".self_attn.k_proj.",
    ".value.": ".self_attn.v_proj.",
    ".output.": ".self_attn.o_proj.",
    ".widen.": ".mlp.fc1.",
    ".narrow.": ".mlp.fc2.",
    ".attention_scale": ".self_attn_layer_scale.scale",
    ".products_scale": ".mlp_layer_scale.scale",
    "quantiser.semantic_in.": "quantizer.semantic_residual_vector_quantizer.input_proj.",
    "quantiser.semantic_out.": "quantizer.semantic_residual_vector_quantizer.output_proj.",
    "quantiser.acoustic_in.": "quantizer.acoustic_residual_vector_quantizer.input_proj.",
    "quantiser.acoustic_out.": "quantizer.acoustic_residual_vector_quantizer.output_proj.",
}


def released(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return the tensors in the layout of the Hub's file: entries are sums over counts."""
    found = {}
    for name, tensor in state.items():
        theirs = name
        for ours, hubs in HUB.items():
            theirs = theirs.replace(ours, hubs)
        if (".layers." in theirs and "transformer" not in theirs) or "sample" in theirs:
            stem, _, kind = theirs.rpartition(".")
            theirs = f"{stem}.conv.{kind}" if "sample" not in theirs else theirs
        if name.startswith("quantiser.stages."):
            number = int(name.split(".")[2])
            kind = "acoustic" if number else "semantic"
            part = f"{kind}_residual_vector_quantizer.layers.{max(0, number - 1)}"
            count = 0.5 + torch.rand(len(tensor))
            found[f"quantizer.{part}.codebook.cluster_usage"] = count
            found[f"quantizer.{part}.codebook.initialized"] = torch.ones(1)
            theirs, tensor = f"quantizer.{part}.codebook.embed_sum", tensor * count[:, None]
        found[theirs] = tensor[..., None].contiguous() if "_proj." in theirs and "quantizer" in theirs else tensor
    return found


def test_a_file_of_the_hub_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(released_sizes, "mimi", narrow)
    path, ours = tmp_path / "model.safetensors", network()
    save_file(released(dict(ours.state_dict())), path)
    codec = load(str(path))
    assert isinstance(codec, ResidualCodec)
    for name, tensor in ours.state_dict().items():
        torch.testing.assert_close(codec.network.state_dict()[name], tensor)


def test_books_may_be_any_number_and_their_bitrate_is_a_name() -> None:
    codec = ResidualCodec(network())
    audio = sound(codec.spec, 4, seed=3)
    frames = [codec.open_encoder().encode(chunk) for chunk in chunks(audio, codec.spec.hop)]
    found = [codec.open_decoder("discrete").decode(frames[1], DecoderControls(books=books)) for books in range(1, 7)]
    assert len({part.tobytes() for part in found}) == 6
    for kbps in ("0.1375", "1.1", "4.4"):
        with pytest.raises(CodecError, match=r"Get mimi\.safetensors"):
            load(f"mimi:{kbps}")
    with pytest.raises(CodecError, match="5 kbit/s not offered by mimi"):
        load("mimi:5")


def test_books_from_1_to_all_twenty_times_a_second_do_not_click() -> None:
    """The energy of second differences near the joins of frames, against that without a change."""

    def played(books: list[int]) -> np.ndarray:
        lane = CodecLane(ResidualCodec(network()), [(0, "discrete")], 24_000)
        every, found = 24_000 // 20, []
        audio, turns = np.repeat(sound(lane.codec.spec, 40, seed=4), 2, axis=0), cycle(books)
        for at in range(0, audio.shape[1] - every, every):
            lane.chains[0].enqueue(ParameterChange(0, "books", next(turns), at=at))
            found += [out for _, out in lane.process(np.ascontiguousarray(audio[:, at : at + every]))]
        return np.concatenate(found, axis=1)

    steady, switched = played([6]), played([1, 6])
    assert not np.array_equal(steady, switched)
    assert jumps(switched) < 1.5 * max(jumps(steady), jumps(played([1]))) + 0.2


def jumps(audio: np.ndarray) -> float:
    """Return the energy of the second difference within 8 samples after joins of frames, over that elsewhere."""
    rough = np.square(np.diff(audio.astype(np.float64), 2, axis=-1)).mean(0)
    near = (np.arange(len(rough)) + 2) % 1920 < 8
    near[:1920] = False
    return float(rough[near].mean() / rough[~near].mean())


def test_the_released_size_has_an_entry_in_the_catalogue() -> None:
    (row,) = (row for row in catalogue() if row["name"] == "mimi")
    assert (row["sample_rate"], row["hop"], row["latency_ms"], row["licence"]) == (24_000, 1920, 80.0, "CC BY 4.0")
    assert row["variants"] == {"": 4.4, "1.1": 1.1, "2.2": 2.2, "4.4": 4.4}


@pytest.mark.slow
@pytest.mark.rig
def test_a_frame_takes_half_of_real_time_at_most() -> None:
    """Random weights, one core, the median frame in this thread's own time; the best of three."""
    codec = load("mimi:random")
    encoder, decoder = codec.open_encoder(), codec.open_decoder("discrete")
    medians = []
    for _ in range(3):
        taken = []
        for chunk in chunks(sound(codec.spec, 12, seed=1), codec.spec.hop):
            begun = time.thread_time()
            decoder.decode(encoder.encode(chunk), DecoderControls())
            taken.append(time.thread_time() - begun)
        medians.append(12.5 * float(np.median(taken)))
    print(f"mimi: {min(medians):.3f} x RT on one core, at most {max(medians):.3f}")
    within(min(medians), 0.5, "mimi, x RT on one core")


@pytest.mark.slow
@pytest.mark.rig
@pytest.mark.timeout(300)
def test_what_is_planned_is_measured_and_nothing_is_missed_in_30_seconds(tmp_path: Path) -> None:
    """Random weights sound like nothing, so what was played is compared with the whole file coded at once."""
    clip, rate = soundfile.read(CLIP, dtype="float32")
    soundfile.write(tmp_path / "long.wav", np.tile(clip, (4, 1))[: 30 * rate], rate)
    source = AudioReader(tmp_path / "long.wav", 24_000)
    settings = Settings(24_000, 256, ("mimi:random", None), None)
    try:
        report = play(
            SessionConfig(settings, "clock", 256, source, seconds=30.0, record=tmp_path, values={"monitor": "a"})
        )  # fmt: skip
    finally:
        source.close()
    played, given = (soundfile.read(tmp_path / name, dtype="float32")[0] for name in ("monitor.wav", "input.wav"))
    codec = load("mimi:random")
    assert isinstance(codec, ResidualCodec)
    mono = given[: 10 * 24_000].mean(axis=1, dtype=np.float32)[None]
    expected = whole_file(codec.network, mono)[1].T
    assert report["seconds"] == 30
    assert lag(played[: 11 * 24_000], expected) == report["latency_samples"]
    within(missed(report), 0, "mimi live for 30 s, dropouts")
