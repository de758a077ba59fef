"""`verdigris bench family`: its rows, and its messages about packages that are not installed."""

from __future__ import annotations

import json
import sys
from dataclasses import replace

import pytest
import torch

from benchmarks import references, residual_family
from models.codec import CodecError
from models.residual.dac import DacConfig
from models.residual.network import Config
from models.residual.rvq import QuantiserConfig
from models.residual.seanet import encodec_48khz
from realtime.cli.main import main
from tests.support.systems import needs_pace

SMALL: dict[str, Config] = {
    "dac": DacConfig("dac", 44100, 1, 4, 64, (2, 4, 8, 8), QuantiserConfig(16, 3, 32, lookup=4, cosine=True)),
    "encodec48": replace(encodec_48khz(2), width=4),
}


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch) -> residual_family.Found:
    monkeypatch.setattr(residual_family, "sizes_of", SMALL.__getitem__)
    monkeypatch.setattr(residual_family, "SECONDS", 0.2)
    before = torch.get_num_threads()
    try:
        return residual_family.measure((), tuple(SMALL))
    finally:
        torch.set_num_threads(before)


@needs_pace
def test_a_stream_is_measured_for_each_number_of_steps_and_a_file_once(found: residual_family.Found) -> None:
    rows = [(row["codec"], row["contender"], sorted(set(row) & {"live", "file"})) for row in found["rows"]]
    steps = [("dac", f"ours, {frames} step(s) a frame", ["live"]) for frames in (1, 4, 8)]
    whole = ("ours, whole", ["file"])
    assert rows == [*steps, ("dac", *whole), ("encodec48", "ours", ["live"]), ("encodec48", *whole)]
    assert all(row[kind] > 0 for row in found["rows"] for kind in ("live", "file") if kind in row)


def test_the_table_has_a_line_for_each_contender(
    found: residual_family.Found, capsys: pytest.CaptureFixture[str]
) -> None:
    found["rows"][-1]["tokens_equal"] = 0.5
    residual_family.show(found, as_json=False)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 + 2 + len(found["rows"])
    assert lines[-1].endswith("| 50.00 % |")
    residual_family.show(found, as_json=True)
    assert json.loads(capsys.readouterr().out)["rows"] == found["rows"]


def test_a_package_that_is_not_known_is_named_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "family", "--against", "encodec,nope"]) == 1
    printed = capsys.readouterr().err
    assert (
        'cannot compare with "nope". Give one of encodec, descript-audio-codec, transformers; install: pip' in printed
    )


@pytest.mark.parametrize(
    ("name", "module", "package"),
    [("encodec24", "encodec", "encodec"), ("dac16", "dac.model.dac", "descript-audio-codec")],
)
def test_a_package_that_is_not_installed_is_named_with_what_installs_it(
    name: str, module: str, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(CodecError, match=rf'package "{package}" cannot be imported .* pip install --no-deps encodec=='):
        references.reference(name)
    assert "audiotools.ml" not in sys.modules
