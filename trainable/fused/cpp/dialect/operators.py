"""How each operator is written in C++: the dialect of this target.

A text is an expression over operands ``{0}``, ``{1}``, …; ``prelude.hpp`` defines what it uses. The
order of operations and the brackets are part of a kernel's numbers: a change of a text changes last
digits.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from shoal.trainable.fused.cpp.dialect.functions import FUNCTIONS
from shoal.trainable.fused.loops import Operator

_FUNCTIONS = ("exp", "expm1", "log", "log1p", "log2", "sin", "cos", "tan", "tanh", "atan", "erf")
_LATER = (
    *("acos", "acosh", "asin", "asinh", "atanh", "ceil", "cosh", "digamma", "erfc", "exp2"),
    *("floor", "lgamma", "log10", "sinh", "trunc"),
)

OPERATORS: Mapping[str, str] = {
    # real numbers from real numbers
    "copy": "real<N>({0})",
    "add": "{0} + {1}",
    "subtract": "{0} - {1}",
    "multiply": "{0} * {1}",
    "divide": "{0} / {1}",
    "multiply_add": "multiply_add<N>({0}, {1}, {2})",
    "multiply_subtract": "multiply_subtract<N>({0}, {1}, {2})",
    "subtract_product": "subtract_product<N>({0}, {1}, {2})",
    "add_scaled": "multiply_add<N>({2}, {1}, {0})",
    "subtract_scaled": "subtract_product<N>({2}, {1}, {0})",
    "add_scaled_product": "multiply_add<N>({3}, {1} * {2}, {0})",
    "add_scaled_quotient": "multiply_add<N>({3}, {1} / {2}, {0})",
    "negate": "-{0}",
    "absolute": "absolute({0})",
    "sign": "sign({0})",
    "maximum": "maximum({0}, {1})",
    "minimum": "minimum({0}, {1})",
    "clamp": "minimum(maximum(real<N>({0}), real<N>({1})), real<N>({2}))",
    "relu": "maximum({0}, T(0))",
    "square": "{0} * {0}",
    "cube": "{0} * {0} * {0}",
    "fourth_power": "({0} * {0}) * ({0} * {0})",
    "reciprocal": "T(1) / {0}",
    "reciprocal_square": "T(1) / ({0} * {0})",
    "sqrt": "sqrt({0})",
    "rsqrt": "T(1) / sqrt({0})",
    "power": "pow({0}, {1})",
    **{name: f"{name}({{0}})" for name in _FUNCTIONS},
    **{name: f"{name}({{0}})" for name in _LATER},
    **{name: f"{name}({{0}}, {{1}})" for name in ("atan2", "hypot", "fmod", "remainder")},
    "round": "nearbyint({0})",
    "fmax": (
        "where(real<N>({0}) != real<N>({0}), real<N>({1}), "
        "where(real<N>({0}) < real<N>({1}), real<N>({1}), real<N>({0})))"
    ),
    "fmin": (
        "where(real<N>({0}) != real<N>({0}), real<N>({1}), "
        "where(real<N>({0}) > real<N>({1}), real<N>({1}), real<N>({0})))"
    ),
    "sigmoid": "T(1) / (T(1) + exp(-{0}))",
    "tanh_backward": "{0} * subtract_product<N>({1}, {1}, T(1))",
    "sigmoid_backward": "{0} * (T(1) - {1}) * {1}",
    "threshold_backward": "where(real<N>({1}) <= {2}, T(0), real<N>({0}))",
    "shrink_backward": "where(absolute(real<N>({1})) <= {2}, T(0), real<N>({0}))",
    "where": "where({0}, {1}, {2})",
    "masked_fill": "where({1}, {2}, {0})",
    # truth values from real numbers
    "less": "{0} < {1}",
    "less_equal": "{0} <= {1}",
    "greater": "{0} > {1}",
    "greater_equal": "{0} >= {1}",
    "equal": "{0} == {1}",
    "unequal": "{0} != {1}",
    "is_nan": "{0} != {0}",
    "is_infinite": "absolute({0}) == T(INFINITY)",
    "is_finite": "absolute({0}) < T(INFINITY)",
    "kept": (
        "kept(real<N>({0}), real<N>({1}), real<N>({2}), real<N>({3}), T({4}), T({5}), T({6}))"
    ),
    # truth values from truth values
    "truth": "truth<N>({0})",
    "and": "{0} & {1}",
    "or": "{0} | {1}",
    "exclusive_or": "{0} ^ {1}",
    "not": "~{0}",
    "less_truth": "~{0} & {1}",
    "less_equal_truth": "~{0} | {1}",
    "greater_truth": "{0} & ~{1}",
    "greater_equal_truth": "{0} | ~{1}",
    "equal_truth": "~({0} ^ {1})",
    "where_truth": "({0} & {1}) | (~{0} & {2})",
    "masked_fill_truth": "({1} & {2}) | (~{1} & {0})",
}
"""By the names of `shoal.trainable.fused.loops.meanings`."""


def expression(operator: Operator) -> str:
    """Return an operator's text over its operands.

    Data that all fits share are numbers in C++; where all operands are, the first operation would
    give a number too, and not one of each fit.
    """
    text = OPERATORS[operator.name]
    if operator.shared:
        for i in set(range(text.count("{"))) - set(operator.conditions):
            text = text.replace(f"{{{i}}}", f"real<N>({{{i}}})")
    return text


def called(operator: Operator) -> list[str]:
    """Return the names of the functions that an operator's text calls."""
    return re.findall(r"\w+(?=\()", OPERATORS[operator.name])


def in_steps(operator: Operator) -> bool:
    """Whether an operator is a function of one operand that is best given several registers."""
    functions = [FUNCTIONS[name] for name in called(operator) if name in FUNCTIONS]
    one = "{1}" not in OPERATORS[operator.name]
    return one and any(function.in_steps for function in functions)
