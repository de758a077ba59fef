"""CUDA graphs of a network: each method is captured once for each shape of its inputs, then
replayed.

A live frame is some hundred small CUDA kernels, whose launches from Python take longer than their
computation.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from models.codicodec.network import CoDiCodecNetwork, Condition, Features

GRAPHED_METHODS = ("encode", "features", "prefill_context", "denoise_context", "denoise_current")
WARMUP_CALLS = 3  # before a capture, until cuDNN and the allocator have settled

# function -> (replay, the outputs that a replay fills)
Capture = Callable[[Callable[[], Any]], tuple[Callable[[], None], Any]]


def use_cuda_graphs(network: CoDiCodecNetwork) -> None:
    """Replace the methods of a network on CUDA with graphs that replay them.

    Its weights must be frozen.
    """
    _register()
    for name in GRAPHED_METHODS:
        method = getattr(network, name)
        if not isinstance(method, GraphedFunction):
            setattr(network, name, GraphedFunction(method, capture_graph))


@cache
def _register() -> None:
    for kind in (Condition, Features):
        pytree.register_dataclass(kind)


class GraphedFunction:
    """Function that is captured for every shape of its arguments, then replayed.

    Arguments are tensors, and lists, tuples, Condition and Features of tensors. Results are copies,
    which later calls do not change. For one thread.
    """

    def __init__(self, function: Callable[..., Any], capture: Capture) -> None:
        self._function, self._capture = function, capture
        self._graphs: dict[Any, tuple[list[Any], Callable[[], None], Any]] = {}

    def __call__(self, *arguments: Any) -> Any:
        leaves, structure = pytree.tree_flatten(arguments)
        key = (structure, *((leaf.shape, leaf.dtype) if isinstance(leaf, Tensor) else leaf for leaf in leaves))
        if key not in self._graphs:
            given = [leaf.clone() if isinstance(leaf, Tensor) else leaf for leaf in leaves]
            inputs = pytree.tree_unflatten(given, structure)
            self._graphs[key] = (given, *self._capture(lambda: self._function(*inputs)))
        given, replay, outputs = self._graphs[key]
        for own, leaf in zip(given, leaves, strict=True):
            if isinstance(own, Tensor):
                own.copy_(leaf, non_blocking=True)
        replay()
        return pytree.tree_map(lambda value: value.clone() if isinstance(value, Tensor) else value, outputs)


def capture_graph(run: Callable[[], Any]) -> tuple[Callable[[], None], Any]:
    """Capture a CUDA graph of `run`; return (its replay, the outputs that a replay fills)."""
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(WARMUP_CALLS):
            run()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, capture_error_mode="thread_local"):  # another slot's thread may use the GPU meanwhile
        outputs = run()
    return graph.replay, outputs
