"""Bends that users write: loaded, loaded again, and skipped where they fail."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from models.codec import DecoderControls
from realtime.bends.chain import BendChain
from tests.support.bent_frames import CODEC, GIVEN, latents

GOOD = """
import numpy as np
from dataclasses import replace
def bend(frame, state, params, rng):
    state.kept["count"] = state.kept.get("count", 0) + 1
    return replace(frame, latent=frame.latent * np.float32(params["x"]))
"""


def test_a_user_bend_runs_and_is_loaded_again_when_it_is_saved(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    said: list[str] = []
    file.write_text(GOOD)
    made = BendChain(CODEC, 0, "continuous", said.append)
    made.set("file", str(file))
    made.set("user.x", 0.5)
    assert np.array_equal(
        latents([made.bend(GIVEN[0], DecoderControls(), None)[0]])[0], latents(GIVEN)[0] * np.float32(0.5)
    )
    file.write_text(GOOD.replace('params["x"]', "0.25"))
    out = [made.bend(frame, DecoderControls(), None)[0] for frame in GIVEN[:8]]
    assert np.array_equal(latents(out)[-1], latents(GIVEN)[7] * np.float32(0.25))
    assert not said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("def bend(:", "mine.py: line 1: SyntaxError: "),
        ("x = 1", "mine.py: it has no function bend(frame, state, params, rng)"),
        ("def bend(frame, state, params, rng):\n    return 1 / 0", "line 2: ZeroDivisionError: division by zero"),
        ("def bend(frame, state, params, rng):\n    return None", "not a Frame"),
        ("def bend(frame, state, params, rng):\n    import dataclasses\n"
         "    return dataclasses.replace(frame, latent=frame.latent * float('nan'))", "not finite"),
        ("raise SystemExit", "mine.py: line 1: SystemExit"),
    ],
)  # fmt: skip
def test_an_error_in_a_user_bend_is_reported_once_and_skipped(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "mine.py"
    lines: list[str] = []
    file.write_text(text)
    made = BendChain(CODEC, 0, "continuous", lines.append)
    made.set("file", str(file))
    assert all(made.bend(frame, DecoderControls(), None)[0] is frame for frame in GIVEN)
    assert len(lines) == 1
    assert said in lines[0]


def test_a_missing_user_bend_is_reported_once(tmp_path: Path) -> None:
    lines: list[str] = []
    made = BendChain(CODEC, 0, "continuous", lines.append)
    made.set("file", str(tmp_path / "none.py"))
    assert all(made.bend(frame, DecoderControls(), None)[0] is frame for frame in GIVEN)
    assert len(lines) == 1
