"""Functions that only the kernels have in their source that call them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

_SPECIAL = Path(__file__).with_name("special.hpp")


@dataclass(frozen=True)
class Function:
    """A function of registers, made of one of numbers.

    Attributes:
        of: what it calls for each number.
        operands: how many it takes, one or two.
        at_once: whether the C library has a version for registers, from 2.35 on.
        special: whether `of` is in ``special.hpp``.
    """

    of: str
    operands: int = 1
    at_once: bool = False
    special: bool = False


_AT_ONCE = ("acos", "acosh", "asin", "asinh", "atanh", "cosh", "erfc", "exp2", "log10", "sinh")

FUNCTIONS: Mapping[str, Function] = {
    **{name: Function(f"std::{name}", at_once=True) for name in _AT_ONCE},
    **{name: Function(f"std::{name}") for name in ("ceil", "floor", "nearbyint", "trunc")},
    **{name: Function(f"std::{name}", 2, at_once=True) for name in ("atan2", "hypot")},
    "fmod": Function("std::fmod", 2),
    "remainder": Function("remainder_of", 2, special=True),
    "lgamma": Function("lgamma_of", special=True),
    "digamma": Function("digamma_of", special=True),
}
"""By the name that an operator's text calls (`shoal.trainable.fused.cpp.dialect.operators`)."""

_DECLARED = """
#ifdef AT_ONCE
extern "C" __attribute__((simd("notinbranch"))) float {name}f({floats}) noexcept;
extern "C" __attribute__((simd("notinbranch"))) double {name}({doubles}) noexcept;
#endif
"""

_ONE = """
static __attribute__((noinline)) Register {name}_register(Register x) {{
  T in[EACH], out[EACH];
  memcpy(in, &x, sizeof x);
  for (int j = 0; j < EACH; j++) out[j] = {of}(in[j]);
  memcpy(&x, out, sizeof x);
  return x;
}}
OF_N Lanes<N> {name}(Lanes<N> x) {{
  EACH_PART x.part[i] = {name}_register(x.part[i]);
  return x;
}}
"""

_TWO = """
static __attribute__((noinline)) Register {name}_register(Register x, Register y) {{
  T one[EACH], other[EACH], out[EACH];
  memcpy(one, &x, sizeof x);
  memcpy(other, &y, sizeof y);
  for (int j = 0; j < EACH; j++) out[j] = {of}(one[j], other[j]);
  memcpy(&x, out, sizeof x);
  return x;
}}
OF_N Lanes<N> {name}(Lanes<N> x, Lanes<N> y) {{
  EACH_PART x.part[i] = {name}_register(x.part[i], y.part[i]);
  return x;
}}
OF_N Lanes<N> {name}(Lanes<N> x, T y) {{ return {name}(x, Lanes<N>(y)); }}
OF_N Lanes<N> {name}(T x, Lanes<N> y) {{ return {name}(Lanes<N>(x), y); }}
"""


def defined(names: Iterable[str]) -> str:
    """Return the definitions of those of some functions that ``prelude.hpp`` has not."""
    called = set(names)
    used = [name for name in FUNCTIONS if name in called]
    text = ""
    if any(FUNCTIONS[name].special for name in used):
        text = "\n" + _SPECIAL.read_text(encoding="utf-8")
    for name in used:
        function = FUNCTIONS[name]
        if function.at_once:
            operands = [", ".join([kind] * function.operands) for kind in ("float", "double")]
            text += _DECLARED.format(name=name, floats=operands[0], doubles=operands[1])
        text += (_ONE if function.operands == 1 else _TWO).format(name=name, of=function.of)
    return text
