"""C kernels in bfloat16 for CPUs with AVX512_BF16, compiled at first use and kept in a cache.

Matrix products and convolutions are ours where they win a race against torch's on this CPU. Without
a compiler or such a CPU, torch's operations do the same work. Tensors are bfloat16 on the CPU; feature
maps are channels-last. Measurements: docs/performance.md.

Knows tensors only. Must not know codecs, files of weights or streams.
"""

from __future__ import annotations

import ctypes
import hashlib
import math
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from models.kernels import race
from models.openmp import one_torch_thread

SOURCES = [Path(__file__).with_name(name) for name in ("convolution.c", "transformer.c", "kernels.h")]
FLAGS = ("-O3", "-std=gnu11", "-shared", "-fPIC", "-fopenmp", "-mfma")
INSTRUCTIONS = ("-mavx512f", "-mavx512bw", "-mavx512vl", "-mavx512dq", "-mavx512bf16")
PACK_WIDTH, PARTS = 32, 8  # as in the C sources
# Interpolation points of Winograd's transforms, by tile size.
POINTS = {2: (0.0, 1.0, -1.0), 4: (0.0, 2 / 3, -2 / 3, 3 / 2, -3 / 2)}
LARGE_TILES = 64  # tiles of 4 x 4 that a map needs before they are used
COMPILE_SECONDS = 60

ISA_VARIABLE = "VERDIGRIS_ISA"  # avx2: as on a CPU without AVX-512 and AMX
OURS, TORCH = "ours", "torch"

KeysValues = tuple[Tensor, Tensor]  # packed, [B, heads, padded rows * width / heads]


def supports(x: Tensor) -> bool:
    """Return True if the kernels support the type and device of a tensor."""
    return x.dtype == torch.bfloat16 and x.device.type == "cpu" and library() is not None


def owns_matmul(width: int) -> bool:
    """Return True if these kernels, not torch, multiply matrices of `width` channels."""
    return width % PACK_WIDTH == 0 and library() is not None and fastest() == OURS


@cache
def fastest() -> str:
    """Return OURS or TORCH: the faster one for a norm, a linear layer and two convolutions in bfloat16.

    The first call on a CPU model takes some 20 ms; what it finds is kept beside the kernels.
    """
    parts = [race.cpu_model(), torch.__version__, *(source.read_text(encoding="utf-8") for source in SOURCES)]
    key = f"{parts[0]} {hashlib.sha256(repr(parts).encode()).hexdigest()[:8]}"
    with one_torch_thread():
        return race.kept_winner(race.cache_folder() / "race.json", key, _contenders(), OURS)


@torch.inference_mode()
def _contenders() -> dict[str, Callable[[], object]]:
    """Return a frame's typical work by both: 128 rows of 512 channels, a map of 128 channels, 32 x 16."""
    generator = torch.Generator().manual_seed(0)

    def half(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator).to(torch.bfloat16)

    rows, weight, scale = half(1, 128, 512), half(512, 512), torch.ones(1, 512)
    image, kernel = half(1, 128, 32, 16).contiguous(memory_format=torch.channels_last), half(128, 128, 3, 3)
    torch_kernel = kernel.contiguous(memory_format=torch.channels_last)
    packed, packed_kernel = pack_linear(weight), pack_convolution(kernel, tile_size(32, 16))
    gain = torch.ones(1, 128)

    @torch.inference_mode()
    def ours() -> None:
        linear(rows, packed, scale, 1e-5, residual=rows)
        x, affine = prepare(image, None, gain, 4, 1e-5)
        convolve(convolve(x, packed_kernel, affine, None), packed_kernel, None, x)

    @torch.inference_mode()
    def torchs() -> None:
        F.linear(F.layer_norm(rows, (512,)), weight).add_(rows)
        inner = F.silu(F.conv2d(F.group_norm(image, 4), torch_kernel, padding=1), inplace=True)
        F.conv2d(inner, torch_kernel, padding=1).add_(image)

    return {OURS: ours, TORCH: torchs}


def library() -> ctypes.CDLL | None:
    """Return the compiled kernels; None without the CPU's instructions or a compiler."""
    return load_library()[0]


@cache
def load_library() -> tuple[ctypes.CDLL | None, str]:
    """Return the kernels or None, and a remark for the user.

    The remark says why a suitable CPU has no kernels, or that a damaged library was replaced.
    """
    if "avx512_bf16" not in _cpu_flags():
        return None, ""
    try:
        path, remark = _compiled()
        return ctypes.CDLL(str(path)), remark  # uses torch's OpenMP threads, which are loaded already
    except subprocess.CalledProcessError as error:
        lines = error.stderr.decode(errors="replace").splitlines() or [str(error)]
        return None, f"without our own kernels, which could not be compiled ({lines[0]})"
    except (OSError, RuntimeError, subprocess.SubprocessError) as error:  # RuntimeError: a user without a home
        return None, f"without our own kernels ({error})"


