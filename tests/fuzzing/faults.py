"""Kernels with a fault planted in their source: what the fuzzer has to find."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from shoal.trainable.fused.cpp.compiled import FLAGS
from shoal.trainable.fused.cpp.dialect import defined
from shoal.trainable.fused.cpp.kernel import Kernel
from shoal.trainable.fused.cpp.writing.emission import HEAD
from shoal.trainable.fused.loops.loops import Loops


@dataclass(frozen=True)
class Fault:
    """A change of a kernel's source.

    Attributes:
        pattern: what is replaced, a regular expression; replacement: what stands there instead.
        used: None where it is replaced in what is written for one function; else it is replaced in
            the prelude of all, and this is what a function that uses it has in it.
    """

    name: str
    pattern: str
    replacement: str
    used: str | None = None

    def planted(self, source: str) -> str:
        """Return the source with the fault; the same where the function has no use for it."""
        prelude, head, body = source.partition(HEAD)
        if self.used is None:
            changed = re.sub(self.pattern, self.replacement, body)
            called = set(re.findall(r"\w+(?=\()", changed))
            have = set(re.findall(r"^FUNCTION(?:_OF_TWO)?\((\w+)\)$", prelude, re.MULTILINE))
            have |= set(re.findall(r"^OF_N Lanes<N> (\w+)\(", prelude, re.MULTILINE))
            return prelude + defined(called - have) + head + changed
        if not re.search(self.used, body):
            return source
        return re.sub(self.pattern, self.replacement, prelude) + head + body


_VALUE = r"((?:real<N>|truth<N>)?[\w\[\]().+*-]+?)"

OPERATORS = (
    Fault("plus as minus", rf"= {_VALUE} \+ {_VALUE};", r"= \1 - \2;"),
    Fault("minus as plus", rf"= {_VALUE} - {_VALUE};", r"= \1 + \2;"),
    Fault("minus turned round", rf"= {_VALUE} - {_VALUE};", r"= \2 - \1;"),
    Fault("a product added as taken away", r"\bmultiply_add<N>", "subtract_product<N>"),
    Fault("a product taken away as added", r"\bsubtract_product<N>", "multiply_add<N>"),
    Fault("less a number as more", r"\bmultiply_subtract<N>", "multiply_add<N>"),
    Fault("times as plus", rf"= {_VALUE} \* {_VALUE};", r"= \1 + \2;"),
    Fault("division as product", rf"= {_VALUE} / {_VALUE};", r"= \1 * \2;"),
    Fault("greater as less", rf"= {_VALUE} > {_VALUE};", r"= \1 < \2;"),
    Fault("equal as unequal", rf"= {_VALUE} == {_VALUE};", r"= \1 != \2;"),
    Fault("or as exclusive or", r" \| (?=truth)", " ^ "),
    Fault("and as or", r" & (?=truth)", " | "),
    Fault("not as itself", r"= ~", "= "),
    Fault("where turned round", r"\bwhere\((truth<N>\([^()]*\)),", r"where(~\1,"),
    Fault(
        "a truth value counts as two",
        r"where\(x, T\(1\), T\(0\)\)",
        "where(x, T(2), T(0))",
        r"real<N>\(",
    ),
    Fault("negative numbers are false", r"return x != T\(0\)", "return x > T(0)", r"truth<N>\("),
    Fault("maximum passes over NaN", r"\(x > y\) \| \(x != x\)", "x > y", r"maximum\("),
    Fault("minimum as maximum", r"\(x < y\) \| \(x != x\)", "(x > y) | (x != x)", r"minimum\("),
    Fault("absolute value as itself", r"where\(x <= T\(0\), T\(0\) - x, x\)", "x", r"absolute\("),
    Fault("sign without a sign", r"T\(-1\), T\(0\)", "T(1), T(0)", r"\bsign\("),
    Fault("negation as itself", r"= -(?=\w)", "= "),
    Fault("exp as expm1", r"\bexp\(", "expm1("),
    Fault("sine as cosine", r"\bsin\(", "cos("),
    Fault("tanh as atan", r"\btanh\(", "atan("),
    Fault("square root as itself", r"\bsqrt\(", "real<N>("),
    Fault("log1p as log", r"\blog1p\(", "log("),
    Fault("log of base 2 as log", r"\blog2\(", "log("),
    Fault("erf as tanh", r"\berf\(", "tanh("),
    Fault("erfc as erf", r"\berfc\(", "erf("),
    Fault("sinh as tanh", r"\bsinh\(", "tanh("),
    Fault("log gamma as log", r"\blgamma\(", "log("),
    Fault("floor as itself", r"\bfloor\(", "real<N>("),
    Fault("power of 2 as of e", r"\bexp2\(", "exp("),
    Fault(
        "powers turned round",
        r"_register\(x\.part\[i\], y\.part\[i\]\)",
        "_register(y.part[i], x.part[i])",
        r"\bpow\(",
    ),
    Fault("a mean of one too few", r"/ T\((\d+)\);", r"/ (T(\1) - T(1));"),
    Fault("a maximum that begins at zero", r"T\(-INFINITY\)", "T(0)"),
    Fault("the last point of a stretch is left out", r"k < stretch_end;", "k < stretch_end - 1;"),
    Fault("the last tile is left out", r"at < stretch_end;", "at + R < stretch_end;"),
    Fault("a tile counts rows twice", r"r = skip;", "r = 0;"),
    Fault(
        "the second part of values side by side stands one place off",
        r"\[(\d+)\] = real<N>\((d|v|p)(\d+)\[1\]\)",
        r"[\1] = real<N>(\2\3[0])",
    ),
)
"""Faults of one operator each."""

BEYOND = Fault("one point too many is read", r"k < stretch_end;", "k < stretch_end + 1;")
"""A fault that reads memory that is not its own."""

SANITIZED = (
    *(flag for flag in FLAGS if flag != "-O3"),
    "-O1",
    "-fsanitize=address,undefined",
    "-fno-sanitize-recover=all",
)
"""How kernels are compiled that watch what they read and write."""


def kind(fault: Fault | None, sanitized: bool = False) -> type[Kernel]:
    """Return the class of kernels that have a fault, or that watch what they read and write."""

    class Planted(Kernel):
        flags = SANITIZED if sanitized else FLAGS

        def __init__(self, loops: Loops, *arguments: Any) -> None:
            super().__init__(loops, *arguments)
            if fault is not None:
                self.source = fault.planted(self.source)

    return Planted
