"""Kernels: fused updates of many fits, as machine code.

A kernel is compiled in a third of a second by any C++ compiler, serves any number of fits and any
number of updates, and lets other threads of Python run while it does them.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any

import torch

from shoal.trainable.compiling import Run
from shoal.trainable.fused.cpp.compiled import Compiled
from shoal.trainable.fused.cpp.writing import Shape, source
from shoal.trainable.fused.loops import Loops
from shoal.trainable.halt import Halt, Halted


class Kernel(Compiled):
    """One lowered function: some updates of each fit, or its loss."""

    seconds = 300.0

    def __init__(
        self, loops: Loops, carried: int = 0, updates: int = 1, shape: Shape | None = None
    ) -> None:
        """Write its source.

        Args:
            carried: how many of its inputs change from update to update (`writing.source`).
            updates: how many one call does.
            shape: as `writing.source` has it.
        """
        self._loops, self._updates = loops, updates
        super().__init__(source(loops, carried, shape))

    def load(self, file: str) -> Run:
        """Return the function, of tensors with a row for each fit."""
        return KernelRun(ctypes.CDLL(file).run, self._loops, self._updates)


class KernelRun:
    """A loaded kernel. It keeps the data that all fits share: the machine code knows addresses.

    Attributes:
        halt: has a call given up.
        fed: whether the data change from update to update.
    """

    def __init__(self, run: Any, loops: Loops, updates: int) -> None:
        self._run, self._loops = run, loops
        self.halt = Halt()
        run.restype = ctypes.c_int
        self.fed = loops.fed is not None
        self._updates = updates
        self._data = _addresses([tensor for _, tensor in loops.data])

    def doing(self, updates: int) -> KernelRun:
        """Return the same with another number of updates in a call."""
        return KernelRun(self._run, self._loops, updates)

    def __call__(self, arguments: list[torch.Tensor]) -> Sequence[torch.Tensor]:
        """Run it.

        Raises:
            Halted: it was given up.
        """
        fed, inputs = self._loops.fed, len(self._loops.inputs)
        if fed is None:
            return self._called(arguments[:inputs], self._updates, self._data)
        each = range(inputs, len(arguments), fed.count)
        every = [self.data_of(arguments[first : first + fed.count]) for first in each]
        return self.over(arguments[:inputs], every)

    def data_of(self, taken: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        """Return what the tensors of an update are to it: computed once for all lanes and calls.

        Raises:
            ValueError: they have not the shapes that it is written for.
            IndexError: a number in them names a place that is not there.
        """
        loops = self._loops
        if loops.fed is None:
            raise ValueError("its data never change")
        found = list(loops.fed.compute(*(tensor.contiguous() for tensor in taken)))
        for (_, first), tensor in zip(loops.data, found, strict=True):
            alike = tensor.shape == first.shape and tensor.dtype == first.dtype
            if not alike or not tensor.is_contiguous():
                raise ValueError(
                    f"data of shape {tuple(tensor.shape)} and {tensor.dtype}: the kernel is "
                    f"written for {tuple(first.shape)} and {first.dtype}"
                )
        return found

    def over(
        self, lanes: Sequence[torch.Tensor], data: Sequence[Sequence[torch.Tensor]]
    ) -> Sequence[torch.Tensor]:
        """Do an update with each of the data (`data_of`), one after the other.

        Raises:
            Halted: it was given up.
        """
        if not data:
            raise ValueError("no update")
        every = _addresses([tensor for one in data for tensor in one])
        return self._called(lanes, len(data), every)

    def _called(
        self, lanes: Sequence[torch.Tensor], updates: int, data: Any
    ) -> Sequence[torch.Tensor]:
        loops = self._loops
        rows = [tensor.contiguous() for tensor in lanes]
        fits = len(rows[0])
        made = [torch.empty((fits, *shape), dtype=loops.dtype) for shape in loops.shapes]
        counts = ctypes.c_int64(fits), ctypes.c_int64(updates)
        if not self._run(*counts, _addresses(rows), data, _addresses(made), self.halt.address):
            raise Halted
        return made


def _addresses(tensors: Sequence[torch.Tensor]) -> ctypes.Array[ctypes.c_void_p]:
    return (ctypes.c_void_p * len(tensors))(*(tensor.data_ptr() for tensor in tensors))
