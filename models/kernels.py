"""Our own bfloat16 kernels for CPUs (kernels_*.c): compiled once where there is a C compiler, kept in the user's cache.

They are for CPUs with AVX512_BF16. What they multiply themselves (convolutions, attention) is for those without a
matrix unit: with AMX, torch's own are faster. Where they cannot be had, torch's operations do the same work; nothing
else changes. Tensors are bfloat16 and on the CPU; maps are channels-last. docs/performance.md has what was measured.
"""

from __future__ import annotations

import ctypes
import hashlib
import math
import os
import shutil
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

import torch
from torch import Tensor

SOURCES = [Path(__file__).with_name(f"kernels{part}") for part in ("_convolution.c", "_transformer.c", ".h")]
FLAGS = ("-O3", "-std=gnu11", "-shared", "-fPIC", "-fopenmp", "-mfma")
INSTRUCTIONS = ("-mavx512f", "-mavx512bw", "-mavx512vl", "-mavx512dq", "-mavx512bf16")
PANEL, PARTS = 32, 8  # as in the sources
POINTS = {2: (0.0, 1.0, -1.0), 4: (0.0, 2 / 3, -2 / 3, 3 / 2, -3 / 2)}  # of Winograd's transforms, by the tile's edge
LARGE_TILES = 64  # so many make the larger weights worth reading
COMPILE_SECONDS = 60

KeysValues = tuple[Tensor, Tensor]  # packed, [B, heads, padded rows * width / heads]


def serve(x: Tensor) -> bool:
    """Whether these kernels take such a tensor."""
    return x.dtype == torch.bfloat16 and x.device.type == "cpu" and library() is not None


def multiply(width: int) -> bool:
    """Whether products of so many channels are ours to do rather than torch's."""
    return width % PANEL == 0 and library() is not None and "amx_bf16" not in _cpu_flags()


def library() -> ctypes.CDLL | None:
    """The compiled kernels; None where the CPU lacks the instructions or the machine a compiler."""
    return opened()[0]


@cache
def opened() -> tuple[ctypes.CDLL | None, str]:
    """The kernels, and what there is to say: why a CPU that could use them does without, or that they were damaged."""
    if "avx512_bf16" not in _cpu_flags():
        return None, ""
    try:
        path, remark = _compiled()
        return ctypes.CDLL(str(path)), remark  # finds torch's OpenMP threads: they are loaded already
    except subprocess.CalledProcessError as error:
        lines = error.stderr.decode(errors="replace").splitlines() or [str(error)]
        return None, f"without our own kernels, which could not be compiled ({lines[0]})"
    except (OSError, RuntimeError, subprocess.SubprocessError) as error:  # RuntimeError: a user without a home
        return None, f"without our own kernels ({error})"


@cache
def _cpu_flags() -> frozenset[str]:
    if sys.platform != "linux":
        return frozenset()
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return frozenset(next((line for line in lines if line.startswith("flags")), "").split())


