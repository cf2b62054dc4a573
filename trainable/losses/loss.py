"""What a loss is, however a problem writes it: by hand, alone, as residuals, or of a module.

Everything here is of one fit: tensors have no dimension of fits.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar

import torch

from shoal.trainable.problems import (
    NOISE,
    STEP,
    Hyperparameters,
    Leaves,
    Params,
    initial_of,
    leaves,
    metrics_of,
    of_names,
    predicted,
    residuals_of,
)

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Given:
    """What a loss is computed with, besides parameters and data.

    Attributes:
        own: hyperparameters by name, each of shape ().
        step: updates done before, shape (), in the parameters' dtype; None: not known.
        noise: what the problem's ``noise`` has returned for this update; None: there is none.
        key: numbers of shape () that masks of dropout are drawn from; empty: none are.
    """

    own: Mapping[str, torch.Tensor]
    step: torch.Tensor | None = None
    noise: Any = None
    key: Leaves = ()

    def taken(self, names: tuple[str, ...]) -> dict[str, Any]:
        """Return what a loss takes of ``step`` and ``noise``."""
        values = {STEP: self.step, NOISE: self.noise}
        return {name: values[name] for name in names}


class Made(NamedTuple):
    """A loss at some parameters.

    Attributes:
        loss: shape ().
        gradient: one for each parameter that is trained, of its shape.
        buffers: new values of all others, such as a module's running means, and of what is frozen.
    """

    loss: torch.Tensor
    gradient: Leaves
    buffers: Leaves = ()


@dataclass
class Loss(ABC):
    """The loss of a problem's instance.

    Attributes:
        draws: whether what it computes in training is random (dropout): it needs a key.
    """

    problem: Any
    declared: Hyperparameters
    draws: bool = field(default=False, init=False)

    def initial(self, seed: int, own: Mapping[str, torch.Tensor]) -> Any:
        """Return the initial parameters, as the problem gives them."""
        return initial_of(self.problem, seed, own)

    def trained(self, params: Params) -> tuple[bool, ...]:
        """Return which leaves an optimizer moves; all others are buffers."""
        return (True,) * len(leaves(params))

    @abstractmethod
    def made(self, params: Params, data: Any, given: Given) -> Made:
        """Return loss and gradient in training."""

    @abstractmethod
    def value(self, params: Params, data: Any, given: Given) -> torch.Tensor:
        """Return the loss alone; of a module in evaluation."""

    def residuals(self, params: Params, data: Any, given: Given) -> torch.Tensor:
        """Return what the loss is the sum of squares of, shape (n,).

        Raises:
            ContractError: the problem has no such method.
        """
        return residuals_of(self.problem, params, data, given.own)

    def metrics(self, params: Params, rows: Any, own: Mapping[str, torch.Tensor]) -> Any:
        """Return what the problem's ``metrics`` does."""
        return metrics_of(self.problem, params, rows, own)

    def predicted(self, params: Params, x: torch.Tensor) -> Any:
        """Return what the problem's ``predict`` does."""
        return predicted(self.problem, params, x)

    def params(self, named: Mapping[str, torch.Tensor]) -> Params:
        """Return saved parameters as the problem's methods take them."""
        return of_names(named)


def joined(trained: tuple[bool, ...], moved: Leaves, buffers: Leaves) -> Leaves:
    """Return the leaves of parameters from those that are trained, and the buffers, in order."""
    if not buffers:
        return moved
    one, other = iter(moved), iter(buffers)
    return tuple(next(one) if is_trained else next(other) for is_trained in trained)


def only(values: tuple[T, ...], trained: tuple[bool, ...]) -> tuple[T, ...]:
    """Return those of the leaves that are trained."""
    return tuple(value for value, is_trained in zip(values, trained, strict=True) if is_trained)
