"""Functions of registers, which only the kernels that call them have in their source."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

_SPECIAL = Path(__file__).with_name("special.hpp")


@dataclass(frozen=True)
class Function:
    """A function of registers.

    Attributes:
        of: what is called for each number, where there is none for registers.
        operands: how many it takes, one or two.
        at_once: whether the C library has a version for registers, from 2.35 on.
        special: whether `of` is in ``special.hpp``.
    """

    of: str
    operands: int = 1
    at_once: bool = False
    special: bool = False

    def defined(self, name: str) -> str:
        """Return its definition, by macros of ``prelude.hpp``."""
        of_two = "_OF_TWO" if self.operands == 2 else ""
        if self.at_once:
            return f"AT_ONCE{of_two}({name})\nFUNCTION{of_two}({name})\n"
        return f"BY_NUMBER{of_two}({name}, {self.of})\nFUNCTION{of_two}({name})\n"


_AT_ONCE = (
    *("acos", "acosh", "asin", "asinh", "atan", "atanh", "cos", "cosh", "erf", "erfc", "exp"),
    *("exp2", "expm1", "log", "log10", "log1p", "log2", "sin", "sinh", "tan", "tanh"),
)

FUNCTIONS: Mapping[str, Function] = {
    **{name: Function(f"std::{name}", at_once=True) for name in _AT_ONCE},
    **{name: Function(f"std::{name}") for name in ("ceil", "floor", "nearbyint", "trunc")},
    **{name: Function(f"std::{name}", 2, at_once=True) for name in ("atan2", "hypot", "pow")},
    "fmod": Function("std::fmod", 2),
    "remainder": Function("remainder_of", 2, special=True),
    "lgamma": Function("lgamma_of", special=True),
    "digamma": Function("digamma_of", special=True),
}
"""By the name that an operator's text calls (`shoal.trainable.fused.cpp.dialect.operators`)."""


def defined(names: Iterable[str]) -> str:
    """Return the definitions of some functions of registers."""
    called = set(names)
    used = {name: function for name, function in FUNCTIONS.items() if name in called}
    text = "".join(function.defined(name) for name, function in used.items())
    if any(function.special for function in used.values()):
        return "\n" + _SPECIAL.read_text(encoding="utf-8") + text
    return text
