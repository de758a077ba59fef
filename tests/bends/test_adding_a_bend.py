"""Worked example: a new bend takes a module and one entry in the registry."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from realtime.bends import registry
from realtime.bends.user_script import RANDOM_STREAM

ROOT = Path(__file__).parents[2]

# File 1 of 2: realtime/bends/mirror.py
MODULE = '''
"""Mirror: a bend that turns the order of a frame's tokens around."""

from dataclasses import replace

from realtime.bends.bend import Bend, number


def mirror(frame, state, params, rng):
    """Reverse the first `amount` of the tokens, with the codes that belong to them."""
    count = round(params["amount"] * len(frame.tokens))
    order = [*reversed(range(count)), *range(count, len(frame.tokens))]
    latent = None if frame.latent is None else frame.latent[order]
    return replace(frame, tokens=frame.tokens[order], latent=latent)


MIRROR = Bend(
    "mirror",
    mirror,
    (number("mirror.amount", float, 0.0, "part of the tokens whose order is reversed", 0, 1),),
    amounts=("mirror.amount",),
    random_stream=14,
    needs_tokens=True,
)
'''
# File 2 of 2: its entry at the end of BENDS in realtime/bends/registry.py
ENTRY = "    mirror.MIRROR,\n"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of the package with the bend in it."""
    shutil.copytree(ROOT / "realtime", tmp_path / "realtime", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "realtime/bends/mirror.py").write_text(MODULE)
    listed = tmp_path / "realtime/bends/registry.py"
    text = listed.read_text().replace("latents, packet_loss,", "latents, mirror, packet_loss,")
    listed.write_text(text.replace("    packet_loss.LOSS,\n", "    packet_loss.LOSS,\n" + ENTRY))
    return tmp_path


def verdigris(tree: Path, *arguments: str) -> str:
    """Run the command line of a tree; return its output."""
    command = [sys.executable, "-m", "realtime.cli.main", *arguments]
    environment = os.environ | {"PYTHONPATH": f"{tree}{os.pathsep}{ROOT}"}
    done = subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_a_module_and_an_entry_make_a_bend_that_plays_and_is_documented(tree: Path) -> None:
    live = ("live", "--driver", "file", "--seconds", "1", "--a", "nano:discrete", "--b", "off")
    verdigris(tree, *live, "--input", str(ROOT / "realtime/demo/rockmix_sectoid_MIT.ogg"), "--record", "plain")
    mirrored = ("--set", "a.bend.mirror.amount=1")
    verdigris(
        tree, *live, "--input", str(ROOT / "realtime/demo/rockmix_sectoid_MIT.ogg"), "--record", "bent", *mirrored
    )
    plain, bent = (soundfile.read(tree / place / "a.wav")[0] for place in ("plain", "bent"))
    assert plain.shape == bent.shape
    assert np.abs(plain - bent).max() > 0.01
    assert "/verdigris/a/bend/mirror/amount" in verdigris(tree, "osc")


def test_no_two_bends_share_random_numbers_or_a_control() -> None:
    streams = [RANDOM_STREAM, *(bend.random_stream for bend in registry.BENDS)]
    assert len(set(streams)) == len(streams)
    names = [control.name for control in registry.controls()]
    assert len(set(names)) == len(names)


def test_every_control_of_a_bend_is_of_its_own_and_its_amounts_are_among_them() -> None:
    for bend in registry.BENDS:
        assert set(bend.amounts) <= {control.name for control in bend.controls}
