"""GPUs that are of no use, by fakes: the CPU takes over with a message, and nothing ends."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from models.codec import CodecError, DecoderControls
from models.codicodec import accelerator, codec, device
from models.codicodec.accelerator import cuda_available
from models.codicodec.codec import CoDiCodec
from models.codicodec.config import CoDiCodecConfig
from models.codicodec.cuda_graphs import GRAPHED_METHODS
from models.codicodec.device import choose_device, place_network
from models.codicodec.network import CoDiCodecNetwork

OUT_OF_MEMORY = "CUDA out of memory. Tried to allocate 20.00 MiB.\nAdvice of several lines."
NO_KERNEL = "CUDA error: no kernel image is available for execution on the device\nFor debugging ..."
GONE = "CUDA error: device is not available"
OLD_DRIVER = "CUDA initialization: The NVIDIA driver on your system is too old (found version 11040)."

torch.set_num_threads(1)


def network() -> CoDiCodecNetwork:
    return CoDiCodecNetwork(CoDiCodecConfig.tiny()).randomise(0).requires_grad_(False)


def without_gpu(*_: Any) -> bool:
    return False


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], None]], None]:
    """Return a function that fakes a GPU; its argument is called when a network moves there."""

    def fake(moving: Callable[[], None]) -> None:
        to = CoDiCodecNetwork.to

        def moved(self: CoDiCodecNetwork, *arguments: Any, **options: Any) -> CoDiCodecNetwork:
            if torch.device("cuda") in arguments:
                moving()
                return self
            return to(self, *arguments, **options)

        monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
        monkeypatch.setattr(torch.backends.mps, "is_available", without_gpu)
        monkeypatch.setattr(CoDiCodecNetwork, "to", moved)

    return fake


def failing(message: str, after: int = 0, kind: type[RuntimeError] = RuntimeError) -> Callable[[], None]:
    """Return a function that raises from its call number `after` on."""
    calls = 0

    def fail() -> None:
        nonlocal calls
        calls += 1
        if calls > after:
            raise kind(message)

    return fail


@pytest.mark.parametrize(
    ("message", "after", "says"),
    [
        (NO_KERNEL, 0, "cuda refused, it cannot compute (CUDA error: no kernel image is available"),
        (OUT_OF_MEMORY, 1, "cuda refused (CUDA out of memory. Tried to allocate 20.00 MiB.)"),
        (GONE, 1, "cuda refused (CUDA error: device is not available)"),
    ],
    ids=["unsupported architecture", "out of memory", "vanished while loading"],
)
def test_a_gpu_that_fails_is_left_for_the_cpu_with_its_message(
    gpu: Callable[[Callable[[], None]], None], message: str, after: int, says: str
) -> None:
    """The first network that moves is the probe's, the next one the codec's."""
    gpu(failing(message, after, torch.OutOfMemoryError if message == OUT_OF_MEMORY else RuntimeError))
    net = network()
    reason = place_network(net)
    assert reason.startswith("cpu, float32: ")
    assert says in reason
    assert "\n" not in reason
    assert net.device.type == "cpu"
    assert torch.isfinite(device.evaluate(net)[1]).all()


def test_a_gpu_that_was_asked_for_and_fails_is_an_error(gpu: Callable[[Callable[[], None]], None]) -> None:
    gpu(failing(OUT_OF_MEMORY, 1))
    with pytest.raises(CodecError, match=r'device "cuda" failed \(CUDA out of memory'):
        place_network(network(), "cuda")


def test_a_driver_that_is_too_old_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def is_available() -> bool:
        warnings.warn(OLD_DRIVER, stacklevel=2)
        return False

    monkeypatch.setattr(torch.cuda, "is_available", is_available)
    monkeypatch.setattr(torch.backends.mps, "is_available", without_gpu)
    assert cuda_available() == (False, OLD_DRIVER)
    chosen, why = choose_device(None)
    assert chosen.type == "cpu"
    assert why.startswith("cuda is not available (CUDA initialization: The NVIDIA driver on your system is too old")
    with pytest.raises(CodecError, match="driver on your system is too old"):
        choose_device("cuda")


def test_a_library_that_cannot_ask_for_gpus_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", failing("libcuda.so.1: cannot open shared object file"))
    assert cuda_available() == (False, "libcuda.so.1: cannot open shared object file")


def test_a_torch_without_cuda_beside_a_driver_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", without_gpu)
    monkeypatch.setattr(torch.version, "cuda", None)
    monkeypatch.setattr(accelerator, "NVIDIA_DRIVER", tmp_path)
    assert "this build of torch has no CUDA" in cuda_available()[1]


def test_a_gpu_that_fails_when_it_is_tuned_leaves_a_stream_that_plays_on_the_cpu(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Graphs need memory too. Encoder and decoder are open by then, as in a lane."""
    net = network()
    made = CoDiCodec(net, "cuda, float32: agrees with the CPU to 1e-06")
    encoder, decoder = made.open_encoder(), made.open_decoder("continuous")
    expected_encoder, expected_decoder = (
        CoDiCodec(network()).open_encoder(),
        CoDiCodec(network()).open_decoder("continuous"),
    )
    places = iter(["cuda"])
    real = CoDiCodecNetwork.device

    def place(self: CoDiCodecNetwork) -> torch.device:
        return torch.device(next(places, "cpu"))

    monkeypatch.setattr(CoDiCodecNetwork, "device", property(place))
    monkeypatch.setattr(codec, "evaluate", lambda net: failing(OUT_OF_MEMORY)())
    made.tune()
    monkeypatch.setattr(CoDiCodecNetwork, "device", real)
    assert "left for cpu, float32: CUDA out of memory. Tried to allocate 20.00 MiB." in made.reason
    assert not any(name in vars(net) for name in GRAPHED_METHODS)
    chunk = (0.1 * np.random.default_rng(0).standard_normal((2, made.spec.hop))).astype(np.float32)
    for _ in range(3):
        found = decoder.decode(encoder.encode(chunk), DecoderControls())
        wanted = expected_decoder.decode(expected_encoder.encode(chunk), DecoderControls())
        np.testing.assert_array_equal(found, wanted)
