"""nn~ exports as codecs: the contract for one module of each kind, and processes that fail."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from torch import nn

from models.codec import Audio, CodecError, DecoderControls, Encoder
from models.load import catalogue, codec_of_tape, give_consent, load
from models.registry import FAMILIES
from models.scripted.codec import NnCodec
from models.scripted.process import ScriptedError
from realtime.files.tape import TapeHeader, TapeWriter, codec_hash
from realtime.offline.play_tape import play_tape
from realtime.worker import codec_catalogue
from tests.support import scripted_modules as modules
from tests.support.contract import check_codec, decode, encode, sound

Open = Callable[..., NnCodec]


@pytest.fixture
def open_codec(tmp_path: Path) -> Iterator[Open]:
    """Return a function that saves a module, consents to it and loads it as a codec."""
    opened: list[NnCodec] = []

    def open_codec(module: nn.Module, options: str = "", **keys: Any) -> NnCodec:
        path = modules.save(module, tmp_path / f"{type(module).__name__}.ts")
        give_consent(str(path))
        codec = load(f"rave:{path}{options}", **keys)
        assert isinstance(codec, NnCodec)
        opened.append(codec)
        return codec

    yield open_codec
    for codec in opened:
        codec.module.process.close()
        assert not Path(f"/proc/{codec.module.process.pid}").exists()


GOOD = 1000  # calls until a module misbehaves: more than its delay is measured with


def encode_many(encoder: Encoder, chunk: Audio) -> None:
    for _ in range(101):
        encoder.encode(chunk)


KINDS = [
    pytest.param(modules.Folding(), {}, id="Folding", marks=pytest.mark.slow),
    pytest.param(modules.Noisy(), {}, id="Noisy"),
    pytest.param(modules.Stateful(), {}, id="Stateful", marks=pytest.mark.slow),
    pytest.param(modules.LookAhead(), {}, id="LookAhead", marks=pytest.mark.slow),
    pytest.param(modules.Discrete(), {"slack": 2}, id="Discrete", marks=pytest.mark.slow),
    pytest.param(modules.Network(), {"resembles": False}, id="Network", marks=pytest.mark.slow),
    pytest.param(modules.Phaseless(), {"resembles": False}, id="Phaseless", marks=pytest.mark.slow),
]


@pytest.mark.parametrize(("module", "law"), KINDS)
@pytest.mark.parametrize("options", ["", pytest.param(":stereo", marks=pytest.mark.slow)])
def test_each_kind_of_export_keeps_the_contract(open_codec: Open, module: Any, law: Any, options: str) -> None:
    codec = open_codec(module, options)
    assert codec.spec.channels == (2 if options else 1)
    assert codec.spec.sample_rate == 48_000
    assert codec.spec.hop == modules.RATIO
    assert codec.module.process.gaps == []
    check_codec(codec, **law)


def test_the_delay_is_measured_also_where_a_model_draws_noise(open_codec: Open) -> None:
    codec = open_codec(modules.LookAhead())
    assert codec.spec.lookahead == 37
    assert codec.reason == "look-ahead 37 samples, measured; without write access and network"


@pytest.mark.slow
def test_a_model_without_phase_is_measured_by_its_envelope(open_codec: Open) -> None:
    codec = open_codec(modules.Phaseless())
    assert abs(codec.spec.lookahead - 256) <= 8
    assert codec.delay.found_by == "envelopes"


@pytest.mark.slow
def test_the_same_seed_repeats_a_tape_and_another_does_not(open_codec: Open, tmp_path: Path) -> None:
    codec = open_codec(modules.Noisy(), ":stereo")
    spec = codec.spec
    x = sound(spec, 20, seed=1)
    frames = encode(codec.open_encoder(), x, spec)
    heard = decode(codec.open_decoder("continuous"), frames, spec)
    assert np.abs(heard - x[:, : heard.shape[1]]).max() < 0.2
    other = codec.open_decoder("continuous")
    assert not np.array_equal(other.decode(frames[0], DecoderControls(seed=1)), heard[:, : spec.hop])
    mono = encode(codec.open_encoder(), np.repeat(x[:1], 2, axis=0), spec)
    left, right = decode(codec.open_decoder("continuous"), mono, spec)
    assert np.array_equal(left, right), "both instances draw the same noise: a mono sound stays mono"

    assert codec_of_tape(codec_hash(codec)) == spec.name
    with TapeWriter(tmp_path / "a.tape", TapeHeader.of(spec, "latents", 0, config_hash=codec_hash(codec))) as tape:
        for frame in frames:
            tape.write(frame)
    for name in ("one.wav", "two.wav"):
        assert play_tape(tmp_path / "a.tape", tmp_path / name)["codec"] == spec.name
    assert (tmp_path / "one.wav").read_bytes() == (tmp_path / "two.wav").read_bytes()


@pytest.mark.slow
def test_a_loaded_model_is_in_the_catalogue_as_yours(open_codec: Open) -> None:
    spec = open_codec(modules.Discrete()).spec
    assert (spec.tokens, spec.cardinality, spec.paths) == (16, 16, ("discrete",))
    (row,) = (row for row in catalogue() if row["kind"] == "yours")
    assert row.keys() == FAMILIES["pcm"].row().keys()  # type: ignore[union-attr]
    assert (row["name"], row["hop"], row["tokens"]) == (spec.name, 64, 16)
    assert row["kbps"] == 16 * 4 * 48_000 / 64 / 1000
    assert spec.name in codec_catalogue.table(codec_catalogue.rows())


@pytest.mark.slow
def test_a_file_without_a_rate_plays_at_the_callers(open_codec: Open) -> None:
    module = modules.Folding()
    module.sr = 0
    assert open_codec(module, rate=44_100).spec.sample_rate == 44_100


@pytest.mark.parametrize("options", [":stereo:stereo", ":mono"])
def test_unknown_options_are_refused(tmp_path: Path, options: str) -> None:
    path = modules.save(modules.Folding(), tmp_path / "m.ts")
    give_consent(str(path))
    with pytest.raises(CodecError):
        load(f"rave:{path}{options}")


@pytest.mark.slow
def test_an_export_that_cannot_be_a_codec_is_refused_with_its_use(open_codec: Open) -> None:
    with pytest.raises(CodecError, match=r"cannot be a codec\. It can be an effect: --pre nn:"):
        open_codec(modules.Gain())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("deed", "says"),
    [
        ("nan", "encode returned values that are not finite"),
        ("loop", "gave no answer for 2 s"),
        ("eat", "can't allocate memory|no answer"),
        ("raise", "not today"),
        ("shape", r"shape|size|invalid"),
    ],
)
def test_a_module_that_misbehaves_fails_with_a_reason(open_codec: Open, deed: str, says: str) -> None:
    codec = open_codec(modules.Misbehaving(deed, GOOD))
    encoder, chunk = codec.open_encoder(), np.zeros((1, modules.RATIO), np.float32)
    for _ in range(GOOD - 100):
        encoder.encode(chunk)
    with pytest.raises(ScriptedError, match=says):
        encode_many(encoder, chunk)


def test_a_process_that_was_killed_is_named(open_codec: Open) -> None:
    codec = open_codec(modules.Folding())
    os.kill(codec.module.process.pid, signal.SIGKILL)
    with pytest.raises(ScriptedError, match=r"crashed \(SIGKILL\)"):
        codec.open_encoder()
    with pytest.raises(ScriptedError, match="its process has ended"):
        codec.open_encoder()


@pytest.mark.slow
def test_a_module_that_writes_a_file_when_loaded_is_refused_and_could_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "harm"
    path = modules.save(modules.Saving(str(target)), tmp_path / "m.ts")
    target.unlink(missing_ok=True)
    with pytest.raises(CodecError, match="uses torch"):
        give_consent(str(path))
    monkeypatch.setattr("models.scripted.archive._check_source", lambda path, source: None)
    give_consent(str(path))
    with pytest.raises(CodecError):
        load(f"rave:{path}")
    assert not target.exists()


@pytest.mark.slow
def test_a_module_that_never_ends_to_load_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("models.scripted.process.START_S", 8.0)
    path = modules.save(modules.LoadLoop(), tmp_path / "m.ts")
    give_consent(str(path))
    with pytest.raises(CodecError, match=r"cannot be loaded: m\.ts: gave no answer for 8 s"):
        load(f"rave:{path}")
