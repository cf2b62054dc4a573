"""The interface of a target: a language that kernels are written in, with its compiler.

    lower(graph, …, target.limits)      the loops of a traced step, whatever the target
    target.emit(loops, carried)         their source text
    target.code(loops, carried, n)      the same with its compile command (`Code`), for a library on
                                        disk, which `Code.load` makes a function of
    target.cost(loops)                  what it takes, by which the search chooses its program
    target.peak(dtype)                  what measures the most that a kernel could do

A target knows how each operator is written (its dialect: `shoal.trainable.fused.loops.meanings`
lists them with what they compute) and nothing of torch or of tracing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

import torch

from shoal.trainable.compiling import Code
from shoal.trainable.fused.loops import Limits, Loops
from shoal.trainable.halt import Halt


class Target(Protocol):
    """Writes, compiles and loads kernels of lowered loops.

    Attributes:
        name: as the registry has it (`shoal.trainable.fused.registry`).
        device: the type of torch's devices that its kernels run on, as ``cpu``.
        flags: of its compiler, on which the last digits of numbers may depend.
        limits: of what is lowered for it.
        dialect: the text of each operator (`shoal.trainable.fused.loops.meanings`).
    """

    @property
    def name(self) -> str: ...
    @property
    def device(self) -> str: ...
    @property
    def flags(self) -> Sequence[str]: ...
    @property
    def limits(self) -> Limits: ...

    @property
    def dialect(self) -> Mapping[str, str]: ...

    def emit(self, loops: Loops, carried: int) -> str:
        """Return the source text of a kernel.

        Args:
            carried: how many of its inputs, the first, change from update to update.
        """

    def code(self, loops: Loops, carried: int = 0, updates: int = 1) -> Code:
        """Return what is compiled and loaded: its function is a `FusedRun`.

        Args:
            carried: as for `emit`; updates: how many one call does.
        """

    def cost(self, loops: Loops) -> int:
        """Return what one update of one lane takes, in additions."""

    def peak(self, dtype: torch.dtype) -> Code | None:
        """Return what measures the peak of one core, or of the device: its function takes no
        arguments and gives multiply-adds a second; None: there is no such measure."""


@runtime_checkable
class FusedRun(Protocol):
    """A kernel that is loaded: it takes any number of lanes and does any number of updates.

    Attributes:
        halt: has a call given up, which then raises `Halted`.
        fed: whether its data change from update to update.
    """

    halt: Halt
    fed: bool

    def doing(self, updates: int) -> FusedRun:
        """Return the same with another number of updates in a call."""

    def __call__(self, arguments: list[torch.Tensor]) -> Sequence[torch.Tensor]:
        """Return the outputs, a row for each lane.

        Args:
            arguments: the inputs, a row for each lane; what follows them is not looked at, unless
                it is fed: then as many updates are done as it has the tensors of.
        """

    def data_of(self, taken: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        """Return what the tensors of an update are to a kernel that is fed, to be kept for `over`.

        Raises:
            ValueError: they have not the shapes that it is written for.
            IndexError: a number in them names a place that is not there.
        """

    def over(
        self, lanes: Sequence[torch.Tensor], data: Sequence[Sequence[torch.Tensor]]
    ) -> Sequence[torch.Tensor]:
        """Return the outputs after an update with each of the data, of a kernel that is fed.

        Args:
            lanes: the inputs, a row for each lane; data: of each update, as `data_of` has it.
        """
