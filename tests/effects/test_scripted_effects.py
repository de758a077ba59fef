"""TorchScript modules in the rack: exports for nn~ and Neutone models."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from models.codec import Audio, CodecError
from models.load import give_consent
from models.scripted.players import PlayerControl, control_name
from models.scripted.process import ScriptedError
from realtime.effects.effect import BLOCK, EffectError
from realtime.effects.factory import open_effect, open_rack, set_timeout
from realtime.effects.rack import Rack
from realtime.effects.scripted import ScriptedEffect
from tests.support import scripted_modules as modules
from tests.support.lockstep import noise

RATE = 48_000
PATIENCE = 10.0


def sound(blocks: int) -> Audio:
    return np.ascontiguousarray(noise(blocks * BLOCK).T)


@pytest.fixture
def rack(tmp_path: Path) -> Iterator[Any]:
    """Return a function that saves a module, consents to it and puts it into a rack."""
    opened: list[Rack] = []

    def rack(module: Any, rate: int = RATE, **options: Any) -> Rack:
        if isinstance(module, modules.Delayed):
            path, kind = modules.save_neutone(module, tmp_path / "m.nm", **options), "neutone"
        else:
            path, kind = modules.save(module, tmp_path / "m.ts"), "nn"
        give_consent(str(path))
        opened.append(open_rack([f"{kind}:{path}"], rate, 2, PATIENCE))
        return opened[-1]

    yield rack
    for made in opened:
        made.close()


class FakePlayer:
    """Delays by 5 samples in blocks of 128, at its own rate, and fails on request."""

    held: Audio
    block: int = 128
    delay: int = 5
    remarks: tuple[str, ...] = ("hello",)
    controls: tuple[PlayerControl, ...] = (PlayerControl("fails", bool, 0.0, 0.0, 1.0, "switch"),)

    def __init__(self, path: Path, rate: int, channels: int) -> None:
        self.rate = int(path.name)
        self.closed = False
        self.reset()

    def process(self, audio: Audio, timeout_s: float) -> Audio:
        assert audio.shape == (2, 128)
        if self.fails:
            raise ScriptedError("fake: not today")
        joined = np.concatenate([self.held, audio], axis=1)
        self.held = joined[:, 128:]
        return joined[:, :128]

    def set(self, name: str, value: float) -> None:
        self.fails = bool(value)

    def reset(self) -> None:
        self.held, self.fails = np.zeros((2, 5), np.float32), False

    def close(self) -> None:
        self.closed = True


def effect(rate: int) -> ScriptedEffect:
    return ScriptedEffect(FakePlayer, str(rate), RATE, 2)


def run(made: ScriptedEffect, x: Audio) -> Audio:
    return np.concatenate(
        [made.process(np.ascontiguousarray(b)) for b in np.split(x, x.shape[1] // 64, axis=1)], axis=1
    )


def test_blocks_of_a_module_are_gathered_and_its_delay_is_part_of_the_latency() -> None:
    made, x = effect(RATE), sound(40)
    assert made.latency == 64 + 5
    assert made.remarks() == ["hello"]
    for _ in range(2):
        y = run(made, x)
        assert np.array_equal(y[:, made.latency :], x[:, : -made.latency])
        made.reset()


@pytest.mark.parametrize("rate", [44_100, 32_000, 96_000])
def test_a_module_with_a_rate_of_its_own_is_resampled_and_stays_aligned(rate: int) -> None:
    made = effect(rate)
    time = np.arange(600 * BLOCK) / RATE
    x = np.tile(np.sin(2 * np.pi * 440 * time).astype(np.float32), (2, 1))
    y = run(made, x)
    assert y.shape == x.shape, "as many samples come out as go in"
    late = y[:, made.latency + 4000 :]
    fraction = made.latency - made._held_back - 5 * RATE / rate  # the delay is rounded up to whole samples
    expected = np.sin(2 * np.pi * 440 * (time[4000 : x.shape[1] - made.latency] + fraction / RATE))
    assert np.abs(late - expected).max() < 1e-3


def test_a_module_that_fails_raises_and_is_opened_again_with_its_values() -> None:
    made = effect(RATE)
    player: Any = made._player
    made.set("fails", 1)
    with pytest.raises(EffectError, match="not today"):
        run(made, sound(2))
    made.close()
    assert player.closed
    with pytest.raises(EffectError, match="is closed"):
        made.process(sound(1))
    made.set("fails", 0)
    made.reset()
    assert made._player is not player
    assert np.isfinite(run(made, sound(4))).all()


def test_a_file_that_cannot_be_opened_is_an_error_of_the_effect() -> None:
    def refuse(path: Path, rate: int, channels: int) -> Any:
        raise CodecError("no")

    with pytest.raises(EffectError, match="no"):
        ScriptedEffect(refuse, "x", RATE, 2)


def test_the_time_for_an_answer_is_that_of_the_rack() -> None:
    made = effect(RATE)
    set_timeout(SimpleNamespace(effects=[SimpleNamespace(effect=made)]), 0.25)  # type: ignore[arg-type]
    assert made.timeout_s == 0.25


def test_control_names_are_plain_and_unique() -> None:
    taken: dict[str, int] = {}
    for name in ("Wet Level", "wet-level", "größe", "", "a.b/c"):
        taken[control_name(name, taken)] = 1
    assert list(taken) == ["wet_level", "wet_level_2", "gr_e", "value", "a_b_c"]


def test_without_consent_no_module_is_opened(tmp_path: Path) -> None:
    path = modules.save(modules.Gain(), tmp_path / "m.ts")
    with pytest.raises(EffectError, match="verdigris trust"):
        open_effect(f"nn:{path}", RATE, 2, PATIENCE)


def test_attributes_become_controls(rack: Any) -> None:
    made = rack(modules.Gain())
    gain = made.effects[0].effect
    facts = {c.name: (c.kind, c.default, c.low, c.high) for c in gain.controls}
    assert facts == {
        "factor": (float, 1.0, -100.0, 100.0),
        "offset_0": (float, 0.0, -100.0, 100.0),
        "offset_1": (int, 0.0, -100.0, 100.0),
        "on": (bool, 1.0, 0.0, 1.0),
    }
    x = sound(8)
    assert made.latency == 0
    assert np.array_equal(made.process(x), x)
    made.set("1.factor", -2.0)
    made.set("1.offset_1", 3)
    assert np.allclose(made.process(x), -2 * x + 3)
    made.reset()
    assert np.allclose(made.process(x), -2 * x + 3), "a reset keeps the controls"
    made.set("1.on", 0)
    assert np.array_equal(made.process(x), x)
    assert made.remarks() == []


@pytest.mark.slow
def test_the_look_ahead_of_a_module_is_measured_and_planned(rack: Any) -> None:
    made, x = rack(modules.LookAhead()), sound(100)
    assert made.latency == 37
    y = made.process(x)
    assert np.array_equal(y, x[:, : y.shape[1]]), "aligned with the input"


@pytest.mark.slow
@pytest.mark.parametrize("deed", ["nan", "loop", "eat", "raise", "shape"])
def test_a_module_that_misbehaves_is_bypassed_and_leaves_dry_bit_exact(rack: Any, deed: str) -> None:
    made, x = rack(modules.Misbehaving(deed, 1100)), sound(1)
    set_timeout(made, 0.5)
    made.reset()
    remarks: list[tuple[str, int]] = []
    changed = []
    for _ in range(1300):
        changed.append(not np.array_equal(made.process(x), x))
        remarks += made.remarks()
    assert sum(changed) == 1, "the block with the ramp to dry"
    assert changed[1100]
    assert [number for _, number in remarks if number] == [1]
    assert any("bypassed. Set its bypass to off to try again" in text for text, _ in remarks)


@pytest.mark.slow
def test_a_neutone_model_plays_with_named_parameters_and_its_declared_delay(rack: Any) -> None:
    made, x = rack(modules.Delayed()), sound(100)
    model = made.effects[0].effect
    assert made.latency == 100
    assert [(c.name, c.default, c.low, c.high) for c in model.controls] == [
        ("wet_level", 0.25, 0.0, 1.0),
        ("tone", 0.5, 0.0, 1.0),
        ("tone_2", 0.5, 0.0, 1.0),
    ]
    y = made.process(x)
    assert made.remarks() == []
    assert np.array_equal(y, x[:, : y.shape[1]])
    made.set("1.wet_level", 0.5)
    made.reset()
    y = made.process(x)
    assert np.array_equal(y, 2 * x[:, : y.shape[1]])


@pytest.mark.slow
def test_a_neutone_model_that_declares_another_delay_is_planned_as_measured(rack: Any) -> None:
    made, x = rack(modules.Delayed(lie=30)), sound(100)
    assert made.latency == 100
    y = made.process(x)
    assert "it declares a delay of 130 samples and lags by 100" in made.remarks()[0][0]
    assert np.array_equal(y, x[:, : y.shape[1]])


@pytest.mark.slow
def test_an_export_for_nn_is_no_neutone_model(tmp_path: Path) -> None:
    path = modules.save(modules.Gain(), tmp_path / "m.ts")
    give_consent(str(path))
    with pytest.raises(EffectError, match="has no metadata of Neutone"):
        open_effect(f"neutone:{path}", RATE, 2, PATIENCE)
