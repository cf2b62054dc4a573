"""One fit after the other: the functions of one lane, called for each lane."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from shoal.trainable.compiling import Run
from shoal.trainable.optimizers import State
from shoal.trainable.problems import Leaves
from shoal.trainable.programs.runs import one_by_one
from shoal.trainable.programs.step import LaneValues, Step
from shoal.trainable.programs.tracing import Tensors, traced


class Alone:
    """The functions of a step, of one lane at a time.

    A trace of them does what they do, the same operations on the same numbers, without what
    ``torch.func`` costs at each call: a third to two thirds of a small net's update.
    """

    def __init__(
        self, step: Step, params: Leaves, state: State, values: LaneValues, *, recorded: bool
    ) -> None:
        """Take them.

        Args:
            params, state, values: of some lanes; the first stands for all others.
            recorded: whether traces of them are run. One of code that cannot be stacked might leave
                out what it does beside torch.
        """
        self._step, self._recorded = step, recorded
        self._params, self._state, self._values = (
            tuple(leaf[0] for leaf in part) for part in (params, state, values)
        )

    def update(self, fed: Sequence[torch.Tensor]) -> Run:
        """Return the update, for what this one is fed and all others of its shapes."""
        given = [*self._params, *self._state, *self._values]
        return self._run(self._step.lane_flat_step, given, fed)

    def loss(self) -> Run:
        """Return the loss of all rows."""
        judged = self._step.judged_with(self._state, self._values)
        return self._run(self._step.lane_flat_loss, [*self._params, *judged], self._step.data)

    def metrics(self) -> Run:
        """Return the metrics."""
        given = [*self._params, *self._values]
        return self._run(self._step.lane_flat_metrics, given, self._step.validation)

    def _run(
        self,
        function: Callable[..., Tensors],
        given: Sequence[torch.Tensor],
        rows: Sequence[torch.Tensor],
    ) -> Run:
        if not self._recorded:
            return one_by_one(function, len(given), copied=True)
        return one_by_one(traced(function, [*given, *rows]), len(given), copied=False)
