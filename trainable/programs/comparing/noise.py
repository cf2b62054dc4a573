"""Rounding as noise: a traced function run with last digits changed at random.

How far a result moves tells how many of its digits mean anything (Monte Carlo arithmetic;
Parker 1997).
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch.fx import GraphModule, Interpreter, Node

MIN_NOISE = 1 << 12

_EXACT = frozenset(
    [
        "view",
        "_unsafe_view",
        "reshape",
        "expand",
        "permute",
        "transpose",
        "t",
        "select",
        "slice",
        "squeeze",
        "unsqueeze",
        "unbind",
        "split",
        "alias",
        "detach",
        "clone",
        "contiguous",
        "getitem",
        "cat",
        "stack",
        "flip",
        "where",
        "masked_fill",
        "maximum",
        "minimum",
        "amax",
        "amin",
        "max",
        "min",
        "neg",
        "abs",
        "sign",
        "sgn",
        "relu",
        "clamp",
        "clamp_min",
        "clamp_max",
        "index",
        "gather",
        "_to_copy",
        "zeros_like",
        "ones_like",
        "full_like",
        "new_zeros",
        "scalar_tensor",
        "select_backward",
        "slice_backward",
        "threshold_backward",
        "softshrink_backward",
        "hardshrink_backward",
        "fmax",
        "fmin",
        "floor",
        "ceil",
        "trunc",
        "round",
        "sort",
        "arange",
        "full",
        "zeros",
        "ones",
        "index_select",
        "lift_fresh_copy",
        "diagonal",
        "tril",
        "triu",
        "constant_pad_nd",
    ]
)
"""Operations that do not round; all others are taken to."""

_SUMMED = frozenset(
    [
        "sum",
        "mean",
        "mm",
        "mv",
        "bmm",
        "dot",
        "addmm",
        "addmv",
        "baddbmm",
        "cumsum",
        "prod",
        "var",
        "linalg_vector_norm",
        "convolution",
        "index_add",
        "scatter_add",
    ]
)
"""Operations that round inside, of many numbers."""


def _alpha(args: Sequence[Any], named: Mapping[str, Any]) -> Any:
    """The factor of a sum; none where a product by it is not rounded."""
    alpha = named.get("alpha", args[2] if len(args) > 2 else 1)
    return 0 if alpha in (1, -1) else alpha


_PRODUCTS: Mapping[str, Callable[[Sequence[Any], Mapping[str, Any]], Any]] = {
    "add": lambda args, named: _alpha(args, named) * args[1],
    "sub": lambda args, named: _alpha(args, named) * args[1],
    "rsub": lambda args, named: _alpha(args, named) * args[0],
    "addcmul": lambda args, named: named.get("value", 1) * args[1] * args[2],
    "addcdiv": lambda args, named: named.get("value", 1) * args[1] / args[2],
    "lerp": lambda args, named: args[2] * args[1] - (1 - args[2]) * args[0],
    "tanh_backward": lambda args, named: args[0] * args[1] * args[1],
}
"""Operations that make a product and add it to something, and that product: it is rounded before,
or not where both are one instruction, and what cancels then shows it."""

_FUNCTIONS = frozenset(
    [
        "exp",
        "expm1",
        "exp2",
        "log",
        "log1p",
        "log2",
        "log10",
        "sin",
        "cos",
        "tan",
        "tanh",
        "atan",
        "erf",
        "erfc",
        "pow",
        "sigmoid",
        "softplus",
        "lgamma",
        "digamma",
        "sinh",
        "cosh",
        "asin",
        "acos",
        "asinh",
        "acosh",
        "atanh",
        "atan2",
        "hypot",
        "logsumexp",
        "_softmax",
        "_log_softmax",
        "gelu",
        "silu",
    ]
)
"""Operations that vector libraries give to within `FUNCTION_ULPS`."""

FUNCTION_ULPS = 4.0
"""glibc's vector functions are accurate to four units in the last place (manual of libmvec)."""

