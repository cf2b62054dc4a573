"""C++ as a target of fused kernels, for CPUs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch

from shoal.trainable.compiling import Code
from shoal.trainable.fused.cpp.compiled import FLAGS
from shoal.trainable.fused.cpp.dialect import OPERATORS
from shoal.trainable.fused.cpp.kernel import Kernel
from shoal.trainable.fused.cpp.peak import TYPES, Peak
from shoal.trainable.fused.cpp.writing import source
from shoal.trainable.fused.loops import Limits, Loops


class Cpp:
    """The target for CPUs: fits side by side in vector registers."""

    name = "cpp"
    device = "cpu"
    flags: Sequence[str] = FLAGS
    limits = Limits()
    dialect: Mapping[str, str] = OPERATORS

    def emit(self, loops: Loops, carried: int) -> str:
        """Return the source text (`writing.source`)."""
        return source(loops, carried)

    def code(self, loops: Loops, carried: int = 0, updates: int = 1) -> Code:
        """Return what is compiled and loaded."""
        return Kernel(loops, carried, updates)

    def cost(self, loops: Loops) -> int:
        """Return the numbers computed for each lane, those of costly functions counted often."""
        return loops.work

    def peak(self, dtype: torch.dtype) -> Code | None:
        """Return what measures it, of float32 and float64."""
        return Peak(dtype) if dtype in TYPES else None


CPP = Cpp()
