"""Kernels: fused updates of many fits, as machine code.

A kernel is compiled in a third of a second by any C++ compiler, serves any number of fits and any
number of updates, and lets other threads of Python run while it does them.
"""

from __future__ import annotations

import ctypes
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from shoal.trainable.compiling import Run, command
from shoal.trainable.fused.cpp.writing import source
from shoal.trainable.fused.loops import Loops
from shoal.trainable.halt import Halt, Halted

FLAGS = (
    "-std=c++17",
    "-O3",
    "-march=native",
    "-ffp-contract=off",  # where a b + c is one instruction is written in the source
    "-fno-math-errno",
    "-fno-trapping-math",  # neither changes a number
    "-shared",
    "-fPIC",
)


class Kernel:
    """Source and compile command of one lowered function: some updates of each fit, or its loss.

    Attributes:
        source: its text in C++.
        flags: what it is compiled with.
        seconds: after which a compiler is taken to hang.
    """

    flags: Sequence[str] = FLAGS
    seconds = 300.0

    def __init__(self, loops: Loops, carried: int = 0, updates: int = 1) -> None:
        """Write its source.

        Args:
            carried: how many of its inputs change from update to update (`writing.source`).
            updates: how many one call does.
        """
        self._loops, self._updates = loops, updates
        self.source = source(loops, carried)

    def key(self) -> str:
        """Its source, and what it is compiled with and for."""
        return repr((self.source, self.flags, platform.libc_ver()))

    def command(self, folder: Path, made: Path) -> Sequence[str]:
        """Return the command; the source is beside `made`."""
        file = folder / "kernel.cpp"
        file.write_text(self.source, encoding="utf-8")
        return [*(command() or ("g++",)), *self.flags, "-o", str(made), str(file), "-lm"]

    def environment(self, folder: Path) -> Mapping[str, str]:
        """Return nothing: it needs none."""
        return {}

    def load(self, file: str) -> Run:
        """Return the function, of tensors with a row for each fit."""
        return KernelRun(ctypes.CDLL(file).run, self._loops, self._updates)


class KernelRun:
    """A loaded kernel. It keeps the data that all fits share: the machine code knows addresses.

    Attributes:
        halt: has a call given up.
    """

    def __init__(self, run: Any, loops: Loops, updates: int) -> None:
        self._run, self._loops = run, loops
        self.halt = Halt()
        run.restype = ctypes.c_int
        self._updates = ctypes.c_int64(updates)
        self._data = _addresses([tensor for _, tensor in loops.data])

    def doing(self, updates: int) -> KernelRun:
        """Return the same with another number of updates in a call."""
        return KernelRun(self._run, self._loops, updates)

    def __call__(self, arguments: list[torch.Tensor]) -> Sequence[torch.Tensor]:
        """Run it.

        Raises:
            Halted: it was given up.
        """
        loops = self._loops
        rows = [tensor.contiguous() for tensor in arguments[: len(loops.inputs)]]
        fits = len(rows[0])
        made = [torch.empty((fits, *shape), dtype=loops.dtype) for shape in loops.shapes]
        inputs, outputs = _addresses(rows), _addresses(made)
        halt = self.halt.address
        if not self._run(ctypes.c_int64(fits), self._updates, inputs, self._data, outputs, halt):
            raise Halted
        return made


def _addresses(tensors: Sequence[torch.Tensor]) -> ctypes.Array[ctypes.c_void_p]:
    return (ctypes.c_void_p * len(tensors))(*(tensor.data_ptr() for tensor in tensors))
