"""The offer to restart with more latency, as OSC clients get it."""

from __future__ import annotations

import shlex
from types import SimpleNamespace
from typing import Any

import pytest

from realtime.osc.clients import Client
from realtime.osc.edits import EditQueue, ParameterEdit
from realtime.parameters.table import PARAMETERS
from realtime.worker.messages import CodecLoaded


@pytest.mark.parametrize(("needed", "offer"), [(0, False), (18_240, True)])
def test_a_codec_that_needs_more_latency_is_refused_with_a_command_to_restart(needed: int, offer: bool) -> None:
    sent: list[tuple[Any, ...]] = []
    swapped: list[int] = []
    engine: Any = SimpleNamespace(
        settings=SimpleNamespace(rate=48_000), swap=lambda slot, codec, path, ticket: swapped.append(ticket)
    )
    queue = EditQueue(engine, SimpleNamespace(), lambda *given: sent.append(given), lambda *given: None)  # type: ignore[arg-type]
    client = Client("me")
    queue.submit([ParameterEdit(PARAMETERS["b.codec"], "my net.safetensors", client)])
    queue.flush()
    queue.acknowledge(CodecLoaded(1, "my net.safetensors", swapped[0], "it does not fit", needed))
    to, address, name, reason, *rest = sent[-1]
    assert (to, address, name, reason) == (client, "/verdigris/fail", "b.codec", "it does not fit")
    assert bool(rest) == offer
    if offer:
        assert rest[:2] == [18_240, 380.0]
        restart = ["/verdigris/restart", "b.codec", "my net.safetensors", "latency", "18240"]
        assert shlex.split(rest[2]) == restart


def test_a_model_that_is_not_allowed_yet_is_refused_with_the_shell_command_that_allows_it() -> None:
    sent: list[tuple[Any, ...]] = []
    swapped: list[int] = []
    engine: Any = SimpleNamespace(swap=lambda slot, codec, path, ticket: swapped.append(ticket))
    queue = EditQueue(engine, SimpleNamespace(), lambda *given: sent.append(given), lambda *given: None)  # type: ignore[arg-type]
    queue.submit([ParameterEdit(PARAMETERS["a.codec"], "rave:my model.ts", Client("me"))])
    queue.flush()
    offer = "verdigris trust '/home/me/my model.ts'"
    queue.acknowledge(CodecLoaded(0, "rave:my model.ts", swapped[0], "it is a program", offer=offer))
    assert sent[-1][1:] == ("/verdigris/fail", "a.codec", "it is a program", 0, 0.0, offer)