def _compiled() -> tuple[Path, str]:
    """Where the kernels are, compiled (3 s) if they are not there yet or not as they were left; what to say of that."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "verdigris"
    parts = [*(source.read_bytes() for source in SOURCES), " ".join(FLAGS + INSTRUCTIONS).encode()]
    name = hashlib.sha256(b"".join(parts)).hexdigest()[:16]
    target, seal = home / f"kernels-{name}.so", home / f"kernels-{name}.sha256"
    there = target.is_file()
    if there and seal.is_file() and seal.read_text() == _digest(target):
        return target, ""
    if compiler is None:
        raise FileNotFoundError("no C compiler")
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=home) as directory:
        made, sealed = Path(directory) / target.name, Path(directory) / seal.name
        compiled = [str(source) for source in SOURCES if source.suffix == ".c"]
        command = [compiler, *FLAGS, *INSTRUCTIONS, *compiled, "-o", str(made), "-lm"]
        subprocess.run(command, check=True, capture_output=True, timeout=COMPILE_SECONDS)
        sealed.write_text(_digest(made))
        sealed.replace(seal)  # before what it seals: kernels without it are taken for damaged
        made.replace(target)  # whole or not at all, whoever else compiles
    return target, f"the kernels in {home} were damaged and have been compiled anew" if there else ""


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def tile_edge(height: int, width: int) -> int:
    """Edge of the tiles in which to convolve such a map; 0 where it cannot be had in whole tiles.

    Large tiles take less arithmetic, but more weights, which a map of few tiles waits for.
    """
    large = height % 4 == width % 4 == 0 and height * width >= 16 * LARGE_TILES
    return 4 if large else 2 if height % 2 == width % 2 == 0 else 0


def pack_convolution(weight: Tensor, edge: int) -> Tensor:
    """A 3x3 convolution's weight [C, C, 3, 3], C a multiple of 32, for `convolve` with tiles of that edge."""
    channels = weight.shape[0]
    points = torch.tensor(POINTS[edge], dtype=torch.float64)
    others = (points[:, None] - points).fill_diagonal_(1.0).prod(dim=1)
    spread = torch.cat([points[:, None] ** torch.arange(3) / others[:, None], torch.tensor([[0.0, 0.0, 1.0]])])
    parts = torch.einsum("ik,ockl,jl->ijoc", spread.float(), weight.detach().float(), spread.float())
    panels = parts.to(torch.bfloat16).reshape(len(spread) ** 2, channels // PANEL, PANEL, channels // 2, 2)
    return panels.transpose(2, 3).contiguous()


def pack_linear(weight: Tensor, *, gated: bool = False) -> Tensor:
    """A linear layer's weight [N, K], N a multiple of 32, as [N / 32, K / 2, 32, 2] for `linear`.

    `gated`: its first half are gates, which are laid beside their values, 16 by 16.
    """
    rows, inner = weight.shape
    weight = weight.detach().to(torch.bfloat16)
    if gated:
        weight = weight.reshape(2, -1, PANEL // 2, inner).transpose(0, 1)
    return weight.reshape(rows // PANEL, PANEL, inner // 2, 2).transpose(1, 2).contiguous()


def linear(
    x: Tensor,
    packed: Tensor,
    scale: Tensor | None = None,
    epsilon: float = 0.0,
    residual: Tensor | None = None,
    gated: bool = False,
) -> Tensor:
    """A layer [B, N, K], after a layer norm times scale [1 or B, K] if that is given; plus the residual, or gated."""
    batch, rows, inner = x.shape
    x = x.contiguous()
    residual = None if residual is None else residual.contiguous()
    scale = None if scale is None else scale.float().contiguous()
    columns = packed.shape[0] * PANEL
    out = x.new_empty(batch, rows, columns // 2 if gated else columns)
    _call(
        "linear", x, scale, 1 if scale is None else scale.shape[0], ctypes.c_float(epsilon), packed, residual, out,
        batch, rows, inner, columns, gated, torch.get_num_threads(),
    )  # fmt: skip
    return out


def prepare(x: Tensor, injected: Tensor | None, scale: Tensor, groups: int, epsilon: float) -> tuple[Tensor, Tensor]:
    """(x + injected) / sqrt(2), or x; and its group norm times scale [1 or B, C] as an affine map for `convolve`."""
    batch, channels, height, width = x.shape
    x = x.contiguous(memory_format=torch.channels_last)
    injected = None if injected is None else injected.contiguous(memory_format=torch.channels_last)
    out = x if injected is None else torch.empty_like(x)
    scale = scale.float().contiguous()
    partial = torch.empty(batch, PARTS, 2, channels)
    affine = torch.empty(batch, 2, channels)
    _call(
        "prepare", x, injected, out, scale, scale.shape[0], partial, affine,
        batch, height * width, channels, groups, ctypes.c_float(epsilon),
    )  # fmt: skip
    return out, affine


def convolve(x: Tensor, packed: Tensor, affine: Tensor | None, residual: Tensor | None) -> Tensor:
    """conv3x3 of [B, C, H, W], whole tiles, after the affine map; then SiLU, or instead plus `residual`."""
    batch, channels, height, width = x.shape
    out = torch.empty_like(x)
    edge = math.isqrt(packed.shape[0]) - 2
    _call("convolve", x, packed, affine, residual, out, batch, height, width, channels, edge, torch.get_num_threads())
    return out


def patch_rows(x: Tensor, scale: Tensor, groups: int, epsilon: float, patch: tuple[int, int]) -> Tensor:
    """[B, C, H, W] to rows [B, patches, (pixels + 1) C]: each patch's pixels, group-normed, then their plain mean."""
    x, affine = prepare(x, None, scale, groups, epsilon)
    batch, channels, height, width = x.shape
    tall, wide = patch
    out = x.new_empty(batch, height // tall * (width // wide), (tall * wide + 1) * channels)
    _call("patch_rows", x, affine, out, batch, height, width, channels, tall, wide)
    return out


def split_keys_values(rows_in: Tensor, heads: int, gain: Tensor, epsilon: float) -> KeysValues:
    """Keys (RMS-normed, times gain) and values, the last 2 W of [B, N, 2W or 3W], packed for `attend`."""
    batch, rows, stride = rows_in.shape
    width = gain.shape[0]
    keys_at, values_at = rows_in[..., -2 * heads * width :], rows_in[..., -heads * width :]
    padded = -(-rows // PANEL) * PANEL
    keys, values = rows_in.new_empty(2, batch, heads, padded * width)
    gain = gain.float()
    _call(
        "split_keys_values", keys_at, values_at, ctypes.c_long(stride), gain, ctypes.c_float(epsilon), keys, values,
        batch, rows, heads, width,
    )  # fmt: skip
    return keys, values


def split_queries(rows_in: Tensor, heads: int, gain: Tensor, epsilon: float) -> Tensor:
    """The first W of [B, N, W or 3W], RMS-normed, times gain, scaled for `attend`: [B, heads, N, W / heads]."""
    batch, rows, stride = rows_in.shape
    width, gain = gain.shape[0], gain.float()
    queries = rows_in.new_empty(batch, heads, rows, width)
    _call(
        "split_queries", rows_in, ctypes.c_long(stride), gain, ctypes.c_float(epsilon), queries,
        batch, rows, heads, width,
    )  # fmt: skip
    return queries


def attend(queries: Tensor, past: KeysValues | None, own: KeysValues, count: int) -> Tensor:
    """Softmax attention of queries [B, heads, N, D] on `count` rows of their own and as many of the past: [B, N, W]."""
    batch, heads, rows, width = queries.shape
    out = queries.new_empty(batch, rows, heads * width)
    before, before_count = ((None, None), 0) if past is None else (past, count)
    _call("attend", queries, *before, before_count, *own, count, out, batch, rows, heads, width)
    return out


def gate(x: Tensor) -> Tensor:
    """[..., 2W], gate then value, to SiLU(gate) * value."""
    x = x.contiguous()
    out = x.new_empty(*x.shape[:-1], x.shape[-1] // 2)
    _call("gate", x, out, ctypes.c_long(out.numel() // out.shape[-1]), out.shape[-1])
    return out


def _call(name: str, *arguments: Tensor | int | ctypes._SimpleCData | None) -> None:
    kernels = library()
    assert kernels is not None
    getattr(kernels, name)(*(ctypes.c_void_p(a.data_ptr()) if isinstance(a, Tensor) else a for a in arguments))
