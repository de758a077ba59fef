"""Surprise: bits of the player's own tokens, live and over whole files."""

from __future__ import annotations

import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from models.codec import Tokens
from models.language.frame_model import SCALE
from models.language.frame_state import SwiftState
from models.language.language_weights import load_language
from models.language.surprise import PlayerFrame, Surprise
from models.language.surprise_meter import MOST_WAITING, SurpriseMeter
from models.language.tonal_prediction import ShapeCost, TonalPrediction
from models.load import load
from models.registry import LANGUAGE
from models.swift.frame_layout import COARSE, HOP
from models.training.language.network import LanguageNetwork
from models.training.language.token_streams import stream_of
from realtime.timeline.layout import Field, Timeline
from realtime.timeline.playout import Playout
from realtime.worker import lane_runner
from realtime.worker.codec_lane import CodecLane
from realtime.worker.lane_runner import LaneRunner
from realtime.worker.messages import SurpriseMeasured
from realtime.worker.scheduler import Worker
from tests.codecs.swift.test_swift import clip, encoded, swift
from tests.support.lockstep import NEVER_NS, play, run_worker

PIANO = "piano_satie_CC-BY.ogg"


@pytest.fixture
def timeline() -> Iterator[Timeline]:
    made = Timeline.create(rate=48_000, latency=8192, max_block=1024, stall_ns=NEVER_NS)
    yield made
    made.close()


def offline(rows: Tokens) -> np.ndarray:
    """Return the bits of a token of each frame but the first, by the network over the whole sequence."""
    books, language = swift().weights, load_language(LANGUAGE)
    network = LanguageNetwork(language.sizes, books)
    network.load_tensors(language.tensors)
    stream = stream_of("", rows, books)
    before = books.energies.predict(stream.energies[1:-1].astype(np.int64)) / SCALE
    given = stream.inputs[:-1], stream.energies[1:-1] / SCALE, stream.tokens[1:].astype(np.int64), before
    with torch.no_grad():
        attack, energy = network.bits(
            *(torch.from_numpy(part if part.dtype == np.int64 else part.astype(np.float32))[None] for part in given)
        )
    state, prediction = SwiftState(books, 32), TonalPrediction(books)
    cost, shapes, counts = ShapeCost(books, language.tensors["tonal"]), [], []
    for tokens in rows:
        content = state.take(tokens)
        shapes.append(cost.bits(content, prediction)[0])
        counts.append(1 + COARSE + int((content.shapes >= 0).sum()))
        prediction.take(content)
    whole = (attack[0] + energy[0].sum(-1)).numpy() + np.array(shapes[1:])
    return np.where(stream.repeated[1:], 0.0, whole / np.array(counts[1:]))


def played(worker: Worker, timeline: Timeline, audio: np.ndarray) -> None:
    for _ in play(Playout(timeline), np.ascontiguousarray(audio.T), [1024], worker):
        for _ in range(3):
            run_worker(worker)  # it waits for input: time to measure


def test_a_live_slot_is_measured_as_a_whole_file_is(timeline: Timeline) -> None:
    audio, events = clip(PIANO, 2.0), list[Any]()
    worker = Worker(timeline, [CodecLane(load("swift"), [(0, "discrete")], 48_000)], send=events.append)
    worker.select_frame_events(frozenset({"surprise"}))
    played(worker, timeline, audio)
    measured = [event for event in events if isinstance(event, SurpriseMeasured)]
    assert [event.frame for event in measured] == list(range(len(measured)))
    assert np.all(np.diff([event.audible for event in measured[2:]]) == HOP)
    expected = offline(np.stack([frame.tokens for frame in encoded(audio)]))
    count = min(len(measured) - 1, len(expected))
    assert count > 65
    np.testing.assert_allclose([event.bits for event in measured[1 : 1 + count]], expected[:count], atol=2e-3)


