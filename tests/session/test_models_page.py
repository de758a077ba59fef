"""The worked example of docs/models.md, with a small model: from a file to a pattern that plays its latents."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from realtime.cli.main import main
from realtime.osc.clients import GROUPS
from realtime.osc.commands import COMMANDS
from realtime.osc.packet import Message, encode, encode_bundle
from realtime.parameters.parameter import element_name
from realtime.parameters.table import PARAMETERS
from tests.conftest import ROOT
from tests.support import scripted_modules as modules
from tests.support.osc_rig import RATE, Rig

PAGE = (ROOT / "docs/models.md").read_text(encoding="utf-8")
ELEMENTS = {
    f"{row.address}/{element_name(row, at)}": row for row in PARAMETERS.values() for at in range(row.size) if row.size
}


def test_every_address_of_the_page_exists() -> None:
    addresses = set(re.findall(r"/verdigris/[\w/\[\]-]*[\w\]]", PAGE))
    known = {row.address for row in PARAMETERS.values()} | set(ELEMENTS) | set(COMMANDS)
    known |= {f"/verdigris/out/{group}" for group in GROUPS}
    of_effects = {"/verdigris/pre/1/temperature"}
    patterns = {address for address in addresses if "[" in address}
    assert addresses - patterns - known - of_effects == set()
    for pattern in patterns:
        assert any(re.fullmatch(pattern, address) for address in ELEMENTS), pattern


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = modules.save(modules.Folding(), tmp_path / "voice.ts")
    assert main(["trust", str(path)]) == 0
    return path


@pytest.fixture
def rig(model: Path) -> Iterator[Rig]:
    made = Rig(f"rave:{model}")
    yield made
    made.close()


def latents(got: list[Message]) -> dict[int, list[float]]:
    return {m.args[0]: list(m.args[2:]) for m in got if m.address == "/verdigris/out/latents"}


@pytest.mark.slow
def test_a_pattern_moves_the_latents_at_its_own_time(rig: Rig) -> None:
    rig.ask("/verdigris/subscribe", "latents")
    assert all(value == 0.25 for values in latents(rig.play(20)).values() for value in values)

    step = 4096  # samples between the notes of the pattern
    notes = [0.0, -0.5, -1.0, 0.5]
    begin = rig.engine.host.position + 8192
    for number, note in enumerate(notes):
        at = rig.wall() + (begin + number * step - rig.engine.host.position) / RATE
        rig.client.socket.send(encode_bundle(at, encode("/verdigris/a/bend/bias/00", note)))
    got = latents(rig.play(120) + rig.settle())
    for frame, values in got.items():
        note_number = (frame * modules.RATIO - begin) // step
        if note_number >= 0:
            assert values[0] == pytest.approx(0.25 + notes[min(note_number, 3)]), frame
        assert values[1:] == [0.25] * (modules.RATIO - 1), "the other latents are untouched"
    assert {round(values[0], 2) for values in got.values()} == {0.25, -0.25, -0.75, 0.75}


@pytest.mark.slow
def test_with_every_scale_at_0_the_bias_alone_plays(rig: Rig) -> None:
    rig.ask("/verdigris/a/bend/scale/[0-7][0-9]", 0.0)
    rig.ask("/verdigris/a/bend/bias/03", 0.5)
    rig.play(100)
    rig.settle()
    heard = rig.output[-modules.RATIO * 20 :].reshape(-1, modules.RATIO)
    assert np.allclose(np.sort(heard, axis=1)[:, -1], 0.5), "the fourth sample of each hop is that latent"
    assert np.allclose(np.sort(heard, axis=1)[:, :-1], 0.0)


@pytest.mark.slow
def test_a_recorded_tape_plays_the_same_samples_again(model: Path, tmp_path: Path) -> None:
    take = tmp_path / "take"
    live = ["live", "--driver", "file", "--a", f"rave:{model}", "--b", "off", "--record", str(take), "--seconds", "2"]
    assert main([*live, "--set", "a.bend.bias=0.1", "--set", "limiter=off"]) == 0
    assert main(["play", str(take / "a.tape"), str(tmp_path / "again.wav")]) == 0
    again, rate = soundfile.read(tmp_path / "again.wav", dtype="float32", always_2d=True)
    played, _ = soundfile.read(take / "a.wav", dtype="float32", always_2d=True)
    assert rate == RATE
    assert np.abs(again[: len(played), 0] - played[: len(again), 0]).max() < 1e-3, "latents are kept in float16"


@pytest.mark.slow
def test_the_catalogue_lists_the_model_as_yours(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "--a", f"rave:{model}", "--b", "off"]) == 0
    capsys.readouterr()
    assert main(["codecs"]) == 0
    (row,) = (line for line in capsys.readouterr().out.splitlines() if "yours" in line)
    assert row.startswith(f"rave:{model}")