@cache
def _cpu_flags() -> frozenset[str]:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:  # Linux alone has this file, and the calling convention of the kernels
        return frozenset()
    found = frozenset(next((line for line in lines if line.startswith("flags")), "").split())
    if os.environ.get(ISA_VARIABLE) == "avx2":
        return frozenset(flag for flag in found if not flag.startswith(("avx512", "amx", "avx_vnni")))
    return found


def _compiled() -> tuple[Path, str]:
    """Return the path of the library and a remark; compile it (3 s) if it is missing or damaged."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    home = race.cache_folder()
    parts = [*(source.read_bytes() for source in SOURCES), " ".join(FLAGS + INSTRUCTIONS).encode()]
    name = hashlib.sha256(b"".join(parts)).hexdigest()[:16]
    target, checksum = home / f"kernels-{name}.so", home / f"kernels-{name}.sha256"
    exists = target.is_file()
    if exists and checksum.is_file() and checksum.read_text() == _digest(target):
        return target, ""
    if compiler is None:
        raise FileNotFoundError("no C compiler")
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=home) as directory:
        built, digest = Path(directory) / target.name, Path(directory) / checksum.name
        sources = [str(source) for source in SOURCES if source.suffix == ".c"]
        command = [compiler, *FLAGS, *INSTRUCTIONS, *sources, "-o", str(built), "-lm"]
        subprocess.run(command, check=True, capture_output=True, timeout=COMPILE_SECONDS)
        digest.write_text(_digest(built))
        digest.replace(checksum)  # first: a library without a checksum is treated as damaged
        built.replace(target)  # atomic, if several processes compile
    return target, f"the kernels in {home} were damaged and have been compiled again" if exists else ""


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def tile_size(height: int, width: int) -> int:
    """Return the tile size for the convolution of a map: 4, 2, or 0 if whole tiles do not cover it.

    Large tiles take less arithmetic but read more weights, which is slower for a map of few tiles.
    """
    large = height % 4 == width % 4 == 0 and height * width >= 16 * LARGE_TILES
    return 4 if large else 2 if height % 2 == width % 2 == 0 else 0


def pack_convolution(weight: Tensor, tile_size: int) -> Tensor:
    """Pack the weight [C, C, 3, 3] of a 3x3 convolution for `convolve`; C is a multiple of 32."""
    channels = weight.shape[0]
    points = torch.tensor(POINTS[tile_size], dtype=torch.float64)
    others = (points[:, None] - points).fill_diagonal_(1.0).prod(dim=1)
    spread = torch.cat([points[:, None] ** torch.arange(3) / others[:, None], torch.tensor([[0.0, 0.0, 1.0]])])
    parts = torch.einsum("ik,ockl,jl->ijoc", spread.float(), weight.detach().float(), spread.float())
    panels = parts.to(torch.bfloat16).reshape(len(spread) ** 2, channels // PACK_WIDTH, PACK_WIDTH, channels // 2, 2)
    return panels.transpose(2, 3).contiguous()


def pack_linear(weight: Tensor, *, gated: bool = False) -> Tensor:
    """Pack the weight [N, K] of a linear layer as [N / 32, K / 2, 32, 2] for `linear`.

    N is a multiple of 32. `gated`: the first half of the rows are gates, which are interleaved with
    their values, 16 by 16.
    """
    rows, inner = weight.shape
    weight = weight.detach().to(torch.bfloat16)
    if gated:
        weight = weight.reshape(2, -1, PACK_WIDTH // 2, inner).transpose(0, 1)
    return weight.reshape(rows // PACK_WIDTH, PACK_WIDTH, inner // 2, 2).transpose(1, 2).contiguous()


def linear(
    x: Tensor,
    packed: Tensor,
    scale: Tensor | None = None,
    epsilon: float = 0.0,
    residual: Tensor | None = None,
    gated: bool = False,
) -> Tensor:
    """Apply a linear layer to [B, N, K].

    With `scale` [1 or B, K], a layer norm times scale comes first. The result is added to
    `residual`, or with `gated` it is SiLU(gate) * value.
    """
    batch, rows, inner = x.shape
    x = x.contiguous()
    residual = None if residual is None else residual.contiguous()
    scale = None if scale is None else scale.float().contiguous()
    columns = packed.shape[0] * PACK_WIDTH
    out = x.new_empty(batch, rows, columns // 2 if gated else columns)
    _call(
        "linear", x, scale, 1 if scale is None else scale.shape[0], ctypes.c_float(epsilon), packed, residual, out,
        batch, rows, inner, columns, gated, torch.get_num_threads(),
    )  # fmt: skip
    return out


def prepare(x: Tensor, injected: Tensor | None, scale: Tensor, groups: int, epsilon: float) -> tuple[Tensor, Tensor]:
    """Return (x + injected) / sqrt(2), or x, and its group norm as an affine map for `convolve`.

    The affine map [B, 2, C] includes `scale` [1 or B, C].
    """
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
    """Convolve [B, C, H, W], after the affine map, with a packed 3x3 weight.

    H and W are whole tiles. The result is added to `residual` if it is given, else SiLU is applied.
    """
    batch, channels, height, width = x.shape
    out = torch.empty_like(x)
    tile_size = math.isqrt(packed.shape[0]) - 2
    _call(
        "convolve", x, packed, affine, residual, out, batch, height, width, channels, tile_size, torch.get_num_threads()
    )
    return out


def patch_rows(x: Tensor, scale: Tensor, groups: int, epsilon: float, patch: tuple[int, int]) -> Tensor:
    """Return the patches of [B, C, H, W] as rows [B, patches, (pixels + 1) C].

    A row is the group-normed pixels of a patch, then the mean of its pixels without the norm.
    """
    x, affine = prepare(x, None, scale, groups, epsilon)
    batch, channels, height, width = x.shape
    tall, wide = patch
    out = x.new_empty(batch, height // tall * (width // wide), (tall * wide + 1) * channels)
    _call("patch_rows", x, affine, out, batch, height, width, channels, tall, wide)
    return out


def split_keys_values(rows_in: Tensor, heads: int, gain: Tensor, epsilon: float) -> KeysValues:
    """Return keys and values, the last 2 W of [B, N, 2W or 3W], packed for `attend`.

    Keys are RMS-normed and multiplied by gain [W / heads].
    """
    batch, rows, stride = rows_in.shape
    width = gain.shape[0]
    keys_at, values_at = rows_in[..., -2 * heads * width :], rows_in[..., -heads * width :]
    padded = -(-rows // PACK_WIDTH) * PACK_WIDTH
    keys, values = rows_in.new_empty(2, batch, heads, padded * width)
    gain = gain.float()
    _call(
        "split_keys_values", keys_at, values_at, ctypes.c_long(stride), gain, ctypes.c_float(epsilon), keys, values,
        batch, rows, heads, width,
    )  # fmt: skip
    return keys, values


def split_queries(rows_in: Tensor, heads: int, gain: Tensor, epsilon: float) -> Tensor:
    """Return the queries, the first W of [B, N, W or 3W], as [B, heads, N, W / heads].

    They are RMS-normed, multiplied by gain [W / heads] and scaled for `attend`.
    """
    batch, rows, stride = rows_in.shape
    width, gain = gain.shape[0], gain.float()
    queries = rows_in.new_empty(batch, heads, rows, width)
    _call(
        "split_queries", rows_in, ctypes.c_long(stride), gain, ctypes.c_float(epsilon), queries,
        batch, rows, heads, width,
    )  # fmt: skip
    return queries


def attend(queries: Tensor, past: KeysValues | None, own: KeysValues, count: int) -> Tensor:
    """Return the softmax attention [B, N, W] of queries [B, heads, N, D].

    They attend to `count` rows of their own and, if given, as many of the past.
    """
    batch, heads, rows, width = queries.shape
    out = queries.new_empty(batch, rows, heads * width)
    before, before_count = ((None, None), 0) if past is None else (past, count)
    _call("attend", queries, *before, before_count, *own, count, out, batch, rows, heads, width)
    return out


def swiglu(x: Tensor) -> Tensor:
    """Return SiLU(gate) * value [..., W] of [..., 2W], gate first."""
    x = x.contiguous()
    out = x.new_empty(*x.shape[:-1], x.shape[-1] // 2)
    _call("swiglu", x, out, ctypes.c_long(out.numel() // out.shape[-1]), out.shape[-1])
    return out


def _call(name: str, *arguments: Tensor | int | ctypes._SimpleCData[Any] | None) -> None:
    kernels = library()
    if kernels is None:
        raise RuntimeError("the C kernels are not available; test `library()` before using them")
    getattr(kernels, name)(*(ctypes.c_void_p(a.data_ptr()) if isinstance(a, Tensor) else a for a in arguments))
