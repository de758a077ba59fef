"""Files of ours keep the names that their first version used."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import load_file

from models.residual.checkpoint import read, save
from models.residual.dac import DacConfig
from models.residual.network import ResidualNetwork
from models.residual.rvq import QuantiserConfig

TINY = DacConfig("dac", 44100, 1, 4, 64, (2, 4, 8, 8), QuantiserConfig(16, 3, 32, lookup=4, cosine=True))


def test_a_file_names_the_projections_into_and_back(tmp_path: Path) -> None:
    network = ResidualNetwork(TINY).randomise(0)
    save(network, tmp_path / "x.safetensors")
    stored = {name for name in load_file(tmp_path / "x.safetensors") if name.startswith("quantiser.stages.0.")}
    parts = ("into.weight", "into.bias", "back.weight", "back.bias", "book.entries")
    assert stored == {f"quantiser.stages.0.{part}" for part in parts}


def test_a_file_is_read_as_it_was_saved(tmp_path: Path) -> None:
    network = ResidualNetwork(TINY).randomise(0)
    save(network, tmp_path / "x.safetensors")
    found = read(tmp_path / "x.safetensors").state_dict()
    assert found.keys() == network.state_dict().keys()
    assert all(torch.equal(weight, found[name]) for name, weight in network.state_dict().items())
