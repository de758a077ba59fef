"""`verdigris bench codec`: its output, and the comparison with a baseline."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks import codicodec_speed, run
from models.codec import CodecError
from models.codicodec.codec import CoDiCodec
from models.codicodec.config import CoDiCodecConfig
from models.codicodec.network import CoDiCodecNetwork
from realtime.cli.main import main
from tests.support.small_codec import small_codec

torch.set_num_threads(1)


def model(p50: float = 0.5, ceiling: float = 1000.0) -> dict[str, Any]:
    return {
        "precision": "bfloat16", "threads": 2, "gflop_per_frame": 600.0, "ceiling": ceiling, "cpu": 1.0,
        "real_time_factor": {"p50": p50, "p99": 0.6, "max": 0.7}, "start_s": 1.0, "peak_mb": 100.0,
        "error": {"z": 0.01, "snr_db": 34.0}, "stages": {"encode": {"gflop": 100.0, "s": 0.1}},
    }  # fmt: skip


def answer(**models: dict[str, Any]) -> dict[str, Any]:
    whole = {"official": model(), "nano": model()} | models
    return {**whole, "machine": "here", "load_average": 0.1, "engine_overhead_percent": 0.5}


def test_a_slower_machine_is_not_a_regression_and_a_slower_program_is() -> None:
    assert codicodec_speed.regressions(answer(), answer()) == []
    assert codicodec_speed.regressions(answer(official=model(1.0, ceiling=500)), answer()) == [], (
        "half the ceiling, twice the time"
    )
    (complaint,) = codicodec_speed.regressions(answer(official=model(1.0)), answer())
    assert complaint.startswith("official: 2.00 ×")


def test_the_stages_are_all_the_arithmetic_of_a_frame() -> None:
    network = CoDiCodecNetwork(CoDiCodecConfig.tiny()).randomise(0).requires_grad_(False)
    staged = sum(codicodec_speed.count(run) for run in codicodec_speed.stages(network).values())
    frame, audio = codicodec_speed.ours(CoDiCodec(network)).frame, torch.zeros(2, network.config.hop).numpy()
    for _ in range(2):
        frame(audio)
    assert codicodec_speed.count(lambda: frame(audio)) == staged


def test_frames_take_turns_and_are_measured_against_their_own_hop() -> None:
    tiny = small_codec()
    found = codicodec_speed.interleave({name: codicodec_speed.ours(tiny, 5) for name in ("one", "two")})
    for part in found.values():
        factor = part["real_time_factor"]
        assert part["frames"] == 5
        assert 0 < factor["p50"] <= factor["p99"] <= factor["max"]


def test_results_are_printed_as_json_as_a_table_and_by_stages(capsys: pytest.CaptureFixture[str]) -> None:
    codicodec_speed.show(answer(), as_json=True)
    assert json.loads(capsys.readouterr().out)["official"]["real_time_factor"]["p50"] == 0.5
    codicodec_speed.show(answer(), as_json=False)
    printed = capsys.readouterr().out
    assert "| official | bfloat16 | 0.50 | 0.60 | 0.70 | 1.00 | 600 |" in printed
    assert "1000 GFLOP/s    100 %" in printed


def test_a_regression_ends_with_exit_code_1(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before, slow = answer(), copy.deepcopy(answer(nano=model(0.9)))
    monkeypatch.setattr(codicodec_speed, "measure", lambda precision, against: slow)
    baseline = tmp_path / "before.json"
    baseline.write_text(json.dumps(before))
    assert main(["bench", "codec", "--baseline", str(baseline)]) == 1
    assert "slower than the baseline: nano: 1.80 ×" in capsys.readouterr().err
    baseline.write_text("[]")
    assert main(["bench", "codec", "--baseline", str(baseline)]) == 1
    assert "is not an output of `bench codec --json`" in capsys.readouterr().err


def test_a_package_that_is_not_known_is_refused() -> None:
    from benchmarks.package import package

    with pytest.raises(CodecError, match="give one of"):
        package(small_codec().network, "other")
    assert "codec" in run.NAMES