def test_nothing_is_measured_while_nobody_asks(timeline: Timeline) -> None:
    events = list[Any]()
    worker = Worker(timeline, [CodecLane(load("swift"), [(0, "discrete")], 48_000)], send=events.append)
    worker.select_frame_events(frozenset({"tokens"}))
    played(worker, timeline, clip(PIANO, 0.5))
    assert events
    assert not any(isinstance(event, SurpriseMeasured) for event in events)


def test_a_codec_without_a_language_model_plays_and_is_not_measured(timeline: Timeline) -> None:
    events = list[Any]()
    worker = Worker(timeline, [CodecLane(load("pcm"), [(0, "discrete")], 48_000)], send=events.append)
    worker.select_frame_events(frozenset({"surprise"}))
    played(worker, timeline, clip(PIANO, 0.2))
    assert not any(isinstance(event, SurpriseMeasured) for event in events)


def test_nothing_is_measured_shortly_before_a_frame(timeline: Timeline, monkeypatch: pytest.MonkeyPatch) -> None:
    lane, events = CodecLane(load("swift"), [(0, "discrete")], 48_000), list[Any]()
    runner = LaneRunner(timeline, lane, events.append, {})
    monkeypatch.setattr(lane, "surprise", SimpleNamespace(measure=lambda: (0, 9.0)))
    seconds = iter([0.0, 0.01, 1.0, 1.0])
    clock = SimpleNamespace(perf_counter=lambda: next(seconds), perf_counter_ns=time.perf_counter_ns)
    monkeypatch.setattr(lane_runner, "time", clock)
    timeline.header[Field.DRY_END] = runner.ready_at - 479
    assert runner.measure_surprise()  # it takes 10 ms
    assert not runner.measure_surprise()
    timeline.header[Field.DRY_END] = runner.ready_at - 480
    assert runner.measure_surprise()
    assert [event.bits for event in events] == [9.0, 9.0]


class Counting:
    """Stands in for a model: a frame costs as many bits as frames were heard since its start."""

    def __init__(self) -> None:
        self.heard = 0

    def reset(self) -> None:
        self.heard = 0

    def take(self, frame: object) -> SimpleNamespace:
        self.heard += 1
        return SimpleNamespace(per_token=float(self.heard))


def test_frames_without_time_are_left_out_and_the_model_begins_again() -> None:
    meter, frame = SurpriseMeter(Counting()), object()  # type: ignore[arg-type]
    meter.on = True
    for number in (0, 1):
        meter.add(number, frame)  # type: ignore[arg-type]
    assert [meter.measure() for _ in range(3)] == [(0, 1.0), (1, 2.0), None]
    for number in range(2, 4 + MOST_WAITING):
        meter.add(number, frame)  # type: ignore[arg-type]
    assert meter.measure() == (4, 1.0)
    assert meter.measure() == (5, 2.0)


def test_a_steady_tone_is_more_predictable_than_noise() -> None:
    seconds = np.arange(30 * HOP) / 48_000
    tone = 0.3 * np.sin(2 * np.pi * 220 * seconds) * np.ones((2, 1))
    hiss = np.random.default_rng(0).normal(0, 0.1, (2, 30 * HOP))
    costs = []
    for sound in (tone, hiss):
        surprise, state = Surprise(swift(), load_language(LANGUAGE)), SwiftState(swift().weights, 32)
        bits = [surprise.take(PlayerFrame.after(state, f.tokens)) for f in encoded(sound.astype(np.float32))]
        costs.append(np.mean([found.per_token for found in bits[10:]]))
    assert costs[0] < costs[1] - 0.4


def test_a_frame_that_repeats_the_one_before_costs_nothing() -> None:
    surprise, state = Surprise(swift(), load_language(LANGUAGE)), SwiftState(swift().weights, 32)
    tokens = encoded(clip(PIANO, 0.1))[-1].tokens
    found = [surprise.take(PlayerFrame.after(state, tokens)).per_token for _ in range(3)]
    assert found[0] > 1
    assert found[1:] == [0.0, 0.0]
