"""The choice of a program: a fused kernel where the step can be one, else kernels in pieces, with
calls of torch between them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import torch

from shoal.trainable.compiling import Code, Run
from shoal.trainable.errors import CompileError
from shoal.trainable.fused import Target, target_of
from shoal.trainable.fused.loops import NotLowered
from shoal.trainable.fused.pieces import PiecesRun
from shoal.trainable.optimizers import State
from shoal.trainable.problems import Leaves
from shoal.trainable.programs.settled import EAGER, KERNEL, PIECES
from shoal.trainable.programs.stacked import Stacked
from shoal.trainable.programs.step import LaneValues
from shoal.trainable.programs.tracing import Tensors


@dataclass(frozen=True)
class Function:
    """A function of a program: what is compiled for it, and what makes it of that, loaded."""

    codes: tuple[Code, ...]
    of: Callable[[Sequence[Run]], Run]

    def loaded(self, runs: Iterator[Run]) -> Run:
        """Return it, given what was compiled of `codes`, and perhaps more."""
        return self.of([next(runs) for _ in self.codes])


@dataclass(frozen=True, kw_only=True, eq=False)
class Choice:
    """What a program is made of.

    Attributes:
        kind: ``kernel`` or ``pieces`` (`settled`).
        functions: the updates, the loss, the last update of an epoch where it takes fewer rows, and
            the metrics where they are fused.
        metrics: ``kernel`` or ``eager``; metric_names: of those in a kernel.
        unfused: why it is not one kernel; empty: it is.
    """

    kind: str
    functions: list[Function]
    metrics: str = EAGER
    metric_names: tuple[str, ...] = ()
    unfused: str = ""


def chosen(
    stacked: Stacked,
    kind: str | None,
    updates: int,
    metrics: str | None = None,
    *,
    params: Leaves,
    state: State,
    values: LaneValues,
) -> Choice:
    """Return what a stacked step is compiled as.

    Args:
        kind: ``kernel`` or ``pieces``; None: a kernel if it can be, else pieces.
        updates: how many one call does.
        metrics: how these are run, ``kernel`` or ``eager``; None: fused if they can be.
        params, state, values: these stand for all others of their shapes.

    Raises:
        CompileError: it cannot be what it is to be.
    """
    chunk = [*params, *state, *values]
    loss = [*params, *stacked.judged_with(state, values)]
    carried, unfused = len(params) + len(state), ""
    try:
        target = target_of(stacked.device.type)
        steps = [
            _Asked(
                stacked=stacked,
                target=target,
                function=stacked.flat_step,
                given=chunk,
                rows=rows,
                carried=carried,
                updates=updates,
            )
            for rows in _rows(stacked)
        ]
        losses = _Asked(stacked=stacked, target=target, function=stacked.flat_loss, given=loss)
        every = [steps[0], losses, *steps[1:]]
        if kind != PIECES:
            try:
                choice = Choice(kind=KERNEL, functions=[one.whole() for one in every])
                return _with_metrics(stacked, target, metrics, choice, [*params, *values])
            except NotLowered as error:
                unfused = str(error)
                if kind == KERNEL:
                    raise
        functions = [one.pieces() for one in every]
    except NotLowered as error:
        raise CompileError(f"it cannot be fused: {unfused or error}") from error
    choice = Choice(kind=PIECES, functions=functions, unfused=unfused)
    return _with_metrics(stacked, target, metrics, choice, [*params, *values])


def _rows(stacked: Stacked) -> list[Sequence[torch.Tensor]]:
    """What an update takes, and the last one of an epoch if that is less."""
    return [stacked.sample, *([stacked.last] if stacked.last is not None else [])]


@dataclass(frozen=True, kw_only=True)
class _Asked:
    """A function of a stacked step that is to be compiled.

    Attributes:
        given: its first arguments; rows: its last ones; None: the data, which never change.
        carried: how many of `given`, the first, change; updates: how many one call does.
    """

    stacked: Stacked
    target: Target
    function: Callable[..., Tensors]
    given: Sequence[torch.Tensor]
    rows: Sequence[torch.Tensor] | None = None
    carried: int = 0
    updates: int = 1

    @property
    def _fixed(self) -> int | None:
        return None if self.rows is None else self.stacked.feed.fixed

    def whole(self) -> Function:
        """Return it as one kernel.

        Raises:
            NotLowered: it cannot be.
        """
        limits = self.target.limits
        loops = self.stacked.lowered(self.function, self.given, self.rows, limits, self._fixed)
        code = self.target.code(loops, self.carried, self.updates)
        return Function((code,), lambda runs: runs[0])

    def pieces(self) -> Function:
        """Return it as kernels, with calls of torch between them.

        Raises:
            NotLowered: it cannot be.
        """
        limits, fixed = self.target.limits, self._fixed
        partition, calls = self.stacked.divided(self.function, self.given, self.rows, limits, fixed)
        shared = self.stacked.data if self.rows is None else self.rows

        def of(runs: Sequence[Run]) -> Run:
            return PiecesRun(
                partition,
                calls,
                runs,
                shared,
                carried=self.carried,
                updates=self.updates,
                fed=fixed is not None,
            )

        return Function(tuple(self.target.code(loops) for loops in partition.loops), of)


def _with_metrics(
    stacked: Stacked,
    target: Target,
    how: str | None,
    choice: Choice,
    given: list[torch.Tensor],
) -> Choice:
    """The choice, with the kernel of the metrics, where there are any and they are to be one and
    can be.

    Raises:
        CompileError: they cannot be the kernel that they are to be.
    """
    if not stacked.measured or how == EAGER:
        return choice
    try:
        rows = stacked.validation
        loops = stacked.lowered(stacked.flat_metrics, given, rows, limits=target.limits)
    except NotLowered as error:
        if how == KERNEL:
            raise CompileError(f"the metrics cannot be fused: {error}") from error
        return choice
    measured = Function((target.code(loops),), lambda runs: runs[0])
    return replace(
        choice,
        functions=[*choice.functions, measured],
        metrics=KERNEL,
        metric_names=stacked.metric_names,
    )
