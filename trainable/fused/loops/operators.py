"""Elementwise operators: torch's operations by the names that each target has a text for.

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

    Attributes:
        value: of the operation in loops that is the reason; node: of the trace; None: all is.
    """

    value: Any = None
    node: Any = None


@dataclass(frozen=True)
class Operator:
    """One elementwise operation.

    Attributes:
        name: what it computes (`meanings`); each target's dialect has a text for it.
        truth: whether it gives truth values; else it gives real numbers.
        conditions: which operands it takes as truth values; the others are real numbers.
        cost: what it takes, in additions.
        selected: which operands decide the dtype that torch computes in; None: all.
        floating: whether integers and truth values are made floating-point numbers first.
        any_dtype: whether each operand is taken by itself, whatever the dtypes of the others.
        shared: whether all operands are of the data that all fits share: scalars to be broadcast.
    """

    name: str
    truth: bool = False
    conditions: tuple[int, ...] = ()
    cost: int = 1
    selected: tuple[int, ...] | None = None
    floating: bool = False
    any_dtype: bool = False
    shared: bool = False

    def of_shared(self) -> Operator:
        """Return the same for operands that all fits share."""
        return replace(self, shared=True)


COPY = Operator("copy", any_dtype=True)
TRUTH = Operator("truth", truth=True, conditions=(0,), any_dtype=True)
KEPT = Operator("kept", truth=True, any_dtype=True, cost=COSTLY)

Mapped = tuple[Operator, Sequence[Any]]


def has_operator(name: str) -> bool:
    """Whether there is an operator for an operation of torch, with some of its arguments."""
    return name in _PLAIN or name in _SPECIAL


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


_ADD = Operator("add")


def _added(name: str) -> Callable[[list[Any], dict[str, Any]], Mapped]:
    def operator(args: list[Any], named: dict[str, Any]) -> Mapped:
        alpha = named.get("alpha", args[2] if len(args) > 2 else 1)
        if alpha == 1:
            return Operator(name), args[:2]
        return Operator(f"{name}_scaled", selected=(0, 1)), [*args[:2], alpha]

    return operator


def _subtracted_from(args: list[Any], named: dict[str, Any]) -> Mapped:
    return _added("subtract")([args[1], args[0], *args[2:]], named)


_POWERS = {
    0.5: Operator("sqrt", cost=4),
    1: Operator("copy"),
    2: Operator("square"),
    3: Operator("cube", cost=2),
    4: Operator("fourth_power", cost=2),
    -0.5: Operator("rsqrt", cost=8),
    -1: Operator("reciprocal", cost=4),
    -2: Operator("reciprocal_square", cost=4),
}


def _power(args: list[Any], named: dict[str, Any]) -> Mapped:
    base, exponent = args
    if isinstance(exponent, (int, float)) and exponent in _POWERS:
        return _POWERS[exponent], [base]
    return Operator("power", cost=2 * COSTLY), [base, exponent]


def _clamped(args: list[Any], named: dict[str, Any]) -> Mapped:
    low, high = ([*args[1:], None, None])[:2]
    low, high = named.get("min", low), named.get("max", high)
    if low is None:
        return Operator("minimum"), [args[0], high]
    if high is None:
        return Operator("maximum"), [args[0], low]
    return Operator("clamp", cost=2), [args[0], low, high]


def _divided(args: list[Any], named: dict[str, Any]) -> Mapped:
    if named.get("rounding_mode") is not None:
        raise NotLowered("a division with rounding_mode")
    return Operator("divide", cost=4, floating=True), args


def _scaled(name: str) -> Callable[[list[Any], dict[str, Any]], Mapped]:
    def operator(args: list[Any], named: dict[str, Any]) -> Mapped:
        operator = Operator(f"add_scaled_{name}", cost=4, selected=(0, 1, 2))
        return operator, [*args[:3], named.get("value", 1)]

    return operator


def _copied(args: list[Any], named: dict[str, Any]) -> Mapped:
    return _SAME, args[:1]


_SAME = Operator("copy")
_AT_THRESHOLD = Operator("threshold_backward", cost=2, selected=(0, 1))
_SHRUNK = Operator("shrink_backward", cost=2, selected=(0, 1))
_COMPARISONS = {
    "lt": "less",
    "le": "less_equal",
    "gt": "greater",
    "ge": "greater_equal",
    "eq": "equal",
    "ne": "unequal",
}
_FUNCTIONS = ("exp", "expm1", "log", "log1p", "log2", "sin", "cos", "tan", "tanh", "atan", "erf")
_LATER = (
    *("sinh", "cosh", "asin", "acos", "asinh", "acosh", "atanh", "exp2", "log10", "erfc"),
    *("lgamma", "digamma"),
)
_ROUNDED = ("floor", "ceil", "trunc", "round")
_LOGICAL = {"and": "and", "or": "or", "xor": "exclusive_or"}

