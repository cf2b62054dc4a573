"""The pure step of one fit (lane): loss, gradient, and how the optimizer moves.

B       lanes in the block
params  the leaves of the parameters, each of shape (B, *leaf)
state   the optimizer's state, each of shape (B, *leaf)
values  the hyperparameters, each of shape (B,)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from shoal.trainable.feeding import Feed
from shoal.trainable.lanes import Lanes
from shoal.trainable.losses import KEY, Given, Loss, joined, key_of, loss_of, only
from shoal.trainable.optimizers import OPTIMIZERS, Optimizer, State
from shoal.trainable.problems import (
    STEP,
    Fold,
    Hyperparameters,
    Leaves,
    Params,
    described,
    hyperparameters,
    instance_of,
    leaves,
    like,
    names,
    prepared_of,
    rebuilt,
    rows_of,
    tensors,
    to_device,
)
from shoal.trainable.programs.starts import Starts
from shoal.trainable.programs.tracing import Tensors

LaneValues = tuple[torch.Tensor, ...]
"""The hyperparameters of some lanes, in the order of their names."""

Stepped = tuple[torch.Tensor, Leaves, State]


class Step:
    """A problem and an optimizer on `device`.

    Attributes:
        block: lanes in one tensor operation.
        data: the tensors that all lanes share; validation: likewise, for metrics alone.
        feed: what each update takes of the data; sample: the tensors of one update.
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
        self._function: Loss = loss_of(self._problem, self.declared)
        data, validation = rows_of(self._problem, fold)
        self._data = to_device(data, self.device)
        self.data: list[torch.Tensor] = tensors(self._data)
        index = 0 if fold is None else fold.index
        self.feed = Feed(self._problem, self._data, fold=index, device=self.device)
        self.sample: list[torch.Tensor] = self.data
        if self.feed.together:
            self.sample = self.feed.at(0, 0)
        self._validation: Any = ()
        if self.measured:
            self._validation = to_device(validation, self.device)
        self.validation: list[torch.Tensor] = tensors(self._validation)
        self._defaults = defaults
        self._starts = Starts(
            self._function,
            self.optimizer,
            self.device,
            defaults=defaults,
            timed=STEP in self.declared.given,
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
        """Return the hyperparameters of the lanes at `which` (int64), each of its shape; and parts
        of their seeds, where the loss draws from them."""
        found = []
        for name in self._names:
            column = lanes.values.get(name)
            if column is None:
                value = torch.full(which.shape, self._defaults[name], dtype=torch.float64)
            else:
                value = column[which]
            found.append(value)
        if self._function.draws:
            found += key_of(lanes.seed[which])
        return tuple(value.to(self.dtype).to(self.device) for value in found)

    def initial(self, lanes: Lanes, which: torch.Tensor) -> tuple[Leaves, State]:
        """Return the initial parameters and optimizer states of the lanes at `which` (int64)."""
        return self._starts.of(lanes, which)

    @property
    def parameter_names(self) -> tuple[str, ...]:
        """A name for each of the parameters."""
        return names(self._like)

    @property
    def _widths(self) -> tuple[int, int]:
        """How many tensors the parameters are, and the hyperparameters."""
        key = len(KEY) if self._function.draws else 0
        return len(leaves(self._like)), len(self._names) + key

    def judged_with(self, state: State, values: LaneValues) -> LaneValues:
        """Return what losses are computed with besides parameters: the hyperparameters, and the
        updates done where the loss takes them."""
        return (*values, state[0]) if STEP in self.declared.given else values

    def lane_step(
        self,
        params: Leaves,
        state: State,
        values: LaneValues,
        fed: Sequence[torch.Tensor] | None = None,
    ) -> Stepped:
        """One update of one lane: tensors without the axis of lanes."""
        function, named = self._function, self._named(values)
        data, noise = self.feed.taken(self.sample if fed is None else fed)
        clock = state[:1] if self._starts.timed else ()
        whole = like(self._like, params)
        made = function.made(
            whole, data, self._given(named, clock[0] if clock else None, noise, values)
        )
        trained = function.trained(whole)
        moved, kept = self.optimizer.update(
            only(params, trained), made.gradient, state[len(clock) :], named
        )
        after = joined(trained, moved, made.buffers)
        return made.loss, after, (*(t + 1 for t in clock), *kept)

    def lane_flat_step(self, *flat: torch.Tensor) -> Tensors:
        """`lane_step` on a flat list: params, state, values and what the update is fed."""
        p, v = self._widths
        rest = len(flat) - v - len(self.sample)
        loss, params, state = self.lane_step(
            flat[:p], flat[p:rest], flat[rest : rest + v], flat[rest + v :]
        )
        return (loss, *params, *state)

    def lane_flat_loss(self, *flat: torch.Tensor) -> Tensors:
        """The loss of one lane, from a flat list of params, `judged_with`, and data."""
        p, rest = self._widths[0], len(flat) - len(self.data)
        return (self._lane_loss(flat[:p], flat[p:rest], flat[rest:]),)

    def lane_flat_metrics(self, *flat: torch.Tensor) -> Tensors:
        """The metrics of one lane, from a flat list of params, values and validation rows."""
        p, v = self._widths
        rows = rebuilt(self._validation, flat[p + v :])
        return self._lane_metrics(flat[:p], flat[p : p + v], rows)

    def _named(self, values: LaneValues) -> dict[str, torch.Tensor]:
        return dict(zip(self._names, values[: len(self._names)], strict=True))

    def _given(
        self,
        named: dict[str, torch.Tensor],
        step: torch.Tensor | None,
        noise: Any,
        values: LaneValues,
    ) -> Given:
        """What the loss of one lane is computed with."""
        own = {name: named[name] for name in self.declared.loss}
        key = values[len(self._names) :] if self._function.draws else ()
        return Given(own=own, step=step, noise=noise, key=key)

    def _lane_loss(
        self, params: Leaves, values: LaneValues, rows: Sequence[torch.Tensor]
    ) -> torch.Tensor:
        named = self._named(values)
        step = values[-1] if STEP in self.declared.given else None
        given = Given(own={name: named[name] for name in self.declared.loss}, step=step)
        return self._function.value(like(self._like, params), rebuilt(self._data, rows), given)

    def lane_metrics(
        self, params: Leaves, values: LaneValues, rows: Any = None
    ) -> dict[str, torch.Tensor]:
        """The metrics of one lane, in the parameters' dtype."""
        named = self._named(values)
        own = {name: named[name] for name in self.declared.metrics or ()}
        rows = self._validation if rows is None else rows
        found = self._function.metrics(like(self._like, params), rows, own)
        self.metric_names = tuple(found)
        return {name: value.to(params[0].dtype) for name, value in found.items()}

    def _lane_metrics(self, params: Leaves, values: LaneValues, rows: Any) -> Tensors:
        return tuple(self.lane_metrics(params, values, rows).values())

    def describe(self, params: Leaves) -> str:
        """Return the problem's own words for one lane's parameters (B = 1), if it has any."""
        lane = like(self._like, tuple(leaf[0] for leaf in params))
        return described(self._problem, lane)
