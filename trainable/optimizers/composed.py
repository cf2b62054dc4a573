"""An optimizer composed with a schedule and modifiers: what one fit does at each update.

    gradient → clip → optimizer, with lr · schedule(t) · warm-up(t) → parameters → their average

What is off and not given is absent from the computation.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import torch

from shoal.trainable.errors import ContractError
from shoal.trainable.optimizers.methods import Clock, Function, Named, Optimizer, State, Values
from shoal.trainable.optimizers.modifiers import MODIFIERS, averaged, clipped, warmed
from shoal.trainable.optimizers.registry import OPTIMIZERS
from shoal.trainable.optimizers.schedules import SCHEDULES, Schedule
from shoal.trainable.problems import Leaves

LR = "lr"


def hyperparameters_of(
    optimizer: str | Optimizer, schedule: str | Schedule = "constant"
) -> Mapping[str, float | None]:
    """Return the hyperparameters that a fit with these may have, each with its default.

    None: it has no default and must be given. What is off at its default is in it too.

    Raises:
        ContractError: there is no such optimizer or schedule, or they do not go together.
    """
    own, shape = _named(optimizer, schedule)
    parts = own.hyperparameters, shape.hyperparameters, _modifiers(own)
    found = {name: default for part in parts for name, default in part.items()}
    if len(found) < sum(map(len, parts)):
        twice = next(name for name in found if sum(name in part for part in parts) > 1)
        raise ContractError(
            f"two of the optimizer {own.name}, the schedule {shape.name} and what composes with "
            f"them have a hyperparameter {twice}; name one otherwise, as my_{twice}"
        )
    return found


def composed(
    optimizer: str | Optimizer,
    schedule: str | Schedule = "constant",
    *,
    given: Collection[str],
    steps: int,
) -> Composed:
    """Return an optimizer with a schedule, for fits of `steps` updates.

    Args:
        given: names of hyperparameters that fits bring, or whose value is not their default;
            names of others' may be among them.

    Raises:
        ContractError: there is no such optimizer or schedule, or they do not go together.
    """
    own, shape = _named(optimizer, schedule)
    every = hyperparameters_of(own, shape)
    off = {*own.off, *_modifiers(own)}
    return Composed(own, shape, tuple(n for n in every if n not in off or n in given), steps)


class Composed:
    """An optimizer, a schedule and modifiers, as one pair of pure functions of one fit.

    Attributes:
        name: the optimizer's.
        every: all hyperparameters that it could have, each with its default (`hyperparameters_of`).
        hyperparameters: those that it needs the value of.
        needs_clock: whether `step` reads the number of the update.
        needs_residuals: whether `step` takes the function's residuals, and no gradient.
    """

    def __init__(
        self, optimizer: Optimizer, schedule: Schedule, used: tuple[str, ...], steps: int
    ) -> None:
        modifiers = _modifiers(optimizer)
        self.name = optimizer.name
        self.every = hyperparameters_of(optimizer, schedule)
        self.hyperparameters = used
        self.needs_clock = (
            optimizer.clocked(used)
            or schedule.factor is not None
            or any(name in used and name in modifiers for name in ("warmup", "ema"))
        )
        self.needs_residuals = optimizer.needs_residuals
        self._optimizer, self._schedule, self._steps = optimizer, schedule, steps
        self._averages = "ema" in used and "ema" in modifiers
        self._lengths: dict[str, int] | None = None  # tensors of each part of the state

    def init(self, params: Leaves) -> State:
        """Return the state before the first update."""
        named = self._optimizer.init(params, self.hyperparameters)
        self._lengths = {name: len(part) for name, part in named.items()}
        average = tuple(p.clone() for p in params) if self._averages else ()
        return (*_flat(named), *average)

    def state_names(self, parameter_names: Sequence[str]) -> tuple[str, ...]:
        """Return a name for each tensor of the state, for messages: "velocity of w".

        Args:
            parameter_names: one for each tensor of the parameters.
        """
        if self._lengths is None:
            self.init(tuple(torch.zeros(()) for _ in parameter_names))
        found: list[str] = []
        for name, length in (self._lengths or {}).items():
            if length == len(parameter_names) and name not in self._optimizer.of_fit:
                found += [f"{name} of {parameter}" for parameter in parameter_names]
            else:
                found += [name] * length
        averages = [f"average of {parameter}" for parameter in parameter_names]
        return (*found, *averages) if self._averages else tuple(found)

    def step(
        self,
        function: Function,
        params: Leaves,
        state: State,
        values: Values,
        t: torch.Tensor | Clock | None,
    ) -> tuple[torch.Tensor, Leaves, State]:
        """Do one update; return the loss before it, and the new params and state.

        Args:
            values: each of `hyperparameters`, shape (); others' may be among them.
            t: updates done before this one, shape (), in the parameters' dtype; None: where no
                clock is needed.
        """
        clock = t if isinstance(t, Clock) else Clock(params[0].new_zeros(()) if t is None else t)
        h = {name: values[name] for name in self.hyperparameters}
        named = self._parts(params, state)
        if (lr := self._lr(h, clock.before)) is not None:
            h[LR] = lr

        def clipping(at: Leaves) -> tuple[torch.Tensor, Leaves]:
            loss, gradient = function.loss_and_gradient(at)
            return loss, clipped(gradient, h)

        clipped_one = Function(loss_and_gradient=clipping, residuals=function.residuals)
        loss, moved, after = self._optimizer.step(clipped_one, params, named, h, clock)
        if not self._averages:
            return loss, moved, _flat(after)
        average = averaged(state[-len(params) :], moved, clock.before, h)
        return loss, moved, (*_flat(after), *average)

    def evaluated(self, params: Leaves, state: State) -> Leaves:
        """Return the parameters that a fit is judged by, and that are kept: their average, if it
        has one. Those of stacked fits are taken too, and a state with a clock before it."""
        return state[-len(params) :] if self._averages else params

    def _lr(self, h: Values, t: torch.Tensor) -> torch.Tensor | None:
        """The learning rate of an update; None: as given."""
        factors = []
        if self._schedule.factor is not None:
            factors.append(self._schedule.factor(t, self._steps, h))
        if "warmup" in h:
            factors.append(warmed(t, self._steps, h))
        lr = h.get(LR)
        for factor in factors:
            lr = factor if lr is None else lr * factor
        return lr if factors else None

    def _parts(self, params: Leaves, state: State) -> dict[str, Leaves]:
        """A flat state by name."""
        if self._lengths is None:
            self.init(params)
        named, first = {}, 0
        for name, length in (self._lengths or {}).items():
            named[name] = state[first : first + length]
            first += length
        return named


def _flat(named: Named) -> State:
    return tuple(tensor for part in named.values() for tensor in part)


def _named(optimizer: str | Optimizer, schedule: str | Schedule) -> tuple[Optimizer, Schedule]:
    own = known(optimizer, OPTIMIZERS, "optimizer")
    shape = known(schedule, SCHEDULES, "schedule")
    if shape.factor is not None and LR not in own.hyperparameters:
        raise ContractError(
            f"the optimizer {own.name} has no {LR}, and a schedule changes that: leave "
            f"schedule={shape.name} out"
        )
    return own, shape


def known(named: Any, registry: Mapping[str, Any], what: str) -> Any:
    """Return what a name stands for; anything but a name is returned as it is.

    Raises:
        ContractError: nothing is called so.
    """
    if not isinstance(named, str):
        return named
    if named not in registry:
        raise ContractError(f"unknown {what} {named!r}; known: {', '.join(registry)}")
    return registry[named]


def _modifiers(optimizer: Optimizer) -> dict[str, float]:
    """The modifiers that compose with an optimizer."""
    if optimizer.needs_residuals:
        return {}
    return {n: v for n, v in MODIFIERS.items() if n != "warmup" or LR in optimizer.hyperparameters}
