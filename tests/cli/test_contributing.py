"""The worked examples of CONTRIBUTING.md: each does what the page says."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from models.family import Family
from realtime.effects.factory import open_rack
from realtime.effects.kinds import KINDS, EffectKind
from realtime.osc import commands
from realtime.timeline.layout import Field
from tests.bends.test_adding_a_bend import MODULE
from tests.support.contract import check_codec

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
BEND, CODEC, FAMILY, EFFECT, KIND, COMMAND = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def test_a_new_bend_in_contributing_is_the_one_that_is_tested() -> None:
    assert BEND.strip() == MODULE.strip()


def test_the_readme_leads_to_the_place_for_a_new_bend() -> None:
    paragraphs = (ROOT / "README.md").read_text(encoding="utf-8").split("\n\n")
    (found,) = [paragraph for paragraph in paragraphs if "add a bend" in paragraph]
    assert "](CONTRIBUTING.md)" in found
    assert "| [a bend](#add-a-bend) | a module in `realtime/bends/` | `realtime/bends/registry.py` |" in PAGE


def test_a_new_codec_in_contributing_keeps_the_contract_and_registers() -> None:
    there: dict[str, Any] = {"Family": Family}
    exec(CODEC, there)
    check_codec(there["Crush"](), slack=1)
    family: Family = eval(FAMILY, there)
    codec = family.load("", None, None)
    row = family.row()
    assert row is not None
    assert row["name"] == codec.spec.name == "crush"
    silence = np.zeros((codec.spec.channels, codec.spec.hop), np.float32)
    assert row["kbps"] == codec.open_encoder().encode(silence).bits * codec.spec.frame_rate / 1000


def test_a_new_effect_kind_in_contributing_opens_and_plays(monkeypatch: pytest.MonkeyPatch) -> None:
    there = ModuleType("realtime.effects.invert")
    exec(EFFECT, vars(there))
    monkeypatch.setitem(sys.modules, there.__name__, there)
    kind: EffectKind = eval(KIND)
    monkeypatch.setitem(KINDS, kind.name, kind)
    rack = open_rack(["invert"], 48_000, 2, timeout_s=1.0)
    block = np.full((2, 64), 0.5, np.float32)
    np.testing.assert_array_equal(rack.process(block), -block)
    rack.set("1.amount", 0.0)
    np.testing.assert_array_equal(rack.process(block), block)
    assert not rack.remarks()


def test_a_new_osc_command_in_contributing_answers() -> None:
    there = dict(vars(commands)) | {"Field": Field}
    exec(COMMAND, there)
    sent: list[tuple[object, ...]] = []
    timeline = SimpleNamespace(load={Field.PLAYED_END: 480}.__getitem__)
    server = SimpleNamespace(engine=SimpleNamespace(timeline=timeline), send=lambda *message: sent.append(message))
    command = there["COMMAND"]
    command.run(server, "a client", ())
    assert sent == [("a client", command.address, 480)]
