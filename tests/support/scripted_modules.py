"""Small TorchScript modules that keep the contract of nn~ or Neutone, and some that misbehave.

They are built here by `torch.jit.script`; nothing of anybody's models is in them. The modules that
encode reorder samples: RATIO samples are RATIO latents of one value, so that decoding gives every
sample back. TorchScript reads annotations, so they are not postponed here.
"""

import json
import warnings
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

RATIO = 64


class Contract(nn.Module):
    """Base of the modules: declares methods as nn~ does."""

    sr: int

    def __init__(self, **methods: tuple[int, int, int, int]) -> None:
        super().__init__()
        self.sr = 48_000
        for name, params in methods.items():
            self.register_buffer(f"{name}_params", torch.tensor(params))


CODEC = {"encode": (1, 1, RATIO, RATIO), "decode": (RATIO, RATIO, 1, 1)}


class Folding(Contract):
    """Encoder and decoder without loss."""

    def __init__(self) -> None:
        super().__init__(**CODEC, forward=(1, 1, 1, 1))

    @torch.jit.export
    def encode(self, x: Tensor) -> Tensor:
        return x.reshape(x.size(0), -1, 64).transpose(1, 2)

    @torch.jit.export
    def decode(self, z: Tensor) -> Tensor:
        return z.transpose(1, 2).reshape(z.size(0), 1, -1)

    def forward(self, x: Tensor) -> Tensor:
        return self.decode(self.encode(x))


class Noisy(Contract):
    """Draws noise in encoder and decoder, as RAVE does."""

    def __init__(self) -> None:
        super().__init__(**CODEC)

    @torch.jit.export
    def encode(self, x: Tensor) -> Tensor:
        z = x.reshape(x.size(0), -1, 64).transpose(1, 2)
        return z + 0.01 * torch.randn_like(z)

    @torch.jit.export
    def decode(self, z: Tensor) -> Tensor:
        y = z.transpose(1, 2).reshape(z.size(0), 1, -1)
        return y + 0.01 * torch.randn_like(y)


class Stateful(Contract):
    """Keeps the last values in a buffer, in a plain tensor and in a number."""

    last: Tensor
    plain: Tensor
    count: int

    def __init__(self) -> None:
        super().__init__(**CODEC)
        self.register_buffer("last", torch.zeros(1, 64, 1))
        self.plain = torch.zeros(1, 1, 1)
        self.count = 0

    @torch.jit.export
    def encode(self, x: Tensor) -> Tensor:
        z = x.reshape(x.size(0), -1, 64).transpose(1, 2)
        out = z + 0.1 * self.last + 0.001 * float(self.count)
        self.last = z[:, :, -1:]
        self.count += 1
        return out

    @torch.jit.export
    def decode(self, z: Tensor) -> Tensor:
        y = z.transpose(1, 2).reshape(z.size(0), 1, -1)
        out = y + 0.1 * self.plain
        self.plain = y[:, :, -1:]
        return out


class LookAhead(Contract):
    """Answers 37 samples late, as a module does that looks 37 samples ahead."""

    held: Tensor

    def __init__(self) -> None:
        super().__init__(**CODEC, forward=(1, 1, 1, 1))
        self.register_buffer("held", torch.zeros(1, 1, 37))

    @torch.jit.export
    def encode(self, x: Tensor) -> Tensor:
        joined = torch.cat([self.held, x], 2)
        self.held = joined[:, :, joined.size(2) - 37 :]
        return joined[:, :, : x.size(2)].reshape(x.size(0), -1, 64).transpose(1, 2)

    @torch.jit.export
    def decode(self, z: Tensor) -> Tensor:
        return z.transpose(1, 2).reshape(z.size(0), 1, -1)

    def forward(self, x: Tensor) -> Tensor:
        return self.decode(self.encode(x))


class Discrete(Contract):
    """Codes 16 values of each hop as whole numbers from 0 to 15, kept as floats, as a discrete RAVE does."""

    def __init__(self) -> None:
        super().__init__(encode=(1, 1, 16, RATIO), decode=(16, RATIO, 1, 1))
        self.register_buffer("embed", torch.linspace(-1, 1, 16).reshape(1, 16, 1))

    @torch.jit.export
    def encode(self, x: Tensor) -> Tensor:
        means = x.reshape(x.size(0), -1, 16, 4).mean(3).transpose(1, 2)
        return torch.clamp(torch.round((means + 1.0) * 7.5), 0.0, 15.0)

    @torch.jit.export
    def decode(self, z: Tensor) -> Tensor:
        values = (z / 7.5 - 1.0).transpose(1, 2).unsqueeze(3).repeat(1, 1, 1, 4)
        return values.reshape(z.size(0), 1, -1)