_PLAIN: Mapping[str, tuple[Operator, int]] = {
    "mul": (Operator("multiply"), 2),
    **{name: (Operator(how, truth=True), 2) for name, how in _COMPARISONS.items()},
    **{name: (Operator(name, cost=COSTLY, floating=True), 1) for name in _FUNCTIONS},
    **{name: (Operator(name, cost=2 * COSTLY, floating=True), 1) for name in _LATER},
    **{name: (Operator(name), 1) for name in _ROUNDED},
    "atan2": (Operator("atan2", cost=2 * COSTLY, floating=True), 2),
    "hypot": (Operator("hypot", cost=COSTLY), 2),
    "fmod": (Operator("fmod", cost=2 * COSTLY), 2),
    "remainder": (Operator("remainder", cost=2 * COSTLY), 2),
    "fmax": (Operator("fmax", cost=2), 2),
    "fmin": (Operator("fmin", cost=2), 2),
    **{
        f"logical_{name}": (Operator(how, truth=True, conditions=(0, 1), any_dtype=True), 2)
        for name, how in _LOGICAL.items()
    },
    **{
        f"bitwise_{name}": (Operator(how, truth=True, conditions=(0, 1)), 2)
        for name, how in _LOGICAL.items()
    },
    "bitwise_not": (Operator("not", truth=True, conditions=(0,)), 1),
    "logical_not": (Operator("not", truth=True, conditions=(0,), any_dtype=True), 1),
    "neg": (Operator("negate"), 1),
    "abs": (Operator("absolute"), 1),
    "relu": (Operator("relu"), 1),
    "sign": (Operator("sign", cost=2), 1),
    "sgn": (Operator("sign", cost=2), 1),
    "sqrt": (Operator("sqrt", cost=4, floating=True), 1),
    "rsqrt": (Operator("rsqrt", cost=8, floating=True), 1),
    "reciprocal": (Operator("reciprocal", cost=4, floating=True), 1),
    "sigmoid": (Operator("sigmoid", cost=COSTLY, floating=True), 1),
    "maximum": (Operator("maximum"), 2),
    "minimum": (Operator("minimum"), 2),
    "where": (Operator("where", conditions=(0,), selected=(1, 2)), 3),
    "masked_fill": (Operator("masked_fill", conditions=(1,), selected=(0,)), 3),
    "isnan": (Operator("is_nan", truth=True), 1),
    "isinf": (Operator("is_infinite", truth=True), 1),
    "isfinite": (Operator("is_finite", truth=True), 1),
    # how torch writes what these functions hand back to a gradient: of the gradient and ...
    "tanh_backward": (Operator("tanh_backward", cost=2), 2),  # ... y = tanh(x)
    "sigmoid_backward": (Operator("sigmoid_backward", cost=2), 2),  # ... y = sigmoid(x)
    "threshold_backward": (_AT_THRESHOLD, 3),
    **dict.fromkeys(("softshrink_backward", "hardshrink_backward"), (_SHRUNK, 3)),
}

_SPECIAL: Mapping[str, tuple[Callable[[list[Any], dict[str, Any]], Mapped], int, int]] = {
    "add": (_added("add"), 2, 3),
    "sub": (_added("subtract"), 2, 3),
    "rsub": (_subtracted_from, 2, 3),
    "pow": (_power, 2, 2),
    "div": (_divided, 2, 2),
    "clamp": (_clamped, 1, 3),
    "clamp_min": (_clamped, 2, 2),
    "clamp_max": (lambda args, named: _clamped([args[0], None, *args[1:]], named), 2, 2),
    "addcmul": (_scaled("product"), 3, 3),
    "addcdiv": (_scaled("quotient"), 3, 3),
    "clone": (_copied, 1, 1),
}
"""Operations whose operator depends on their arguments, with how many these may be."""


def _boolean(name: str, operands: int = 2) -> Operator:
    """An operator that takes and gives truth values alone."""
    return Operator(name, truth=True, conditions=tuple(range(operands)))


_BOOLEAN: Mapping[str, Operator] = {
    "add": _boolean("or"),
    "mul": _boolean("and"),
    "maximum": _boolean("or"),
    "minimum": _boolean("and"),
    "lt": _boolean("less_truth"),
    "le": _boolean("less_equal_truth"),
    "gt": _boolean("greater_truth"),
    "ge": _boolean("greater_equal_truth"),
    "eq": _boolean("equal_truth"),
    "ne": _boolean("exclusive_or"),
    "where": _boolean("where_truth", 3),
    "masked_fill": _boolean("masked_fill_truth", 3),
    "clone": _boolean("truth", 1),
    "bitwise_and": _boolean("and"),
    "bitwise_or": _boolean("or"),
    "bitwise_xor": _boolean("exclusive_or"),
    "bitwise_not": _boolean("not", 1),
}
"""What operations mean that torch computes in bool."""
