"""Elementwise operators: torch's operations as expressions of a fused kernel.

An operator's text is C++ over operands ``{0}``, ``{1}``, …; ``prelude.hpp`` defines what it uses.
What an operation means follows from the dtype that torch computes it in (`types`):
the sum of two truth values is "or". NaN and inf propagate as in torch, since a diverged fit must
not look like a good one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

COSTLY = 20
"""Cost of a transcendental function, in additions."""


class NotLowered(Exception):
    """A function is not expressible as loops over named axes, or beyond the limits of a kernel.

    Its message is the reason, for the user.
    """


@dataclass(frozen=True)
class Operator:
    """One elementwise operation.

    Attributes:
        text: C++ over its operands.
        truth: whether it gives truth values; else it gives real numbers.
        conditions: which operands it takes as truth values; the others are real numbers.
        selected: which operands decide the dtype that torch computes in; None: all.
        floating: whether integers and truth values are made floating-point numbers first.
        any_dtype: whether each operand is taken by itself, whatever the dtypes of the others.
    """

    text: str
    truth: bool = False
    conditions: tuple[int, ...] = ()
    cost: int = 1
    selected: tuple[int, ...] | None = None
    floating: bool = False
    any_dtype: bool = False

    def of_shared(self) -> Operator:
        """Return the same for operands that all fits share, which are scalars to be broadcast."""
        text = self.text
        for i in set(range(text.count("{"))) - set(self.conditions):
            text = text.replace(f"{{{i}}}", f"real<N>({{{i}}})")
        return replace(self, text=text)


COPY = Operator("real<N>({0})", any_dtype=True)
TRUTH = Operator("truth<N>({0})", truth=True, conditions=(0,), any_dtype=True)

Mapped = tuple[Operator, Sequence[Any]]


def mapped(name: str, args: Sequence[Any], named: Mapping[str, Any]) -> Mapped:
    """Return the operator of an operation of torch on real numbers, and its operands.

    Raises:
        NotLowered: there is none.
    """
    if name in _PLAIN:
        operator, operands = _PLAIN[name]
        if len(args) != operands or any(value is not None for value in named.values()):
            raise NotLowered(f"{name} with {len(args)} arguments and {', '.join(named)}")
        return operator, args
    if name in _SPECIAL:
        special, least, most = _SPECIAL[name]
        if not least <= len(args) <= most:
            raise NotLowered(f"{name} with {len(args)} arguments")
        return special(list(args), dict(named))
    raise NotLowered(f"{name} has no fused operator")


def on_truth_values(name: str, operator: Operator) -> Operator:
    """Return what an operation does that torch computes in bool.

    Args:
        operator: what `mapped` has given for it.

    Raises:
        NotLowered: that is not known.
    """
    if name == "add" and operator != _ADD:
        raise NotLowered(f"{name} of bools with alpha")
    if name not in _BOOLEAN:
        raise NotLowered(f"{name} of bools")
    return _BOOLEAN[name]


_ADD = Operator("{0} + {1}")


def _added(sign: str) -> Callable[[list[Any], dict[str, Any]], Mapped]:
    def operator(args: list[Any], named: dict[str, Any]) -> Mapped:
        alpha = named.get("alpha", args[2] if len(args) > 2 else 1)
        if alpha == 1:
            return Operator(f"{{0}} {sign} {{1}}"), args[:2]
        return Operator(f"{{0}} {sign} {{2}} * {{1}}", selected=(0, 1)), [*args[:2], alpha]

    return operator


def _subtracted_from(args: list[Any], named: dict[str, Any]) -> Mapped:
    return _added("-")([args[1], args[0], *args[2:]], named)


_POWERS = {
    0.5: Operator("sqrt({0})", cost=4),
    1: Operator("real<N>({0})"),
    2: Operator("{0} * {0}"),
    3: Operator("{0} * {0} * {0}", cost=2),
    4: Operator("({0} * {0}) * ({0} * {0})", cost=2),
    -0.5: Operator("T(1) / sqrt({0})", cost=8),
    -1: Operator("T(1) / {0}", cost=4),
    -2: Operator("T(1) / ({0} * {0})", cost=4),
}


def _power(args: list[Any], named: dict[str, Any]) -> Mapped:
    base, exponent = args
    if isinstance(exponent, (int, float)) and exponent in _POWERS:
        return _POWERS[exponent], [base]
    return Operator("pow({0}, {1})", cost=2 * COSTLY), [base, exponent]


def _clamped(args: list[Any], named: dict[str, Any]) -> Mapped:
    low, high = ([*args[1:], None, None])[:2]
    low, high = named.get("min", low), named.get("max", high)
    if low is None:
        return Operator("minimum({0}, {1})"), [args[0], high]
    if high is None:
        return Operator("maximum({0}, {1})"), [args[0], low]
    return Operator("minimum(maximum(real<N>({0}), real<N>({1})), real<N>({2}))", cost=2), [
        args[0],
        low,
        high,
    ]


def _divided(args: list[Any], named: dict[str, Any]) -> Mapped:
    if named.get("rounding_mode") is not None:
        raise NotLowered("a division with rounding_mode")
    return Operator("{0} / {1}", cost=4, floating=True), args


def _scaled_product(sign: str) -> Callable[[list[Any], dict[str, Any]], Mapped]:
    def operator(args: list[Any], named: dict[str, Any]) -> Mapped:
        text = f"{{0}} + {{3}} * ({{1}} {sign} {{2}})"
        return Operator(text, cost=4, selected=(0, 1, 2)), [*args[:3], named.get("value", 1)]

    return operator


def _copied(args: list[Any], named: dict[str, Any]) -> Mapped:
    return _SAME, args[:1]


_SAME = Operator("real<N>({0})")
_AT_THRESHOLD = Operator("where(real<N>({1}) <= {2}, T(0), real<N>({0}))", cost=2, selected=(0, 1))
_INFIX = {"mul": "*", "lt": "<", "le": "<=", "gt": ">", "ge": ">=", "eq": "==", "ne": "!="}
_FUNCTIONS = ("exp", "expm1", "log", "log1p", "log2", "sin", "cos", "tan", "tanh", "atan", "erf")
_LOGICAL = {"and": "&", "or": "|", "xor": "^"}

_PLAIN: Mapping[str, tuple[Operator, int]] = {
    **{name: (Operator(f"{{0}} {s} {{1}}", truth=s != "*"), 2) for name, s in _INFIX.items()},
    **{name: (Operator(f"{name}({{0}})", cost=COSTLY, floating=True), 1) for name in _FUNCTIONS},
    **{
        f"logical_{name}": (
            Operator(f"{{0}} {s} {{1}}", truth=True, conditions=(0, 1), any_dtype=True),
            2,
        )
        for name, s in _LOGICAL.items()
    },
    **{
        f"bitwise_{name}": (Operator(f"{{0}} {s} {{1}}", truth=True, conditions=(0, 1)), 2)
        for name, s in _LOGICAL.items()
    },
    "bitwise_not": (Operator("~{0}", truth=True, conditions=(0,)), 1),
    "logical_not": (Operator("~{0}", truth=True, conditions=(0,), any_dtype=True), 1),
    "neg": (Operator("-{0}"), 1),
    "abs": (Operator("absolute({0})"), 1),
    "relu": (Operator("maximum({0}, T(0))"), 1),
    "sign": (Operator("sign({0})", cost=2), 1),
    "sgn": (Operator("sign({0})", cost=2), 1),
    "sqrt": (Operator("sqrt({0})", cost=4, floating=True), 1),
    "rsqrt": (Operator("T(1) / sqrt({0})", cost=8, floating=True), 1),
    "reciprocal": (Operator("T(1) / {0}", cost=4, floating=True), 1),
    "sigmoid": (Operator("T(1) / (T(1) + exp(-{0}))", cost=COSTLY, floating=True), 1),
    "maximum": (Operator("maximum({0}, {1})"), 2),
    "minimum": (Operator("minimum({0}, {1})"), 2),
    "where": (Operator("where({0}, {1}, {2})", conditions=(0,), selected=(1, 2)), 3),
    "masked_fill": (Operator("where({1}, {2}, {0})", conditions=(1,), selected=(0,)), 3),
    "isnan": (Operator("{0} != {0}", truth=True), 1),
    "isfinite": (Operator("absolute({0}) < T(INFINITY)", truth=True), 1),
    # how torch writes what these functions hand back to a gradient: of the gradient and ...
    "tanh_backward": (Operator("{0} * (T(1) - {1} * {1})", cost=2), 2),  # ... y = tanh(x)
    "sigmoid_backward": (Operator("{0} * (T(1) - {1}) * {1}", cost=2), 2),  # ... y = sigmoid(x)
    "threshold_backward": (_AT_THRESHOLD, 3),
}

_SPECIAL: Mapping[str, tuple[Callable[[list[Any], dict[str, Any]], Mapped], int, int]] = {
    "add": (_added("+"), 2, 3),
    "sub": (_added("-"), 2, 3),
    "rsub": (_subtracted_from, 2, 3),
    "pow": (_power, 2, 2),
    "div": (_divided, 2, 2),
    "clamp": (_clamped, 1, 3),
    "clamp_min": (_clamped, 2, 2),
    "clamp_max": (lambda args, named: _clamped([args[0], None, *args[1:]], named), 2, 2),
    "addcmul": (_scaled_product("*"), 3, 3),
    "addcdiv": (_scaled_product("/"), 3, 3),
    "clone": (_copied, 1, 1),
}
"""Operations whose operator depends on their arguments, with how many these may be."""


def _boolean(text: str) -> Operator:
    """An operator that takes and gives truth values alone."""
    count = 1 + max(i for i in range(3) if f"{{{i}}}" in text)
    return Operator(text, truth=True, conditions=tuple(range(count)))


_BOOLEAN: Mapping[str, Operator] = {
    "add": _boolean("{0} | {1}"),
    "mul": _boolean("{0} & {1}"),
    "maximum": _boolean("{0} | {1}"),
    "minimum": _boolean("{0} & {1}"),
    "lt": _boolean("~{0} & {1}"),
    "le": _boolean("~{0} | {1}"),
    "gt": _boolean("{0} & ~{1}"),
    "ge": _boolean("{0} | ~{1}"),
    "eq": _boolean("~({0} ^ {1})"),
    "ne": _boolean("{0} ^ {1}"),
    "where": _boolean("({0} & {1}) | (~{0} & {2})"),
    "masked_fill": _boolean("({1} & {2}) | (~{1} & {0})"),
    "clone": _boolean("truth<N>({0})"),
    "bitwise_and": _boolean("{0} & {1}"),
    "bitwise_or": _boolean("{0} | {1}"),
    "bitwise_xor": _boolean("{0} ^ {1}"),
    "bitwise_not": _boolean("~{0}"),
}
"""What operations mean that torch computes in bool."""
