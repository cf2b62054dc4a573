"""The pure step of one fit (lane), stacked over a block of them by ``torch.vmap``.

B       lanes in the block
params  the leaves of the parameters, each of shape (B, *leaf)
state   the optimizer's state, each of shape (B, *leaf)
values  the hyperparameters, each of shape (B,)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch.fx import GraphModule

from shoal.trainable.fused import LANES, lower, target_of
from shoal.trainable.fused.loops import Limits, Loops, NotLowered
from shoal.trainable.lanes import Lanes
from shoal.trainable.optimizers import OPTIMIZERS, Optimizer, State
from shoal.trainable.problems import (
    Fold,
    Hyperparameters,
    Leaves,
    Params,
    described,
    hyperparameters,
    instance_of,
    leaves,
    like,
    loss_of,
    metrics_of,
    names,
    prepared_of,
    rebuilt,
    rows_of,
    tensors,
    to_device,
)
from shoal.trainable.programs.starts import Starts
from shoal.trainable.programs.tracing import Tensors, Work, traced, work_of

LaneValues = tuple[torch.Tensor, ...]
"""The hyperparameters of some lanes, in the order of their names."""

Stepped = tuple[torch.Tensor, Leaves, State]


class Stacked:
    """A problem and an optimizer, whose step many lanes do at once on `device`.

    Attributes:
        block: how many lanes `count` divides the work by.
        data: the tensors that all lanes share; validation: likewise, for metrics alone.
        metric_names: of the metrics, once they have been computed or traced.
    """

    metric_names: tuple[str, ...] = ()

    def __init__(
        self,
        problem: type,
        *,
        optimizer: str,
        shape: dict[str, Any],
        defaults: dict[str, float],
        block: int,
        device: str,
        fold: Fold | None = None,
    ) -> None:
        """Make the problem and its data.

        Args:
            shape: the constructor's arguments (the shape hyperparameters but for the optimizer).
            defaults: values of the hyperparameters that lanes do not bring.
            fold: the rows that are left out, to judge by; None: all are fitted to.
        """
        self.block, self.device = block, torch.device(device)
        self.optimizer: Optimizer = OPTIMIZERS[optimizer]
        self.declared: Hyperparameters = hyperparameters(problem)
        self._problem: Any = instance_of(problem, shape)
        data, validation = rows_of(self._problem, fold)
        self._data = to_device(data, self.device)
        self.data: list[torch.Tensor] = tensors(self._data)
        self._validation: Any = ()
        if self.measured:
            self._validation = to_device(validation, self.device)
        self.validation: list[torch.Tensor] = tensors(self._validation)
        self._defaults = defaults
        self._starts = Starts(
            self._problem,
            self.optimizer,
            self.device,
            own=tuple(self.declared.initial),
            defaults=defaults,
        )
        self._names = tuple({**self.declared.own, **self.optimizer.hyperparameters})

    @property
    def measured(self) -> bool:
        """Whether the problem has metrics."""
        return self.declared.metrics is not None

    @property
    def prepared(self) -> dict[str, torch.Tensor]:
        """What the problem's ``prepare()`` has returned."""
        return prepared_of(self._problem)

    @property
    def dtype(self) -> torch.dtype:
        """The parameters' dtype, which hyperparameters take on too."""
        return leaves(self._like)[0].dtype

    @property
    def _like(self) -> Params:
        if self._starts.pattern is None:
            raise RuntimeError("initial() gives the structure of the parameters: call it first")
        return self._starts.pattern

    def values(self, lanes: Lanes, which: torch.Tensor) -> LaneValues:
        """Return the hyperparameters of the lanes at `which` (int64), each of its shape."""
        found = []
        for name in self._names:
            column = lanes.values.get(name)
            if column is None:
                value = torch.full(which.shape, self._defaults[name], dtype=torch.float64)
            else:
                value = column[which]
            found.append(value.to(self.dtype).to(self.device))
        return tuple(found)

    def initial(self, lanes: Lanes, which: torch.Tensor) -> tuple[Leaves, State]:
        """Return the initial parameters and optimizer states of the lanes at `which` (int64)."""
        return self._starts.of(lanes, which)

    @property
    def parameter_names(self) -> tuple[str, ...]:
        """A name for each of the parameters."""
        return names(self._like)

    def flat_step(self, *flat: torch.Tensor, updates: int = 1) -> Tensors:
        """`stacked_step` on a flat list, `updates` times: params, state, values and data, in any
        dtype. Return the losses before the last update, params and state."""
        p, v = len(leaves(self._like)), len(self._names)
        rest = len(flat) - v - len(self.data)
        params, state, values = flat[:p], flat[p:rest], flat[rest : rest + v]
        data = rebuilt(self._data, flat[rest + v :])
        for _ in range(updates):
            loss, params, state = self.stacked_step(params, state, values, data)
        return (loss, *params, *state)

    def flat_loss(self, *flat: torch.Tensor) -> Tensors:
        """Return the losses, from a flat list of params, values and data."""
        p, v = len(leaves(self._like)), len(self._names)
        data = rebuilt(self._data, flat[p + v :])
        stacked = torch.vmap(self._lane_loss, in_dims=(0, 0, None))
        return (stacked(flat[:p], flat[p : p + v], data),)

    def flat_metrics(self, *flat: torch.Tensor) -> Tensors:
        """Return the metrics, each (B,), from a flat list of params, values and validation rows."""
        p, v = len(leaves(self._like)), len(self._names)
        rows = rebuilt(self._validation, flat[p + v :])
        stacked = torch.vmap(self._lane_metrics, in_dims=(0, 0, None))
        made: Tensors = stacked(flat[:p], flat[p : p + v], rows)
        return made

    def stacked_step(
        self, params: Leaves, state: State, values: LaneValues, data: Any = None
    ) -> Stepped:
        """One update by ``torch.vmap`` at each call; `chunk` runs a trace of this."""
        step = torch.vmap(self.lane_step, in_dims=(0, 0, 0, None))
        return step(params, state, values, self._data if data is None else data)

    def lane_step(
        self, params: Leaves, state: State, values: LaneValues, data: Any = None
    ) -> Stepped:
        """One update of one lane: tensors without the axis of lanes."""
        named = dict(zip(self._names, values, strict=True))
        loss, gradient = self._loss_and_gradient(params, named, data)
        moved, state = self.optimizer.update(params, leaves(gradient), state, named)
        return loss, moved, state

    def _lane_loss(self, params: Leaves, values: LaneValues, data: Any) -> torch.Tensor:
        named = dict(zip(self._names, values, strict=True))
        loss: torch.Tensor = self._loss_and_gradient(params, named, data)[0]
        return loss

    def lane_metrics(
        self, params: Leaves, values: LaneValues, rows: Any = None
    ) -> dict[str, torch.Tensor]:
        """The metrics of one lane, in the parameters' dtype."""
        named = dict(zip(self._names, values, strict=True))
        own = {name: named[name] for name in self.declared.metrics or ()}
        rows = self._validation if rows is None else rows
        found = metrics_of(self._problem, like(self._like, params), rows, own)
        self.metric_names = tuple(found)
        return {name: value.to(params[0].dtype) for name, value in found.items()}

    def _lane_metrics(self, params: Leaves, values: LaneValues, rows: Any) -> Tensors:
        return tuple(self.lane_metrics(params, values, rows).values())

    def _loss_and_gradient(self, params: Leaves, named: dict[str, torch.Tensor], data: Any) -> Any:
        own = {name: named[name] for name in self.declared.loss}
        data = self._data if data is None else data
        return loss_of(self._problem, like(self._like, params), data, own)

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
    ) -> Loops:
        """Return a function as loops over named axes.

        Args:
            given: its first arguments, of any lanes; rows: its last ones; None: the data.
            limits: of the kernels that are to be written of them.

        Raises:
            NotLowered: it is not expressible as such; says why.
        """
        few = [tensor[:1].expand(LANES, *tensor.shape[1:]) for tensor in given]
        graph, _ = self.traced(function, few, rows)
        return lower(graph, len(few), self.data if rows is None else rows, limits)

    def count(self, params: Leaves, state: State, values: LaneValues) -> Work:
        """Return the cost of one update of one lane, from a trace of `LANES` lanes."""
        given = [*params, *state, *values]
        graph, _ = self.traced(self.flat_step, given)
        work = work_of(graph, self.block)
        try:
            target = target_of(self.device.type)
            return replace(
                work, fused=target.cost(lower(graph, len(given), self.data, target.limits))
            )
        except NotLowered as error:
            return replace(work, unfused=str(error))

    def describe(self, params: Leaves) -> str:
        """Return the problem's own words for one lane's parameters (B = 1), if it has any."""
        lane = like(self._like, tuple(leaf[0] for leaf in params))
        return described(self._problem, lane)
