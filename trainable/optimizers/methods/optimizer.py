"""An optimizer: how the parameters of a fit move. A pure (init, update) pair, as in optax.

All functions are written for one fit. Hyperparameters are 0-dimensional tensors, so that each of
the fits that are stacked can have its own.

    p    parameters   n tensors of any shapes
    g    gradient     n tensors of the shapes of p
    t    updates      shape (): how many were done before this one
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import cached_property

import torch

from shoal.trainable.problems import Leaves

State = tuple[torch.Tensor, ...]
"""What an optimizer keeps from one update to the next, as a flat tuple."""
Named = Mapping[str, Leaves]
"""The same by name."""
Values = Mapping[str, torch.Tensor]
"""Hyperparameters by name, each of shape ()."""


class Clock:
    """The number of an update.

    Attributes:
        before: updates done before it, shape (), in the parameters' dtype.
    """

    def __init__(self, before: torch.Tensor) -> None:
        self.before = before

    @cached_property
    def after(self) -> torch.Tensor:
        """Updates done after it: computed once, where it is first asked for."""
        return self.before + 1


@dataclass(frozen=True, kw_only=True)
class Function:
    """What is minimised: the function of one fit, of its parameters alone.

    Attributes:
        loss_and_gradient: gives the loss, shape (), and its gradient, of the parameters' shapes.
        residuals: gives the residuals, shape (n,): the loss is the sum of their squares.
    """

    loss_and_gradient: Callable[[Leaves], tuple[torch.Tensor, Leaves]]
    residuals: Callable[[Leaves], torch.Tensor]


Init = Callable[[Leaves, Collection[str]], Named]
"""``init(params, used)``: the state before the first update."""
Update = Callable[[Leaves, Leaves, Named, Values, Clock], tuple[Leaves, Named]]
"""``update(params, gradient, state, values, clock)``: the new params and state."""
Step = Callable[[Function, Leaves, Named, Values, Clock], tuple[torch.Tensor, Leaves, Named]]
"""``step(function, params, state, values, clock)``: the loss before the update, and likewise."""


@dataclass(frozen=True, kw_only=True)
class Optimizer:
    """How parameters move.

    ``used`` names the hyperparameters that a fit has. One that is off at its default, and not
    given, is not among them: it is then absent from the computation, with the states it needs.

    Attributes:
        hyperparameters: its own, each with its default (None: it has none and must be given).
        off: those whose default means that they do nothing.
        init: ``init(params, used)`` gives the state: by the name of each of its parts, tensors.
        of_fit: parts of the state that are not one tensor for each of the parameters.
        step: one update; `by_gradient` makes it of an ``update(params, gradient, …)``.
        clocked: ``clocked(used)`` tells whether `step` reads the clock.
        needs_residuals: whether it takes the residuals of a sum of squares, and no gradient.
    """

    name: str
    hyperparameters: Mapping[str, float | None]
    off: frozenset[str] = frozenset()
    init: Init
    of_fit: frozenset[str] = frozenset()
    step: Step
    clocked: Callable[[Collection[str]], bool] = lambda used: False
    needs_residuals: bool = False


def by_gradient(update: Update) -> Step:
    """Return the step of an optimizer that needs nothing but the gradient."""

    def step(
        function: Function, params: Leaves, state: Named, h: Values, clock: Clock
    ) -> tuple[torch.Tensor, Leaves, Named]:
        loss, gradient = function.loss_and_gradient(params)
        return loss, *update(params, gradient, state, h, clock)

    return step


def zeros(params: Leaves) -> Leaves:
    """Return a zero for each number of the parameters."""
    return tuple(torch.zeros_like(p) for p in params)


def decayed(params: Leaves, gradient: Leaves, h: Values) -> Leaves:
    """Return the gradient of the loss and of an L2 penalty, where ``weight_decay`` is used."""
    # g ← g + λ p
    if "weight_decay" not in h:
        return gradient
    return tuple(g + h["weight_decay"] * p for p, g in zip(params, gradient, strict=True))


def descended(params: Leaves, directions: Leaves, lr: torch.Tensor) -> Leaves:
    """Return the parameters after a step of length `lr` against `directions`."""
    # p ← p - lr d
    return tuple(p - lr * d for p, d in zip(params, directions, strict=True))
