"""A step in pieces, ready to run: kernels, and calls of torch between them."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from shoal.trainable.compiling import Run
from shoal.trainable.fused import FusedRun
from shoal.trainable.fused.pieces.calls import Calls
from shoal.trainable.fused.pieces.partition import Partition
from shoal.trainable.halt import Halt, Halted

Tensors = Sequence[torch.Tensor]


class PiecesRun:
    """A partition whose kernels are loaded. It takes the lanes of one block, no more and no fewer.

    Attributes:
        halt: has a call given up.
        fed: whether the rows change from update to update.
    """

    def __init__(
        self,
        partition: Partition,
        calls: Calls,
        kernels: Sequence[Run],
        rows: Tensors,
        *,
        carried: int,
        updates: int,
        fed: bool,
    ) -> None:
        """Put it together.

        Args:
            kernels: those of the stages that have one, in order.
            rows: the inputs without lanes, of the first update.
            carried: how many of its inputs, the first, each update replaces by its last outputs.
            updates: how many one call does.
        """
        self._partition, self._calls, self.fed = partition, calls, fed
        self._kernels = [kernel for kernel in kernels if isinstance(kernel, FusedRun)]
        self._rows, self._carried, self._updates = list(rows), carried, updates
        self._halt = Halt()
        self._always = [] if fed else self.data_of(rows)

    @property
    def halt(self) -> Halt:
        """Has a call given up."""
        return self._halt

    @halt.setter
    def halt(self, halt: Halt) -> None:
        self._halt = halt
        for kernel in self._kernels:
            kernel.halt = halt

    def doing(self, updates: int) -> PiecesRun:
        """Return the same with another number of updates in a call."""
        return PiecesRun(
            self._partition,
            self._calls,
            self._kernels,
            self._rows,
            carried=self._carried,
            updates=updates,
            fed=self.fed,
        )

    def __call__(self, arguments: list[torch.Tensor]) -> Tensors:
        """Return the outputs, a row for each lane.

        Raises:
            Halted: it was given up.
        """
        lanes = len(self._partition.inputs)
        if not self.fed:
            return self.over(arguments[:lanes], [self._always] * self._updates)
        count = len(self._rows)
        each = range(lanes, len(arguments), count)
        data = [self.data_of(arguments[first : first + count]) for first in each]
        return self.over(arguments[:lanes], data)

    def data_of(self, taken: Tensors) -> list[torch.Tensor]:
        """Return what the rows of an update are to it: to each kernel, and to the calls.

        Raises:
            ValueError, IndexError: as those of kernels.
        """
        found: list[torch.Tensor] = []
        for kernel in self._kernels if self.fed else ():
            found += kernel.data_of(taken)
        with torch.no_grad():
            return [*found, *self._calls.computed(*taken)]

    def over(self, lanes: Tensors, data: Sequence[Tensors]) -> Tensors:
        """Return the outputs after an update with each of the data.

        Raises:
            Halted: it was given up.
        """
        held, made = list(lanes), list[torch.Tensor]()
        for one in data:
            if self._halt.is_set:
                raise Halted
            made = self._update(held, one)
            if self._carried:
                held[: self._carried] = made[len(made) - self._carried :]
        return made

    def _update(self, lanes: Tensors, data: Tensors) -> list[torch.Tensor]:
        """The outputs after one update."""
        partition, calls = self._partition, self._calls
        known = dict(zip(partition.inputs, lanes, strict=True))
        first = len(data) - len(calls.shared)
        known.update(zip(calls.shared, data[first:], strict=True))
        kernels, place = iter(self._kernels), 0
        for stage, called in zip(partition.stages, calls.stages, strict=True):
            if stage.loops is not None:
                kernel, given = next(kernels), [known[number] for number in stage.given]
                if self.fed:
                    count = len(stage.loops.data)
                    found = kernel.over(given, [data[place : place + count]])
                    place += count
                else:
                    found = kernel(given)
                known.update(zip(stage.made, found, strict=True))
            if called is not None:
                found = called.module(*(known[number] for number in called.given))
                known.update(zip(called.kept, found, strict=True))
        return [known[number] for number in partition.outputs]
