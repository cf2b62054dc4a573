"""Initial parameters and optimizer states, computed once for each seed."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch

from shoal.trainable.lanes import Lanes
from shoal.trainable.losses import Loss
from shoal.trainable.optimizers import State
from shoal.trainable.problems import Leaves, Params, leaves
from shoal.trainable.process import within


class Starts:
    """Initial parameters of lanes, and the optimizer's states for them, by seed.

    Attributes:
        pattern: the structure of the parameters, once some have been given.
    """

    pattern: Params | None = None

    def __init__(
        self,
        function: Loss,
        state: Callable[[Leaves], State],
        device: torch.device,
        *,
        defaults: Mapping[str, float],
    ) -> None:
        """Start with an empty cache.

        Args:
            function: the loss, whose initial parameters may take hyperparameters besides the seed.
            state: gives the optimizer's state for the parameters of one lane.
            defaults: values of those that lanes do not bring, or that are not active in them.
        """
        self._function, self._begun, self._device = function, state, device
        self._problem, self._own = function.problem, tuple(function.declared.initial)
        self._defaults = defaults
        self._rows: dict[int, int] = {}  # where a seed stands in what follows
        self._params: Leaves = ()
        self._state: State = ()

    def of(self, lanes: Lanes, which: torch.Tensor) -> tuple[Leaves, State]:
        """Return parameters and states of the lanes at `which` (int64), each stacked."""
        if self._own:
            with within(self._problem, draws=True):  # once for all of them
                rows = [self._one(lanes, lane) for lane in which.tolist()]
            return self._stacked(rows)
        seeds = lanes.seed[which].tolist()
        new = [seed for seed in dict.fromkeys(seeds) if seed not in self._rows]
        if new:
            with within(self._problem, draws=True):
                rows = [self._leaves(seed) for seed in new]
            made = self._stacked(rows)
            self._params = _joined(self._params, made[0])
            self._state = _joined(self._state, made[1])
            first = len(self._rows)
            self._rows.update({seed: first + i for i, seed in enumerate(new)})
        at = torch.tensor([self._rows[seed] for seed in seeds], device=self._device)
        params = tuple(leaf[at] for leaf in self._params)
        return params, tuple(leaf[at] for leaf in self._state)

    def _stacked(self, rows: list[Leaves]) -> tuple[Leaves, State]:
        params = tuple(torch.stack(column).to(self._device) for column in zip(*rows, strict=True))
        state = torch.vmap(self._begun)(params)
        return params, tuple(leaf.contiguous() for leaf in state)

    def _one(self, lanes: Lanes, lane: int) -> Leaves:
        own = {}
        for name in self._own:
            column = lanes.values.get(name)
            value = math.nan if column is None else float(column[lane])
            own[name] = self._defaults[name] if math.isnan(value) else value
        return self._leaves(int(lanes.seed[lane]), **own)

    def _leaves(self, seed: int, **own: float) -> Leaves:
        params: Params = begun(self._function, seed, own)
        self.pattern = params
        return leaves(params)


def begun(function: Loss, seed: int, own: Mapping[str, float]) -> Any:
    """Return ``initial(seed, **own)``, called with hyperparameters of the parameters' dtype.

    They are float32 (torch's default dtype), or float64 where that gives parameters of float64.
    """
    given: Any = function.initial(seed, {name: torch.tensor(value) for name, value in own.items()})
    found = leaves(given) if own and isinstance(given, (tuple, dict)) else ()
    dtypes = {getattr(leaf, "dtype", None) for leaf in found}
    if dtypes != {torch.float64}:
        return given
    wide = {name: torch.tensor(value, dtype=torch.float64) for name, value in own.items()}
    return function.initial(seed, wide)


def _joined(some: Leaves, more: Leaves) -> Leaves:
    if not some:
        return more
    return tuple(torch.cat(pair) for pair in zip(some, more, strict=True))