DIGAMMA_TERMS = 2.5
"""About log 10, and the sum of 1 / x up to 10: digamma is their difference, and has a root."""


class Noisy(Interpreter):
    """Runs a trace with the last digit of each rounded result changed at random."""

    def __init__(self, graph: GraphModule, seed: int) -> None:
        super().__init__(graph, garbage_collect_values=False)
        self._generator = torch.Generator().manual_seed(seed)
        self._places = random.Random(seed)
        self._noise = torch.empty(0)

    def run_node(self, n: Node) -> Any:
        """Run an operation."""
        made = super().run_node(n)
        if n.op != "call_function" or _name(n) in _EXACT:
            return made
        return self._disturbed(made, FUNCTION_ULPS if _name(n) in _FUNCTIONS else 1.0)

    def call_function(self, target: Any, args: Any, kwargs: Any) -> Any:
        """Call an operation; one that sums is taken to add one number after the other, and one that
        makes a product inside to round it."""
        made, name = super().call_function(target, args, kwargs), _name_of(target)
        if name in ("var", "var_mean"):
            return self._spread(made, args, kwargs)
        if name in _PRODUCTS and made.is_floating_point():
            product = torch.as_tensor(_PRODUCTS[name](args, kwargs), dtype=made.dtype)
            return made + self._error(product.expand_as(made), 2.0)
        if name == "digamma":
            return made + self._error(torch.full_like(made, DIGAMMA_TERMS), FUNCTION_ULPS)
        if name not in _SUMMED or not made.is_floating_point():
            return made
        size = super().call_function(target, tuple(map(_size, args)), kwargs)
        n = max(argument.numel() for argument in args if isinstance(argument, torch.Tensor))
        return made + self._error(size, _share(n / max(1, made.numel())))

    def _spread(self, made: Any, args: Any, kwargs: Any) -> Any:
        """A variance, and perhaps the mean: what that is off by, from which the differences are."""
        variance, *mean = made if isinstance(made, tuple) else (made,)
        x, dim = args[0], args[1] if len(args) > 1 else None
        size = x.abs().mean(dim, keepdim=bool(kwargs.get("keepdim", False)))
        off = self._error(size, _share(x.numel() / max(1, variance.numel())))
        if not mean:
            return variance + off.square()
        return self._disturbed(variance + off.square()), mean[0] + off

    def _error(self, size: torch.Tensor, ulps: float) -> torch.Tensor:
        """What rounding may change of numbers of this size."""
        disturbed: torch.Tensor = self._disturbed(size, ulps)
        return disturbed - size

    def _disturbed(self, made: Any, ulps: float = 1.0) -> Any:
        if not isinstance(made, torch.Tensor) or not made.is_floating_point():
            return made
        share = ulps * torch.finfo(made.dtype).eps
        return torch.addcmul(made, made, self._drawn(made), value=share)

    def _drawn(self, like: torch.Tensor) -> torch.Tensor:
        """Numbers from -1 to 1, from another place of a supply that is drawn once."""
        if len(self._noise) < 2 * like.numel() or self._noise.dtype != like.dtype:
            size = max(len(self._noise), 2 * like.numel(), MIN_NOISE)
            self._noise = torch.rand(size, generator=self._generator, dtype=like.dtype) * 2 - 1
        first = self._places.randrange(len(self._noise) - like.numel() + 1)
        return self._noise[first : first + like.numel()].view(like.shape)


def _share(n: float) -> float:
    """Of a sum of n numbers of one sign, whose partial sums are all rounded, in units of its last
    place: √(Σ k²) / n ≈ √(n / 3)."""
    return math.sqrt(max(1.0, n) / 3)


def _size(argument: Any) -> Any:
    real = isinstance(argument, torch.Tensor) and argument.is_floating_point()
    return argument.abs() if real else argument


def _name(node: Node) -> str:
    return _name_of(node.target)


def _name_of(target: Any) -> str:
    return str(getattr(target, "overloadpacket", target).__name__)
