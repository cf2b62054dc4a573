"""The choice of a compiler: a fused kernel where the step can be lowered to one, else torch's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import torch

from shoal.trainable.compiling import Code, Inductor
from shoal.trainable.errors import CompileError
from shoal.trainable.fused import Target, target_of
from shoal.trainable.fused.loops import NotLowered
from shoal.trainable.optimizers import State
from shoal.trainable.problems import Leaves
from shoal.trainable.programs.settled import EAGER, INDUCTOR, KERNEL
from shoal.trainable.programs.stacked import Stacked
from shoal.trainable.programs.step import LaneValues


@dataclass(frozen=True, kw_only=True)
class Choice:
    """What a program is compiled by.

    Attributes:
        kind: ``kernel`` or ``inductor`` (`settled`).
        codes: what is to be compiled: the updates, the loss, the last update of an epoch where it
            takes fewer rows, and the metrics where they are fused.
        metrics: ``kernel`` or ``eager``.
        unfused: why it is no fused kernel; empty: it is one, or none was tried.
    """

    kind: str
    codes: list[Code]
    metrics: str = EAGER
    unfused: str = ""


def chosen(
    stacked: Stacked,
    kind: str | None,
    updates: int,
    *,
    params: Leaves,
    state: State,
    values: LaneValues,
    metrics: str | None = None,
) -> Choice:
    """Return the compiler for a stacked step, and what it is given.

    Args:
        kind: ``kernel`` or ``inductor``; None: a kernel if it can be, else torch's compiler.
        updates: how many one call does.
        params, state, values: these stand for all others of their shapes.
        metrics: how these are run, ``kernel`` or ``eager``; None: fused if the updates are and they
            can be.

    Raises:
        CompileError: it cannot be the kernel that it is to be.
    """
    chunk = [*params, *state, *values]
    loss = [*params, *stacked.judged_with(state, values)]
    codes: list[Code]
    unfused = ""
    if kind == INDUCTOR and stacked.feed.together:
        raise CompileError("torch's compiler is not given minibatches or noise")
    if kind != INDUCTOR:
        try:
            target = target_of(stacked.device.type)

            def code_of(rows: Sequence[torch.Tensor]) -> Code:
                fixed = stacked.feed.fixed
                step = stacked.lowered(stacked.flat_step, chunk, rows, target.limits, fixed)
                return target.code(step, len(params) + len(state), updates)

            kernels = [
                code_of(stacked.sample),
                target.code(stacked.lowered(stacked.flat_loss, loss, limits=target.limits)),
            ]
            if stacked.last is not None:
                kernels.append(code_of(stacked.last))
        except NotLowered as error:
            unfused = str(error)
            if kind == KERNEL or stacked.feed.together:
                raise CompileError(f"it cannot be fused: {unfused}") from error
        else:
            measured = _metrics(stacked, target, metrics, [*params, *values])
            codes = [*kernels, *measured]
            return Choice(kind=KERNEL, codes=codes, metrics=KERNEL if measured else EAGER)
    flat_chunk = partial(stacked.flat_step, updates=updates)
    codes = [
        Inductor(*stacked.traced(flat_chunk, chunk)),
        Inductor(*stacked.traced(stacked.flat_loss, loss)),
    ]
    return Choice(kind=INDUCTOR, codes=codes, unfused=unfused)


def _metrics(
    stacked: Stacked, target: Target, how: str | None, given: list[torch.Tensor]
) -> list[Code]:
    """The kernel of the metrics, where there are any and they are to be one and can be.

    Raises:
        CompileError: they cannot be the kernel that they are to be.
    """
    if not stacked.measured or how == EAGER:
        return []
    try:
        loops = stacked.lowered(
            stacked.flat_metrics, given, stacked.validation, limits=target.limits
        )
        return [target.code(loops)]
    except NotLowered as error:
        if how == KERNEL:
            raise CompileError(f"the metrics cannot be fused: {error}") from error
        return []
