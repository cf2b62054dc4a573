"""Whether a compiled function gives the numbers that torch gives, up to rounding.

The error of a compiled function is measured against the same function in float64, and compared
with what rounding does to torch's own result: its error against float64, and how far it moves where
each operation's result is changed in its last digit (Monte Carlo arithmetic; Parker 1997). A number
that moves by more than it means, such as one that hangs on a comparison of all but equal numbers,
tells nothing and is left out.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.fx import GraphModule, Interpreter, Node

Tensors = Sequence[torch.Tensor]

FACTOR, ULPS = 8.0, 16.0
"""An error is too large above so many times that of torch, and so many units in the last place."""

NOISY_RUNS, SURE_RUNS = 4, 32
"""How often last digits are changed: by chance none of a few changes moves a number; so many are
made before a number is called wrong."""

LEAST_NOISE = 1 << 12

UNSETTLED = 1e-2
"""A result whose own error is more than this share of it tells nothing."""

_EXACT = {
    "view", "_unsafe_view", "reshape", "expand", "permute", "transpose", "t", "select", "slice",
    "squeeze", "unsqueeze", "unbind", "split", "alias", "detach", "clone", "contiguous", "getitem",
    "cat", "stack", "flip", "where", "masked_fill", "maximum", "minimum", "amax", "amin", "max",
    "min", "neg", "abs", "sign", "sgn", "relu", "clamp", "clamp_min", "clamp_max", "index",
    "gather", "_to_copy", "zeros_like", "ones_like", "full_like", "new_zeros", "scalar_tensor",
    "select_backward", "slice_backward", "threshold_backward", "sort", "arange", "full", "zeros",
    "ones", "index_select", "lift_fresh_copy", "diagonal", "tril", "triu", "constant_pad_nd",
}  # fmt: skip
"""Operations that do not round; all others are taken to."""

_SUMMED = {
    "sum", "mean", "mm", "mv", "bmm", "dot", "addmm", "addmv", "baddbmm", "cumsum", "prod", "var",
    "linalg_vector_norm", "convolution", "index_add", "scatter_add",
}  # fmt: skip
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

_FUNCTIONS = {
    "exp", "expm1", "exp2", "log", "log1p", "log2", "log10", "sin", "cos", "tan", "tanh", "atan",
    "erf", "erfc", "pow", "sigmoid", "softplus", "lgamma", "digamma", "sinh", "cosh", "asin",
    "acos", "asinh", "acosh", "atanh", "atan2", "logsumexp", "_softmax", "_log_softmax", "gelu",
    "silu",
}  # fmt: skip
"""Operations that vector libraries give to within `FUNCTION_ULPS`."""

FUNCTION_ULPS = 4.0
"""glibc's vector functions are accurate to four units in the last place (manual of libmvec)."""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What came of a comparison, number by number.

    Attributes:
        wrong: shape as the result's, bool: where the compiled function is wrong.
        unsettled: the same, where nothing can be told.
        exact: what is right, in float64.
    """

    wrong: torch.Tensor
    unsettled: torch.Tensor
    exact: torch.Tensor


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
        made = super().call_function(target, args, kwargs)
        if _name_of(target) in _PRODUCTS and made.is_floating_point():
            product = torch.as_tensor(_PRODUCTS[_name_of(target)](args, kwargs), dtype=made.dtype)
            return made + (self._disturbed(product.expand_as(made), 2.0) - product)
        if _name_of(target) not in _SUMMED or not made.is_floating_point():
            return made
        # of n numbers of one sign, whose partial sums are all rounded: √(Σ k²) ≈ n √(n / 3)
        size = super().call_function(target, tuple(map(_size, args)), kwargs)
        n = max(argument.numel() for argument in args if isinstance(argument, torch.Tensor))
        share = math.sqrt(max(1.0, n / max(1, made.numel())) / 3)
        return made + (self._disturbed(size, share) - size)

    def _disturbed(self, made: Any, ulps: float = 1.0) -> Any:
        if not isinstance(made, torch.Tensor) or not made.is_floating_point():
            return made
        return made * (1 + ulps * torch.finfo(made.dtype).eps * self._drawn(made))

    def _drawn(self, like: torch.Tensor) -> torch.Tensor:
        """Numbers from -1 to 1, from another place of a supply that is drawn once."""
        if len(self._noise) < 2 * like.numel() or self._noise.dtype != like.dtype:
            size = max(len(self._noise), 2 * like.numel(), LEAST_NOISE)
            self._noise = torch.rand(size, generator=self._generator, dtype=like.dtype) * 2 - 1
        first = self._places.randrange(len(self._noise) - like.numel() + 1)
        return self._noise[first : first + like.numel()].view(like.shape)


Step = Callable[[list[torch.Tensor]], Tensors]
"""One update: of what changes and what stays, in one list, what it tells and what has changed."""


def iterated(step: Step, given: Tensors, carried: int, updates: int) -> list[torch.Tensor]:
    """Return what the last of several updates gives.

    Args:
        carried: how many of `given`, the first, each update replaces by its last results.
    """
    held = list(given)
    made: Tensors = ()
    for _ in range(updates):
        made = step(held)
        if carried:
            held[:carried] = made[len(made) - carried :]
    return list(made)


def verdicts(
    found: Tensors, graph: GraphModule, exact: Step | None, given: Tensors,
    *, carried: int, updates: int,
) -> list[Verdict]:  # fmt: skip
    """Judge what a compiled function has made of `given`.

    Args:
        found: its results, each of shape (lanes, ...).
        graph: the trace of one update, as torch runs it.
        exact: the same update of float64 tensors; None: torch's own results count as exact.
    """
    eager = iterated(_of_list(graph), given, carried, updates)
    truth = eager
    if exact is not None:
        truth = iterated(exact, [_double(tensor) for tensor in given], carried, updates)
    noisy: list[list[torch.Tensor]] = []
    for count in (NOISY_RUNS, SURE_RUNS):
        runs = [Noisy(graph, seed).run for seed in range(len(noisy), count)]
        noisy += [iterated(_of_list(run), given, carried, updates) for run in runs]
        every = [
            judged(ours, theirs, true, moved)
            for ours, theirs, true, *moved in zip(found, eager, truth, *noisy, strict=True)
        ]
        if not any(bool(verdict.wrong.any()) for verdict in every):
            break
    return every


def judged(
    found: torch.Tensor, eager: torch.Tensor, exact: torch.Tensor, noisy: Tensors
) -> Verdict:
    """Judge one result of shape (lanes, ...).

    Args:
        eager: what torch gives; exact: the same in float64; noisy: with last digits changed.
    """
    info = torch.finfo(eager.dtype)
    ours, theirs, true = found.double(), eager.double(), exact.double()
    moved = [run.double() for run in noisy]
    kinds = [_kind(run) for run in (theirs, true, *moved)]
    unsettled = torch.zeros_like(kinds[0], dtype=torch.bool)
    for kind in kinds[1:]:
        unsettled |= kind != kinds[0]
    finite = kinds[0] == 0
    error = (theirs - true).abs()
    for run in moved:
        error = torch.maximum(error, (run - theirs).abs())
    told = finite & ~unsettled  # a number that only some give is no measure for its lane
    error = torch.where(told, error, 0.0)
    size = torch.where(told, true.abs(), 0.0)
    # the numbers of one lane are sums of the same terms: their roundings are alike
    scale = size
    if size.numel():
        scale = size.reshape(len(size), -1).amax(1).view(-1, *[1] * (size.dim() - 1))
    unsettled |= error > UNSETTLED * scale + info.tiny
    allowed = FACTOR * error + ULPS * (info.eps * scale + info.tiny)
    wrong = torch.where(finite, ~((ours - true).abs() <= allowed), _kind(ours) != kinds[0])
    return Verdict(wrong=wrong & ~unsettled, unsettled=unsettled, exact=true)


def _of_list(run: Callable[..., Any]) -> Step:
    """A function of several tensors as one of their list."""
    return lambda held: tuple(run(*held))


def _kind(numbers: torch.Tensor) -> torch.Tensor:
    """0 where a number is finite, 1 and -1 where it is infinite, 2 where it is none."""
    kind = torch.where(torch.isinf(numbers), torch.sign(numbers), 0.0)
    return torch.where(torch.isnan(numbers), 2.0, kind)


def _double(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.double() if tensor.is_floating_point() else tensor


def _size(argument: Any) -> Any:
    real = isinstance(argument, torch.Tensor) and argument.is_floating_point()
    return argument.abs() if real else argument


def _name(node: Node) -> str:
    return _name_of(node.target)


def _name_of(target: Any) -> str:
    return str(getattr(target, "overloadpacket", target).__name__)
