"""Functions of registers, which only the kernels that call them have in their source."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

_SPECIAL = "special.hpp"


@dataclass(frozen=True)
class Function:
    """A function of registers.

    Attributes:
        of: what is called for each number, where there is none for registers.
        operands: how many it takes, one or two.
        at_once: whether the C library has a version for registers, from 2.35 on.
        within: the file beside this one that has it, or `of` where that is given; empty: none has.
        in_steps: whether it takes several registers in the time of one, nearly: each of its steps
            is done for all of them.
    """

    of: str = ""
    operands: int = 1
    at_once: bool = False
    within: str = ""
    in_steps: bool = False

    def defined(self, name: str) -> str:
        """Return its definition, by macros of ``prelude.hpp``."""
        of_two = "_OF_TWO" if self.operands == 2 else ""
        if not self.of:
            return ""
        if self.at_once:
            return f"AT_ONCE{of_two}({name})\nFUNCTION{of_two}({name})\n"
        return f"BY_NUMBER{of_two}({name}, {self.of})\nFUNCTION{of_two}({name})\n"


_AT_ONCE = (
    *("acos", "acosh", "asin", "asinh", "atan", "atanh", "cos", "cosh", "erf", "erfc", "exp2"),
    *("expm1", "log", "log10", "log1p", "log2", "sin", "sinh", "tan", "tanh"),
)

FUNCTIONS: Mapping[str, Function] = {
    **{name: Function(f"std::{name}", at_once=True) for name in _AT_ONCE},
    **{name: Function(f"std::{name}") for name in ("ceil", "floor", "nearbyint", "trunc")},
    **{name: Function(f"std::{name}", 2, at_once=True) for name in ("atan2", "hypot", "pow")},
    "fmod": Function("std::fmod", 2),
    "remainder": Function("remainder_of", 2, within=_SPECIAL),
    "lgamma": Function("lgamma_of", within=_SPECIAL),
    "digamma": Function("digamma_of", within=_SPECIAL),
    "exp": Function(within="exp.hpp", in_steps=True),
    "kept": Function(within="kept.hpp"),
}
"""By the name that an operator's text calls (`shoal.trainable.fused.cpp.dialect.operators`)."""


def defined(names: Iterable[str]) -> str:
    """Return the definitions of some functions of registers."""
    called = set(names)
    used = {name: function for name, function in FUNCTIONS.items() if name in called}
    text = "".join(function.defined(name) for name, function in used.items())
    files = dict.fromkeys(function.within for function in used.values() if function.within)
    return "".join(_text(name) for name in files) + text


def _text(name: str) -> str:
    return "\n" + Path(__file__).with_name(name).read_text(encoding="utf-8")
