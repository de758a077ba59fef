"""Matrix products of a few rows by fixed weights, in the form that is fastest on this CPU.

`F.linear` reads the weights in their own order, or transposed ones. oneDNN reads weights that were
reordered for its kernel (packed), but its call takes tens of microseconds. Our own products of a few
rows read each of many weights once, by inputs (streamed) or by outputs (sums). A few rows are a
matter of reading memory, several rows one of the library's speed on this processor, so races, kept
by CPU model, tell which form is fastest for each. Without oneDNN or x86, `F.linear` is used. All
give the same product up to the rounding of sums.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor
from torch.nn import functional as F

from models.kernels import race
from models.kernels.streamed_weights import AT_ONCE, MOST_ROWS, UNROLL, multiply, multiply_sums
from models.openmp import one_torch_thread

COLD_ROWS = 4  # rows to which a packed product by cold weights is padded: it takes two thirds of the time of two
MIN_PACKED_MACS = 500_000  # multiply-adds; for fewer, oneDNN's set-up takes longer than torch's whole product
PACKED, PLAIN, TRANSPOSED, STREAMED, SUMS = "packed", "plain", "transposed", "streamed", "sums"
RACED_WEIGHTS = 12_000_000  # in turns, so that they come from memory as in a network, not from a cache
RACED_SETS = 8  # of SEVERAL_ROWS
MARGIN = 1.05  # times as fast as packed weights, for another form to be taken
SHAPES = {"wide": (2048, 512), "tall": (512, 2048), "square": (1024, 1024)}  # outputs, inputs
SEVERAL_ROWS = ((256, 1280, 8), (256, 256, 8), (128, 128, 40), (32, 192, 160))  # outputs, inputs, rows

T = TypeVar("T")


class PackedLinear:
    """Product of x [n, inputs] with fixed weights: x W^T + b [n, outputs].

    W is [outputs, inputs], float32. Works without gradients, in any thread. A form of the weights is
    made when it is first needed; a stream needs one, since its layers get as many rows each time.
    `cold` weights are read from memory each time, because those of all other layers come between.
    """

    def __init__(self, weight: Tensor, bias: Tensor | None = None, *, cold: bool = False) -> None:
        self._weight = weight.detach().contiguous()
        self._outputs, inputs = self._weight.shape
        self._rows = COLD_ROWS if cold else 1
        self._bias = None if bias is None else bias.detach()
        self._shape = "wide" if self._outputs >= 2 * inputs else "tall" if inputs >= 2 * self._outputs else "square"
        self._packed: Tensor | None = None
        self._transposed: Tensor | None = None
        self._racing = packing_available() and weight.dtype == torch.float32

    def __call__(self, x: Tensor) -> Tensor:
        """Return the product [n, outputs]."""
        if not len(x):
            return x.new_empty(0, self._outputs)
        form = self._form(len(x))
        if form == PLAIN:
            return F.linear(x, self._weight, self._bias)
        if form == SUMS:
            return _sums_product(x, self._weight, self._bias)
        if form in (TRANSPOSED, STREAMED):
            if self._transposed is None:
                self._transposed = self._weight.T.contiguous()
            product = _streamed_product if form == STREAMED else _transposed_product
            return product(x, self._transposed, self._bias)
        if self._packed is None:
            self._packed = torch.ops.mkldnn._reorder_linear_weight.default(self._weight)
        if (missing := self._rows - len(x)) > 0:
            return _packed_product(F.pad(x, (0, 0, 0, missing)), self._packed, self._bias)[: len(x)]
        return _packed_product(x, self._packed, self._bias)

    def _form(self, rows: int) -> str:
        if not self._racing:
            return PLAIN
        large = self._weight.numel() >= MIN_PACKED_MACS
        divisible = self._outputs % AT_ONCE == 0 and self._weight.shape[1] % UNROLL == 0
        if rows <= MOST_ROWS and large and divisible:
            return few_rows_form(self._shape, min(rows, 2))
        if rows == 1:
            return PACKED if large else PLAIN
        form = several_rows_form()
        return PLAIN if form == PACKED and rows * self._weight.numel() < MIN_PACKED_MACS else form


def _packed_product(x: Tensor, packed: Tensor, bias: Tensor | None) -> Tensor:
    y: Tensor = torch.ops.mkldnn._linear_pointwise.default(x, packed, bias, "none", [], "")
    return y


def _transposed_product(x: Tensor, transposed: Tensor, bias: Tensor | None) -> Tensor:
    return x @ transposed if bias is None else torch.addmm(bias, x, transposed)


def _streamed_product(x: Tensor, transposed: Tensor, bias: Tensor | None) -> Tensor:
    b = transposed.new_zeros(transposed.shape[1]) if bias is None else bias
    return torch.from_numpy(multiply(x.numpy(), transposed.numpy(), b.numpy()))


def _sums_product(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    b = weight.new_zeros(len(weight)) if bias is None else bias
    return torch.from_numpy(multiply_sums(x.numpy(), weight.numpy(), b.numpy()))


@cache
def few_rows_form(shape: str, rows: int) -> str:
    """Return the form of large weights that is fastest for one row, or two to MOST_ROWS (`rows` 2).

    `shape` is one of SHAPES. The first call on a CPU model takes some 100 ms.
    """
    outputs, inputs = SHAPES[shape]
    name = f"{'one row' if rows == 1 else 'few rows'} {shape}, five forms"
    return _fastest_form(name, [(outputs, inputs, rows)], RACED_WEIGHTS // (outputs * inputs))


@cache
def several_rows_form() -> str:
    """Return the form of weights that is fastest for several rows.

    The first call on a CPU model takes some 50 ms.
    """
    return _fastest_form("several rows", SEVERAL_ROWS, RACED_SETS)


def _fastest_form(name: str, shapes: Sequence[tuple[int, int, int]], copies: int) -> str:
    """Race the forms for products of these outputs, inputs and rows, each by `copies` weights in turns."""
    key = f"{race.cpu_model()} {torch.backends.cpu.get_cpu_capability()} {torch.__version__} {name}"
    with torch.inference_mode(), one_torch_thread():
        work = [
            (torch.ones(rows, inputs), torch.full((outputs, inputs), 0.5), torch.zeros(outputs))
            for _ in range(copies)
            for outputs, inputs, rows in shapes
        ]
        transposed = [(x, weight.T.contiguous(), bias) for x, weight, bias in work]
        packed = [(x, torch.ops.mkldnn._reorder_linear_weight.default(weight), bias) for x, weight, bias in work]
        contenders: dict[str, Callable[[], object]] = {
            PACKED: lambda: [_packed_product(x, weight, bias) for x, weight, bias in packed],
            PLAIN: lambda: [F.linear(x, weight, bias) for x, weight, bias in work],
            TRANSPOSED: lambda: [_transposed_product(x, weight, bias) for x, weight, bias in transposed],
        }
        if max(rows for _, _, rows in shapes) <= MOST_ROWS:
            contenders[STREAMED] = lambda: [_streamed_product(x, weight, bias) for x, weight, bias in transposed]
            contenders[SUMS] = lambda: [_sums_product(x, weight, bias) for x, weight, bias in work]
        try:
            return race.kept_winner(race.cache_folder() / "race.json", key, contenders, PACKED, MARGIN)
        except RuntimeError:  # a user without a home
            return race.winner(race.race(contenders), PACKED, MARGIN)


class WeightCache(Generic[T]):
    """A value made from a layer's weights, shared by its streams.

    It is made again when the weights change.

    A deep copy of the layer gets an empty cache.
    """

    def __init__(self) -> None:
        self._made: tuple[list[tuple[int, int]], T] | None = None

    def __call__(self, weights: Sequence[Tensor], make: Callable[[], T]) -> T:
        """Return the value of `make` for these weights.

        It is called only if the weights are new or changed.
        """
        seen = [(weight.data_ptr(), 0 if weight.is_inference() else weight._version) for weight in weights]
        if self._made is None or self._made[0] != seen:
            self._made = (seen, make())
        return self._made[1]

    def __deepcopy__(self, memo: dict[int, Any]) -> WeightCache[T]:
        return WeightCache()


@cache
def packing_available() -> bool:
    """Return whether this torch multiplies by packed weights.

    It is tried, since the operators are private to torch.
    """
    if platform.machine().lower() not in ("x86_64", "amd64") or not torch.backends.mkldnn.is_available():
        return False
    x, weight = torch.eye(2), torch.arange(8.0).reshape(4, 2)
    try:
        packed = torch.ops.mkldnn._reorder_linear_weight.default(weight)
        y = torch.ops.mkldnn._linear_pointwise.default(x, packed, None, "none", [], "")
    except (AttributeError, RuntimeError, NotImplementedError, TypeError):
        return False
    return bool(torch.equal(y, weight.T))