class Phaseless(Contract):
    """Keeps the envelope of the sound and no phase: noise as loud as the input was 256 samples before."""

    held: Tensor

    def __init__(self) -> None:
        super().__init__(encode=(1, 1, 1, RATIO), decode=(1, RATIO, 1, 1))
        self.register_buffer("held", torch.zeros(1, 1, 4))

    @torch.jit.export
    def encode(self, x: Tensor) -> Tensor:
        joined = torch.cat([self.held, x.abs().reshape(x.size(0), 1, -1, 64).mean(3)], 2)
        self.held = joined[:, :, joined.size(2) - 4 :]
        return joined[:, :, : x.size(2) // 64]

    @torch.jit.export
    def decode(self, z: Tensor) -> Tensor:
        return z.repeat_interleave(64, 2) * torch.randn(z.size(0), 1, z.size(2) * 64)


class Network(Contract):
    """Convolutions, a recurrent layer and noise, which the optimiser of TorchScript would rewrite."""

    def __init__(self) -> None:
        super().__init__(encode=(1, 1, 16, RATIO), decode=(16, RATIO, 1, 1))
        torch.manual_seed(0)
        self.down = nn.Conv1d(1, 16, RATIO, stride=RATIO)
        self.inner = nn.ModuleList([nn.Conv1d(16, 16, 3, padding=1) for _ in range(4)])
        self.norm = nn.BatchNorm1d(16)
        self.recurrent = nn.GRU(16, 16, batch_first=True)
        self.up = nn.ConvTranspose1d(16, 1, RATIO, stride=RATIO)
        self.eval()

    @torch.jit.export
    def encode(self, x: Tensor) -> Tensor:
        h = self.down(x)
        for layer in self.inner:
            h = h + torch.tanh(layer(nn.functional.leaky_relu(h, 0.2))) * torch.sigmoid(h)
        h = self.norm(h)
        return h * torch.sin(h) + 0.1 * torch.randn_like(h)

    @torch.jit.export
    def decode(self, z: Tensor) -> Tensor:
        h, _ = self.recurrent(z.transpose(1, 2))
        return self.up(h.transpose(1, 2) * torch.sigmoid(z) + 0.1 * torch.randn_like(z))


class Gain(Contract):
    """Effect with `forward` alone and attributes: a factor, an offset of two numbers, a switch, a text."""

    factor: float
    first: float
    second: int
    on: bool
    text: str

    def __init__(self) -> None:
        super().__init__(forward=(1, 1, 1, 1))
        self.factor, self.first, self.second, self.on, self.text = 1.0, 0.0, 0, True, "x"
        for name, types in {"factor": [2], "offset": [2, 1], "on": [0], "text": [3]}.items():
            self.register_buffer(f"{name}_params", torch.tensor(types))

    @torch.jit.export
    def get_methods(self) -> list[str]:
        return ["forward"]

    @torch.jit.export
    def get_attributes(self) -> list[str]:
        return ["factor", "offset", "on", "text"]

    @torch.jit.export
    def get_factor(self) -> float:
        return self.factor

    @torch.jit.export
    def set_factor(self, value: float) -> int:
        self.factor = value
        return 0

    @torch.jit.export
    def get_offset(self) -> tuple[float, int]:
        return self.first, self.second

    @torch.jit.export
    def set_offset(self, first: float, second: int) -> int:
        self.first, self.second = first, second
        return 0

    @torch.jit.export
    def get_on(self) -> bool:
        return self.on

    @torch.jit.export
    def set_on(self, value: bool) -> int:
        self.on = value
        return 0

    def forward(self, x: Tensor) -> Tensor:
        if not self.on:
            return x
        return x * self.factor + self.first + float(self.second)


class Misbehaving(Contract):
    """Passes samples on for `good` calls, then does one of: nan, loop, eat, raise, save, shape."""

    good: int
    deed: str

    def __init__(self, deed: str, good: int) -> None:
        super().__init__(**CODEC, forward=(1, 1, 1, 1))
        self.good, self.deed = good, deed

    @torch.jit.export
    def encode(self, x: Tensor) -> Tensor:
        return self.forward(x).reshape(x.size(0), -1, 64).transpose(1, 2)

    @torch.jit.export
    def decode(self, z: Tensor) -> Tensor:
        return z.transpose(1, 2).reshape(z.size(0), 1, -1)

    def forward(self, x: Tensor) -> Tensor:
        self.good -= 1
        if self.good >= 0:
            return x
        if self.deed == "nan":
            return x * float("nan")
        if self.deed == "loop":
            while self.good < 0:
                self.good -= 1
        if self.deed == "eat":
            kept = [x]
            while self.good < 0:
                kept.append(torch.zeros(64 << 20))
        if self.deed == "raise":
            raise RuntimeError("not today")
        if self.deed == "shape":
            return x[:, :, 1:]
        return x


class Saving(Contract):
    """Writes a file when it is loaded."""

    def __init__(self, target: str) -> None:
        super().__init__(forward=(1, 1, 1, 1))
        self.target = target

    @torch.jit.export
    def __getstate__(self) -> tuple[str, Tensor, bool]:
        return self.target, self.forward_params, self.training

    @torch.jit.export
    def __setstate__(self, state: tuple[str, Tensor, bool]) -> None:
        self.target = state[0]
        self.forward_params = state[1]
        self.training = state[2]
        self.sr = 48_000
        torch.save(torch.zeros(1), self.target)

    def forward(self, x: Tensor) -> Tensor:
        return x


class LoadLoop(Contract):
    """Never ends to load."""

    def __init__(self) -> None:
        super().__init__(forward=(1, 1, 1, 1))

    @torch.jit.export
    def __getstate__(self) -> tuple[Tensor, bool]:
        return self.forward_params, self.training

    @torch.jit.export
    def __setstate__(self, state: tuple[Tensor, bool]) -> None:
        self.forward_params = state[0]
        self.training = state[1]
        self.sr = 48_000
        while self.sr > 0:
            self.sr += 1
            if self.sr > 1_000_000:
                self.sr = 1

    def forward(self, x: Tensor) -> Tensor:
        return x


class Delayed(nn.Module):
    """Contract of Neutone: delays by 100 samples and amplifies by 4 times its first parameter.

    `lie` is added to the declared delay.
    """

    held: Tensor
    lie: int

    def __init__(self, lie: int = 0) -> None:
        super().__init__()
        self.register_buffer("held", torch.zeros(2, 100))
        self.lie = lie

    def forward(self, x: Tensor, params: Tensor) -> Tensor:
        joined = torch.cat([self.held, x * params[0] * 4.0], 1)
        self.held = joined[:, joined.size(1) - 100 :]
        return joined[:, : x.size(1)]

    @torch.jit.export
    def set_daw_sample_rate_and_buffer_size(self, rate: int, size: int) -> int:
        return size

    @torch.jit.export
    def calc_buffering_delay_samples(self) -> int:
        return 60

    @torch.jit.export
    def calc_model_delay_samples(self) -> int:
        return 40 + self.lie

    @torch.jit.export
    def reset(self) -> None:
        self.held.zero_()


METADATA: dict[str, Any] = {
    "model_name": "Delayed",
    "neutone_parameters": {
        "p1": {
            "name": "Wet Level",
            "description": "how loud",
            "default_value": 0.25,
            "used": True,
            "type": "continuous",
        },
        "p2": {"name": "Tone", "description": "", "default_value": 5, "used": True, "min_value": 0, "max_value": 10},
        "p3": {"name": "", "description": "", "default_value": 0.0, "used": False, "type": "continuous"},
        "p4": {"name": "Tone", "description": "again", "default_value": 0.5, "used": True, "type": "continuous"},
    },
}


def save(module: nn.Module, path: Path) -> Path:
    """Script a module and write its archive."""
    return _save(module, path, {})


def save_neutone(module: nn.Module, path: Path, metadata: dict[str, Any] = METADATA) -> Path:
    """Script a module and write its archive with metadata."""
    return _save(module, path, {"metadata.json": json.dumps(metadata).encode()})


def _save(module: nn.Module, path: Path, extra: dict[str, bytes]) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of TorchScript as a whole
        torch.jit.save(torch.jit.script(module), str(path), _extra_files=extra)
    return path
