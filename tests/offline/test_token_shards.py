"""A folder of audio as shards of tokens: complete, without doubles, resumable."""

from __future__ import annotations

import contextlib
import io
import json
import tarfile
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import safe_open

from models.codec import CodecError, DecoderControls
from models.load import load
from realtime.offline.encode_file import encode_file
from realtime.offline.parallel_map import Outcome, apply
from realtime.offline.token_set import TokenJob, make_shards, plan_shards
from realtime.offline.token_shard import Shard, ShardReport, write_shard
from realtime.system.atomic_file import FileError

RATE = 48_000
CODEC = "swift:3"


def audio(path: Path, seed: int, samples: int = 4000) -> None:
    noise = np.random.default_rng(seed).standard_normal((samples, 2)) * 0.1
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, noise.astype(np.float32), RATE, subtype="FLOAT")


def job(place: Path, target: str = "out", **options: Any) -> TokenJob:
    return replace(TokenJob(place / "in", place / target, CODEC), **options)


def in_turn(function: Callable[[Shard], ShardReport], shards: Iterable[Shard]) -> Iterator[Outcome[Shard, ShardReport]]:
    return (apply(function, shard) for shard in shards)


def read_tar(path: Path) -> dict[str, tuple[np.ndarray, dict[str, Any]]]:
    found: dict[str, dict[str, Any]] = {}
    with tarfile.open(path) as tar:
        for member in tar:
            key, _, kind = member.name.partition(".")
            data = tar.extractfile(member)
            assert data is not None
            content = data.read()
            found.setdefault(key, {})[kind] = (
                json.loads(content) if kind == "json" else np.load(io.BytesIO(content), allow_pickle=False)
            )
    return {parts["json"]["file"]: (parts["tokens.npy"], parts["json"]) for parts in found.values()}


def content(target: Path) -> dict[str, tuple[np.ndarray, dict[str, Any]]]:
    """Return the samples of all shards; a file in two of them fails."""
    found: dict[str, tuple[np.ndarray, dict[str, Any]]] = {}
    for path in sorted(target.glob("*.tar")):
        own = read_tar(path)
        assert not own.keys() & found.keys(), "twice"
        found |= own
    return found


class Stopped(BaseException):
    """Stand-in for a kill."""


@settings(max_examples=8)
@given(st.data())
def test_nothing_is_lost_and_nothing_is_there_twice_however_runs_end(data: st.DataObject) -> None:
    """Runs are killed after some shards, shards are made twice and in any order, files are added in between."""
    with tempfile.TemporaryDirectory() as directory:
        place, names = Path(directory), [f"{i}.wav" for i in range(7)]
        added = 0
        for _ in range(data.draw(st.integers(1, 3), label="killed runs")):
            more = data.draw(st.integers(1, 2), label="new files")
            for name in names[added : added + more]:
                audio(place / "in" / name, seed=int(name[0]))
            added += more
            stop = data.draw(st.integers(0, 3), label="killed after")

            def killed(
                function: Callable[[Shard], ShardReport], shards: Iterable[Shard], stop: int = stop
            ) -> Iterator[Outcome[Shard, ShardReport]]:
                for number, shard in enumerate(data.draw(st.permutations(list(shards)), label="order")):
                    if number >= stop:
                        raise Stopped
                    yield apply(function, shard)
                    yield apply(function, shard)  # as a cluster may, whose answer was lost

            with contextlib.suppress(Stopped):
                make_shards(job(place, files_per_shard=2), killed)
        facts = make_shards(job(place, files_per_shard=2), in_turn)
        assert facts["files"] == added
        found = content(place / "out")
        assert sorted(found) == names[:added]
        codec = load(CODEC)
        for name, (tokens, own) in found.items():
            expected = encode_file(codec, place / "in" / name, "tokens").frames
            np.testing.assert_array_equal(tokens, expected)
            assert own["frames"] == len(expected)
        assert not list((place / "out").glob(".*")), "no partial file is left"


def test_a_shard_has_the_same_bytes_whenever_it_is_made(tmp_path: Path) -> None:
    audio(tmp_path / "in" / "a.wav", 0)
    for format_ in ("tar", "safetensors"):
        for target in (f"{format_}-1", f"{format_}-2"):
            make_shards(job(tmp_path, target, format=format_), in_turn)
        one, two = ((tmp_path / f"{format_}-{n}" / f"shard-00000.{format_}").read_bytes() for n in (1, 2))
        assert one == two


