"""C++ that is compiled to a library."""

from __future__ import annotations

import platform
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from shoal.trainable.compiling import command, identity

FLAGS = (
    "-std=c++17",
    "-O3",
    "-march=native",
    "-ffp-contract=off",  # where a b + c is one instruction is written in the source
    "-fno-math-errno",
    "-fno-trapping-math",  # neither changes a number
    "-fno-gcse",  # this and the next are half of gcc's time for a net, and make no kernel faster
    "-fno-gcse-after-reload",
    "-shared",
    "-fPIC",
)

QUICKER = "--param=sccvn-max-alias-queries-per-access=20"
"""With it gcc takes a third of the time for a long text, and neither a number changes nor how fast
kernels are (measured): its default is 1000. Clang takes it, and does nothing."""

PLAIN_LOOPS = "-fno-tree-loop-vectorize"
"""Registers are written in the source, and what gcc 12 makes of loops beside them is wrong by -O3
for Zen 3: half a register of fits had the parameters of others. Other compilers do not know it."""

_GNU = re.compile(r"[cg]\+\+(-\d+)?$")


def _ways() -> list[str]:
    """How the compiler here is to go about it, which changes no number."""
    gnu = not command() or _GNU.search(identity().partition(" (")[0]) is not None
    return [QUICKER, *([PLAIN_LOOPS] if gnu else [])]


class Compiled:
    """Source and compile command of a library.

    Attributes:
        source: its text in C++.
        flags: what it is compiled with.
        seconds: after which a compiler is taken to hang.
    """

    flags: Sequence[str] = FLAGS
    seconds: float

    def __init__(self, source: str) -> None:
        self.source = source

    def key(self) -> str:
        """Its source, and what it is compiled with and for."""
        return repr((self.source, self.flags, QUICKER, PLAIN_LOOPS, platform.libc_ver()))

    def command(self, folder: Path, made: Path) -> Sequence[str]:
        """Return the command; the source is beside `made`."""
        file = folder / "kernel.cpp"
        file.write_text(self.source, encoding="utf-8")
        return [*(command() or ("g++",)), *self.flags, *_ways(), "-o", str(made), str(file), "-lm"]

    def environment(self, folder: Path) -> Mapping[str, str]:
        """Return nothing: it needs none."""
        return {}
