"""Simulation of two devices with two clocks: the compiled code of both callbacks, called at times
that drift and jitter.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest

from realtime.drivers.portaudio import clock_model
from realtime.drivers.portaudio.clock_bridge import (
    CHANNELS,
    FADE,
    BridgeField,
    BridgeFloat,
    DriftCompensator,
    capture,
    on_block,
    resample,
)

RATE = 48_000
Signal = Callable[[np.ndarray], np.ndarray]


def sine(frequency: float, rate: int = RATE) -> Signal:
    return lambda n: 0.5 * np.sin(2 * np.pi * frequency / rate * n)


@dataclass
class Outcome:
    """Result by output block: its time, the error of the position by the true clocks, and so on."""

    seconds: np.ndarray
    off: np.ndarray  # samples
    ratio_ppm: np.ndarray
    at: np.ndarray  # input sample of the first output sample
    step: np.ndarray
    full: np.ndarray  # True if the whole block was at full level
    played: np.ndarray  # [blocks, block]
    bridge: DriftCompensator

    def after(self, seconds: float) -> np.ndarray:
        return np.flatnonzero(self.seconds >= seconds)

    def error_db(self, blocks: np.ndarray, signal: Signal) -> float:
        """Largest difference from the signal at the position read, relative to its peak."""
        where = self.at[blocks, None] + self.step[blocks, None] * np.arange(self.played.shape[1])
        return float(20 * np.log10(np.abs(self.played[blocks] - signal(where)).max() / 0.5 + 1e-12))


class Card:
    """A simulated device: blocks at a rate that is off by `ppm`, each late by chance. Blocks that
    `lose` names are never handed over.
    """

    def __init__(self, rate: int, ppm: float, block: int, jitter: float, seed: int, first: float) -> None:
        self.block, self.period = block, 1 / (rate * (1 + 1e-6 * ppm))
        self._jitter, self._random = jitter, np.random.default_rng(seed)
        self.due, self.origin = first, first  # time of the next block by its clock
        self.losses = 0

    def turn(self) -> float:
        """Return the time of the callback of the block that is due, and schedule the next block."""
        when = self.due + self._random.exponential(self._jitter) if self._jitter else self.due
        self.due += self.block * self.period
        return when

    def lose(self, blocks: int) -> None:
        self.due += blocks * self.block * self.period
        self.losses += blocks * self.block

    def true_sample(self, seconds: float) -> float:
        """Return the sample handed over at this time by the true clock."""
        return (seconds - self.origin) / self.period - self.losses


def run(
    seconds: float,
    ppm: tuple[float, float],
    *,
    signal: Signal = sine(997.0),  # noqa: B008
    rates: tuple[int, int] = (RATE, RATE),
    blocks: tuple[int, int] = (256, 256),
    jitter: float = 0.0001,
    seed: int = 0,
    events: Callable[[float, Card, Card], None] = lambda now, heard, played: None,
) -> Outcome:
    """Call input and output callbacks in the order of their times."""
    heard = Card(rates[0], ppm[0], blocks[0], jitter, seed, 0.0013)
    played = Card(rates[1], ppm[1], blocks[1], jitter, seed + 1, 0.0)
    delay = 64 * round((blocks[0] + blocks[1] * rates[0] / rates[1] + 400) / 64)
    bridge = DriftCompensator((0, 1), *rates, delay, 0)
    memory, out, taken = bridge.memory, np.zeros((blocks[1], CHANNELS), np.float32), 0
    rows = []
    while played.due < seconds:
        if heard.due + blocks[0] * heard.period <= played.due:
            events(heard.due, heard, played)
            x = signal(taken + np.arange(blocks[0])).astype(np.float32)
            when = heard.turn() + blocks[0] * heard.period
            capture(memory, np.stack([x, -x], axis=1), blocks[0], int(1e9 * when))
            taken += blocks[0]
            continue
        due = played.due
        now = played.turn()
        on_block(memory.ctypes.data, blocks[1], int(1e9 * now))
        at, step, level = (
            memory[BridgeField.POSITION] + bridge.floats[BridgeFloat.FRACTION],
            bridge.floats[BridgeFloat.STEP],
            memory[BridgeField.LEVEL],
        )
        locked = memory[BridgeField.LOCKED]
        resample(memory.ctypes.data, out)
        assert np.array_equal(out[:, 1], -out[:, 0])
        if locked:
            whole = level == FADE and memory[BridgeField.LEVEL] == FADE
            off = at - (heard.true_sample(due) - delay)
            rows.append((due, off, 1e6 * (step * rates[1] / rates[0] - 1), at, step, whole, out[:, 0].copy()))
    seconds_, off_, ratio, at_, step_, full, played_ = (np.array(column) for column in zip(*rows, strict=True))
    return Outcome(seconds_, off_, ratio, at_, step_, full, played_, bridge)


@pytest.mark.parametrize("ppm", [(200, -200), (-200, 200), (0, 0)], ids=["fast", "slow", "alike"])
@pytest.mark.parametrize("frequency", [50.0, 997.0, 15_000.0])
def test_a_drifting_input_is_resampled_without_clicks_at_a_constant_delay(
    ppm: tuple[float, float], frequency: float
) -> None:
    """With callbacks up to 1 ms late, 0.1 ms on average, the delay stays within half a sample from
    5 s on.
    """
    done = run(30.0, ppm, signal=sine(frequency))
    drift = 1e6 * ((1 + 1e-6 * ppm[0]) / (1 + 1e-6 * ppm[1]) - 1)
    settled, late = done.after(5.0), done.after(20.0)
    assert done.full[done.after(1.2)].all()
    assert sum(done.bridge.losses.values()) == 0
    assert np.abs(done.off[done.after(1.2)]).max() < 4
    assert np.ptp(done.off[settled]) < 2
    assert np.abs(done.off[late]).max() < 0.5
    assert np.abs(done.ratio_ppm[late] - drift).max() < 10
    assert done.bridge.drift_ppm == pytest.approx(drift, abs=2)
    assert done.error_db(settled, sine(frequency)) < -95


def test_equal_clocks_without_jitter_get_a_constant_delay() -> None:
    done = run(5.0, (0, 0), jitter=0)
    assert np.abs(done.off).max() < 1e-3
    assert np.abs(done.ratio_ppm).max() < 0.01


def test_the_rates_may_differ() -> None:
    for rates in ((44_100, 48_000), (48_000, 44_100), (96_000, 48_000)):
        done = run(12.0, (150, -150), rates=rates, signal=sine(997.0, rates[0]))
        assert done.full[done.after(1.2)].all(), rates
        assert np.abs(done.off[done.after(8.0)]).max() < 1.5, rates
        assert done.error_db(done.after(5.0), sine(997.0, rates[0])) < -90, rates


def test_any_two_block_sizes_work() -> None:
    for blocks in ((64, 1024), (1024, 64), (441, 256)):
        done = run(10.0, (100, -50), blocks=blocks)
        assert done.full[done.after(1.5)].all(), blocks
        assert np.abs(done.off[done.after(6.0)]).max() < 2, blocks


def largest_step(done: Outcome) -> float:
    """Return the largest step between two output samples; a click would exceed the sine's own
    steps.
    """
    return float(np.abs(np.diff(done.played.ravel())).max())


def test_lost_input_causes_one_faded_jump_and_keeps_the_delay() -> None:
    def lose(now: float, heard: Card, played: Card) -> None:
        if now > 8.0 and not heard.losses:
            heard.lose(20)

    done = run(20.0, (200, -200), events=lose)
    losses = done.bridge.losses
    assert losses["input_jump"] == 1
    assert losses["input_late"] == 1, "it ran dry first"
    assert largest_step(done) < 0.5 * 2 * np.pi * 997 / RATE + 0.5 / FADE + 0.001
    assert np.abs(done.off[done.after(12.0)]).max() < 4
    assert done.full[done.after(9.0)].all()


def test_lost_output_causes_one_faded_jump_and_keeps_the_delay() -> None:
    def lose(now: float, heard: Card, played: Card) -> None:
        if now > 8.0 and not played.losses:
            played.lose(20)

    done = run(20.0, (-200, 200), events=lose)
    assert done.bridge.losses == {"input_overflow": 0, "input_late": 0, "input_jump": 1}
    assert largest_step(done) < 0.5 * 2 * np.pi * 997 / RATE + 0.5 / FADE + 0.001
    assert np.abs(done.off[done.after(12.0)]).max() < 4


def test_late_input_causes_a_faded_dropout_that_shifts_nothing() -> None:
    calls: list[tuple[float, int]] = []
    bridge = DriftCompensator((0, 1), RATE, RATE, 1024, 0)
    memory, out, x = bridge.memory, np.zeros((256, CHANNELS), np.float32), np.full((256, CHANNELS), 0.5, np.float32)
    ideal = []
    waiting = 0
    for k in range(1000):
        now = k * 256 / RATE
        waiting += 1
        if not 600 <= k < 610:  # delayed, then all at once
            for _ in range(waiting):
                capture(memory, x, 256, int(1e9 * now))
            waiting = 0
        on_block(memory.ctypes.data, 256, int(1e9 * now))
        resample(memory.ctypes.data, out)
        calls.append((now, int(memory[BridgeField.LEVEL])))
        ideal.append(out[:, 0].copy())
    y = np.concatenate(ideal)
    assert bridge.losses == {"input_overflow": 0, "input_late": 1, "input_jump": 0}
    assert np.abs(np.diff(y)).max() <= 0.5 / FADE + 1e-6
    late = np.flatnonzero(y[300 * 256 :] == 0)
    assert 0 < len(late) < 11 * 256
    assert calls[-1][1] == FADE


def test_a_clock_model_ignores_a_stall_and_follows_a_loss() -> None:
    points = np.zeros(clock_model.ClockField.SIZE)
    clock_model.reset(points, RATE)
    for k in range(2000):
        late = 0.1 if k == 1500 else 0.0
        clock_model.update(points, 256.0 * k, 256 * k / RATE + late)
    assert clock_model.time_of(points, 0.0) == pytest.approx(0.0, abs=1e-9)
    for k in range(2000, 2100):
        clock_model.update(points, 256.0 * k, 256 * k / RATE + 0.05)
    assert clock_model.time_of(points, 256.0 * 2099) == pytest.approx(256 * 2099 / RATE + 0.05, abs=1e-6)


def test_the_measured_delay_is_sufficient_and_no_longer_than_needed() -> None:
    look, silence = DriftCompensator((0, 1), RATE, RATE, 0, 0), np.ones((256, CHANNELS), np.float32)
    for k in range(400):
        capture(look.memory, np.zeros((256, CHANNELS), np.float32), 256, int(1e9 * (k * 256 + 100) / RATE))
        on_block(look.memory.ctypes.data, 256, int(1e9 * (k * 256 + 50) / RATE))
        resample(look.memory.ctypes.data, silence)
    assert not silence.any()
    assert look.settled
    delay = look.delay_for(256)
    assert 256 < delay < 256 + 256 + 35 + FADE + 0.003 * RATE + 33