def test_tokens_decode_to_the_file_they_were_made_of(tmp_path: Path) -> None:
    audio(tmp_path / "in" / "a.wav", 0, samples=20_000)
    make_shards(job(tmp_path), in_turn)
    ((tokens, own),) = content(tmp_path / "out").values()
    codec = load(CODEC)
    assert tokens.dtype == np.uint16
    assert own["config_hash"] == codec.config_hash.hex()  # type: ignore[attr-defined]
    assert len(tokens) * own["hop"] >= own["samples"] + own["lookahead"], "all of the file comes out of a decoder"
    source, _ = soundfile.read(tmp_path / "in" / "a.wav", dtype="float32")
    padded = np.pad(source.T, ((0, 0), (0, len(tokens) * own["hop"] - own["samples"])))
    encoder, decoder, again = codec.open_encoder(), codec.open_decoder("discrete"), codec.open_decoder("discrete")
    for number, kept in enumerate(tokens):
        frame = encoder.encode(np.ascontiguousarray(padded[:, number * own["hop"] :][:, : own["hop"]]))
        stored = replace(frame, tokens=kept.astype(np.int32))
        out = decoder.decode(frame, DecoderControls())
        np.testing.assert_array_equal(out, again.decode(stored, DecoderControls()))


def test_safetensors_hold_arrays_and_facts(tmp_path: Path) -> None:
    audio(tmp_path / "in" / "sub" / "a.wav", 0)
    make_shards(job(tmp_path, format="safetensors"), in_turn)
    with safe_open(tmp_path / "out" / "shard-00000.safetensors", framework="np") as file:
        assert list(file.keys()) == ["000000000"]
        assert json.loads(file.metadata()["verdigris"])["samples"]["000000000"]["file"] == "sub/a.wav"
        assert file.get_tensor("000000000").dtype == np.uint16


def test_a_file_that_cannot_be_read_is_named_and_costs_no_other(tmp_path: Path) -> None:
    audio(tmp_path / "in" / "a.wav", 0)
    (tmp_path / "in" / "b.wav").write_text("no audio")
    facts = make_shards(job(tmp_path, files_per_shard=2), in_turn)
    assert list(facts["failed"]) == ["b.wav"]
    assert list(content(tmp_path / "out")) == ["a.wav"]
    assert make_shards(job(tmp_path), in_turn)["failed"] == facts["failed"], "known without reading it again"


def test_shards_of_other_settings_are_refused(tmp_path: Path) -> None:
    audio(tmp_path / "in" / "a.wav", 0)
    make_shards(job(tmp_path), in_turn)
    with pytest.raises(FileError, match=r"another run \(format is tar, now safetensors\)"):
        make_shards(job(tmp_path, format="safetensors"), in_turn)


def test_a_shard_that_fails_is_tried_again_by_the_next_run(tmp_path: Path) -> None:
    for name in "ab":
        audio(tmp_path / "in" / f"{name}.wav", 0)

    def failing(
        function: Callable[[Shard], ShardReport], shards: Iterable[Shard]
    ) -> Iterator[Outcome[Shard, ShardReport]]:
        return (Outcome(shard, None, "died") if shard.number else apply(function, shard) for shard in shards)

    with pytest.raises(FileError, match="1 of 2 shards could not be made; the first is number 1: died"):
        make_shards(job(tmp_path, files_per_shard=1), failing)
    assert make_shards(job(tmp_path), in_turn) == make_shards(job(tmp_path), in_turn) | {"made": 1}
    assert sorted(content(tmp_path / "out")) == ["a.wav", "b.wav"]


def test_a_codec_without_latents_says_so_before_anything_is_made(tmp_path: Path) -> None:
    audio(tmp_path / "in" / "a.wav", 0)
    with pytest.raises(CodecError, match="has no latents; it has tokens"):
        plan_shards(job(tmp_path, kind="latents"))
    assert not (tmp_path / "out").exists()


def test_write_shard_needs_nothing_but_its_argument(tmp_path: Path) -> None:
    audio(tmp_path / "in" / "a.wav", 0)
    (shard,) = plan_shards(job(tmp_path))
    assert write_shard(shard).files == 1


def test_the_command_makes_shards_and_goes_on(tmp_path: Path, desk: Any) -> None:
    audio(desk.place / "in" / "a.wav", 0)
    made = desk.done("tokens", "in", "out", "--codec", CODEC, "--jobs", "1", "--json")
    assert json.loads(made.out)["made"] == 1
    assert "1 shards (0 new), 1 files" in desk.done("tokens", "in", "out", "--codec", CODEC).out
    assert "is not a folder" in desk.refused("tokens", "missing", "out2")
