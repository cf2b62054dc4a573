"""The choice of a compiler: a fused kernel where the step can be lowered to one, else torch's."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from shoal.trainable.compiling import Code, Inductor
from shoal.trainable.errors import CompileError
from shoal.trainable.fused.cpp import Kernel
from shoal.trainable.fused.loops import NotLowered
from shoal.trainable.optimizers import State
from shoal.trainable.problems import Leaves
from shoal.trainable.programs.settled import INDUCTOR, KERNEL
from shoal.trainable.programs.stacked import LaneValues, Stacked


@dataclass(frozen=True, kw_only=True)
class Choice:
    """What a program is compiled by.

    Attributes:
        kind: ``kernel`` or ``inductor`` (`settled`).
        codes: what is to be compiled: the updates, and the loss.
        unfused: why it is no fused kernel; empty: it is one, or none was tried.
    """

    kind: str
    codes: list[Code]
    unfused: str = ""


def chosen(
    stacked: Stacked,
    kind: str | None,
    updates: int,
    *,
    params: Leaves,
    state: State,
    values: LaneValues,
) -> Choice:
    """Return the compiler for a stacked step, and what it is given.

    Args:
        kind: ``kernel`` or ``inductor``; None: a kernel if it can be, else torch's compiler.
        updates: how many one call does.
        params, state, values: these stand for all others of their shapes.

    Raises:
        CompileError: it cannot be the kernel that it is to be.
    """
    chunk, loss = [*params, *state, *values], [*params, *values]
    unfused = ""
    if kind != INDUCTOR:
        try:
            step = stacked.lowered(stacked.flat_step, chunk)
            kernels: list[Code] = [
                Kernel(step, len(params) + len(state), updates),
                Kernel(stacked.lowered(stacked.flat_loss, loss)),
            ]
            return Choice(kind=KERNEL, codes=kernels)
        except NotLowered as error:
            unfused = str(error)
            if kind == KERNEL:
                raise CompileError(f"it cannot be fused: {unfused}") from error
    flat_chunk = partial(stacked.flat_step, updates=updates)
    codes: list[Code] = [
        Inductor(*stacked.traced(flat_chunk, chunk)),
        Inductor(*stacked.traced(stacked.flat_loss, loss)),
    ]
    return Choice(kind=INDUCTOR, codes=codes, unfused=unfused)
