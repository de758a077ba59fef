"""CUDA graphs of a network: each of its parts captured once for each shape it is given, and replayed from then on.

A live frame is some hundred small kernels; launched one by one from Python they would cost more than they compute.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from models.network import CoDiCodecNetwork, Condition, Features

PARTS = ("encode", "features", "keep_left", "denoise_left", "denoise_right")
WARM = 3  # calls before a capture: cuDNN and the allocator settle

Capture = Callable[[Callable[[], Any]], tuple[Callable[[], None], Any]]  # run -> (replay, what it fills)


def replay_parts(network: CoDiCodecNetwork) -> None:
    """Have the parts of this network, on CUDA and frozen, replay graphs. A and B are one batch: shapes are few."""
    _register()
    for name in PARTS:
        part = getattr(network, name)
        if not isinstance(part, Replayed):
            setattr(network, name, Replayed(part, capture))


@cache
def _register() -> None:
    for kind in (Condition, Features):
        pytree.register_dataclass(kind)


class Replayed:
    """A function of tensors (and lists, tuples, Conditions and Features of them) that is captured for every shape.

    Its results are copies: they stay as they are when it is called again. One thread.
    """

    def __init__(self, function: Callable[..., Any], capture: Capture) -> None:
        self._function, self._capture = function, capture
        self._kept: dict[Any, tuple[list[Any], Callable[[], None], Any]] = {}

    def __call__(self, *arguments: Any) -> Any:
        leaves, structure = pytree.tree_flatten(arguments)
        key = (structure, *((leaf.shape, leaf.dtype) if isinstance(leaf, Tensor) else leaf for leaf in leaves))
        if key not in self._kept:
            given = [leaf.clone() if isinstance(leaf, Tensor) else leaf for leaf in leaves]
            mine = pytree.tree_unflatten(given, structure)
            self._kept[key] = (given, *self._capture(lambda: self._function(*mine)))
        given, replay, found = self._kept[key]
        for held, leaf in zip(given, leaves, strict=True):
            if isinstance(held, Tensor):
                held.copy_(leaf, non_blocking=True)
        replay()
        return pytree.tree_map(lambda value: value.clone() if isinstance(value, Tensor) else value, found)


def capture(run: Callable[[], Any]) -> tuple[Callable[[], None], Any]:
    """A CUDA graph of `run`: (its replay, the tensors that a replay fills)."""
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(WARM):
            run()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        found = run()
    return graph.replay, found
