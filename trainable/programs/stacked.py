"""The step of one fit (lane), stacked over a block of them by ``torch.vmap``, and traced.

B       lanes in the block
params  the leaves of the parameters, each of shape (B, *leaf)
state   the optimizer's state, each of shape (B, *leaf)
values  the hyperparameters, each of shape (B,)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace

import torch
from torch.fx import GraphModule

from shoal.trainable.fused import LANES, Target, lower, target_of
from shoal.trainable.fused.loops import Limits, Loops, NotLowered
from shoal.trainable.fused.pieces import Calls, Partition, calls_of, partitioned
from shoal.trainable.optimizers import State
from shoal.trainable.private import unwarned
from shoal.trainable.problems import (
    Leaves,
    leaves,
    rebuilt,
)
from shoal.trainable.programs.decomposing import decomposed
from shoal.trainable.programs.step import LaneValues, Step, Stepped
from shoal.trainable.programs.tracing import Tensors, Work, products_of, traced, work_of


class Stacked(Step):
    """A step that many lanes do at once."""

    def flat_step(self, *flat: torch.Tensor, updates: int = 1) -> Tensors:
        """`stacked_step` on a flat list, `updates` times: params, state, values and what an update
        is fed, in any dtype. Return the losses before the last update, params and state."""
        p, v = self._widths
        rest = len(flat) - v - len(self.sample)
        params, state, values = flat[:p], flat[p:rest], flat[rest : rest + v]
        for _ in range(updates):
            loss, params, state = self.stacked_step(params, state, values, flat[rest + v :])
        return (loss, *params, *state)

    def flat_loss(self, *flat: torch.Tensor) -> Tensors:
        """Return the losses, from a flat list of params, `judged_with`, and data."""
        p = len(leaves(self._like))
        rest = len(flat) - len(self.data)
        stacked = torch.vmap(self._lane_loss, in_dims=(0, 0, None))
        return (stacked(flat[:p], flat[p:rest], flat[rest:]),)

    def flat_metrics(self, *flat: torch.Tensor) -> Tensors:
        """Return the metrics, each (B,), from a flat list of params, values and validation rows."""
        p, v = self._widths
        rows = rebuilt(self._validation, flat[p + v :])
        stacked = torch.vmap(self._lane_metrics, in_dims=(0, 0, None))
        made: Tensors = stacked(flat[:p], flat[p : p + v], rows)
        return made

    def stacked_step(
        self,
        params: Leaves,
        state: State,
        values: LaneValues,
        fed: Sequence[torch.Tensor] | None = None,
    ) -> Stepped:
        """One update by ``torch.vmap`` at each call; `chunk` runs a trace of this.

        Args:
            fed: what the update takes (`Feed.at`); None: the first one's.
        """
        step = torch.vmap(self.lane_step, in_dims=(0, 0, 0, None))
        with unwarned():
            made: Stepped = step(params, state, values, tuple(self.sample if fed is None else fed))
        return made

    def traced(
        self,
        function: Callable[..., Tensors],
        given: Sequence[torch.Tensor],
        rows: Sequence[torch.Tensor] | None = None,
    ) -> tuple[GraphModule, list[torch.Tensor]]:
        """A function's trace, and the arguments that it was made with.

        Args:
            given: its first arguments; rows: its last ones; None: the data.
        """
        arguments = [*given, *(self.data if rows is None else rows)]
        return traced(function, arguments), arguments

    def lowered(
        self,
        function: Callable[..., Tensors],
        given: Sequence[torch.Tensor],
        rows: Sequence[torch.Tensor] | None = None,
        limits: Limits = Limits(),  # noqa: B008  # it is frozen
        fixed: int | None = None,
    ) -> Loops:
        """Return a function as loops over named axes.

        Args:
            given: its first arguments, of any lanes; rows: its last ones; None: the data.
            limits: of the kernels that are to be written of them.
            fixed: how many of the rows' tensors never change (`Feed.fixed`); None: all.

        Raises:
            NotLowered: it is not expressible as such; says why.
        """
        few = _few(given)
        shared = self.data if rows is None else rows
        try:
            return self._lowered(self.traced(function, few, rows)[0], few, shared, limits, fixed)
        except NotLowered:
            if function != self.flat_loss:
                raise
            with suppress(NotLowered):
                graph, _ = self.traced(self._loss_by_parts, few, rows)
                return self._lowered(graph, few, shared, limits)
            raise

    def divided(
        self,
        function: Callable[..., Tensors],
        given: Sequence[torch.Tensor],
        rows: Sequence[torch.Tensor] | None,
        limits: Limits,
        fixed: int | None,
    ) -> tuple[Partition, Calls]:
        """Return a function as kernels and calls of torch, these of `block` lanes; the arguments
        are those of `lowered`.

        Raises:
            NotLowered: it cannot be divided so; says why.
        """
        shared = self.data if rows is None else rows
        graphs = []
        for lanes in (LANES, self.block):
            some = [tensor[:1].expand(lanes, *tensor.shape[1:]) for tensor in given]
            graphs.append(decomposed(self.traced(function, some, rows)[0], len(given)))
        few, block = graphs
        limits = self._limits(limits, shared, fixed)
        partition = partitioned(few, len(given), shared, limits, fixed, like=block)
        return partition, calls_of(block, partition)

    def _loss_by_parts(self, *flat: torch.Tensor) -> Tensors:
        """`flat_loss`, with functions that torch knows by their parts as these: ``torch.vmap``
        calls them for one fit after the other, but where there may be a gradient of them."""

        def one(params: Leaves, rest: LaneValues, rows: Sequence[torch.Tensor]) -> torch.Tensor:
            loss: torch.Tensor = torch.func.vjp(lambda at: self._lane_loss(at, rest, rows), params)[
                0
            ]
            return loss

        p = len(leaves(self._like))
        end = len(flat) - len(self.data)
        return (torch.vmap(one, in_dims=(0, 0, None))(flat[:p], flat[p:end], flat[end:]),)

    def unfused_metrics(self, params: Leaves, values: LaneValues) -> str:
        """Return why the metrics cannot be a kernel; empty: they can."""
        target = target_of(self.device.type)
        given = [*params, *values]
        try:
            self.lowered(self.flat_metrics, given, self.validation, limits=target.limits)
        except NotLowered as error:
            return str(error)
        return ""

    def count(self, params: Leaves, state: State, values: LaneValues) -> Work:
        """Return the cost of one update of one lane, from a trace of `LANES` lanes."""
        given = _few([*params, *state, *values])
        graph, _ = self.traced(self.flat_step, given, self.sample)
        work = work_of(graph, LANES)
        try:
            target = target_of(self.device.type)
            loops = self._lowered(graph, given, self.sample, target.limits, self.feed.fixed)
            return replace(work, fused=target.cost(loops), instructions=loops.instructions)
        except NotLowered as error:
            alone = self._work_alone(params, state, values)
            work = replace(
                work,
                unfused=str(error),
                alone_operations=alone.operations,
                alone_bytes=alone.moved_bytes,
                alone_products=alone.alone_products,
            )
        with suppress(NotLowered):
            target = target_of(self.device.type)
            return self._in_pieces(graph, given, work, target)
        return work

    def _work_alone(self, params: Leaves, state: State, values: LaneValues) -> Work:
        """The cost of one update of one lane that is not stacked, by a trace; none where the trace
        gives something else than the step."""
        given = [leaf[0] for leaf in (*params, *state, *values)]
        arguments = [*given, *self.sample]
        graph = traced(self.lane_flat_step, arguments)
        expected = self.lane_flat_step(*(tensor.clone() for tensor in arguments))
        found = graph(*(tensor.clone() for tensor in arguments))
        same = all(
            bool(((a == b) | (a.isnan() & b.isnan())).all())
            for a, b in zip(found, expected, strict=True)
        )
        if not same:
            return Work()
        return replace(work_of(graph, 1), alone_products=products_of(graph))

    def _in_pieces(
        self, graph: GraphModule, given: Sequence[torch.Tensor], work: Work, target: Target
    ) -> Work:
        """The cost, where the trace is kernels and calls of torch."""
        few, fixed = decomposed(graph, len(given)), self.feed.fixed
        more = [torch.cat([tensor, tensor]) for tensor in given]
        like = decomposed(self.traced(self.flat_step, more, self.sample)[0], len(given))
        limits = self._limits(target.limits, self.sample, fixed)
        partition = partitioned(few, len(given), self.sample, limits, fixed, like=like)
        return replace(
            work,
            fused=max(1, sum(target.cost(loops) for loops in partition.loops)),
            instructions=sum(loops.instructions for loops in partition.loops),
            calls=partition.reasons,
            called_bytes=partition.called_bytes,
        )

    def _lowered(
        self,
        graph: GraphModule,
        given: Sequence[torch.Tensor],
        rows: Sequence[torch.Tensor],
        limits: Limits,
        fixed: int | None = None,
    ) -> Loops:
        limits = self._limits(limits, rows, fixed)
        return lower(decomposed(graph, len(given)), len(given), rows, limits, fixed)

    def _limits(self, limits: Limits, rows: Sequence[torch.Tensor], fixed: int | None) -> Limits:
        """The limits for a trace. The rows of a batch are a long axis, however few they are: the
        last ones of an epoch make no kernel too large that is not for the others."""
        if fixed is None or self.feed.batches is None:
            return limits
        return replace(limits, min_long=min(limits.min_long, max(2, len(rows[0]))))


def _few(given: Sequence[torch.Tensor]) -> list[torch.Tensor]:
    """The first lane of each tensor, as many times as a trace is made of."""
    return [tensor[:1].expand(LANES, *tensor.shape[1:]) for tensor in given]
